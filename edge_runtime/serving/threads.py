"""Threads for calls that mostly wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """As many threads as are needed, up to a limit; unlike the standard pool's they do not hold up the end of the
    program when one of them waits for a model that never answers."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._threads = self._unclaimed = 0
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call this soon, on one of the threads."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever asks the future
                future.set_exception(error)

        with self._lock:
            self._unclaimed -= 1
            grow = self._unclaimed < 0 and self._threads < self._most
            if grow:
                self._threads += 1
                self._unclaimed += 1
                number = self._threads
        self._queue.put(work)
        if grow:
            threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True).start()
        return future

    def _run(self) -> Any:
        while True:
            self._queue.get()()
            with self._lock:
                self._unclaimed += 1
