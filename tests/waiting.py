"""Waiting for a condition, with a deadline and a reason: never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")


def wait_until(probe: Callable[[], T | Literal[False] | None], timeout_s: float, what: str) -> T:
    """Call ``probe`` until it gives something true, and return that; AssertionError naming ``what`` at the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := probe():
            return value
        assert time.monotonic() < deadline, f"still waiting for {what} after {timeout_s} s"
        time.sleep(0.02)
