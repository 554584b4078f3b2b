"""A real `lineside-edge run` process that trusts nobody yet, and takes its one-time code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.enrolment import address_file, create_home
from edge_runtime.pairing.code_file import CodeFile, Standing
from edge_runtime.service.trust import TrustStore
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """\
name = "{name}"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = "127.0.0.1:0"
[inference]
http = ""
[spool]
reserve_bytes = 0
"""


class ImagedBox:
    """A home and the process in it."""

    def __init__(self, folder: Path, name: str = "line-9") -> None:
        self.home = folder / name
        self.facts = create_home(self.home, name=name, config=CONFIG.format(name=name))
        self.codes = CodeFile(self.home)
        self.process: subprocess.Popen[str] | None = None

    def start(self, module: str = "edge_runtime", **environment: str) -> None:
        """Start it, or ``module`` in its place, and wait until it takes a code."""
        offered = len(self._offers())
        self.run(module, **environment)
        wait_until(lambda: len(self._offers()) > offered, 30, "the box to take a code")

    def run(self, module: str = "edge_runtime", **environment: str) -> None:
        """As :meth:`start`, and wait for nothing."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "run", "--home", str(self.home)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_at(self, port: int) -> None:
        """As :meth:`run`, with its listener for desktops where it was before; wait for that."""
        config = self.home / "edge.toml"
        config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{port}"'))
        address_file(self.home).unlink(missing_ok=True)
        self.run()
        wait_until(address_file(self.home).exists, 30, "the box to listen")

    def is_shut(self) -> bool:
        """Nothing listens where it took its code."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        return False

    @property
    def log(self) -> str:
        path = self.home / "log" / "edge.log"
        return path.read_text("utf-8") if path.exists() else ""

    @property
    def port(self) -> int:
        """Where it takes its code, or took it."""
        return int(self._offers()[-1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def standing(self) -> Standing:
        standing = self.codes.read()
        assert standing is not None
        return standing

    @property
    def code(self) -> str:
        return self.standing().code

    def wrong_code(self) -> str:
        """Differs from the right one in its last letter."""
        code = self.code
        return code[:-1] + ("0" if code[-1] != "0" else "1")

    def trusts(self) -> set[str]:
        return set(TrustStore(self.home).pinned())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> str:
        """What it wrote to stderr, once it has ended."""
        assert self.process is not None
        self.process.send_signal(how)
        _out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == (0 if how == signal.SIGTERM else -how)
        self.process = None
        return err

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _offers(self) -> list[str]:
        return re.findall(r"by its code, on port (\d+)", self.log)


@contextmanager
def imaged_box(folder: Path, name: str = "line-9") -> Iterator[ImagedBox]:
    """One that runs; whatever is left of it at the end is killed."""
    box = ImagedBox(folder, name)
    try:
        box.start()
        yield box
    finally:
        box.kill()
