"""A real `lineside-edge run` on this machine, for use-cases that enrol it by its home."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edge_runtime.enrolment import address_file, create_home
from edge_runtime.processes import python_command
from tests.waiting import wait_until

CONFIG = """\
name = "{name}"
[management]
listen = "127.0.0.1:0"
announce = false
pairing = ""
[inference]
http = ""
[spool]
reserve_bytes = 1048576
[[pipeline]]
name = "camera"
source = "folder:{frames}"
"""


class RunningBox:
    """A real ``lineside-edge run`` with a folder for its frames."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home, self.frames = folder / name, folder / f"{name}-frames"
        self.frames.mkdir(parents=True)
        create_home(self.home, name=name, config=CONFIG.format(name=name, frames=self.frames))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(python_command("edge_runtime", "run", "--home", str(self.home)))
        wait_until(address_file(self.home).exists, 20, "the box to listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(10) == 0
            self.process = None
