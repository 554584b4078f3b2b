"""Waiting for a condition, with a deadline and a reason: never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

T = TypeVar("T")
_SPARE_S = 60.0
"""What a machine that is busy with something else may take on top: a limit is there so that nothing hangs for ever."""


def wait_until(probe: Callable[[], T | Literal[False] | None], timeout_s: float, what: str) -> T:
    """Call ``probe`` until it gives something true, and return that; AssertionError naming ``what`` at the deadline.

    :param timeout_s: what it takes at the very most on a machine that does nothing else.
    """
    limit_s = timeout_s + _SPARE_S
    deadline = time.monotonic() + limit_s
    while True:
        if value := probe():
            return value
        assert time.monotonic() < deadline, f"still waiting for {what} after {limit_s:.0f} s"
        time.sleep(0.02)


def wait_for_later_moment() -> None:
    """Until this machine's clock has gone on: of two changes within one millisecond either may be the later."""
    before_ms = time.time_ns() // 1_000_000
    wait_until(lambda: time.time_ns() // 1_000_000 > before_ms, 10, "the clock to go on")


def is_gone(pid: int) -> bool:
    """The process has ended, whether or not anybody has asked how: of an orphan the system's first process asks when it
    likes. Linux."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
