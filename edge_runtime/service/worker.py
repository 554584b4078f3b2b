"""One thread for work that takes long, one piece after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from edge_runtime.contracts.errors import BoxRefused

MAX_QUEUED = 4
T = TypeVar("T")


class Worker:
    """Unlike a pool's, its thread does not hold up the end of the program: what it does survives being cut off."""

    def __init__(self, name: str) -> None:
        self._queue: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(MAX_QUEUED)
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do this when what came before is done.

        :raises BoxRefused: too much is waiting already.
        """
        future: Future[T] = Future()
        try:
            self._queue.put_nowait((future, work))
        except queue.Full:
            raise BoxRefused("The box is busy with other trials and updates.", hint="Try again in a minute.") from None
        return future

    def _run(self) -> None:
        while True:
            future, work = self._queue.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits for it
                future.set_exception(error)
