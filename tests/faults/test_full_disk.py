"""A real box on a real disk that is full to the last byte: it infers, tells what it had to let go, and heals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, Row, SampleRow, Stream
from edge_runtime.identity import Identity
from tests.fakes import models
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess
from tests.faults.conftest import Committed
from tests.waiting import wait_until

DISK_BYTES = 16 * 2**20
SMALL_MEMORY = CONFIG.replace("reserve_bytes = 0", "reserve_bytes = 0\nmemory_bytes = 65536")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root"),
    pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("nsenter")), reason="needs unshare and nsenter"),
]


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

    def run_on(self, disk: SmallDisk, desktop: Identity) -> None:
        self.process = subprocess.Popen([*disk.inside, *EDGE, "run", "--home", str(disk.folder / "box")])
        wait_until(lambda: self._answers(desktop), 30, "the box")

    def _answers(self, desktop: Identity) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the box does not run on a full disk"
        with suppress(BoxUnreachable, BoxRefused), self.client(desktop) as client:
            return client.status().uptime_s > 0
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def desktop(committed: Committed) -> Identity:
    return committed.desktop


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture
def box(tmp_path: Path, disk: SmallDisk, committed: Committed) -> Iterator[SmallBox]:
    """Answers with a committed model."""
    port = free_port()
    config = SMALL_MEMORY.replace("127.0.0.1:0", f"127.0.0.1:{port}")
    made = committed.copy(disk.view / "box", tmp_path / "frames", config)
    box = SmallBox(made.home, made.frames, made.facts, own_port=port)
    try:
        box.run_on(disk, committed.desktop)
        yield box
    finally:
        if box.process is not None:
            box.process.kill()
            box.process.wait()


def fetch(client: BoxClient, stream: Stream) -> tuple[Row, ...]:
    return client.page(stream, 0, 5000).rows


def put(box: SmallBox, first: int, count: int) -> None:
    for number in range(first, first + count):
        box.put_frame(f"frame-{number:05}.png", models.frame(number % 250) + number.to_bytes(4, "big"))


def answered(client: BoxClient, frames: int) -> None:
    wait_until(lambda: client.status().pipelines[0].frames >= frames, 30, f"{frames} frames to be answered")


def lost(client: BoxClient) -> Counter[str]:
    losses: Counter[str] = Counter()
    for row in fetch(client, "losses"):
        assert isinstance(row, LossRow)
        assert row.reason in {"disk.full", "power.cut"}
        losses[row.stream] += row.count
    return losses


def heal(client: BoxClient, disk: SmallDisk) -> None:
    disk.clear()
    wait_until(lambda: client.status().spool.problem is None, 20, "the spool to heal")
    wait_until(lambda: not client.status().spool.in_memory, 10, "the memory to be written")


def check_account(client: BoxClient, frames: int) -> None:
    """Every frame has its answer and its sample, or the ledger says that it has not."""
    results = [row for row in fetch(client, "results") if isinstance(row, ResultRow)]
    samples = [row for row in fetch(client, "samples") if isinstance(row, SampleRow)]
    losses = lost(client)
    assert len({row.frame for row in results}) == len(results)
    assert len(results) + losses["results"] == frames
    assert len(samples) + losses["samples"] == frames
    for row in samples:
        assert client.sample(row.sample)


def test_a_disk_that_fills_up_stops_nothing_and_is_told_exactly(
    box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    with box.client(desktop) as client:
        wait_until((box.home / "spool.ballast").exists, 20, "the box to put something by")
        disk.fill()
        put(box, 0, 400)
        answered(client, 400)
        alerts = wait_until(lambda: fetch(client, "alerts"), 30, "the alert, while the disk is full")
        assert [row.kind for row in alerts if isinstance(row, AlertRow)] == ["disk.full"]
        assert client.status().spool.problem is not None
        heal(client, disk)
        check_account(client, 400)
        assert lost(client)["results"] > 0, "this memory does not hold 400 rows"
        put(box, 400, 5)
        answered(client, 405)
        wait_until(
            lambda: any(row.frame == "frame-00404.png" for row in fetch(client, "results")), 10, "the next answer"
        )
    assert box.stop() == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_box_starts_on_a_full_disk_and_infers(
    box: SmallBox, disk: SmallDisk, desktop: Identity, end: signal.Signals
) -> None:
    with box.client(desktop) as client:
        disk.fill()
        put(box, 0, 20)
        answered(client, 20)
        # What the box puts by for bad times is used up as well.
        wait_until(lambda: fetch(client, "alerts"), 10, "the alert")
    box.stop(end)
    disk.fill()
    box.run_on(disk, desktop)
    with box.client(desktop) as client:
        # What was not on the disk when it ended comes again.
        answered(client, 20)
        put(box, 20, 20)
        answered(client, 40)
        assert client.status().slots[0].state == "COMMITTED"
        assert client.status().spool.problem is not None
        heal(client, disk)
        frames = Counter(row.frame for row in fetch(client, "results") if isinstance(row, ResultRow))
        assert set(frames) == {f"frame-{number:05}.png" for number in range(40)}
        losses = lost(client)
        assert losses["results"] == 0
        # A frame that comes again may be told of again, but none is forgotten.
        assert 40 <= len(fetch(client, "samples")) + losses["samples"] <= 60
        address = box.home / "run" / "address.json"
        wait_until(lambda: address.exists() and f'"pid": {box.process.pid}' in address.read_text(), 10, "the address")
    assert box.stop() == 0
