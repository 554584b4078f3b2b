"""A number of workers and a queue with an end: who comes when it is full is told so at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import count, islice
from queue import SimpleQueue
from typing import TypeVar

from edge_runtime.awake import AwakeClock
from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.serving.runs import Runs

T = TypeVar("T")
_log = logging.getLogger(__name__)


class WorkerPool:
    """Daemon threads: a model that never returns does not hold up the end of the program.

    :param max_waiting: pieces of work that may wait while all workers are busy.
    :param max_run_s: what a model's run on a worker may take.
    """

    def __init__(
        self, workers: int, max_waiting: int, *, max_run_s: float = 30.0, clock: AwakeClock | None = None
    ) -> None:
        self.workers, self._max_waiting = 0, max_waiting
        self.runs = Runs(max_run_s, clock=clock)
        """Those on listeners' own threads too."""
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._numbers = count()
        self._busy_since: dict[int, float | None] = {}
        self._threads: list[threading.Thread] = []
        self.resize(workers)

    def resize(self, workers: int) -> None:
        """From now on so many; of those that are too many each ends what it is at, and what was submitted before."""
        with self._lock:
            more, self.workers = workers - self.workers, workers
            self._most = workers + self._max_waiting
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for number in islice(self._numbers, max(0, more)):
                self._busy_since[number] = None
                thread = threading.Thread(target=self._run, args=(number,), name=f"inference-{number}", daemon=True)
                self._threads.append(thread)
                thread.start()
        for _ in range(-more):
            self._queue.put(None)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return self._under_way == 0

    @property
    def waiting(self) -> int:
        """Pieces of work that no worker has taken up yet."""
        return max(0, self._under_way - self.workers)

    def submit(self, work: Callable[[], object]) -> None:
        """Do this as soon as a worker is free. ``work`` deals with its own errors and tells whom it concerns.

        :raises BoxRefused: too much is waiting already, or the pool was closed.
        """
        with self._lock:
            # No worker would ever come to it, and whoever asked would wait for ever.
            if self._closed:
                raise BoxRefused("The box is stopping.")
            if self._under_way >= self._most:
                raise BoxRefused("Too many requests are waiting for a worker.", hint="Ask again in a moment.")
            self._under_way += 1
            # Under the lock, so that it is never behind what ends the workers.
            self._queue.put(work)

    def run(self, work: Callable[[], T]) -> T:
        """Do this on a worker and wait for it; what ``work`` raises is raised here.

        :raises BoxRefused: as :meth:`submit`.
        """
        answers: list[T] = []
        errors: list[BaseException] = []
        done = threading.Lock()
        done.acquire()

        def settle() -> None:
            try:
                answers.append(work())
            except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits for it
                errors.append(error)
            done.release()

        self.submit(settle)
        done.acquire()
        if errors:
            # Out of the list, and not held by a future: an error's traceback holds the request, and whoever held both
            # would leave them to the collector.
            raise errors.pop()
        return answers[0]

    def stuck_for(self) -> float:
        """Seconds for which *every* worker has been at one and the same piece of work, or a listener's own thread at
        one run; 0 while any worker, and every listener, is free."""
        since = list(self._busy_since.values())
        newest = max((begin for begin in since if begin is not None), default=0.0)
        return max(self.runs.quick_for(), 0.0 if not since or None in since else self.runs.clock() - newest)

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted, then end; False when that takes longer than this."""
        with self._lock:
            self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.runs.close()
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        while (work := self._queue.get()) is not None:
            self._busy_since[number] = self.runs.begin_work(number)
            try:
                work()
            except Exception:  # noqa: BLE001 - a piece of work that breaks its promise costs no worker
                _log.exception("a piece of work failed without telling anybody")
            finally:
                self._busy_since[number] = None
                self.runs.end_work(number)
                with self._lock:
                    self._under_way -= 1
            # Nothing of an answered request is held until the next one comes.
            del work
        del self._busy_since[number]
