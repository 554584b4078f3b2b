"""How a trial on the live line is judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.status import TrialReport
from edge_runtime.update.trial import Trial, Verdict, percentile_95

BASELINE = TrialReport(frames=100, errors=0, latency_ms_p95=30.0)


def run(
    frames: list[tuple[float, bool]], *, budget_ms: float | None = None, baseline: TrialReport | None = BASELINE
) -> Verdict | None:
    """A trial of 40 frames or 10 s; frames come at 100 a second."""
    trial = Trial(40, 10.0, budget_ms, baseline)
    for index, (latency_ms, ok) in enumerate(frames):
        if verdict := trial.observe(latency_ms=latency_ms, ok=ok, now_s=100 + index / 100):
            return verdict
    return trial.tick(111.0) if frames else None


GOOD = (10.0, True)
BAD = (0.0, False)


@pytest.mark.parametrize(
    ("frames", "healthy"),
    [
        ([GOOD] * 40, True),
        ([GOOD] * 5, True),
        ([GOOD] * 38 + [BAD] * 2, True),
        ([GOOD] * 37 + [BAD] * 3, False),
        ([BAD] * 3, False),
        ([BAD], False),
        ([GOOD, BAD], True),
        ([(59.0, True)] * 40, True),
        ([(61.0, True)] * 40, False),
        ([GOOD] * 38 + [(500.0, True)] * 2, True),
        ([GOOD] * 36 + [(500.0, True)] * 4, False),
        ([(500.0, True)] * 5, True),
    ],
)
def test_health_against_the_model_before(frames: list[tuple[float, bool]], healthy: bool) -> None:
    verdict = run(frames)
    assert verdict is not None
    assert verdict.healthy is healthy, verdict.reason


def test_errors_end_a_trial_at_once() -> None:
    trial = Trial(40, 10.0, None, BASELINE)
    assert trial.observe(latency_ms=0, ok=False, now_s=0) is None
    assert trial.observe(latency_ms=0, ok=False, now_s=0) is None
    verdict = trial.observe(latency_ms=0, ok=False, now_s=0)
    assert verdict is not None
    assert verdict.reason == "3 of 3 frames failed"


def test_a_line_that_had_errors_before_is_not_blamed_on_the_model() -> None:
    noisy = TrialReport(frames=100, errors=20, latency_ms_p95=10.0)
    frames = ([GOOD] * 4 + [BAD]) * 8
    assert run(frames, baseline=noisy) == Verdict(
        True,
        "40 frames were answered in order and in time",
        TrialReport(frames=40, errors=8, latency_ms_p95=10.0, baseline_latency_ms_p95=10.0),
    )
    verdict = run(frames)
    assert verdict is not None
    assert not verdict.healthy


def test_noise_on_a_busy_machine_is_no_reason() -> None:
    fast = TrialReport(frames=100, errors=0, latency_ms_p95=0.4)
    verdict = run([(15.0, True)] * 40, baseline=fast)
    assert verdict is not None
    assert verdict.healthy


@pytest.mark.parametrize(("budget_ms", "healthy"), [(None, True), (90.0, False), (110.0, True)])
def test_the_budget_counts_where_nothing_ran_before(budget_ms: float | None, healthy: bool) -> None:
    verdict = run([(100.0, True)] * 40, budget_ms=budget_ms, baseline=None)
    assert verdict is not None
    assert verdict.healthy is healthy


def test_a_generous_budget_allows_a_slower_model() -> None:
    verdict = run([(200.0, True)] * 40, budget_ms=250.0)
    assert verdict is not None
    assert verdict.healthy


def test_no_frames_means_that_time_and_the_golden_cases_decide() -> None:
    trial = Trial(40, 10.0, None, None)
    assert trial.tick(5.0) is None
    assert trial.tick(14.9) is None
    verdict = trial.tick(15.0)
    assert verdict is not None
    assert verdict.healthy
    assert verdict.report.frames == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentile(values: list[float]) -> None:
    reached = percentile_95(values)
    assert reached in values
    assert sum(value <= reached for value in values) >= 0.95 * len(values)
