"""Runs of models that are under way, and the one thread that ends those that take too long or that nobody wants."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from edge_runtime.awake import AwakeClock

if TYPE_CHECKING:
    import onnxruntime as ort

QUICK_RUN_S = 20e-3
"""What a run on a listener's own thread may take: everybody else waits for it."""
LOOK_EVERY_S = 10e-3
UNSEEN_S = 0.1
"""Counted between two looks: in more than that nobody could work."""
LINGER_S = 1.0
"""How long the thread looks on after the last run. Waking it costs more than a small model's run."""


class RunEnded(Exception):
    """A run was ended before the model had answered; says why."""


class Run:
    """One run of a model. The runtime looks between two nodes of the graph, those of a loop's body among them, whether
    it is to end; a single node that takes long is not interrupted."""

    __slots__ = ("_options", "_runs", "begun", "limit_s", "model", "quick", "why")

    def __init__(self, runs: Runs, limit_s: float, *, quick: bool) -> None:
        self._runs, self.limit_s, self.quick = runs, limit_s, quick
        self._options: ort.RunOptions | None = None
        self.model = ""
        """Name and version; empty until it has started."""
        self.begun = 0.0
        """By the clock of all runs."""
        self.why = ""
        """Why it was ended; empty while nobody has."""

    def start(self, options: ort.RunOptions, model: str) -> None:
        """From now on it takes its time; ``options`` are this run's alone.

        :param model: name and version.
        :raises RunEnded: it was ended while it waited.
        """
        self._options, self.model = options, model
        if self.why:
            raise RunEnded(self.why)
        self.begun = self._runs.clock()
        self._runs.add(self)

    def stop(self) -> None:
        """The model has answered, or failed."""
        self._runs.discard(self)

    def end(self, why: str) -> None:
        """Have it end soon; from any thread, at any time."""
        self.why = why
        if self._options is not None:
            self._options.terminate = True

    def leave(self) -> None:
        """Whoever asked is gone."""
        self.end("nobody waits for its answer any more")


class Runs:
    """Watches over all runs of a shelf.

    :param max_run_s: what a run may take of which nobody says otherwise.
    """

    def __init__(self, max_run_s: float, *, clock: AwakeClock | None = None) -> None:
        self.max_run_s = max_run_s
        self.clock = clock or AwakeClock(most_s=UNSEEN_S)
        """Seconds; while anything is under way it is read often enough."""
        self._under_way: set[Run] = set()
        self._work: set[int] = set()
        """By number: what workers are at."""
        self._wake = threading.Event()
        self._is_asleep = self._is_closed = False
        self._thread = threading.Thread(target=self._watch, name="runs", daemon=True)
        self._thread.start()

    def new(self, limit_s: float | None = None, *, quick: bool = False) -> Run:
        """A run that may take so long once it has started.

        :param quick: it is on a listener's own thread.
        """
        return Run(self, limit_s or self.max_run_s, quick=quick)

    def add(self, run: Run) -> None:
        self._under_way.add(run)
        self._look_on()

    def discard(self, run: Run) -> None:
        self._under_way.discard(run)

    def begin_work(self, number: int) -> float:
        """A worker is at something, be it a run or not, until :meth:`end_work`; since when, by the clock."""
        self._work.add(number)
        self._look_on()
        return self.clock()

    def end_work(self, number: int) -> None:
        self._work.discard(number)

    def quick_for(self) -> float:
        """Seconds for which the oldest run on a listener's own thread has been under way; 0 where there is none."""
        oldest = min((run.begun for run in self._under_way.copy() if run.quick), default=None)
        return 0.0 if oldest is None else self.clock() - oldest

    def overdue(self, by_s: float) -> frozenset[str]:
        """Models, by name and version, of which a run goes on for so many seconds beyond its limit: one node of it does
        not come back."""
        now = self.clock()
        return frozenset(run.model for run in self._under_way.copy() if now - run.begun > run.limit_s + by_s)

    def close(self) -> None:
        """End the thread; runs that are under way have no limit from now on."""
        self._is_closed = True
        self._wake.set()
        self._thread.join()

    def _look_on(self) -> None:
        # After it was added, as the thread says first that it sleeps and then looks once more.
        if self._is_asleep:
            self._wake.set()

    def _watch(self) -> None:
        last = self.clock()
        while not self._is_closed:
            now = self.clock()
            # A copy in one step: others come and go meanwhile.
            under_way = self._under_way.copy()
            for run in under_way:
                if not run.why and now - run.begun > run.limit_s:
                    run.end(f"it has not answered within {run.limit_s:g} s")
            if under_way or self._work:
                last = now
            if now - last < LINGER_S:
                time.sleep(LOOK_EVERY_S)
                continue
            self._is_asleep = True
            if not (self._under_way or self._work or self._is_closed):
                self._wake.wait()
            self._wake.clear()
            self._is_asleep = False
            last = self.clock()
