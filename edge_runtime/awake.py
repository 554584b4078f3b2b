"""Time in which this process itself ran."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST_S = 0.5
"""Counted between two readings. More than that has passed unseen: the process was stopped, frozen or swapped out."""


class AwakeClock:
    """Seconds in which this process could work, from any start; safe to use from any thread.

    By it whoever waits for a sign of life judges: while all stood still, nothing could give one. It has to be read a
    few times a second, by anybody, or it falls behind.

    :param most_s: counted between two readings, less where it is read more often.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, *, most_s: float = MOST_S) -> None:
        self._monotonic, self._most_s, self._lock = monotonic, most_s, threading.Lock()
        self._last_s, self._awake_s = monotonic(), 0.0

    def __call__(self) -> float:
        with self._lock:
            now = self._monotonic()
            self._awake_s += min(now - self._last_s, self._most_s)
            self._last_s = now
            return self._awake_s
