"""A second model that sees what the line sees and answers for nothing.

It runs in one thread of its own, on one frame at a time, after the line has had its answer. A frame that comes while it
is busy, or while the line has no time to spare, is simply not shown to it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.awake import AwakeClock
from edge_runtime.inference.agreement import agree, values_of
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.in_hand import InHand, frame_key
from edge_runtime.sources.base import Frame

if TYPE_CHECKING:
    from edge_runtime.inference.ports import LoadedModel

ENOUGH_SLACK = 0.3
"""A line whose workers wait for frames during less of their time than this has none to spare."""
MAX_FAILURES = 10
"""In a row, after which the shadow is given up."""
PATIENCE_S = 30.0
"""With one frame, after which the shadow counts as hung."""
TYPICAL_FRAMES = 99
"""The latest, from which it is seen what size a value typically has."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A frame, and what the model on the line said about it."""

    frame: Frame
    digest: str
    model: str
    prediction: Prediction
    latency_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What the shadow said about the same frame."""

    shadow: str
    prediction: Prediction
    latency_us: int
    """Decode to answer, as it is measured for the line."""
    agreed: bool


@dataclass(slots=True, eq=False)
class _Seat:
    """A model and the thread in which it sees its frames; the next model gets another."""

    model: LoadedModel
    task: tuple[Answered, Callable[[SecondOpinion], None]] | None = None
    busy_since_s: float | None = None
    values: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TYPICAL_FRAMES))
    """What the line's model and this one measured lately."""
    failures: int = 0
    closing: bool = False
    thread: threading.Thread | None = None


def shadow_key(bundle: str) -> bytes:
    """Names a shadow model to :class:`InHand`: whichever frame it is that it has in hand."""
    return frame_key(bundle, "", "")


class Shadow:
    """Safe to use from any thread.

    :param dropped: told (bundle, why) when a model kept failing, or hung, and is shown no more frames; on a thread
        that no line waits for.
    :param patience_s: time for one frame, after which a model counts as hung. Its thread cannot be ended and is left
        to itself.
    :param in_hand: where it is written down, by :func:`shadow_key`, that a model has a frame in hand.
    :param clock: by which it is told what hangs; :meth:`tick` has it read often enough.
    """

    def __init__(
        self,
        *,
        dropped: Callable[[str, str], None],
        patience_s: float = PATIENCE_S,
        in_hand: InHand | None = None,
        clock: AwakeClock | None = None,
    ) -> None:
        self._dropped, self._patience_s = dropped, patience_s
        self._in_hand = in_hand or InHand(None)
        self._lock = threading.Condition()
        self._clock = clock or AwakeClock()
        self._seat: _Seat | None = None

    def put(self, model: LoadedModel | None) -> None:
        """From now on this model sees the frames, or none does."""
        with self._lock:
            self._vacate()
            if model is not None:
                seat = self._seat = _Seat(model)
                seat.thread = threading.Thread(target=self._run, args=(seat,), name="shadow", daemon=True)
                seat.thread.start()

    @property
    def current(self) -> LoadedModel | None:
        seat = self._seat
        return seat.model if seat else None

    @property
    def busy(self) -> bool:
        """It has a frame in hand."""
        seat = self._seat
        return seat is not None and seat.busy_since_s is not None

    def offer(self, answered: Answered, slack: float, tell: Callable[[SecondOpinion], None]) -> None:
        """Show it a frame if it is free and the line has time to spare; returns at once.

        :param slack: share of its time that the line lately spent waiting for frames.
        :param tell: called on the shadow's thread.
        """
        seat = self._seat
        if seat is None:
            return
        if seat.busy_since_s is not None:
            return
        # A model beside itself has nothing to say.
        if slack < ENOUGH_SLACK or seat.model.bundle == answered.model:
            return
        with self._lock:
            if seat is self._seat and seat.busy_since_s is None:
                seat.busy_since_s, seat.task = self._clock(), (answered, tell)
                self._lock.notify_all()

    def tick(self) -> None:
        """Call a few times a second: a model that hangs is given up."""
        now_s, seat = self._clock(), self._seat
        since_s = seat.busy_since_s if seat is not None else None
        if seat is not None and since_s is not None and now_s - since_s > self._patience_s:
            self._hung(seat, since_s)

    def close(self, timeout_s: float) -> None:
        """Finish the frame in hand and end."""
        with self._lock:
            seat = self._seat
            if seat is not None:
                seat.closing = True
                self._lock.notify_all()
        if seat is not None and seat.thread is not None:
            seat.thread.join(timeout_s)

    def _vacate(self) -> None:
        """Under the lock: who sits there ends with the frame in hand, whenever that is."""
        if self._seat is not None:
            self._seat.closing = True
            self._seat = None
            self._lock.notify_all()

    def _run(self, seat: _Seat) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: seat.task or seat.closing)
                task, seat.task = seat.task, None
            if task is None:
                return
            answered, tell = task
            try:
                # A frame that went well acquits no model: what crashes on few frames does so for ever.
                with self._in_hand.holding(shadow_key(seat.model.bundle), acquit=False):
                    opinion = _opinion(seat, answered)
                if seat is self._seat:
                    tell(opinion)
            except Exception as error:  # noqa: BLE001 - whatever a shadow does, the line goes on
                self._failed(seat, error)
            else:
                seat.failures = 0
            with self._lock:
                seat.busy_since_s = None

    def _failed(self, seat: _Seat, error: Exception) -> None:
        with self._lock:
            seat.failures += 1
            if seat is not self._seat or seat.failures < MAX_FAILURES:
                return
            self._vacate()
        _log.warning("the shadow model %s was given up: %s", seat.model.bundle[:12], error)
        self._dropped(seat.model.bundle, f"It failed on {MAX_FAILURES} frames in a row: {error}")

    def _hung(self, seat: _Seat, since_s: float) -> None:
        with self._lock:
            if seat is not self._seat or seat.busy_since_s != since_s:
                return
            self._vacate()
        _log.warning("the shadow model %s was given up: it hangs in a frame", seat.model.bundle[:12])
        why = f"It took more than {self._patience_s:.0f} s for one frame."
        # To remember it means to write a file, for which the line that found out must not wait.
        threading.Thread(
            target=self._dropped, args=(seat.model.bundle, why), name="shadow-given-up", daemon=True
        ).start()


def _opinion(seat: _Seat, answered: Answered) -> SecondOpinion:
    started = time.perf_counter_ns()
    prediction = seat.model.engine.predict(answered.frame.data)
    latency_us = (time.perf_counter_ns() - started) // 1000
    agreed = agree(answered.prediction, prediction, seat.values)
    if (values := values_of(answered.prediction, prediction)) is not None:
        seat.values.append(values)
    return SecondOpinion(shadow=seat.model.bundle, prediction=prediction, latency_us=latency_us, agreed=agreed)
