"""A small disk that only one mount namespace sees, and a box whose home lies on it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable
from edge_runtime.identity import Identity
from tests.fakes.box_process import EDGE, BoxProcess
from tests.waiting import wait_until

DISK_BYTES = 16 * 2**20
needed = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root"),
    pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("nsenter")), reason="needs unshare and nsenter"),
]
_GREEDY = """
import sys, time
with open(sys.argv[1], "wb", buffering=0) as file:
    print("full", flush=True)
    while True:
        try:
            file.write(b"0" * 4096)
        except OSError:
            time.sleep(0.001)
"""


class SmallDisk:
    """A tmpfs that only its own mount namespace sees; :attr:`view` is how everybody else gets at it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        mount = f"mount -t tmpfs -o size={DISK_BYTES} tmpfs {folder} && echo mounted && exec cat"
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"mounted\n"
        self.view = Path(f"/proc/{self._keeper.pid}/root{folder}")
        self.inside = ["nsenter", "--target", str(self._keeper.pid), "--mount"]
        self._fillers = 0

    def fill(self) -> None:
        """Take the last byte."""
        self._fillers += 1
        with suppress(OSError), (self.view / f"filler-{self._fillers}").open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536 if self.free >= 65536 else b"\0")
        assert self.free == 0

    @contextmanager
    def filled_for_ever(self) -> Iterator[None]:
        """Meanwhile another program takes every byte that comes free."""
        self._fillers += 1
        greedy = subprocess.Popen(
            [sys.executable, "-c", _GREEDY, self.view / f"filler-{self._fillers}"], stdout=subprocess.PIPE
        )
        assert greedy.stdout is not None
        try:
            assert greedy.stdout.readline() == b"full\n"
            yield
        finally:
            greedy.kill()
            greedy.communicate()

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``; nothing on it may be open for writing."""
        subprocess.run([*self.inside, "mount", "-o", f"remount,{how}", str(self.folder)], check=True)

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.view).free

    def clear(self) -> None:
        """Give back what :meth:`fill` took."""
        for filler in self.view.glob("filler-*"):
            filler.unlink()

    def close(self) -> None:
        self._keeper.communicate()


@dataclass
class SmallBox(BoxProcess):
    """A box whose home lies on the small disk; :attr:`home` is the view of it from outside.

    Its port is its own, for a full disk may have no room to tell it.
    """

    own_port: int = 0

    @property
    def port(self) -> int:
        return self.own_port

    def run_in(self, disk: SmallDisk) -> None:
        """Begin, and wait for nothing."""
        self.process = subprocess.Popen([*disk.inside, *EDGE, "run", "--home", str(disk.folder / "box")])

    def run_on(self, disk: SmallDisk, desktop: Identity) -> None:
        self.run_in(disk)
        wait_until(lambda: self._answers(desktop), 30, "the box")

    def _answers(self, desktop: Identity) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the box does not run"
        with suppress(BoxUnreachable, BoxRefused), self.client(desktop) as client:
            return client.status().uptime_s > 0
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
