"""Two machines that were made from one image: real box processes in homes that were copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.context import Context
from app.usecases import boxes
from edge_runtime.config import CONFIG_NAME
from edge_runtime.enrolment import address_file, create_home, read_address
from tests.fakes import models
from tests.fakes.edge_toml import BARE, LINE
from tests.waiting import wait_until

CONFIG = "# Kept as it is.\n" + (BARE + LINE).replace('"{name}"', '"{name}"   # on the door') + "keep_random = 1.0\n"


@dataclass
class Machine:
    """A box in a home of its own."""

    home: Path
    frames: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return read_address(self.home)

    def start(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        module: str = "edge_runtime",
        prefix: tuple[str, ...] = (),
    ) -> None:
        address_file(self.home).unlink(missing_ok=True)
        command = [*prefix, sys.executable, "-m", module, "run", "--home", str(self.home)]
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
        wait_until(address_file(self.home).exists, 30, "the box's address file")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(60) == 0
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def see(self, number: int) -> None:
        """A frame comes by; without a model it is kept as a sample."""
        part = self.frames / f"{number}.part"
        part.write_bytes(models.frame(number))
        part.rename(self.frames / f"frame-{number:03}.png")

    def copy(self, folder: Path) -> Machine:
        """Another machine with all that this one has on its disk; this one must be stopped."""
        shutil.copytree(self.home, folder / "home")
        copy = Machine(folder / "home", folder / "frames")
        copy.frames.mkdir()
        config = self.home / CONFIG_NAME
        (copy.home / CONFIG_NAME).write_text(config.read_text().replace(str(self.frames), str(copy.frames)))
        return copy


def make_machine(folder: Path, name: str) -> Machine:
    home, frames = folder / "home", folder / "frames"
    frames.mkdir(parents=True)
    create_home(home, name=name, config=CONFIG.format(name=name, frames=frames))
    return Machine(home, frames)


def enrolled(ctx: Context, machine: Machine) -> str:
    """Its id, once this desktop is trusted there."""
    return boxes.enrol_local(ctx, machine.home).box
