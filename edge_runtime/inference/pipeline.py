"""One line: source → decode → model → what is worth telling."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import ImageInput
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, RollupRow, SampleRow, ShadowRow
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.at_work import AtWork
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.crew import Crew
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.drift_memory import DriftFile
from edge_runtime.inference.hard import SampleChooser
from edge_runtime.inference.health import Finding, Look, look_at
from edge_runtime.inference.in_hand import GIVEN_UP_AFTER, InHand, frame_key
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.ports import LoadedModel, Models, Sink
from edge_runtime.inference.preprocess import decode_image
from edge_runtime.inference.rollup import Minute, Rollups
from edge_runtime.inference.shadow import Answered, SecondOpinion, Shadow
from edge_runtime.sources.base import Frame, Source, media_type

UNLABELLED_EVERY_S = 1.0
REFUSED_ALERT = 10
"""Frames in a row without an answer after which a person should know."""
DRIFT_EVERY_S = 60.0
GIVEN_UP = "frame.given-up"
"""The alert, and the ledger's reason, of a frame that brought the box down."""
_ANY_IMAGE = ImageInput(name="any", width=32, height=32, colour="GRAY")
_log = logging.getLogger(__name__)


class Pipeline:
    """The work on one line; :meth:`run` returns when asked to stop and raises what it cannot handle.

    :param workers: frames in hand at a time, as a number that may change; each worker takes its own the whole way.
    :param shadow: a second model to show the frames to, where there is one.
    :param drift_file: where what ``drift`` has learned outlives this pipeline.
    :param clock: seconds by which signs of life are given.
    :param in_hand: where it is written down which frames are in hand; closed at the end of :meth:`run`.
    """

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
        workers: Callable[[], int] = lambda: 1,
        shadow: Shadow | None = None,
        drift_file: DriftFile | None = None,
        in_hand: InHand | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._clock = name, clock
        self._source, self._models, self._sink = source, models, sink
        self._chooser, self._drift, self._counters, self._changed = chooser, drift, counters, changed
        self._shadow = shadow
        self._drift_file = drift_file or DriftFile(None)
        self._drift_saved = False, False
        self._next_drift_save = 0.0
        self._in_hand = in_hand or InHand(None)
        self._crew = Crew(
            f"line-{name}",
            source,
            workers=lambda: 1 if self._in_hand.careful else workers(),
            handle=self._handle,
            settle=self._settle,
            clock=clock,
        )
        self._writing = threading.Lock()
        """Held from a result's number to its row, so that both have the same order."""
        self._lock = threading.Lock()
        """Held for what has a memory from frame to frame: the roll-ups, the chooser, the monitors."""
        self._rollups = Rollups()
        self._watched: str | None = None
        self._refused = self._dropped = 0
        self._next_unlabelled = 0.0
        self.at_work = AtWork(clock)
        self.fresh = self._marks = 0
        """Frames that it took and answered, without those that were in hand or waited at a :meth:`mark`."""

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set or the source has finished; what was read by then is dealt with and committed."""
        try:
            self._crew.run(stop)
        finally:
            with self._lock:
                minutes = self._rollups.close(time.monotonic())
            self._put_rollups(minutes)
            self._save_drift(last=True)
            self._in_hand.close()

    def let_go(self, hangs_after_s: float) -> None:
        """The process ends now: frames that were taken up later than so many seconds ago are not to blame for it."""
        self._in_hand.stop(hangs_after_s)

    def mark(self) -> None:
        """What is in hand now says nothing of what is being tried."""
        with self._lock:
            self._marks += 1

    @property
    def last_beat(self) -> float:
        """When the worker that has been silent longest last went round, by the clock; to wait for the source is no
        silence."""
        return self._crew.last_beat

    @property
    def source_since(self) -> float | None:
        """Since when the source has not come back, by the clock; None where nobody waits for it."""
        return self._crew.source_since

    def status(self, *, every_s: float = 0.0) -> PipelineStatus:
        return self._counters.status(
            self.name,
            self._source.address,
            has_model=self._models.current() is not None,
            every_s=every_s,
            problem=self._source.problem,
            drift=self._drift.found,
            drift_reference=self._drift.progress,
        )

    def compare(self, answered: Answered, opinion: SecondOpinion) -> None:
        """Count what the shadow said, on its thread; only where it differs is anything kept."""
        stamp = self._sink.stamp("shadows") if not opinion.agreed else None
        at_ms = stamp["at_ms"] if stamp else time.time_ns() // 1_000_000
        with self._lock:
            self._rollups.shadowed(
                answered.model,
                opinion.shadow,
                opinion.latency_us,
                time.monotonic(),
                at_ms,
                agreed=opinion.agreed,
            )
        if stamp is None:
            return
        self._sink.put_shadow(
            ShadowRow(
                **stamp,
                pipeline=self.name,
                frame=answered.frame.name,
                sample=answered.digest,
                model=answered.model,
                shadow=opinion.shadow,
                label=answered.prediction.label,
                shadow_label=opinion.prediction.label,
                confidence=answered.prediction.confidence,
                shadow_confidence=opinion.prediction.confidence,
                latency_us=answered.latency_us,
                shadow_latency_us=opinion.latency_us,
            )
        )
        self._keep(answered.frame, answered.digest, "disagreement", answered.model, answered.prediction)

    def _settle(self) -> bool:
        with self._lock:
            minutes = self._rollups.due(time.monotonic())
            dropped, self._dropped = self._source.dropped - self._dropped, self._source.dropped
        self._put_rollups(minutes)
        if dropped > 0:
            self._lose(dropped, 0, "line.behind")
        self._save_drift()
        return self._sink.flush()

    def _handle(self, frame: Frame, read_ns: int) -> None:
        model, marks = self._models.current(), self._marks
        begun = time.perf_counter_ns()
        # What looks at the frame's bytes or pixels comes before the model, which drives them out of the caches.
        digest = hashlib.sha256(frame.data).hexdigest()
        key = frame_key(model.bundle if model else "", frame.name, digest)
        if (ends := self._in_hand.ends(key)) >= GIVEN_UP_AFTER:
            self._give_up(frame, model, ends)
            return
        with self._in_hand.holding(key):
            try:
                if frame.problem is not None:
                    raise FrameUnreadable(frame.problem)
                if model is None:
                    self._keep_unlabelled(frame, digest)
                else:
                    self._answer(frame, digest, model, read_ns, begun)
                with self._lock:
                    self.fresh += marks == self._marks and not frame.waited
            except (FrameUnreadable, ModelUnusable) as error:
                self._refuse(frame, model, error)

    def _answer(self, frame: Frame, digest: str, model: LoadedModel, read_ns: int, begun: int) -> None:
        clock = time.perf_counter_ns
        started = clock()
        with self.at_work.decoding():
            prepared = model.engine.prepare(frame.data)
        ready = clock()
        look = look_at(prepared.image) if prepared.image is not None else None
        looked = clock()
        prediction, model, inferred = self._infer(frame, prepared, model)
        answered = clock()
        latency_us = (answered - looked + ready - started) // 1000
        self._models.observe(model, latency_ms=latency_us / 1000, ok=True)
        with self._writing:
            stamp = self._sink.stamp("results")
            self._sink.put_result(
                ResultRow(
                    **stamp,
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
        spooled = clock()
        seen = Answered(frame=frame, digest=digest, model=model.bundle, prediction=prediction, latency_us=latency_us)
        self._watch(seen, prepared, look, stamp["at_ms"])
        decoded = prepared.decoded_ns or ready
        self._counters.frame(
            (
                read_ns,
                decoded - started,
                ready - decoded,
                inferred - looked,
                answered - inferred,
                started - begun + spooled - answered,
                looked - ready + clock() - spooled,
            )
        )

    def _infer(self, frame: Frame, prepared: Prepared, model: LoadedModel) -> tuple[Prediction, LoadedModel, int]:
        """The answer, who gave it, and when the model was done: where one on trial fails, the one before it answers."""
        while True:
            try:
                with self.at_work.answering(model.bundle):
                    tensors = model.engine.run(prepared)
                inferred = time.perf_counter_ns()
                return model.engine.read(tensors, prepared), model, inferred
            except Exception as error:
                self._models.observe(model, latency_ms=0.0, ok=False)
                successor = self._models.instead_of(model)
                if successor is None:
                    raise ModelUnusable(f"Model {model.bundle[:12]} failed on this frame: {error}") from error
                _log.warning("model %s failed, %s answers: %s", model.bundle[:12], successor.bundle[:12], error)
                if successor.engine.input_spec != model.engine.input_spec:
                    with self.at_work.decoding():
                        prepared = successor.engine.prepare(frame.data)
                model = successor

    def _watch(self, seen: Answered, prepared: Prepared, look: Look | None, at_ms: int) -> None:
        """Count the answer, and see whether the frame is worth keeping and the line still what it was."""
        prediction, model = seen.prediction, seen.model
        current = self._models.current()
        findings: list[Finding] = []
        with self._lock:
            now = time.monotonic()
            self._refused = 0
            self._rollups.frame(
                model, prediction.label, prediction.confidence, seen.latency_us, prediction.value, now, at_ms
            )
            reason = self._chooser.choose(prediction, look, prepared)
            # A frame that was in hand while the model changed says nothing about the new one.
            if current is not None and model == current.bundle:
                if model != self._watched:
                    self._watched = model
                    self._recall_drift(model)
                findings = self._drift.observe(prediction, look)
        if reason:
            self._keep(seen.frame, seen.digest, reason, model, prediction)
        for finding in findings:
            _log.warning("%s: %s", self.name, finding.message)
            self._alert(finding.kind, finding.message, model, finding.facts)
        if self._shadow is not None and self._shadow.current is not None:
            self._shadow.offer(seen, self._crew.slack, lambda opinion: self.compare(seen, opinion))

    def _recall_drift(self, model: str) -> None:
        """Another model answers, or the line has only begun: what is known of how it was, if anything."""
        self._drift.reset()
        if (memory := self._drift_file.load(model)) is not None:
            try:
                self._drift.recall(memory)
            except InputInvalid as error:
                _log.warning("%s: what was known of drift does not fit: %s", self.name, error)
                self._drift_file.drop()
        self._next_drift_save = time.monotonic() + DRIFT_EVERY_S
        self._drift_saved = self._drift.progress == 1.0, self._drift.found

    def _save_drift(self, *, last: bool = False) -> None:
        """From time to time, and at once where the reference is complete or something was found."""
        with self._lock:
            model, now = self._watched, time.monotonic()
            news = self._drift.progress == 1.0, self._drift.found
            if model is None or not (last or now >= self._next_drift_save or news != self._drift_saved):
                return
            self._next_drift_save, self._drift_saved = now + DRIFT_EVERY_S, news
            memory = self._drift.memory()
        self._drift_file.save(model, memory)

    def _keep_unlabelled(self, frame: Frame, digest: str) -> None:
        # Of texts and signals nobody can tell without a model whether they are sound.
        if media_type(frame.data) != "application/x-npy" and not self._source.address.startswith("lines:"):
            with self.at_work.decoding():
                decode_image(frame.data, _ANY_IMAGE)
        now = time.monotonic()
        with self._lock:
            self._refused = 0
            if keep := now >= self._next_unlabelled:
                self._next_unlabelled = now + UNLABELLED_EVERY_S
        if keep:
            self._keep(frame, digest, "unlabelled", None, None)
        self._counters.frame()

    def _keep(
        self,
        frame: Frame,
        digest: str,
        reason: Literal["hard", "random", "unlabelled", "disagreement"],
        model: str | None,
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
            model=model,
            label=prediction.label if prediction else None,
            confidence=prediction.confidence if prediction else None,
            margin=prediction.margin if prediction else None,
        )
        if not self._sink.put_sample(row, frame.data):
            return
        self._counters.kept()
        if model is not None:
            with self._lock:
                self._rollups.kept(model, time.monotonic(), row.at_ms)

    def _give_up(self, frame: Frame, model: LoadedModel | None, ends: int) -> None:
        """Leave a frame out that hung or crashed the whole box; told once, whatever the next one does."""
        self._crew.commit_soon()
        self._count_error(frame, model, GIVEN_UP)
        message = f"{frame.name} was left out: the box came to an unclean end with it in hand, {ends} times."
        self._counters.error(message)
        _log.error("%s: %s", self.name, message)
        self._alert(GIVEN_UP, message, model.bundle if model else None, {"ends": float(ends)})

    def _count_error(self, frame: Frame, model: LoadedModel | None, reason: str) -> None:
        at_ms = self._lose(1, len(frame.data), reason)
        if model is not None:
            with self._lock:
                self._rollups.error(model.bundle, time.monotonic(), at_ms)

    def _refuse(self, frame: Frame, model: LoadedModel | None, error: FrameUnreadable | ModelUnusable) -> None:
        self._count_error(frame, model, error.code)
        with self._lock:
            self._refused += 1
            refused = self._refused
        self._counters.error(f"{frame.name}: {error.message}")
        if refused == 1:
            _log.warning("%s: %s: %s", self.name, frame.name, error)
        if refused == REFUSED_ALERT:
            kind = "input.unreadable" if isinstance(error, FrameUnreadable) else "model.failing"
            message = f"{error.title}, {REFUSED_ALERT} times in a row. {error.hint}"
            self._alert(kind, message, self._watched, {"frames": float(REFUSED_ALERT)})

    def _lose(self, count: int, size: int, reason: str) -> int:
        """An entry for the ledger; returns its time."""
        stamp = self._sink.stamp("losses")
        at_ms = stamp["at_ms"]
        self._sink.put_loss(
            LossRow(**stamp, stream="frames", count=count, bytes=size, first_ms=at_ms, last_ms=at_ms, reason=reason)
        )
        return at_ms

    def _alert(self, kind: str, message: str, model: str | None, facts: dict[str, float]) -> None:
        stamp = self._sink.stamp("alerts")
        self._sink.put_alert(
            AlertRow(**stamp, kind=kind, message=message, pipeline=self.name, model=model, facts=facts)
        )
        self._changed()

    def _put_rollups(self, minutes: list[Minute]) -> None:
        for minute in minutes:
            row = dataclasses.asdict(minute)
            self._sink.put_rollup(RollupRow(**{**self._sink.stamp("rollups"), **row}, pipeline=self.name))
