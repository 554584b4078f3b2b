"""A wall clock of a process's own, put anywhere at any moment: ``wall_clock.c`` compiled and preloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("wall_clock.c")
COMPILER = shutil.which("cc")
YEAR_S = 31_557_600
TO_1970, TO_2100, TO_TODAY = -56, 74, 0
"""Years beside the true time, roughly."""

needs_compiler = pytest.mark.skipif(not COMPILER or os.name == "nt", reason="a clock of its own needs a C compiler")


def build(folder: Path) -> Path:
    """The library to preload."""
    library = folder / "wall_clock.so"
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Clock:
    """The wall clock of a process that was started with :attr:`preload` in its environment; its monotonic clock is the
    true one. Where the process sets it, it says so here."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock"
        self._file.write_bytes(bytes(8))
        self.preload = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._file)}
        self.environment = {**os.environ, **self.preload}

    @property
    def offset_s(self) -> int:
        """Seconds beside the true time."""
        return int.from_bytes(self._file.read_bytes(), sys.byteorder, signed=True)

    def leap(self, years: int) -> None:
        """Put the clock by this much beside the true time."""
        self.leap_s(years * YEAR_S)

    def leap_s(self, seconds: int) -> None:
        with self._file.open("r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))
