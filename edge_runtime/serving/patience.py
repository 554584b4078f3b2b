"""Giving up on what takes too long, where the thing itself knows no timeout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Patience:
    """Watches over many waits at a time.

    :param seconds: how long each may take.
    :param look_every_s: how much later it may be noticed.
    """

    def __init__(self, seconds: float, *, look_every_s: float = 0.25) -> None:
        self._seconds, self._look_every_s = seconds, look_every_s
        self._waits: dict[object, tuple[float, Callable[[], object]]] = {}
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
        self._waits[key] = time.monotonic() + self._seconds, give_up
        try:
            yield
        finally:
            self._waits.pop(key, None)

    def _run(self) -> None:
        while not self._ended.wait(self._look_every_s):
            now = time.monotonic()
            # A copy in one step: others come and go meanwhile.
            for key, (deadline, give_up) in list(self._waits.items()):
                if now > deadline and self._waits.pop(key, None) is not None:
                    give_up()
