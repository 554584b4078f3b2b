"""When this software was built: no clock that says an earlier time is right."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

NAME = "build_time.txt"
"""Beside this module; the build puts it there: seconds since 1970."""


def build_time_s(folder: Path = Path(__file__).parent) -> int:
    """Seconds since 1970. A source tree is as old as this file in it; 0 where nothing tells."""
    with suppress(OSError, ValueError):
        return max(int((folder / NAME).read_text("ascii")), 0)
    with suppress(OSError):
        return int((folder / "build_time.py").stat().st_mtime)
    return 0
