"""Threads for work that may be given up at any point, because it is safe to cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, as_completed
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")

AT_ONCE = 16
GRACE_S = 1.0
"""For who is being asked, once the question is taken back."""


class Crew:
    """Threads that may be given up: unlike a pool's, they do not keep the program from ending.

    :param size: how many work at a time.
    :param name: what the threads are called.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._free = threading.Semaphore(0)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """From one thread at a time: run ``work`` when a thread is free."""
        future: Future[T] = Future()
        self._waiting.put((future, work))
        if not self._free.acquire(blocking=False) and len(self._threads) < self._size:
            name = f"{self._name}-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()
        return future

    def end(self, running: Iterable[Future[Any]], *, grace_s: float | None) -> bool:
        """Drop what waits, and give what runs time to end; False: some still runs and is given up.

        :param grace_s: seconds; None: as long as it takes.
        """
        for future in running:
            future.cancel()
        for _ in self._threads:
            self._waiting.put(None)
        deadline = None if grace_s is None else time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (given := self._waiting.get()) is not None:
            future, work = given
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked, not to this thread
                    future.set_exception(error)
                else:
                    future.set_result(result)
            self._free.release()


def side_by_side(work: Callable[[A], T], over: Iterable[A], name: str) -> Iterator[tuple[A, T]]:
    """Do it for each, :data:`AT_ONCE` at a time, and give each with its result as it comes. What fails ends none of the
    others: it is raised once they are through, the first of them.

    :param name: as of :class:`Crew`.
    """
    crew = Crew(AT_ONCE, name)
    asked = {crew.submit(partial(work, one)): one for one in over}
    failed: list[BaseException] = []
    try:
        for done in as_completed(asked):
            if (error := done.exception()) is not None:
                failed.append(error)
            else:
                yield asked[done], done.result()
        if failed:
            raise failed[0]
    finally:
        crew.end(asked, grace_s=GRACE_S)
