"""The gate: figures in, plain reasons out; and the figures themselves from real models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.release.gate import GateRules, evaluate, golden_cases, judge
from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import GateReport
from tests.fakes import models

MODEL = models.brightness_model()
SAMPLES = [(models.frame(level), "bright" if level > 128 else "dark") for level in range(0, 256, 5)]


def gate(**changes: Any) -> GateReport:
    figures: dict[str, Any] = {
        "fp32_accuracy": 0.97,
        "int8_accuracy": 0.965,
        "fp32_bytes": 240_000,
        "int8_bytes": 70_000,
        "samples": 200,
        "majority_share": 0.1,
        "baseline_accuracy": 0.96,
        **changes,
    }
    return judge(**figures)


def test_a_good_model_passes_with_its_figures() -> None:
    report = gate()
    assert report.passed
    assert report.reasons == ()
    assert (report.samples, report.fp32_accuracy, report.int8_accuracy, report.baseline_accuracy) == (
        200,
        0.97,
        0.965,
        0.96,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"int8_accuracy": 0.951}, None),
        ({"fp32_accuracy": 0.97, "int8_accuracy": 0.95, "baseline_accuracy": None}, None),
        (
            {"int8_accuracy": 0.94, "baseline_accuracy": None},
            "Quantization costs 3.0 points of accuracy (97.0% to 94.0%); at most 2.0 points are allowed.",
        ),
        ({"int8_accuracy": 0.96, "baseline_accuracy": 0.97}, None),
        (
            {"int8_accuracy": 0.96, "baseline_accuracy": 0.98},
            "It is 2.0 points worse than the model that runs now (98.0% to 96.0%); at most 1.0 points are allowed.",
        ),
        ({"samples": 40, "fp32_accuracy": 0.95, "int8_accuracy": 0.925, "baseline_accuracy": 0.95}, None),
        (
            {"samples": 40, "fp32_accuracy": 0.95, "int8_accuracy": 0.9, "baseline_accuracy": None},
            "Quantization costs 5.0 points of accuracy (95.0% to 90.0%); at most 2.5 points are allowed.",
        ),
        ({"samples": 30}, None),
        ({"samples": 29}, "The held-out split has 29 samples; at least 30 are needed to judge."),
        ({"fp32_accuracy": 0.55, "int8_accuracy": 0.55, "baseline_accuracy": None}, None),
        (
            {"fp32_accuracy": 0.54, "int8_accuracy": 0.54, "baseline_accuracy": None},
            (
                "It answers 54.0% of the held-out samples rightly; at least 55.0% are needed "
                "(always giving the most frequent label would reach 10.0%)."
            ),
        ),
        ({"int8_bytes": 239_999}, None),
        ({"int8_bytes": 240_000}, "The int8 model is not smaller: 240,000 bytes against 240,000 in fp32."),
    ],
)
def test_each_rule_at_its_edge(changes: dict[str, object], reason: str | None) -> None:
    assert gate(**changes).reasons == (() if reason is None else (reason,))


@given(
    fp32=st.floats(0, 1),
    int8=st.floats(0, 1),
    baseline=st.none() | st.floats(0, 1),
    samples=st.integers(0, 1000),
    majority=st.floats(0, 1),
    sizes=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_it_passes_only_within_every_rule(
    fp32: float, int8: float, baseline: float | None, samples: int, majority: float, sizes: tuple[int, int]
) -> None:
    report = judge(
        fp32_accuracy=fp32,
        int8_accuracy=int8,
        fp32_bytes=sizes[0],
        int8_bytes=sizes[1],
        samples=samples,
        majority_share=majority,
        baseline_accuracy=baseline,
    )
    rules = GateRules()
    assert report.passed == (not report.reasons)
    if report.passed:
        assert fp32 - int8 < max(rules.max_quantization_loss, 1 / samples) + 1e-6
        assert baseline is None or baseline - int8 < max(rules.max_baseline_loss, 1 / samples) + 1e-6
        assert samples >= rules.min_samples
        assert int8 >= majority - 1e-6
        assert sizes[1] < sizes[0]


def test_accuracy_is_counted_on_real_frames() -> None:
    assert evaluate(MODEL, models.INPUT, models.OUTPUT, SAMPLES) == 1.0
    wrong = [(frame, "dark") for frame, _ in SAMPLES]
    assert evaluate(MODEL, models.INPUT, models.OUTPUT, wrong) == pytest.approx(26 / 52)
    assert evaluate(MODEL, models.INPUT, models.OUTPUT, [SAMPLES[0], (b"no image", "dark")]) == 0.5


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(InputInvalid):
        evaluate(MODEL, models.INPUT, models.OUTPUT, [])
    with pytest.raises(InputInvalid):
        golden_cases(MODEL, models.INPUT, models.OUTPUT, [(b"no image", "dark")])
    with pytest.raises(ModelUnusable):
        evaluate(MODEL[:50], models.INPUT, models.OUTPUT, SAMPLES)


def test_golden_cases_are_even_sure_and_repeatable() -> None:
    cases, files = golden_cases(MODEL, models.INPUT, models.OUTPUT, SAMPLES, count=10)
    assert {case.path for case in cases} == set(files)
    assert sorted(case.label for case in cases) == ["bright"] * 5 + ["dark"] * 5
    assert all(case.confidence > 0.6 for case in cases)
    assert golden_cases(MODEL, models.INPUT, models.OUTPUT, reversed(SAMPLES), count=10) == (cases, files)


def test_few_samples_make_few_golden_cases() -> None:
    cases, files = golden_cases(MODEL, models.INPUT, models.OUTPUT, [*SAMPLES[:2], SAMPLES[0], (b"x", "dark")])
    assert len(cases) == len(files) == 2
