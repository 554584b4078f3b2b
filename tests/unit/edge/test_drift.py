"""Drift is found soon where there is some, and never where there is none; by simulation with fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from edge_runtime.inference import drift as drift_module
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.health import Look
from edge_runtime.inference.two_samples import Series, chi_squared_tail, g_test, kolmogorov_smirnov, memory

Seen = tuple[Prediction, Look]
Draw = Callable[[np.random.Generator], Seen]


def seen(confidence: float, label: str, brightness: float, sharpness: float = 0.3, number: int = 0) -> Seen:
    return Prediction(label, confidence, confidence), Look(brightness, sharpness, 0, number)


def normal(rng: np.random.Generator) -> Seen:
    """A sound line: sure answers (rounded, as int8 models give them), ten classes, even light."""
    confidence = round(float(rng.beta(12, 1)), 2)
    label, light = str(rng.integers(10)), float(rng.normal(120, 12))
    return seen(confidence, label, light, float(rng.normal(0.3, 0.02)), int(rng.integers(2**32)))


def skewed(rng: np.random.Generator) -> Seen:
    """Another sound line: one class in fifty, two that are common, one confidence that comes again and again."""
    label = rng.choice(["good", "scratch", "dent"], p=[0.9, 0.08, 0.02])
    confidence = min(1.0, float(rng.choice([0.996, 1.0, 0.98, rng.random()], p=[0.5, 0.3, 0.1, 0.1])))
    return seen(confidence, str(label), 200.0, 0.3, int(rng.integers(2**32)))


def unsure(rng: np.random.Generator) -> Seen:
    prediction, look = normal(rng)
    confidence = float(rng.beta(4, 3))
    return Prediction(prediction.label, confidence, confidence), look


def partly_unsure(rng: np.random.Generator) -> Seen:
    return unsure(rng) if rng.random() < 0.7 else normal(rng)


def dim(rng: np.random.Generator) -> Seen:
    prediction, look = normal(rng)
    return prediction, Look(0.7 * look.brightness, look.sharpness, 0, look.checksum)


def soft(rng: np.random.Generator) -> Seen:
    prediction, look = normal(rng)
    return prediction, Look(look.brightness, 0.5 * look.sharpness, 0, look.checksum)


def other_parts(rng: np.random.Generator) -> Seen:
    prediction, look = normal(rng)
    return Prediction(str(rng.integers(4)), prediction.confidence, prediction.margin), look


@pytest.mark.parametrize("draw", [normal, skewed])
def test_a_line_that_stays_as_it_is_never_alarms(draw: Draw) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor()
        assert [f for _ in range(1500) for f in monitor.observe(*draw(rng))] == [], f"seed {seed}"
        assert not monitor.found


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (unsure, "drift.confidence"),
        (partly_unsure, "drift.confidence"),
        (dim, "input.brightness"),
        (soft, "input.blur"),
        (other_parts, "drift.classes"),
    ],
)
def test_a_clear_change_is_found_within_a_hundred_frames(after: Draw, kind: str) -> None:
    for seed in range(10):
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


def test_a_slight_change_that_does_not_matter_is_let_be() -> None:
    monitor = DriftMonitor()
    for i in range(1000):
        brightness, sharpness = (120.0, 0.30) if i < 400 else (124.0, 0.25)
        assert monitor.observe(*seen(0.9, "part", brightness, sharpness, i)) == []


def test_where_a_value_says_more_it_is_watched_instead_of_the_confidence() -> None:
    rng = np.random.default_rng(3)
    monitor = DriftMonitor()

    def answer(value: float) -> Prediction:
        return Prediction("normal", 0.9, 0.8, value=value, telling="value")

    assert [f for _ in range(400) for f in monitor.observe(answer(rng.normal(5, 1)))] == []
    (finding,) = [f for _ in range(200) for f in monitor.observe(answer(rng.normal(9, 1)))]
    assert finding.kind == "drift.value"
    assert finding.facts["before"] == pytest.approx(5, abs=0.5)
    assert finding.facts["now"] > 7


def test_only_every_nth_frame_counts_when_thinned() -> None:
    monitor = DriftMonitor(reference=100, thin=5)
    for i in range(250):
        monitor.observe(*seen(0.9, "part", 100.0, number=i))
    assert monitor.progress == 0.5


def wander(rng: np.random.Generator, memory: float, points: int) -> Series:
    """An autoregressive walk of mean 0 and deviation 1."""
    series = np.empty(points)
    now = rng.normal()
    for i, step in enumerate(rng.normal(0, math.sqrt(1 - memory**2), points)):
        now = memory * now + step
        series[i] = now
    return series


@pytest.mark.parametrize("phi", [0.8, 0.95])
def test_frames_that_resemble_their_neighbours_do_not_alarm(phi: float) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        monitor = DriftMonitor()
        light = 120 + 15 * wander(rng, phi, 10_000)
        for i, brightness in enumerate(light):
            assert monitor.observe(*seen(0.9, "part", float(brightness), number=i)) == [], f"seed {seed}, frame {i}"
        assert monitor.progress == 1.0


def test_a_change_among_frames_that_resemble_their_neighbours_is_found() -> None:
    rng = np.random.default_rng(8)
    monitor = DriftMonitor()
    light = 120 + 15 * wander(rng, 0.9, 9_000)
    light[5_000:] -= 60
    found = [i for i, value in enumerate(light) for _ in monitor.observe(*seen(0.9, "part", float(value), number=i))]
    assert len(found) == 1
    # Thinned 16 times: two hundred points are 3,200 frames.
    assert 5_000 < found[0] < 5_000 + 200 * 16


def test_runs_of_one_class_are_thinned_too() -> None:
    """Parts come in batches of thirty: neighbours have the same label, but the shares are what they were."""
    rng = np.random.default_rng(4)
    monitor = DriftMonitor()
    for i in range(9_000):
        if i % 30 == 0:
            label = str(rng.integers(4))
        assert monitor.observe(*seen(0.9, label, 100.0, number=i)) == []


def day(rng: np.random.Generator, points: int) -> Series:
    """Light that swings slowly, under much noise: no reference of a few minutes can show how far."""
    swing: Series = 20 * np.sin(np.arange(points) / 4000 * 2 * np.pi)
    return 120 + 8 * rng.normal(size=points) + swing


def test_light_that_swings_with_the_hours_does_not_alarm_and_a_lamp_that_fails_does() -> None:
    rng = np.random.default_rng(6)
    monitor = DriftMonitor()
    light = day(rng, 10_000)
    light[9_000:] *= 0.5
    found = [i for i, value in enumerate(light) for _ in monitor.observe(*seen(0.9, "part", float(value), number=i))]
    assert len(found) == 1
    assert 9_000 < found[0] < 9_000 + 100


def test_what_creeps_is_found_once_it_is_known_how_far_the_line_strays(monkeypatch: pytest.MonkeyPatch) -> None:
    light = day(np.random.default_rng(7), 14_000)
    light[9_000:] -= np.linspace(0, 60, 5_000)

    def found() -> list[int]:
        monitor = DriftMonitor()
        return [i for i, value in enumerate(light) for _ in monitor.observe(*seen(0.9, "a", float(value), number=i))]

    assert found() == []
    monkeypatch.setattr(drift_module, "SETTLED", 8_500)
    (at,) = found()
    assert at > 9_000


def test_the_memory_of_a_series_is_measured() -> None:
    rng = np.random.default_rng(0)
    still = np.full((150, 1), 3.0)
    assert memory(still) == (0.0, 1.0)
    for phi in (0.0, 0.5, 0.9):
        correlation, inflation = memory(wander(rng, phi, 5000)[:, np.newaxis])
        assert correlation == pytest.approx(phi, abs=0.05)
        # The variance of ten points' mean, by the sum of their correlations.
        exact = 1 + 2 * sum((1 - lag / 10) * phi**lag for lag in range(1, 10))
        assert inflation == pytest.approx(exact, rel=0.2)


def test_kolmogorov_smirnov_agrees_with_the_tables() -> None:
    # Critical value at 5 %: 1.358 * sqrt((n + m) / (n * m)).
    first = np.arange(1000) / 1000
    statistic, p_value = kolmogorov_smirnov(first, first + 1.358 * math.sqrt(2 / 1000))
    assert statistic == pytest.approx(0.061, abs=0.001)
    assert p_value == pytest.approx(0.05, abs=0.005)
    assert kolmogorov_smirnov(first, first) == (0.0, 1.0)


def test_less_evidence_makes_every_difference_less_sure() -> None:
    first, second = np.arange(150.0), np.arange(60.0) + 60
    assert kolmogorov_smirnov(first, second, 0.5)[1] > kolmogorov_smirnov(first, second)[1]
    counts, others = np.array([75.0, 75]), np.array([45.0, 15])
    assert g_test(counts, others, 0.5)[1] > g_test(counts, others)[1]


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
