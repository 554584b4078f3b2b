"""What systemd hears of the real daemon: ready, alive while the lines move, stopping."""

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
from tests.fakes.box_process import EDGE, BoxProcess, make_box
from tests.fakes.site import FakeSite

PATIENCE_S = 2.0


@contextmanager
def systemd(box: BoxProcess, name: str, patience_s: float = PATIENCE_S) -> Iterator[socket.socket]:
    """Start the box as ``Type=notify`` with a watchdog, and listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        environment = {**os.environ, "NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(patience_s * 1e6))}
        box.process = subprocess.Popen([*EDGE, "run", "--home", str(box.home)], env=environment)
        try:
            yield channel
        finally:
            box.end()


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
def test_stopping_is_told(tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site)
    with systemd(box, f"lineside-stop-{os.getpid()}") as channel:
        ready = hear(channel, b"READY=1", 30)
        assert ready is not None
        assert b"STATUS=camera: waiting-for-model" in ready
        assert hear(channel, b"WATCHDOG=1", 30)
        assert box.process is not None
        box.process.terminate()
        assert hear(channel, b"STOPPING=1", 10)
        assert box.process.wait(60) == 0
