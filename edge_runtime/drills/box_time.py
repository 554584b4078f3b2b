"""The wall clock as the box's software sees it."""

from __future__ import annotations

import time


class BoxTime:
    """Milliseconds since 1970 when called; a drill can put it off, and the next start of the process is right again."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms
