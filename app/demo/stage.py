"""The demo's factory: two real box processes and the lines in front of their cameras."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.demo.lines import Digit, Line
from app.usecases.progress import CancelToken
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.enrolment import address_file, create_home
from edge_runtime.processes import python_command

RATE = 20.0
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0

EDGE_TOML = """\
name = "{name}"

[management]
listen = "127.0.0.1:0"
announce = true
pairing = ""

[spool]
reserve_bytes = 67108864

[inference]
http = ""

[update]
trial_frames = 40
trial_seconds = 20.0

[drift]
reference = 150
window = 50
thin = 1

[[pipeline]]
name = "counter"
source = {source}
keep_random = 0.1
keep_margin = 0.8
"""


@dataclass(frozen=True, slots=True)
class Station:
    """One line with its box beside it."""

    line: Line
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        return self.line.name

    def check(self) -> None:
        """:raises BoxUnreachable: the box's process has ended, or its line stands still."""
        if not self.line.running:
            raise BoxUnreachable(
                f"No frames come to {self.name} any more.", hint="Check the disk of the demo's folder."
            )
        if self.process.poll() is not None:
            raise BoxUnreachable(
                f"The demo's box {self.name} ended with status {self.process.returncode}.",
                hint=f"Read {self.home / 'console.log'}.",
            )


@contextmanager
def stations(folder: Path, digits: list[Digit], seed: int, cancel: CancelToken) -> Iterator[list[Station]]:
    """Two lines that run and two box processes that answer; nothing of either is left when the block ends.

    :raises BoxUnreachable: a box process did not come up; names its log.
    """
    with ExitStack() as stack:
        opened = []
        for number in (1, 2):
            line = Line(f"line-{number}", folder / "frames" / f"line-{number}", digits, RATE, seed + number)
            stack.callback(line.stop)
            line.start()
            home = folder / "boxes" / line.name
            create_home(
                home,
                name=line.name,
                config=EDGE_TOML.format(name=line.name, source=json.dumps(f"folder:{line.folder}")),
            )
            process = _start_box(home)
            stack.callback(_stop_box, process)
            opened.append(Station(line, home, process))
        for station in opened:
            _wait_for_box(station, cancel)
        yield opened


def _start_box(home: Path) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl+C in the terminal reaches the demo alone, which then stops its boxes in order.
    with (home / "console.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own program with fixed arguments
            python_command("edge_runtime", "run", "--home", str(home)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for_box(station: Station, cancel: CancelToken) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not address_file(station.home).exists():
        if station.process.poll() is not None or time.monotonic() > deadline:
            raise BoxUnreachable(
                f"The demo's box {station.name} did not start.", hint=f"Read {station.home / 'console.log'}."
            )
        cancel.wait(0.05)


def _stop_box(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
