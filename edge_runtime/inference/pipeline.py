"""One line: source → decode → model → what is worth telling. Runs in a thread of its own."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypedDict

from edge_runtime.contracts.errors import FrameUnreadable, ModelUnusable
from edge_runtime.contracts.manifest import ImageInput
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, SampleRow, Stream
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.hard import SampleChooser
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.preprocess import decode_image
from edge_runtime.sources.base import Frame, Source, media_type

READ_TIMEOUT_S = 0.2
COMMIT_EVERY_S = 0.2
UNLABELLED_EVERY_S = 1.0
REFUSED_ALERT = 10
"""Frames in a row without an answer after which a person should know."""
_ANY_IMAGE = ImageInput(name="any", width=32, height=32, colour="GRAY")
_log = logging.getLogger(__name__)


class Stamp(TypedDict):
    """What every row begins with: its key and the box's time."""

    box: str
    boot: str
    seq: int
    at_ms: int


class Sink(Protocol):
    """Where rows go; safe to call from several threads."""

    def stamp(self, stream: Stream) -> Stamp: ...
    def put_result(self, row: ResultRow) -> None: ...
    def put_sample(self, row: SampleRow, data: bytes) -> bool: ...
    def put_alert(self, row: AlertRow) -> None: ...
    def put_loss(self, row: LossRow) -> None: ...
    def flush(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to answer."""

    bundle: str
    engine: Engine


class Models(Protocol):
    """Which model answers now; asked anew for every frame, so that a swap loses none."""

    def current(self) -> LoadedModel | None: ...
    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None: ...
    def instead_of(self, model: LoadedModel) -> LoadedModel | None: ...


class Pipeline:
    """The work on one line; :meth:`run` returns when asked to stop and raises what it cannot handle."""

    def __init__(
        self,
        *,
        name: str,
        source: Source,
        models: Models,
        sink: Sink,
        chooser: SampleChooser,
        drift: DriftMonitor,
        counters: PipelineCounters,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self._source, self._models, self._sink = source, models, sink
        self._chooser, self._drift, self._counters, self._changed = chooser, drift, counters, changed
        self._watched: str | None = None
        self._refused = 0
        self._next_unlabelled = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; what was read by then is dealt with and committed."""
        next_commit = time.monotonic() + COMMIT_EVERY_S
        while not stop.is_set():
            frame = self._source.read(READ_TIMEOUT_S)
            if frame is not None:
                self._handle(frame)
            if frame is None or time.monotonic() >= next_commit:
                self._commit()
                next_commit = time.monotonic() + COMMIT_EVERY_S
        self._commit()

    def status(self) -> PipelineStatus:
        return self._counters.status(
            self.name,
            self._source.address,
            has_model=self._models.current() is not None,
            problem=self._source.problem,
            drift=self._drift.found,
            drift_reference=self._drift.progress,
        )

    def _commit(self) -> None:
        # Rows first: after a power cut a frame may come twice, but none is missed.
        if self._sink.flush():
            self._source.commit()

    def _handle(self, frame: Frame) -> None:
        model = self._models.current()
        try:
            if model is None:
                self._keep_unlabelled(frame)
            else:
                self._answer(frame, model)
        except (FrameUnreadable, ModelUnusable) as error:
            self._refuse(frame, error)
        else:
            self._refused = 0
            self._counters.frame()

    def _answer(self, frame: Frame, model: LoadedModel) -> None:
        started = time.perf_counter_ns()
        prepared = model.engine.prepare(frame.data)
        prediction, model = self._infer(prepared, model)
        latency_us = (time.perf_counter_ns() - started) // 1000
        self._models.observe(model, latency_ms=latency_us / 1000, ok=True)
        digest = hashlib.sha256(frame.data).hexdigest()
        self._sink.put_result(
            ResultRow(
                **self._sink.stamp("results"),
                pipeline=self.name,
                frame=frame.name,
                sample=digest,
                model=model.bundle,
                label=prediction.label,
                confidence=prediction.confidence,
                margin=prediction.margin,
                latency_us=latency_us,
                value=prediction.value,
                objects=prediction.objects,
                areas=dict(prediction.areas),
            )
        )
        image = prepared.image
        if image is not None and (reason := self._chooser.choose(prediction.margin, image)):
            self._keep(frame, digest, reason, model, prediction)
        self._watch(model, prediction, float(image[::2, ::2].mean()) if image is not None else 0.0)

    def _infer(self, prepared: Prepared, model: LoadedModel) -> tuple[Prediction, LoadedModel]:
        """The answer, and who gave it: where a model on trial fails, the one before it answers."""
        while True:
            try:
                return model.engine.infer(prepared), model
            except Exception as error:
                self._models.observe(model, latency_ms=0.0, ok=False)
                successor = self._models.instead_of(model)
                if successor is None:
                    raise ModelUnusable(f"Model {model.bundle[:12]} failed on this frame: {error}") from error
                _log.warning("model %s failed, %s answers: %s", model.bundle[:12], successor.bundle[:12], error)
                model = successor

    def _keep_unlabelled(self, frame: Frame) -> None:
        decode_image(frame.data, _ANY_IMAGE)
        now = time.monotonic()
        if now >= self._next_unlabelled:
            self._next_unlabelled = now + UNLABELLED_EVERY_S
            self._keep(frame, hashlib.sha256(frame.data).hexdigest(), "unlabelled", None, None)

    def _keep(
        self,
        frame: Frame,
        digest: str,
        reason: Literal["hard", "random", "unlabelled"],
        model: LoadedModel | None,
        prediction: Prediction | None,
    ) -> None:
        row = SampleRow(
            **self._sink.stamp("samples"),
            pipeline=self.name,
            frame=frame.name,
            sample=digest,
            media=media_type(frame.data),
            size=len(frame.data),
            reason=reason,
            model=model.bundle if model else None,
            label=prediction.label if prediction else None,
            confidence=prediction.confidence if prediction else None,
            margin=prediction.margin if prediction else None,
        )
        if self._sink.put_sample(row, frame.data):
            self._counters.kept()

    def _watch(self, model: LoadedModel, prediction: Prediction, brightness: float) -> None:
        if model.bundle != self._watched:
            self._watched = model.bundle
            self._drift.reset()
        for finding in self._drift.observe(prediction.confidence, prediction.label, brightness):
            _log.warning("%s: %s", self.name, finding.message)
            self._alert(finding.kind, finding.message, model.bundle, finding.facts)

    def _refuse(self, frame: Frame, error: FrameUnreadable | ModelUnusable) -> None:
        self._refused += 1
        self._counters.error(f"{frame.name}: {error.message}")
        stamp = self._sink.stamp("losses")
        self._sink.put_loss(
            LossRow(
                **stamp,
                stream="frames",
                count=1,
                bytes=len(frame.data),
                first_ms=stamp["at_ms"],
                last_ms=stamp["at_ms"],
                reason=error.code,
            )
        )
        if self._refused == 1:
            _log.warning("%s: %s: %s", self.name, frame.name, error)
        if self._refused == REFUSED_ALERT:
            kind = "input.unreadable" if isinstance(error, FrameUnreadable) else "model.failing"
            message = f"{error.title}, {REFUSED_ALERT} times in a row. {error.hint}"
            self._alert(kind, message, self._watched, {"frames": float(REFUSED_ALERT)})

    def _alert(self, kind: str, message: str, model: str | None, facts: dict[str, float]) -> None:
        stamp = self._sink.stamp("alerts")
        self._sink.put_alert(
            AlertRow(**stamp, kind=kind, message=message, pipeline=self.name, model=model, facts=facts)
        )
        self._changed()
