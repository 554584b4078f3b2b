"""One line with a real model, a real spool, and frames put in by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, RollupRow, SampleRow
from edge_runtime.inference import counters as counters_module
from edge_runtime.inference.counters import STAGES
from edge_runtime.inference.hard import KeepRules
from edge_runtime.inference.pipeline import REFUSED_ALERT
from edge_runtime.service.spool import Spool
from tests.fakes import models
from tests.unit.edge.line import HARD_ONLY, Answering, Bench, loaded
from tests.unit.edge.rows import MODEL, open_spool


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


def test_a_line_that_answers_is_running_whatever_else_is_amiss_with_its_source(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(spool, Answering(loaded(models.brightness_model())))
    bench.source.problem = "one.png cannot be read"
    bench.run(models.frame(10))
    status = bench.pipeline.status()
    assert (status.state, status.last_error) == ("running", "one.png cannot be read")
    monkeypatch.setattr(counters_module, "SILENCE_S", 0.0)
    assert bench.pipeline.status().state == "no-input"


def test_without_a_model_a_frame_a_second_is_kept_and_nothing_is_claimed(spool: Spool) -> None:
    bench = Bench(spool, Answering())
    bench.run(*(models.frame(i) for i in range(20)), b"junk")
    assert bench.rows("results") == []
    (kept,) = [row for row in bench.rows("samples") if isinstance(row, SampleRow)]
    assert (kept.reason, kept.model, kept.confidence) == ("unlabelled", None, None)
    status = bench.pipeline.status()
    assert (status.state, status.frames, status.errors) == ("waiting-for-model", 20, 1)


@pytest.mark.parametrize(("address", "body"), [("signals:/s", b"\x93NUMPY..."), ("lines:/l", b"a line of text")])
def test_without_a_model_signals_and_texts_are_kept_as_well(spool: Spool, address: str, body: bytes) -> None:
    bench = Bench(spool, Answering())
    bench.source.address = address
    bench.run(body)
    (kept,) = [row for row in bench.rows("samples") if isinstance(row, SampleRow)]
    assert (kept.reason, kept.size) == ("unlabelled", len(body))
    assert bench.pipeline.status().errors == 0


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


def test_several_workers_answer_every_frame_once(spool: Spool) -> None:
    answering = Answering(loaded(models.brightness_model()))
    bench = Bench(spool, answering, KeepRules(0.0, 0.0), workers=4)
    bench.run(*(models.frame(number % 256) for number in range(300)), b"junk")
    results = [row for row in bench.rows("results") if isinstance(row, ResultRow)]
    assert sorted(row.frame for row in results) == sorted(f"frame-{number}" for number in range(300))
    assert [row.seq for row in results] == list(range(300)), "the order of the rows is that of their numbers"
    by_frame = {row.frame: row.label for row in results}
    assert (by_frame["frame-10"], by_frame["frame-200"]) == ("dark", "bright")
    status = bench.pipeline.status()
    assert (status.frames, status.errors) == (300, 1)
    assert len(answering.observed) == 300


def test_where_time_went_is_told_by_stage(spool: Spool) -> None:
    bench = Bench(spool, Answering(loaded(models.brightness_model())))
    assert bench.pipeline.status().stages_ms == {}
    bench.run(*[models.frame(10)] * 5)
    stages = bench.counters.stages()
    assert tuple(stage.name for stage in stages) == STAGES
    assert all(0 < stage.mean_ms <= stage.longest_ms for stage in stages)
    assert bench.pipeline.status().stages_ms == {stage.name: round(stage.mean_ms, 3) for stage in stages}
    slowest = max(row.latency_us for row in bench.rows("results") if isinstance(row, ResultRow))
    answer_ms = sum(stage.mean_ms for stage in stages if stage.name in ("decode", "preprocess", "infer", "postprocess"))
    assert answer_ms * 1000 <= slowest + 1


def test_the_end_of_a_line_leaves_a_roll_up(spool: Spool) -> None:
    bench = Bench(spool, Answering(loaded(models.brightness_model())), HARD_ONLY)
    bench.run(models.frame(10), models.frame(127), b"junk", models.frame(250))
    (row,) = [row for row in bench.rows("rollups") if isinstance(row, RollupRow)]
    assert (row.pipeline, row.model, row.frames, row.errors, row.kept) == ("camera", MODEL, 3, 1, 1)
    assert row.labels == {"dark": 2, "bright": 1}
    assert (row.seq, row.shadow) == (0, None)


def test_frames_that_a_camera_could_not_wait_with_are_in_the_ledger(spool: Spool) -> None:
    bench = Bench(spool, Answering(loaded(models.brightness_model())))
    bench.source.dropped = 7
    bench.run(models.frame(10))
    bench.source.dropped = 9
    bench.run(models.frame(10))
    losses = [row for row in bench.rows("losses") if isinstance(row, LossRow)]
    assert {(row.stream, row.reason) for row in losses} == {("frames", "line.behind")}
    assert sum(row.count for row in losses) == 9


def test_a_frame_that_was_in_hand_while_the_model_changed_does_not_disturb_the_monitor(spool: Spool) -> None:
    old, new = loaded(models.brightness_model()), loaded(models.brightness_model(), "ff" * 32)
    answering = Answering(old)
    bench = Bench(spool, answering, KeepRules(0.0, 0.0))
    bench.run(*[models.frame(10)] * 30)
    answering.switch_after = 5, new
    bench.run(*[models.frame(10)] * 30)
    seen = bench.pipeline.status().drift_reference
    assert 0 < seen <= 25 / 150, "only what the new model answered counts"
