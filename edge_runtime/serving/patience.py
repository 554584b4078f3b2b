"""Giving up on what takes too long, where the thing itself knows no timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Patience:
    """Watches over many waits at a time.

    :param seconds: how long each may take.
    :param crowd: how many may take that long at a time. Of more the oldest must be done within ``in_crowd_s``.
    :param look_every_s: how much later it may be noticed.
    """

    def __init__(self, seconds: float, *, crowd: int, in_crowd_s: float, look_every_s: float = 0.25) -> None:
        self._seconds, self._crowd, self._in_crowd_s = seconds, crowd, in_crowd_s
        self._look_every_s = look_every_s
        self._waits: dict[object, tuple[float, Callable[[], object]]] = {}
        """Since when, and what ends it; the oldest first."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="patience", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()

    @contextmanager
    def watch(self, give_up: Callable[[], object]) -> Iterator[None]:
        """What stands in this block must be done in time; otherwise ``give_up`` is called, on another thread."""
        key = object()
        self._waits[key] = time.monotonic(), give_up
        try:
            yield
        finally:
            self._waits.pop(key, None)

    def _run(self) -> None:
        while not self._ended.wait(self._look_every_s):
            now = time.monotonic()
            # A copy in one step: others come and go meanwhile.
            waits = list(self._waits.items())
            too_many = len(waits) - self._crowd
            for place, (key, (since, give_up)) in enumerate(waits):
                patience_s = self._in_crowd_s if place < too_many else self._seconds
                if now - since > patience_s and self._waits.pop(key, None) is not None:
                    give_up()
