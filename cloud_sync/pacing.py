"""How fast bytes may go, and how often a store is asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from cloud_sync.objects.base import BLOCK_BYTES
from edge_runtime.contracts.errors import StoreUnreachable

T = TypeVar("T")


class Persist(Protocol):
    """Does something, and again where the store could not do it just now."""

    def __call__(self, work: Callable[[], T]) -> T:
        """What ``work`` returns."""


def once(work: Callable[[], T]) -> T:
    """The persistence of whom the store's own suffices."""
    return work()


def at_once(_size: int) -> None:
    """The pace of whom nothing holds up."""


TRIES = 6
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
BURST_S = 0.25
"""What was not used of a limit is kept for so long."""


class TokenBucket:
    """Lets so many bytes a second go, over all threads together.

    :param rate: bytes a second, asked for each time, for it may change; None: as fast as they go.
    :param wait: seconds; may raise, to stop the work.
    :param clock: seconds that only ever grow.
    """

    def __init__(
        self,
        rate: Callable[[], int | None],
        wait: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()
        """When everything that was let go would have gone at the limit."""

    def take(self, size: int) -> None:
        """Return when ``size`` more bytes may go."""
        for taken in range(0, size, BLOCK_BYTES):
            pause = self._claim(min(BLOCK_BYTES, size - taken))
            if pause > 0:
                self._wait(pause)

    def _claim(self, size: int) -> float:
        rate, now = self._rate(), self._clock()
        if rate is None:
            return 0.0
        with self._lock:
            begin = max(self._free_at, now - BURST_S)
            self._free_at = begin + size / rate
            return self._free_at - now


class Persistence:
    """Does again what a store could not do just now; never what it refused. Where one thread has given up, those that
    work beside it do not begin to wait.

    :param wait: seconds; may raise, to stop the work.
    """

    def __init__(self, wait: Callable[[float], None], *, tries: int = TRIES) -> None:
        self._wait = wait
        self._tries = tries
        self._given_up = threading.Event()

    def __call__(self, work: Callable[[], T]) -> T:
        """What ``work`` returns.

        :raises StoreUnreachable: it could not do it any of the times.
        """
        pause, left = FIRST_PAUSE_S, self._tries
        while True:
            try:
                return work()
            except StoreUnreachable:
                left -= 1
                if not left or self._given_up.is_set():
                    self._given_up.set()
                    raise
            self._wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
