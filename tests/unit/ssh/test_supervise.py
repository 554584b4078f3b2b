"""The supervisor of a box without systemd: it starts the box again, alone, and ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.ssh.hand import supervise
from tests.waiting import wait_until

SCRIPT = Path(supervise.__file__)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="boxes run Linux")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    lines = [
        "#!/bin/sh",
        f'echo "$$ $*" >> {tmp_path}/began',
        "echo trouble >&2",
        f"[ -e {tmp_path}/stay ] && exec sleep 600",
        "exit 3",
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o755)
    return path


@pytest.fixture
def supervisor(tmp_path: Path, program: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(tmp_path, program)
    yield process
    process.kill()
    process.wait()


def start(folder: Path, program: Path) -> subprocess.Popen[bytes]:
    # Its pauses are those of a real box; the first one is short enough to wait for.
    return subprocess.Popen([sys.executable, "-I", str(SCRIPT), str(folder / "home"), str(program)])


def test_what_ends_is_started_again_and_told_of(tmp_path: Path, supervisor: subprocess.Popen[bytes]) -> None:
    began, log = tmp_path / "began", tmp_path / "home" / "log" / "supervise.log"
    wait_until(lambda: began.exists() and len(began.read_text().splitlines()) >= 2, 30, "the second start")
    assert began.read_text().splitlines()[0].endswith(f"run --home {tmp_path / 'home'}")
    wait_until(lambda: "started again in 4 s" in log.read_text(), 30, "a longer pause")
    assert "trouble" in log.read_text()
    assert "ended with status 3" in log.read_text()


def test_it_is_alone_and_takes_the_box_with_it(tmp_path: Path, program: Path) -> None:
    (tmp_path / "stay").touch()
    began = tmp_path / "began"
    process = start(tmp_path, program)
    wait_until(began.exists, 30, "the box")
    assert start(tmp_path, program).wait(60) == 0
    assert len(began.read_text().splitlines()) == 1
    box = int(began.read_text().split()[0])
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(box, 0)


def test_its_log_stays_small(tmp_path: Path) -> None:
    log = supervise.Log(tmp_path / "log" / "supervise.log")
    for _line in range(1200):
        log.write("x" * 5000)
    assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir()) < 2.1 * supervise.LOG_BYTES
