"""Giving up on what takes too long, where the thing itself knows no timeout."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

LOOK_EVERY_S = 0.25
_log = logging.getLogger(__name__)


class Patience:
    """Watches over many waits at a time.

    :param seconds: how long each may take.
    :param crowd: how many may take that long at a time. Of more the oldest must be done within ``in_crowd_s``.
    """

    def __init__(self, seconds: float, *, crowd: int, in_crowd_s: float) -> None:
        self._seconds, self._crowd, self._in_crowd_s = seconds, crowd, in_crowd_s
        self._waits: dict[object, tuple[float, Callable[[], object]]] = {}
        """Since when, and what ends it; the oldest first."""

    @contextmanager
    def watch(self, give_up: Callable[[], object]) -> Iterator[None]:
        """What stands in this block must be done in time; otherwise ``give_up`` is called, on another thread."""
        key = object()
        self._waits[key] = time.monotonic(), give_up
        try:
            yield
        finally:
            self._waits.pop(key, None)

    def look(self) -> None:
        """Give up on what has taken too long. To be called every now and then."""
        now = time.monotonic()
        # A copy in one step: others come and go meanwhile.
        waits = list(self._waits.items())
        too_many = len(waits) - self._crowd
        for place, (key, (since, give_up)) in enumerate(waits):
            patience_s = self._in_crowd_s if place < too_many else self._seconds
            if now - since > patience_s and self._waits.pop(key, None) is not None:
                give_up()


class Clock:
    """Has everybody look who must every now and then, from :meth:`start` on, on a thread of its own."""

    def __init__(self, looks: Sequence[Callable[[], object]], every_s: float = LOOK_EVERY_S) -> None:
        self._looks, self._every_s = looks, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="patience", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            for look in self._looks:
                try:
                    look()
                except Exception:  # noqa: BLE001 - without a clock nobody would be given up any more
                    _log.exception("not everybody who takes too long was given up")
