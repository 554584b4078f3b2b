"""Drift is found soon where there is some, and never where there is none; by simulation with fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from edge_runtime.inference.drift import DriftMonitor, chi_squared_tail, g_test, kolmogorov_smirnov

Draw = Callable[[np.random.Generator], tuple[float, str, float]]


def normal(rng: np.random.Generator) -> tuple[float, str, float]:
    """A sound line: sure answers (rounded, as int8 models give them), ten classes, even light."""
    return round(float(rng.beta(12, 1)), 2), str(rng.integers(10)), float(rng.normal(120, 12))


def skewed(rng: np.random.Generator) -> tuple[float, str, float]:
    """Another sound line: one class in fifty, two that are common, one confidence that comes again and again."""
    label = rng.choice(["good", "scratch", "dent"], p=[0.9, 0.08, 0.02])
    return min(1.0, float(rng.choice([0.996, 1.0, 0.98, rng.random()], p=[0.5, 0.3, 0.1, 0.1]))), str(label), 200.0


def unsure(rng: np.random.Generator) -> tuple[float, str, float]:
    _, label, brightness = normal(rng)
    return float(rng.beta(4, 3)), label, brightness


def partly_unsure(rng: np.random.Generator) -> tuple[float, str, float]:
    return unsure(rng) if rng.random() < 0.7 else normal(rng)


def dim(rng: np.random.Generator) -> tuple[float, str, float]:
    confidence, label, brightness = normal(rng)
    return confidence, label, 0.7 * brightness


def other_parts(rng: np.random.Generator) -> tuple[float, str, float]:
    confidence, _, brightness = normal(rng)
    return confidence, str(rng.integers(4)), brightness


@pytest.mark.parametrize("draw", [normal, skewed])
@pytest.mark.parametrize("block", range(4))
def test_a_line_that_stays_as_it_is_never_alarms(draw: Draw, block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor()
        assert [f for _ in range(2000) for f in monitor.observe(*draw(rng))] == [], f"seed {seed}"
        assert not monitor.found


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (unsure, "drift.confidence"),
        (partly_unsure, "drift.confidence"),
        (dim, "input.brightness"),
        (other_parts, "drift.classes"),
    ],
)
def test_a_clear_change_is_found_within_a_hundred_frames(after: Draw, kind: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor()
        quiet = 220 + 7 * seed
        assert [f for _ in range(quiet) for f in monitor.observe(*normal(rng))] == []
        found = [(i, f) for i in range(1, 101) for f in monitor.observe(*after(rng))]
        assert found, f"seed {seed}"
        frames, finding = found[0]
        assert finding.kind == kind
        assert finding.facts["frames"] == quiet + frames
        assert finding.facts["p_value"] < 1e-6
        assert monitor.found


def test_each_kind_is_told_once_until_the_model_changes() -> None:
    rng = np.random.default_rng(1)
    monitor = DriftMonitor()

    def change() -> list[str]:
        for _ in range(300):
            monitor.observe(*normal(rng))
        return [f.kind for _ in range(500) for f in monitor.observe(*dim(rng))]

    assert change() == ["input.brightness"]
    assert monitor.progress == 1.0
    monitor.reset()
    assert (monitor.progress, monitor.found) == (0.0, False)
    assert change() == ["input.brightness"]


def test_a_slight_change_of_light_that_does_not_matter_is_let_be() -> None:
    monitor = DriftMonitor()
    for i in range(1000):
        assert monitor.observe(0.9, "part", 120.0 if i < 400 else 124.0) == []


def test_only_every_nth_frame_counts_when_thinned() -> None:
    monitor = DriftMonitor(reference=100, thin=5)
    for _ in range(250):
        monitor.observe(0.9, "part", 100.0)
    assert monitor.progress == 0.5


def test_kolmogorov_smirnov_agrees_with_the_tables() -> None:
    # Critical value at 5 %: 1.358 * sqrt((n + m) / (n * m)).
    first = np.arange(1000) / 1000
    statistic, p_value = kolmogorov_smirnov(first, first + 1.358 * math.sqrt(2 / 1000))
    assert statistic == pytest.approx(0.061, abs=0.001)
    assert p_value == pytest.approx(0.05, abs=0.005)
    assert kolmogorov_smirnov(first, first) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("statistic", "degrees", "tail"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (16.918978, 9, 0.05), (29.588298, 10, 0.001), (0.0, 3, 1.0)],
)
def test_the_chi_squared_tail_agrees_with_the_tables(statistic: float, degrees: int, tail: float) -> None:
    assert chi_squared_tail(statistic, degrees) == pytest.approx(tail, rel=1e-5)


def test_hundreds_of_classes_do_not_overflow() -> None:
    counts = np.full(800, 50.0)
    assert g_test(counts, counts)[1] == pytest.approx(1.0)
    assert g_test(counts, np.where(np.arange(800) < 400, 20.0, 80.0))[1] < 1e-12


def test_rare_classes_are_pooled() -> None:
    assert g_test(np.array([149.0, 1.0]), np.array([59.0, 1.0])) == (0.0, 1.0)
    before, now = np.array([60.0, 60, 30, 0, 0, 0]), np.array([20.0, 20, 5, 5, 5, 5])
    # Together the three new classes are expected 4.3 times in 60: they take the least common one along.
    assert g_test(before, now) == g_test(np.array([60.0, 60, 30]), np.array([20.0, 20, 20]))
    assert g_test(before, now)[1] < 0.2
