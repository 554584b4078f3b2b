"""The whole loop, once: train, roll out, let the line change, notice, collect, label, train again, prove, roll out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.context import Context
from app.demo.lines import Condition, Digit, load_digits, write_training_folder
from app.demo.measure import accuracy, frames_until_alert, labels_of_changed
from app.demo.report import (
    BurstFigures,
    DemoOptions,
    DemoReport,
    DriftFigures,
    LineAccuracy,
    ModelFigures,
    RolloutFigures,
    SampleFigures,
    SyncFigures,
)
from app.demo.stage import Station, stations
from app.store.records import Box, Burst, Model, Rollout
from app.usecases import boxes, bursts, datasets, finding, models, rollout_runner, rollouts, samples, sites, sync
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import GateRefused, InputInvalid
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.contracts.status import PipelineStatus

MODEL_NAME = "digit-counter"
TRAINING_FRAMES = 900
MEASURED_FRAMES = 150
"""Frames of each line on which an accuracy of the report stands, at least."""
CHANGED_FRAMES = 400
"""Changed frames that line 2 shows before the engineer comes to collect."""
DRIFT_PATIENCE_FRAMES = 1000
EPOCHS = 25
"""Enough for a thousand small frames."""


def play(
    options: DemoOptions,
    *,
    progress: Progress,
    cancel: CancelToken,
    on_context: Callable[[Context], None] | None = None,
    hold: Callable[[DemoReport], None] | None = None,
) -> DemoReport:
    """Run the demo and measure it.

    :param on_context: gets the demo's own site as soon as it exists, to watch it live; whoever takes it
        closes it.
    :param hold: called with the report while the lines still run; they stop when it returns.
    :raises TrainingUnavailable: this installation cannot train; nothing was begun.
    :raises Cancelled: somebody stopped it; no process is left.
    """
    bursts.require_training_here()
    with ExitStack() as stack:
        folder = (
            _empty_folder(Path(options.directory).absolute())
            if options.directory
            else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineside-demo-")))
        )
        started = time.monotonic()
        ctx = sites.create_site(folder / "desktop", "Demo factory", passphrase="a demo of lineside")  # noqa: S106 - throw-away keys
        if on_context is None:
            stack.callback(ctx.close)
        else:
            on_context(ctx)
        stack.callback(bursts.stop_all, ctx)
        run = _Run(ctx, folder, options, progress, cancel)
        with stations(folder, run.line_digits, options.seed, cancel) as pair:
            report = run.loop(pair, started)
            if hold is not None:
                hold(report)
    return report


def _empty_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputInvalid(f"{folder} is not empty.", hint="Choose a folder that is empty or not there yet.")
    except OSError as error:
        raise InputInvalid(f"{folder} cannot be used: {error.strerror}.", hint="Choose another folder.") from error
    return folder


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one round of training and rolling out left behind."""

    burst: Burst
    model: Model
    rollout: Rollout


class _Run:
    """One play of the demo. The lines' accuracy is never measured on digits that a model learned from."""

    def __init__(
        self, ctx: Context, folder: Path, options: DemoOptions, progress: Progress, cancel: CancelToken
    ) -> None:
        self.ctx, self.folder, self.options = ctx, folder, options
        self.progress, self.cancel = progress, cancel
        digits = load_digits()
        # Interleaved, because writers follow each other in the file: all three parts hold the same hands.
        self.training_digits: list[Digit] = digits[0::2]
        self.line_digits: list[Digit] = digits[1::4]
        self.fresh_digits: list[Digit] = digits[3::4]
        self.changed_ms = 0
        self._span = (0.0, 0.0)

    def loop(self, pair: list[Station], started: float) -> DemoReport:
        line1, line2 = pair
        self._say("site", "Two boxes start; the desktop finds and enrols them", 0.00, 0.05)
        self._enrol(pair)
        sync.setup_store(
            self.ctx, self.options.bucket or str(self.folder / "bucket"), endpoint_url=self.options.endpoint_url
        )
        self._say("label", f"{TRAINING_FRAMES} labelled frames of normal production are imported", 0.05, 0.08)
        write_training_folder(self.folder / "training", self.training_digits, TRAINING_FRAMES, self.options.seed)
        samples.import_folder(self.ctx, self.folder / "training", progress=self._nested, cancel=self.cancel)
        first = self._train_and_roll_out("normal production", None, [[line1.name, line2.name]], 0.08, 0.35)

        self._say("watch", "Both lines run on the first model; each box learns what is normal", 0.35, 0.42)
        self._watch_normal(pair)
        self.changed_ms = boxes.now_ms()
        self._say("change", "Line 2 changes: dimmer, blurred, partly inverted. Nobody tells the box", 0.42, 0.46)
        line2.line.condition = "changed"
        alert = self._wait_for_alert(line2)
        self._say(
            "drift",
            f"The box of line 2 noticed by itself: {alert.message}" if alert else "The box of line 2 noticed nothing",
            0.46,
            0.55,
        )
        self._wait_for_changed_frames(line2)

        self._say(
            "collect", "Results and hard samples come over; what line 2 kept since the change is labelled", 0.55, 0.60
        )
        self._collect()
        truth = labels_of_changed(self.ctx, self._box(line2), line2.line.shown)
        labelled = samples.label_samples(self.ctx, truth)
        sync.sync_now(self.ctx, progress=self._nested, cancel=self.cancel)
        second = self._train_and_roll_out(
            "normal and changed production", first.model, [[line2.name], [line1.name]], 0.60, 0.90
        )

        self._say("measure", "Both lines show digits that no model has learned from", 0.90, 0.96)
        fresh_from_ms = self._show_fresh(pair)
        sync.sync_now(self.ctx, progress=self._nested, cancel=self.cancel)
        self._say("done", "Measured and synced", 1.0, 1.0)
        return self._report(pair, (first, second), alert, labelled, fresh_from_ms, started)

    def _enrol(self, pair: list[Station]) -> None:
        enrolled = [boxes.enrol_local(self.ctx, station.home) for station in pair]
        ids = {box.box for box in enrolled}
        report = finding.scan(self.ctx, finding.ScanRequest(seconds=3.0), expected=ids, cancel=self.cancel)
        found = [one.seen for one in report.found]
        heard = {seen.box for seen in found if seen.announced and seen.proved} & ids
        how = "by mDNS" if len(heard) == len(enrolled) else "by their addresses (multicast is off here)"
        self.cancel.check()
        boxes.refresh(self.ctx)
        self._say("site", f"Both boxes were found {how} and answer over mutual TLS", 0.04, 0.05)

    def _train_and_roll_out(
        self, name: str, base: Model | None, waves: list[list[str]], low: float, high: float
    ) -> _Outcome:
        def part(a: float, b: float) -> tuple[float, float]:
            return low + (high - low) * a, low + (high - low) * b

        dataset = datasets.freeze_dataset(self.ctx, name)
        self._say("train", f"A burst trains on {dataset.train} samples of {name}", *part(0.0, 0.6))
        request = bursts.BurstRequest(
            dataset=dataset.dataset, base_model=base.model if base else None, minutes=10, params={"epochs": EPOCHS}
        )
        burst = bursts.start_burst(self.ctx, request, progress=self._nested, cancel=self.cancel)
        burst = bursts.follow_burst(self.ctx, burst.burst, progress=self._nested, cancel=self.cancel)
        self._say("gate", "Quantized to int8; the gate compares it with fp32 on held-out samples", *part(0.6, 0.75))
        model = models.import_result(self.ctx, burst.burst, name=MODEL_NAME, progress=self._nested, cancel=self.cancel)
        for box in dict.fromkeys(box for wave in waves for box in wave):
            self._say("prove", f"{box} replays the golden cases and measures its own latency", *part(0.75, 0.8))
            models.prove_on_box(self.ctx, model.model, box, progress=self._nested, cancel=self.cancel)
        model = models.release_model(self.ctx, model.model)
        way = ", then ".join(" and ".join(wave) for wave in waves)
        self._say("rollout", f"{model.name} {model.version} is signed and goes to {way}", *part(0.8, 1.0))
        rollout = rollouts.start_rollout(self.ctx, model.model, waves=waves)
        rollout = rollout_runner.follow_rollout(self.ctx, rollout.rollout, progress=self._nested, cancel=self.cancel)
        return _Outcome(bursts.get_burst(self.ctx, burst.burst), model, rollout)

    def _watch_normal(self, pair: list[Station]) -> None:
        goals = [(station, self._frames(station) + MEASURED_FRAMES) for station in pair]
        for station, goal in goals:
            self._wait_for_pipeline(station, _has_learned_normal(goal))

    def _wait_for_alert(self, station: Station) -> AlertRow | None:
        last = self._frames(station) + DRIFT_PATIENCE_FRAMES
        self._wait_for_pipeline(station, lambda pipeline: pipeline.drift or pipeline.frames > last)
        self._collect()
        alerts = [a for a in boxes.page_alerts(self.ctx, station.name).rows if a.kind.startswith(("drift.", "input."))]
        since = [alert for alert in alerts if alert.at_ms >= self.changed_ms]
        return since[-1] if since else None

    def _wait_for_changed_frames(self, station: Station) -> None:
        while sum(shown.condition == "changed" for shown in list(station.line.shown.values())) < CHANGED_FRAMES:
            station.check()
            self.cancel.wait(0.2)

    def _show_fresh(self, pair: list[Station]) -> int:
        fresh_from_ms = boxes.now_ms()
        for station in pair:
            station.line.digits = self.fresh_digits
        goals = [(station, self._frames(station) + MEASURED_FRAMES + 10) for station in pair]
        for station, goal in goals:
            self._wait_for_pipeline(station, _has_seen(goal))
        self._collect()
        return fresh_from_ms

    def _wait_for_pipeline(self, station: Station, ready: Callable[[PipelineStatus], bool]) -> None:
        def box_ready(box: Box) -> bool:
            station.check()
            return box.status is not None and any(ready(pipeline) for pipeline in box.status.pipelines)

        boxes.wait_for(self.ctx, station.name, box_ready, cancel=self.cancel)

    def _collect(self) -> None:
        boxes.collect(self.ctx, progress=self._nested, cancel=self.cancel)

    def _frames(self, station: Station) -> int:
        status = boxes.refresh(self.ctx, station.name)[0].status
        return status.pipelines[0].frames if status else 0

    def _box(self, station: Station) -> str:
        return boxes.get_box(self.ctx, station.name).box

    def _say(self, step: str, message: str, low: float, high: float) -> None:
        self.cancel.check()
        self._span = (low, high)
        self.progress(ProgressEvent(step=step, message=message, fraction=low))

    def _nested(self, event: ProgressEvent) -> None:
        low, high = self._span
        fraction = low + (high - low) * event.fraction if event.fraction is not None else None
        self.progress(ProgressEvent(step=f"…{event.step}", message=event.message, fraction=fraction))

    def _report(
        self,
        pair: list[Station],
        rounds: tuple[_Outcome, _Outcome],
        alert: AlertRow | None,
        labelled: int,
        fresh_from_ms: int,
        started: float,
    ) -> DemoReport:
        first, second = (outcome.model.model for outcome in rounds)
        standing = sync.sync_status(self.ctx)

        def line(station: Station, after: Condition) -> LineAccuracy:
            box, shown = self._box(station), station.line.shown
            return LineAccuracy(
                before_change=accuracy(self.ctx, box, shown, model=first, condition="normal"),
                after_change=accuracy(self.ctx, box, shown, model=first, condition=after),
                after_update=accuracy(self.ctx, box, shown, model=second, condition=after, from_ms=fresh_from_ms),
            )

        final = rounds[1].rollout
        names = {box.box: box.name for box in boxes.list_boxes(self.ctx)}
        statuses = [box.status for box in boxes.refresh(self.ctx) if box.status]
        return DemoReport(
            boxes=len(names),
            bursts=tuple(_burst_figures(outcome.burst) for outcome in rounds),
            samples=SampleFigures(
                seen=sum(pipeline.frames for status in statuses for pipeline in status.pipelines),
                kept=sum(pipeline.kept for status in statuses for pipeline in status.pipelines),
                labelled=labelled,
            ),
            models=tuple(_model_figures(outcome.model) for outcome in rounds),
            rollout=RolloutFigures(state=final.state, boxes={names[part.box]: part.state for part in final.boxes}),
            line1_accuracy=line(pair[0], "normal"),
            line2_accuracy=line(pair[1], "changed"),
            drift=DriftFigures(
                alert=alert is not None,
                frames_until_alert=frames_until_alert(self.ctx, pair[1].line.shown, alert) if alert else 0,
            ),
            sync=SyncFigures(
                store=standing.store or "",
                objects=standing.objects,
                bytes=standing.bytes,
                pending=standing.pending_changes + standing.pending_objects,
            ),
            seconds=round(time.monotonic() - started, 1),
        )


def _has_seen(goal: int) -> Callable[[PipelineStatus], bool]:
    return lambda pipeline: pipeline.frames >= goal


def _has_learned_normal(goal: int) -> Callable[[PipelineStatus], bool]:
    return lambda pipeline: pipeline.frames >= goal and pipeline.drift_reference >= 1.0


def _burst_figures(burst: Burst) -> BurstFigures:
    seconds = ((burst.finished_ms or 0) - (burst.started_ms or 0)) / 1000
    return BurstFigures(id=burst.burst, host=burst.host, state=burst.state, seconds=round(seconds, 1))


def _model_figures(model: Model) -> ModelFigures:
    if model.gate is None:
        raise GateRefused(f"{model.name} {model.version} was never gated.")
    return ModelFigures(
        version=model.version,
        fp32_accuracy=model.gate.fp32_accuracy,
        int8_accuracy=model.gate.int8_accuracy,
        fp32_bytes=model.gate.fp32_bytes,
        int8_bytes=model.gate.int8_bytes,
        gate="passed" if model.gate.passed else "refused",
    )
