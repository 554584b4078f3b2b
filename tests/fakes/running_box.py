"""A real `lineside-edge run` on this machine, for use-cases that enrol it by its home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edge_runtime.enrolment import address_file, create_home
from edge_runtime.processes import python_command
from tests.fakes.edge_toml import BARE, LINE
from tests.waiting import wait_until

CONFIG = (
    (BARE + LINE).replace("127.0.0.1:0", "127.0.0.1:{port}").replace("reserve_bytes = 0", "reserve_bytes = 1048576")
)


class RunningBox:
    """A real ``lineside-edge run`` with a folder for its frames.

    :param port: of its management listener, the same after every start; 0: any.
    :param more: the end of its ``edge.toml``.
    """

    def __init__(self, folder: Path, name: str, *, port: int = 0, more: str = "") -> None:
        self.home, self.frames = folder / name, folder / f"{name}-frames"
        self.frames.mkdir(parents=True)
        create_home(self.home, name=name, config=CONFIG.format(name=name, frames=self.frames, port=port) + more)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def edge_toml(self) -> str:
        return (self.home / "edge.toml").read_text()

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """:param environment: added to this process's own."""
        self.run(environment)
        wait_until(address_file(self.home).exists, 20, "the box to listen")

    def run(self, environment: Mapping[str, str] | None = None) -> None:
        """As :meth:`start`, and wait for nothing."""
        command = python_command("edge_runtime", "run", "--home", str(self.home))
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})})

    def start_to_die(self, step: int, moment: str) -> None:
        """Its power is cut at this step of the next installation; see :mod:`tests.fakes.daemon_power_cut`."""
        command = [sys.executable, "-m", "tests.fakes.daemon_power_cut", str(self.home), str(step), moment]
        self.process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2])
        wait_until(address_file(self.home).exists, 20, "the box to listen")

    def kill(self) -> None:
        """Its power is cut."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None
            address_file(self.home).unlink(missing_ok=True)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(60) == 0
            self.process = None
