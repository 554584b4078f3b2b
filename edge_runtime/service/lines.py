"""Keeps one pipeline running: a failure costs a pause, never another line and never the daemon."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from edge_runtime.config import PipelineConfig
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.sources import public_address
from edge_runtime.sources.base import Source

FIRST_PAUSE_S = 0.5
BUDGET, BUDGET_S = 5, 60.0
"""So many failures in so many seconds are not worth a person's time; with one more the line counts as failing."""
LONG_PAUSE_S = 60.0
SOUND_AFTER_S = 60.0
"""A pipeline that ran this long has got over its last failure."""
SOURCE_HANGS_S = 10.0
"""A source that has not come back for so long hangs: it is asked for a fifth of a second at a time."""
SOURCE_HANGS = "Its source does not come back: the share, the disk or the device that it reads from hangs."
FRAME_HANGS = (
    "A frame of it does not come back from being decoded. The box starts anew; a frame that does so twice is left out."
)
FRAMES_HANG = (
    "Its frames do not come back from being decoded, one after another: its source gives what it should not, or the "
    "decoder is at fault. Nothing more is read until the box is started again."
)
WAITING_S = 0.1
"""How often a line that waits for another one's end looks whether it is to stop itself."""
_HELD = "Its source is still held by what ran before the last change of the configuration."
_log = logging.getLogger(__name__)


class RestartBudget:
    """When a line that failed may try again. Pure: times are given, by the monotonic clock."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=BUDGET)
        self.spent = False
        """The line fails so often that it only tries now and then."""

    def failed(self, now_s: float, *, ran_s: float) -> float:
        """Count a failure after ``ran_s`` seconds of work; returns the seconds to wait."""
        if ran_s > SOUND_AFTER_S:
            self._failures.clear()
            self.spent = False
        self._failures.append(now_s)
        recent = sum(now_s - failure < BUDGET_S for failure in self._failures)
        self.spent = self.spent or recent >= BUDGET
        return LONG_PAUSE_S if self.spent else FIRST_PAUSE_S * 2 ** (recent - 1)


class Line:
    """A pipeline's thread.

    :param open_source: called anew for every attempt.
    :param build: makes the pipeline around an open source.
    :param failed: told why, once whenever its budget of restarts is spent.
    :param clock: seconds by which signs of life are given.
    :param after: a line that was told to stop and that has this one's source: begin only once it has ended.
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        open_source: Callable[[], Source],
        build: Callable[[Source], Pipeline],
        failed: Callable[[str], None],
        counters: PipelineCounters,
        clock: Callable[[], float] = time.monotonic,
        after: Line | None = None,
    ) -> None:
        self.config = config
        self.counters = counters
        self._open_source, self._build, self._failed = open_source, build, failed
        self._clock, self._after = clock, after
        self._pipeline: Pipeline | None = None
        self._fresh = 0
        """Those of attempts that are over."""
        self._budget = RestartBudget()
        self._left_since: float | None = None
        """Since when the frame has been decoded in which it was left standing."""
        self._since: float | None = None
        """Since when the source is being opened or closed."""
        self._ended: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"line-{config.name}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end after :meth:`ask_to_stop`; False when it takes longer than this."""
        self._thread.join(timeout_s)
        return not self.alive

    def let_go(self, hangs_after_s: float) -> None:
        """The process ends now, whether or not the line has; what has been in hand for longer than this hangs."""
        if (pipeline := self._pipeline) is not None:
            pipeline.let_go(hangs_after_s)

    def mark(self) -> None:
        """What is in hand now says nothing of what is being tried."""
        if (pipeline := self._pipeline) is not None:
            pipeline.mark()

    @property
    def stopping(self) -> bool:
        """It was told to stop."""
        return self._stop.is_set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def fresh(self) -> int:
        """Frames that this very line took and answered, whereas its counters go on from a line of before; without those
        that were in hand or waited at a :meth:`mark`."""
        # In this order: between the two an attempt may end, and its frames are rather missing than there twice.
        over, pipeline = self._fresh, self._pipeline
        return over + (pipeline.fresh if pipeline is not None else 0)

    @property
    def last_beat(self) -> float:
        """When it last showed that it is not stuck, by the clock; just now where it only waits for its source."""
        return self._clock() if (pipeline := self._pipeline) is None else pipeline.last_beat

    @property
    def source_hangs(self) -> bool:
        """Its source has been opened, read or closed for longer than any of that takes."""
        since = self._since if (pipeline := self._pipeline) is None else pipeline.source_since
        return since is not None and self._clock() - since > SOURCE_HANGS_S

    def hanging(self, after_s: float) -> str | None:
        """The bundle whose model has been at one frame for longer than this; None where none has."""
        return None if (pipeline := self._pipeline) is None else pipeline.at_work.hanging(after_s)

    def undecoded(self, after_s: float) -> bool:
        """A frame has been decoded for longer than this."""
        since = self._decoding_since
        return since is not None and self._clock() - since > after_s

    def leave_standing(self) -> None:
        """It hangs in a frame, and nobody does anything about that."""
        self._left_since = self._decoding_since

    @property
    def left_standing(self) -> bool:
        """It still hangs in the frame in which it was left standing."""
        return self._left_since is not None and self._left_since == self._decoding_since

    @property
    def _decoding_since(self) -> float | None:
        return None if (pipeline := self._pipeline) is None else pipeline.at_work.decoding_since

    def status(self, *, has_model: bool) -> PipelineStatus:
        shown = self._status(has_model)
        if self.left_standing:
            return replace(shown, state="failing", last_error=FRAMES_HANG)
        return replace(shown, state="no-input", last_error=SOURCE_HANGS) if self.source_hangs else shown

    def _status(self, has_model: bool) -> PipelineStatus:
        every_s = 1 / self.config.fps if self.config.fps else 0.0
        if (pipeline := self._pipeline) is not None:
            return pipeline.status(every_s=every_s)
        return self.counters.status(
            self.config.name,
            public_address(self.config.source),
            has_model=has_model,
            every_s=every_s,
            stopped=_HELD if self._after is not None else self._ended or self.counters.last_failure,
            failing=self._budget.spent,
        )

    def _run(self) -> None:
        while (before := self._after) is not None and not self._stop.is_set():
            if before.join(WAITING_S):
                self._after = None
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            started, self._since = time.monotonic(), self._clock()
            try:
                self._attempt()
            except Exception as error:  # noqa: BLE001 - whatever a source or a model does, the other lines go on
                reason = str(error) or type(error).__name__
                _log.warning("pipeline %s failed", self.config.name, exc_info=error)
                self.counters.failure(reason)
                now, told = time.monotonic(), self._budget.spent
                pause_s = self._budget.failed(now, ran_s=now - started)
                if self._budget.spent and not told:
                    self._failed(f"it failed {BUDGET} times in {BUDGET_S:.0f} s and only tries now and then: {reason}")
            else:
                return
            finally:
                self._since = None

    def _attempt(self) -> None:
        source = self._open_source()
        try:
            self._pipeline = self._build(source)
            self._pipeline.run(self._stop)
            if source.finished:
                self._ended = "Its source is at its end."
        finally:
            self._since = self._clock()
            pipeline, self._pipeline = self._pipeline, None
            self._fresh += pipeline.fresh if pipeline is not None else 0
            source.close()
