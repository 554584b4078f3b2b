"""A second model that sees what the line sees and answers for nothing.

It runs in one thread of its own, on one frame at a time, after the line has had its answer. A frame that comes while it
is busy, or while the line has no time to spare, is simply not shown to it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.inference.answers import Prediction
from edge_runtime.sources.base import Frame

if TYPE_CHECKING:
    from edge_runtime.inference.pipeline import LoadedModel

ENOUGH_SLACK = 0.3
"""A line whose workers wait for frames during less of their time than this has none to spare."""
MAX_FAILURES = 10
"""In a row, after which the shadow is given up."""
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


class Shadow:
    """Safe to use from any thread.

    :param dropped: told (bundle, why) when a model kept failing and is shown no more frames.
    """

    def __init__(self, *, dropped: Callable[[str, str], None]) -> None:
        self._dropped = dropped
        self._lock = threading.Condition()
        self._model: LoadedModel | None = None
        self._task: tuple[LoadedModel, Answered, Callable[[SecondOpinion], None]] | None = None
        self._busy = self._closing = False
        self._failures = 0
        self._thread: threading.Thread | None = None

    def put(self, model: LoadedModel | None) -> None:
        """From now on this model sees the frames, or none does."""
        with self._lock:
            self._model, self._failures = model, 0
            if model is not None and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()

    @property
    def current(self) -> LoadedModel | None:
        return self._model

    @property
    def busy(self) -> bool:
        """It has a frame in hand."""
        return self._busy

    def offer(self, answered: Answered, slack: float, tell: Callable[[SecondOpinion], None]) -> None:
        """Show it a frame if it is free and the line has time to spare; returns at once.

        :param slack: share of its time that the line lately spent waiting for frames.
        :param tell: called on the shadow's thread.
        """
        if self._model is None or self._busy or slack < ENOUGH_SLACK:
            return
        with self._lock:
            # A model beside itself has nothing to say.
            if self._model is None or self._busy or self._model.bundle == answered.model:
                return
            self._busy, self._task = True, (self._model, answered, tell)
            self._lock.notify_all()

    def close(self, timeout_s: float) -> None:
        """Finish the frame in hand and end."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._task or self._closing)
                task, self._task = self._task, None
            if task is None:
                return
            model, answered, tell = task
            try:
                tell(_opinion(model, answered))
            except Exception as error:  # noqa: BLE001 - whatever a shadow does, the line goes on
                self._failed(model, error)
            else:
                self._failures = 0
            with self._lock:
                self._busy = False

    def _failed(self, model: LoadedModel, error: Exception) -> None:
        with self._lock:
            if self._model is not model:
                return
            self._failures += 1
            if self._failures < MAX_FAILURES:
                return
            self._model = None
        _log.warning("the shadow model %s was given up: %s", model.bundle[:12], error)
        self._dropped(model.bundle, f"It failed on {MAX_FAILURES} frames in a row: {error}")


def _opinion(model: LoadedModel, answered: Answered) -> SecondOpinion:
    started = time.perf_counter_ns()
    prediction = model.engine.predict(answered.frame.data)
    latency_us = (time.perf_counter_ns() - started) // 1000
    return SecondOpinion(
        shadow=model.bundle,
        prediction=prediction,
        latency_us=latency_us,
        agreed=agree(answered.prediction, prediction),
    )


def agree(one: Prediction, other: Prediction) -> bool:
    """Whether two answers say the same: the label, and with objects how many of each kind."""
    if one.label != other.label:
        return False
    return Counter(found.label for found in one.objects) == Counter(found.label for found in other.objects)
