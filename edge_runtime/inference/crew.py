"""Several workers over one source. Each takes a frame the whole way, so that no frame waits between two hands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edge_runtime.sources.base import Frame, Source

READ_TIMEOUT_S = 0.2
COMMIT_EVERY_S = 0.5
_FADE = 0.95
_LONGEST_WAIT_S = 0.2
"""A longer wait counts as this much, or a quiet minute would pass for idleness long after the rush has begun."""


class Crew:
    """The source is read by one worker at a time, and committed only when nobody has a frame in hand.

    :param workers: how many to be; asked twice a second, so that their number can change.
    :param handle: deals with one frame, given the nanoseconds that reading it took; called by all workers at a time.
        What it raises ends the crew, and then what was read since the last commit will come again.
    :param settle: writes down for good what was handled; False where it could not, and the source must not move on.
    :param clock: seconds by which signs of life are given.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        workers: Callable[[], int],
        handle: Callable[[Frame, int], None],
        settle: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._source, self._handle, self._settle = name, source, handle, settle
        self._workers, self._clock = workers, clock
        self._wanted = 1
        self._threads: list[threading.Thread] = []
        self._turn = threading.Lock()
        self._hands = threading.Condition()
        self._in_hand = 0
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._next_commit = 0.0
        self._due = False
        self._waited = self._worked = 0.0
        self._beats: dict[int, float] = {}
        self.source_since: float | None = None
        """Since when the source has been asked for a frame and has not come back, by the clock."""

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set or the source has finished; what was read by then is dealt with and committed.

        :raises Exception: the first that a worker met; the others have finished the frame that they had.
        """
        self._next_commit = time.monotonic() + COMMIT_EVERY_S
        self._work(0, stop)
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        self._commit()

    @property
    def last_beat(self) -> float:
        """When the worker that has been silent longest last went round, by the clock; who waits for the source is not
        silent, for nothing that this process could do would bring it back."""
        return min(self._beats.copy().values(), default=self._clock())

    @property
    def slack(self) -> float:
        """Share of their time that the workers lately spent waiting for a frame; next to none where the line lags."""
        with self._hands:
            together = self._waited + self._worked
            return self._waited / together if together else 1.0

    def commit_soon(self) -> None:
        """Before the next frame is read."""
        self._due = True

    def _work(self, number: int, stop: threading.Event) -> None:
        try:
            idle_since, next_roll_call = time.monotonic(), 0.0
            while number < self._wanted and not (stop.is_set() or self._over.is_set()):
                self._beats[number] = self._clock()
                now = time.monotonic()
                if number == 0 and now >= next_roll_call:
                    next_roll_call = now + COMMIT_EVERY_S
                    self._call_up(stop)
                if now >= self._next_commit:
                    # Most rows are on disk before the others have to hold still.
                    self._next_commit = now + COMMIT_EVERY_S
                    self._settle()
                    self._due = True
                if not self._turn.acquire(timeout=READ_TIMEOUT_S):
                    continue
                try:
                    frame, read_ns = self._read(number, stop)
                finally:
                    self._turn.release()
                if frame is not None:
                    begun = time.monotonic()
                    self._handle(frame, read_ns)
                    ended = time.monotonic()
                    self._put_down(min(begun - idle_since, _LONGEST_WAIT_S), ended - begun)
                    idle_since = ended
        except Exception as error:  # noqa: BLE001 - it is raised where the crew was started
            with self._hands:
                self._failure = self._failure or error
                self._over.set()
                self._hands.notify_all()
        finally:
            self._beats.pop(number, None)

    def _call_up(self, stop: threading.Event) -> None:
        """As many workers as are wanted now; the first one looks. Those who are too many go by themselves."""
        self._wanted = max(1, self._workers())
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        at_work = {thread.name for thread in self._threads}
        for number in range(1, self._wanted):
            if (name := f"{self._name}-{number + 1}") not in at_work:
                thread = threading.Thread(target=self._work, args=(number, stop), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _read(self, number: int, stop: threading.Event) -> tuple[Frame | None, int]:
        """In turn: commit where that is due, then read."""
        if stop.is_set() or self._over.is_set():
            return None, 0
        if self._due:
            self._commit()
        started = time.perf_counter_ns()
        self.source_since = self._clock()
        self._beats.pop(number, None)
        try:
            frame = self._source.read(READ_TIMEOUT_S)
        finally:
            self._beats[number] = self._clock()
            self.source_since = None
        took = time.perf_counter_ns() - started
        if frame is not None:
            with self._hands:
                self._in_hand += 1
        else:
            self._commit()
            if self._source.finished:
                self._over.set()
        return frame, took

    def _put_down(self, waited_s: float, worked_s: float) -> None:
        with self._hands:
            self._waited = _FADE * self._waited + waited_s
            self._worked = _FADE * self._worked + worked_s
            self._in_hand -= 1
            if self._in_hand == 0:
                self._hands.notify_all()

    def _commit(self) -> None:
        # Rows first: after a power cut a frame may come twice, but none is missed.
        with self._hands:
            self._hands.wait_for(lambda: self._in_hand == 0 or self._failure is not None)
            if self._failure is not None:
                return
        self._due = False
        if self._settle():
            self._source.commit()
