"""How fast a delivery goes: in pieces that the link takes in about a second, and under a cap that others may share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from edge_runtime.contracts.errors import InputInvalid

T = TypeVar("T")
FIRST_PIECE_BYTES = 64 * 1024
"""Small enough for a link that carries next to nothing between two cuts; on a good one it soon grows."""
MIN_PIECE_BYTES = 16 * 1024
MAX_PIECE_BYTES = 4 * 2**20
QUICK_S = 0.25
"""A piece that went in less may be followed by one eight times as large: that takes no more than the slowest may."""
SLOW_S = 2.0
"""After a piece that took longer comes one half as large: what a cut in its middle costs stays small."""
CAPPED_PIECE_S = 0.25
"""Under a cap, the largest piece: more would be a burst that others on the link feel."""


class RateCap:
    """A token bucket without a bucket: whoever sends waits until what was sent before has had its time.

    May be shared by many deliveries in many threads; together they send no more than one alone would.

    :param bytes_per_s: at least 1.
    :param now_s: a monotonic clock, seconds.
    :param wait: waits for so many seconds; may raise to stop.
    """

    def __init__(
        self,
        bytes_per_s: int,
        *,
        now_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if bytes_per_s < 1:
            raise InputInvalid("A cap is at least one byte a second.")
        self.bytes_per_s = bytes_per_s
        self._now_s, self._wait = now_s, wait
        self._lock = threading.Lock()
        self._free_s = float("-inf")
        """When what was let through until now has had its time."""

    def take(self, size: int) -> None:
        """Return when so many bytes may be sent."""
        with self._lock:
            now_s = self._now_s()
            begins_s = max(self._free_s, now_s)
            self._free_s = begins_s + size / self.bytes_per_s
        if begins_s > now_s:
            self._wait(begins_s - now_s)


class Pace:
    """Of one delivery. Not for several threads.

    :param caps: of this delivery, and of all those that it is one of.
    """

    def __init__(self, caps: Sequence[RateCap] = (), *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._caps, self._now_s = caps, now_s
        fastest = min((cap.bytes_per_s for cap in caps), default=None)
        capped = MAX_PIECE_BYTES if fastest is None else max(MIN_PIECE_BYTES, int(fastest * CAPPED_PIECE_S))
        self._most = min(MAX_PIECE_BYTES, capped)
        self.size = min(FIRST_PIECE_BYTES, self._most)
        """Of the next piece, bytes."""
        self.passed = 0
        """Bytes of all pieces so far, also of those that were refused."""

    def send(self, piece: bytes, act: Callable[[], T]) -> T:
        """Do what sends a piece, when its turn has come; learns from how long that takes."""
        for cap in self._caps:
            cap.take(len(piece))
        self.passed += len(piece)
        begun_s = self._now_s()
        done = act()
        took_s = self._now_s() - begun_s
        if took_s > SLOW_S:
            self.size = max(MIN_PIECE_BYTES, self.size // 2)
        elif took_s < QUICK_S and len(piece) == self.size:
            self.size = min(self._most, self.size * 8)
        return done
