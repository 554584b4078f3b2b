"""Keeps the box running where there is no systemd: starts it, and starts it again, ever more slowly, when it ends.

Runs as the box's own user. SIGTERM ends both. A second supervisor ends at once.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO

HOME = Path("/var/lib/lineside-edge")
PROGRAM = Path("/opt/lineside-edge/bin/lineside-edge")
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
LONG_ENOUGH = 600.0
"""After so many seconds of running the next pause is a short one again."""
STOP_SECONDS = 10.0
LOG_BYTES = 2**20


class Log:
    """A file and the one before it, together never much more than twice :data:`LOG_BYTES`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > LOG_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line[:2000]}\n")
        except OSError:
            # A full disk must not end what keeps the line going.
            pass

    def copy(self, lines: IO[str]) -> None:
        for line in lines:
            self.write(line.rstrip())


class Stopped(Exception):
    """Somebody asked for it."""


def stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def alone(path: Path) -> int | None:
    """A lock that is held for as long as this process lives; None: another supervisor has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return handle


def verb_of(program: Path) -> str:
    """By its launcher, which chooses the version; a bundle of before has none."""
    launcher = program.resolve().parents[1] / "lib" / "edge_runtime" / "commands" / "launch.py"
    return "launch" if launcher.is_file() else "run"


def once(program: Path, home: Path, log: Log) -> None:
    """Run the box until it ends; when this is stopped meanwhile, end it first."""
    command = [str(program), verb_of(program), "--home", str(home)]
    box = subprocess.Popen(  # noqa: S603 - our own program, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    assert box.stderr is not None  # noqa: S101 - it was asked for
    reader = threading.Thread(target=log.copy, args=(box.stderr,), daemon=True)
    reader.start()
    try:
        status = box.wait()
        log.write(f"the box ended with status {status}")
    except Stopped:
        box.terminate()
        try:
            box.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            box.kill()
            box.wait()
        raise


def main(home: Path = HOME, program: Path = PROGRAM) -> int:
    log = Log(home / "log" / "supervise.log")
    handle = alone(home / "run" / "supervise.lock")
    if handle is None:
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    pause = FIRST_PAUSE
    try:
        while True:
            began = time.monotonic()
            try:
                once(program, home, log)
            except OSError as error:
                log.write(f"the box cannot be started: {error}")
            if time.monotonic() - began >= LONG_ENOUGH:
                pause = FIRST_PAUSE
            log.write(f"it is started again in {pause:.0f} s")
            # The wait itself is meant: a box that cannot run must not keep the machine busy. A signal ends it.
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    except Stopped:
        log.write("stopped")
        return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
