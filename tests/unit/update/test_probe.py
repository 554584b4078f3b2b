"""The sandbox, with models that mean harm."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_sync.release.gate import golden_cases
from cloud_sync.release.pack import pack_bundle
from edge_runtime.contracts.errors import BundleInvalid
from edge_runtime.contracts.manifest import GoldenCase, GoldenRules
from edge_runtime.contracts.status import ProbeReport
from edge_runtime.update import probe as probe_module
from edge_runtime.update.probe import ProbeFacts, judge_probe, probe, value_deltas
from tests.fakes import models, tasks
from tests.fakes.tasks import TaskCase


def try_model(tmp_path: Path, model: bytes, *, timeout_s: float = 30.0, **changes: object) -> ProbeReport:
    path = tmp_path / "candidate.bundle"
    pack_bundle(path, models.manifest(**changes), model, models.GOLDEN)
    return probe(path, timeout_s=timeout_s)


def test_a_good_model_passes(tmp_path: Path) -> None:
    report = try_model(tmp_path, models.brightness_model())
    assert report.passed, report.reasons
    assert (report.golden_total, report.golden_agreed) == (2, 2)
    assert 0 < report.latency_ms_p50 <= report.latency_ms_p95
    assert report.load_ms > 0
    assert 10 * 2**20 < report.memory_bytes < 2**30
    assert report.runtime


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (models.brightness_model()[:120], "refused the model"),
        (b"", "refused the model"),
        (b"\x00" * 64, "refused the model"),
        (models.failing_model(), "failed on a frame"),
        (models.numberless_model(), "no number"),
        (models.greedy_model(), "more than 768 MiB of memory"),
        (models.vast_model(), "more than 768 MiB of memory"),
        (models.prying_model("answer"), "weights from another file"),
        (models.brightness_model(threshold=250.0), "1 of 2 golden cases"),
    ],
    ids=[
        "truncated",
        "empty",
        "zeros",
        "failing",
        "not a number",
        "4 GiB",
        "4 GiB at load",
        "another file",
        "other answers",
    ],
)
def test_a_bad_model_is_a_plain_reason(tmp_path: Path, model: bytes, says: str) -> None:
    report = try_model(tmp_path, model)
    assert not report.passed
    assert says in " ".join(report.reasons)


@pytest.mark.parametrize("make", tasks.CASES)
def test_every_task_is_replayed(tmp_path: Path, make: Callable[[], TaskCase]) -> None:
    case, path = make(), tmp_path / "candidate.bundle"
    cases, golden = golden_cases(case.model, case.input, case.output, case.examples)
    assert {each.label for each in cases} == {label for _, label in case.examples}
    fields = {"task": case.task, "input": case.input, "output": case.output}
    pack_bundle(path, models.manifest(golden=cases, **fields), case.model, golden)
    report = probe(path)
    assert report.passed, report.reasons
    assert (report.golden_agreed, report.confidence_delta_p95, report.value_delta_p95) == (2, 0.0, 0.0)
    if cases[0].value is not None:
        off = tuple(replace(each, value=(each.value or 0.0) * 1.1 + 0.1) for each in cases)
        pack_bundle(path, models.manifest(golden=off, **fields), case.model, golden)
        report = probe(path)
        assert report.value_delta_p95 > 0.05
        assert "the value is off by up to" in report.reasons[0]


def test_a_value_is_judged_by_what_is_typical() -> None:
    assert value_deltas([]) == []
    assert value_deltas([(0.0, 0.0)]) == [0.0]
    assert value_deltas([(100.0, 100.0), (100.0, 105.0), (0.0, 5.0)]) == [0.0, 5 / 105, 0.05]
    assert value_deltas([(0.0, 1.0)]) == [1.0]


def test_a_model_that_loops_for_ever_is_ended(tmp_path: Path) -> None:
    report = try_model(tmp_path, models.endless_model(), timeout_s=2.0)
    assert not report.passed
    assert report.reasons == ("the model did not answer its frames within 2 s",)


def test_a_model_that_crashes_the_runtime_takes_only_the_sandbox_along(tmp_path: Path) -> None:
    report = try_model(tmp_path, models.crashing_model())
    assert not report.passed
    if platform.machine() in ("x86_64", "AMD64"):
        assert report.reasons[0].startswith("the model crashed the sandbox with SIGFPE")


def test_without_golden_cases_a_blank_frame_shows_whether_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "candidate.bundle"
    pack_bundle(path, models.manifest(golden=()), models.brightness_model(), {})
    assert probe(path).passed
    pack_bundle(path, models.manifest(golden=()), models.failing_model(), {})
    assert "failed on a frame" in probe(path).reasons[0]


def test_processor_time_is_limited_by_the_kernel_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the parent dies, nobody watches the wall clock: the sandbox ends all the same."""
    original = probe_module.child_command
    monkeypatch.setattr(probe_module, "child_command", lambda path, memory, _cpu: original(path, memory, 1))
    report = try_model(tmp_path, models.endless_model(), timeout_s=60.0)
    assert not report.passed
    assert "processor time" in report.reasons[0]


def test_no_memory_to_speak_of_is_a_reason_too(tmp_path: Path) -> None:
    path = tmp_path / "candidate.bundle"
    pack_bundle(path, models.manifest(), models.brightness_model(), models.GOLDEN)
    report = probe(path, memory_bytes=4096)
    assert not report.passed
    assert report.reasons


def test_a_runtime_that_is_too_old_is_said_so(tmp_path: Path) -> None:
    report = try_model(tmp_path, models.brightness_model(), min_runtime="99.1.0")
    assert report.reasons[0].startswith("the model needs onnxruntime 99.1.0; this box has ")


def test_the_latency_budget_holds_on_this_box(tmp_path: Path) -> None:
    report = try_model(tmp_path, models.brightness_model(), latency_budget_ms=0.000001)
    assert not report.passed
    assert "the budget is" in report.reasons[0]


def test_a_file_that_is_no_bundle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"PK")
    with pytest.raises(BundleInvalid):
        probe(path)


def test_no_secret_of_ours_reaches_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    assert "AWS_SECRET_ACCESS_KEY" in os.environ
    assert "hunter2" not in probe_module._child_environment("/nowhere").values()


FACTS = ProbeFacts(golden_total=2, golden_agreed=2, latency_ms_p95=5.0)


@pytest.mark.parametrize(
    ("facts", "changes", "reasons"),
    [
        (FACTS, {}, 0),
        (ProbeFacts(), {"golden": ()}, 0),
        (FACTS, {"golden": (GoldenCase(path="golden/dark", label="dark", confidence=1.0),)}, 1),
        (FACTS, {"latency_budget_ms": 5.0}, 0),
        (FACTS, {"latency_budget_ms": 4.9}, 1),
        (ProbeFacts(golden_total=2, golden_agreed=1), {}, 1),
        (ProbeFacts(golden_total=2, golden_agreed=1), {"golden_rules": GoldenRules(min_agreement=0.5)}, 0),
        (ProbeFacts(golden_total=2, golden_agreed=2, confidence_delta_p95=0.2), {}, 1),
        (ProbeFacts(golden_total=2, golden_agreed=2, value_delta_p95=0.06), {}, 1),
        (
            ProbeFacts(golden_total=2, golden_agreed=2, value_delta_p95=0.06),
            {"golden_rules": GoldenRules(max_value_delta=0.06)},
            0,
        ),
        (ProbeFacts(golden_total=2, golden_agreed=0, confidence_delta_p95=0.2), {"latency_budget_ms": 0.0}, 2),
        (ProbeFacts(golden_total=2, golden_agreed=2, problem="it crashed"), {}, 1),
    ],
)
def test_judgement(facts: ProbeFacts, changes: dict[str, object], reasons: int) -> None:
    assert len(judge_probe(facts, models.manifest(**changes))) == reasons
