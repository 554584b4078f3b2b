"""The streams that are open: so many at a time, and whoever is silent for too long makes room for others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from edge_runtime.contracts.errors import BoxRefused

T = TypeVar("T")
IDLE_S = 75.0
"""A stream that has asked something keeps its place for so long after its last answer, whoever wants it."""


class Stream:
    """One that is open.

    :param end: ends it; called on another thread.
    """

    __slots__ = ("end", "has_asked", "silent_since")

    def __init__(self, end: Callable[[], object]) -> None:
        self.end = end
        self.has_asked = False
        self.silent_since: float | None = time.monotonic()
        """``time.monotonic()``; None while it is answered."""

    def messages(self, bodies: Iterator[T]) -> Iterator[T]:
        """What its client sends, in whatever it comes; between one and the next it is silent."""
        for body in bodies:
            self.silent_since, self.has_asked = None, True
            yield body
            self.silent_since = time.monotonic()


class Streams:
    """Places for streams, each of which holds a thread for as long as its client likes.

    :param most: how many may be open.
    :param first_s: how long one keeps its place that has asked nothing yet, when others want it.
    """

    def __init__(self, most: int, first_s: float) -> None:
        self._most, self._first_s = most, first_s
        self._lock = threading.Lock()
        self._open: set[Stream] = set()

    def open(self, end: Callable[[], object]) -> Stream:
        """A place, where one is free or can be had.

        :raises BoxRefused: all are taken.
        """
        stream, goes = Stream(end), None
        with self._lock:
            if len(self._open) >= self._most:
                goes = who_goes(self._open, time.monotonic(), self._first_s)
                if goes is None:
                    raise BoxRefused("As many streams are open as may be.", hint="Try again in a while.")
                self._open.discard(goes)
            self._open.add(stream)
        if goes is not None:
            goes.end()
        return stream

    def close(self, stream: Stream) -> None:
        """It is over; its place may be another's already."""
        with self._lock:
            self._open.discard(stream)


def who_goes(streams: Iterable[Stream], now: float, first_s: float) -> Stream | None:
    """Who makes room for another: of those that have been silent for too long one that never asked anything, and of
    those the one that has been silent longest. None: nobody has."""
    silent = [
        (stream.has_asked, since, stream)
        for stream in streams
        if (since := stream.silent_since) is not None and now - since > (IDLE_S if stream.has_asked else first_s)
    ]
    return min(silent, key=lambda each: each[:2])[2] if silent else None
