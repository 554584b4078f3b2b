"""What systemd hears of the real daemon: ready, alive while the lines move, silent when one does not."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime.identity import create_identity
from tests.fakes import models
from tests.fakes.box_process import EDGE, BoxProcess, install, make_box, wait_for_slot
from tests.fakes.edge_toml import named
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

PATIENCE_S = 2.0
TWO_LINES = (
    named("line-2")
    + """\
[[pipeline]]
name = "beside"
source = "folder:{frames}-beside"
[update]
trial_frames = 5
trial_seconds = 60.0
"""
)


@contextmanager
def systemd(box: BoxProcess, name: str) -> Iterator[socket.socket]:
    """Start the box as ``Type=notify`` with a watchdog, and listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        environment = {**os.environ, "NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(PATIENCE_S * 1e6))}
        box.process = subprocess.Popen([*EDGE, "run", "--home", str(box.home)], env=environment)
        try:
            yield channel
        finally:
            if box.process is not None:
                box.process.kill()
                box.process.wait()


def hear(channel: socket.socket, wanted: bytes, timeout_s: float) -> bytes | None:
    """The message with ``wanted`` in it, where one comes within this time; others are let go."""
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        channel.settimeout(left)
        try:
            message = channel.recv(4096)
        except TimeoutError:
            break
        if wanted in message:
            return message
    return None


@pytest.mark.skipif(os.name == "nt", reason="there is no systemd")
def test_the_watchdog_is_fed_by_the_lines_and_starves_when_one_hangs(tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site, TWO_LINES)
    beside = tmp_path / "frames-beside"
    beside.mkdir()
    with systemd(box, f"lineside-{os.getpid()}") as channel:
        assert hear(channel, b"READY=1", 30)
        with box.client(desktop) as client:
            install(client, site, site.release("1.0.0", model=models.trapped_model()))
            wait_for_slot(client, "1.0.0", "TRIAL")
            for number in range(6):
                box.put_frame(f"{number}.png", models.frame(number))
            wait_for_slot(client, "1.0.0", "COMMITTED")
            assert hear(channel, b"WATCHDOG=1", PATIENCE_S)

            box.put_frame("glare.png", models.frame(255))
            # Whatever was under way when the frame came: from here on no more than one sign of life may be left.
            wait_until(lambda: not hear(channel, b"WATCHDOG=1", PATIENCE_S), 30, "the watchdog to starve")

            before = client.status().pipelines[1].frames
            (beside / "other.png").write_bytes(models.frame(9))
            wait_until(lambda: client.status().pipelines[1].frames > before, 20, "the line beside it to go on")


@pytest.mark.skipif(os.name == "nt", reason="there is no systemd")
def test_stopping_is_told(tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site)
    with systemd(box, f"lineside-stop-{os.getpid()}") as channel:
        ready = hear(channel, b"READY=1", 30)
        assert ready is not None
        assert b"STATUS=camera: waiting-for-model" in ready
        assert box.process is not None
        box.process.terminate()
        assert hear(channel, b"STOPPING=1", 10)
        assert box.process.wait(10) == 0
