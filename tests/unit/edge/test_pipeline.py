"""One line with a real model, a real spool, and frames put in by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.config import PipelineConfig
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, SampleRow, Stream
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.pipeline import REFUSED_ALERT, LoadedModel, Pipeline
from edge_runtime.service import lines as lines_module
from edge_runtime.service.lines import Line
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame, Source
from tests.fakes import models
from tests.unit.edge.rows import MODEL, ListSource, open_spool
from tests.waiting import wait_until

KINDS = {"results": ResultRow, "samples": SampleRow, "alerts": AlertRow, "losses": LossRow}


HARD_ONLY = KeepRules(margin=0.5, random_share=0.0)


class Answering:
    """What stands for the installer's choice: one model, or none, and perhaps one to fall back to."""

    def __init__(self, model: LoadedModel | None = None, fallback: LoadedModel | None = None) -> None:
        self.model, self.fallback = model, fallback
        self.observed: list[bool] = []

    def current(self) -> LoadedModel | None:
        return self.model

    def instead_of(self, model: LoadedModel) -> LoadedModel | None:
        return self.fallback if model is not self.fallback else None

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        self.observed.append(ok)


def loaded(model: bytes, bundle: str = MODEL) -> LoadedModel:
    return LoadedModel(bundle, Engine(model, models.INPUT, models.OUTPUT))


class Bench:
    """A pipeline that is run until its frames are used up."""

    def __init__(self, spool: Spool, answering: Answering, rules: KeepRules = HARD_ONLY) -> None:
        self.spool, self.source, self.counters = spool, ListSource(), PipelineCounters()
        self.pipeline = Pipeline(
            name="camera",
            source=self.source,
            models=answering,
            sink=spool,
            chooser=SampleChooser(rules, seed=1),
            drift=DriftMonitor(reference=150, window=60),
            counters=self.counters,
            changed=lambda: None,
        )

    def run(self, *bodies: bytes) -> None:
        stop = threading.Event()
        self.source.frames.extend(Frame(f"frame-{i}", body) for i, body in enumerate(bodies))
        thread = threading.Thread(target=self.pipeline.run, args=(stop,))
        thread.start()
        commits = self.source.commits
        wait_until(lambda: not self.source.frames and self.source.commits > commits, 30, "the frames to be used up")
        stop.set()
        thread.join()

    def rows(self, stream: Stream) -> list[ResultRow | SampleRow | AlertRow | LossRow]:
        return [wire.decode(bytes(raw), KINDS[stream]) for raw in self.spool.page(stream, 0, 5000).rows]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


def test_every_frame_gets_an_answer_and_the_hard_ones_are_kept(spool: Spool) -> None:
    answering = Answering(loaded(models.brightness_model()))
    bench = Bench(spool, answering)
    bench.run(models.frame(10), models.frame(127), models.frame(250))
    results = [row for row in bench.rows("results") if isinstance(row, ResultRow)]
    assert [row.label for row in results] == ["dark", "dark", "bright"]
    assert all(row.latency_us > 0 and row.model == MODEL for row in results)
    (kept,) = [row for row in bench.rows("samples") if isinstance(row, SampleRow)]
    assert (kept.frame, kept.reason, kept.label, kept.media) == ("frame-1", "hard", "dark", "image/png")
    assert spool.sample(kept.sample) == models.frame(127)
    assert answering.observed == [True] * 3
    status = bench.pipeline.status()
    assert (status.state, status.frames, status.kept, status.errors) == ("running", 3, 1, 0)


def test_without_a_model_a_frame_a_second_is_kept_and_nothing_is_claimed(spool: Spool) -> None:
    bench = Bench(spool, Answering())
    bench.run(*(models.frame(i) for i in range(20)), b"junk")
    assert bench.rows("results") == []
    (kept,) = [row for row in bench.rows("samples") if isinstance(row, SampleRow)]
    assert (kept.reason, kept.model, kept.confidence) == ("unlabelled", None, None)
    status = bench.pipeline.status()
    assert (status.state, status.frames, status.errors) == ("waiting-for-model", 20, 1)


def test_what_is_no_image_is_counted_and_told_when_it_persists(spool: Spool) -> None:
    bench = Bench(spool, Answering(loaded(models.brightness_model())))
    whole = models.frame(10)
    bench.run(b"", whole[: len(whole) // 2], b"<html>", whole)
    assert bench.rows("alerts") == []
    assert sum(row.count for row in bench.rows("losses") if isinstance(row, LossRow)) == 3
    bench.run(*[b"junk"] * (REFUSED_ALERT + 5))
    (alert,) = [row for row in bench.rows("alerts") if isinstance(row, AlertRow)]
    assert (alert.kind, alert.pipeline) == ("input.unreadable", "camera")
    status = bench.pipeline.status()
    assert (status.frames, status.errors) == (1, 3 + REFUSED_ALERT + 5)
    assert "not a whole" in (status.last_error or "")
    bench.run(whole, *[b"junk"] * REFUSED_ALERT)
    assert len(bench.rows("alerts")) == 2


def test_where_a_model_on_trial_fails_the_one_before_it_answers(spool: Spool) -> None:
    before = loaded(models.brightness_model(), "ee" * 32)
    answering = Answering(loaded(models.failing_model()), fallback=before)
    bench = Bench(spool, answering)
    bench.run(models.frame(10))
    (answer,) = [row for row in bench.rows("results") if isinstance(row, ResultRow)]
    assert (answer.model, answer.label) == (before.bundle, "dark")
    assert answering.observed == [False, True]


def test_a_model_that_fails_alone_costs_the_frame_and_not_the_line(spool: Spool) -> None:
    bench = Bench(spool, Answering(loaded(models.failing_model())))
    bench.run(*[models.frame(10)] * REFUSED_ALERT)
    assert bench.pipeline.status().errors == REFUSED_ALERT
    assert [row.kind for row in bench.rows("alerts") if isinstance(row, AlertRow)] == ["model.failing"]


def test_drift_is_told_once_and_begins_anew_with_another_model(spool: Spool) -> None:
    rng = np.random.default_rng(5)
    answering = Answering(loaded(models.brightness_model()))
    bench = Bench(spool, answering, KeepRules(0.0, 0.0))

    def frames(mean: float, count: int) -> list[bytes]:
        return [models.frame(int(v)) for v in rng.normal(mean, 8, count).clip(0, 255)]

    bench.run(*frames(60, 300))
    assert (bench.rows("alerts"), bench.pipeline.status().drift) == ([], False)
    bench.run(*frames(105, 100))
    alerts = [row for row in bench.rows("alerts") if isinstance(row, AlertRow)]
    assert {alert.kind for alert in alerts} >= {"input.brightness"}
    assert all(300 < alert.facts["frames"] <= 400 and alert.model == MODEL for alert in alerts)
    assert bench.pipeline.status().drift
    answering.model = loaded(models.brightness_model(), "ff" * 32)
    bench.run(*frames(105, 30))
    status = bench.pipeline.status()
    assert (status.drift, status.drift_reference) == (False, 0.2)
    assert len(bench.rows("alerts")) == len(alerts)


def test_a_line_that_fails_is_started_again_and_keeps_its_figures(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "FIRST_PAUSE_S", 0.01)
    attempts: list[ListSource] = []
    failures: list[str] = []
    counters = PipelineCounters()

    def open_one() -> Source:
        attempts.append(ListSource())
        if len(attempts) < 4:
            raise OSError("the camera is away")
        attempts[-1].frames.append(Frame("frame", models.frame(1)))
        return attempts[-1]

    def build(source: Source) -> Pipeline:
        return Pipeline(
            name="camera",
            source=source,
            models=Answering(loaded(models.brightness_model())),
            sink=spool,
            chooser=SampleChooser(KeepRules(0.5, 0.0), seed=1),
            drift=DriftMonitor(),
            counters=counters,
            changed=lambda: None,
        )

    config = PipelineConfig(name="camera", source="list:test")
    line = Line(config, open_source=open_one, build=build, failed=failures.append, counters=counters)
    status = wait_until(lambda: s if (s := line.status(has_model=True)).frames else None, 10, "the frame")
    assert status.state == "running"
    assert "the camera is away" in (status.last_error or "")
    assert failures == ["the camera is away"]
    line.ask_to_stop()
    assert line.join(5)
    assert attempts[-1].closed


def test_an_unknown_source_leaves_the_line_failing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Source:
        raise LinesideError("no such camera")

    failed = threading.Event()
    line = Line(
        PipelineConfig(name="camera", source="list:test"),
        open_source=refuse,
        build=lambda source: Bench(spool, Answering()).pipeline,
        failed=lambda _why: failed.set(),
        counters=PipelineCounters(),
    )
    assert failed.wait(10)
    wait_until(lambda: line.status(has_model=True).state == "failing", 5, "the state")
    line.ask_to_stop()
    assert line.join(5)
