"""Drift's false alarms on lines that stay as they are, week after week, and how soon it finds a change.

Against the same tests without what keeps them honest: no thinning, one p-value in a hundred counts, one is enough.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.health import Look
from edge_runtime.inference.two_samples import g_test, kolmogorov_smirnov
from tests.bench.measure import Figure, Goal

WEEK = 604_800
"""Frames, at one a second."""
PATIENCE = 200
"""Thinned frames within which a clear change must be found."""
TRIES = 30
"""By how many seeds each change is tried."""
Series = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a monitor sees of a line, frame by frame."""

    confidence: Series
    label: npt.NDArray[np.int64]
    brightness: Series
    sharpness: Series

    def frames(self) -> Iterator[tuple[Prediction, Look]]:
        columns = (each.tolist() for each in (self.confidence, self.label, self.brightness, self.sharpness))
        for number, (confidence, label, brightness, sharpness) in enumerate(zip(*columns, strict=True)):
            yield Prediction(str(label), confidence, confidence), Look(brightness, sharpness, 0, number)


def walk(rng: np.random.Generator, phi: float, count: int) -> Series:
    """A stationary autoregressive walk of mean 0 and deviation 1; ``phi`` is the correlation of neighbours."""
    steps = rng.normal(0, math.sqrt(1 - phi * phi), count)
    steps[0] = rng.normal()
    return np.fromiter(accumulate(steps.tolist(), lambda last, step: phi * last + step), np.float64, count)


def ranks(series: Series) -> Series:
    """A walk as evenly distributed numbers between 0 and 1, in the same order of time."""
    order = series.argsort(kind="stable").argsort(kind="stable")
    return (order + 0.5) / len(series)


def runs(rng: np.random.Generator, classes: Sequence[float], mean_length: float, count: int) -> npt.NDArray[np.int64]:
    """Labels that come in runs, each new run drawn by the shares of the classes."""
    starts = rng.random(count) < 1 / mean_length
    starts[0] = True
    drawn = rng.choice(len(classes), size=int(starts.sum()), p=classes)
    return drawn[np.cumsum(starts) - 1].astype(np.int64)


def sure(rng: np.random.Generator, even: Series) -> Series:
    """Confidences of a sound model: nearly all above 0.9, one in twelve spread out below; rounded as int8 does."""
    mixed = np.where(rng.random(len(even)) < 1 / 12, rng.beta(4, 2, len(even)), 1 - (1 - even) ** 2 / 10)
    return mixed.round(2)


def independent(rng: np.random.Generator, count: int) -> Stream:
    """Every part another one, evenly lit: ten classes."""
    return Stream(
        sure(rng, rng.random(count)),
        rng.integers(0, 10, count),
        rng.normal(120, 12, count),
        rng.normal(0.3, 0.03, count),
    )


def lopsided(rng: np.random.Generator, count: int) -> Stream:
    """Ninety-seven good parts in a hundred, and a confidence that is mostly one and the same."""
    confidence = rng.choice([0.996, 1.0, 0.98, 0.9], size=count, p=[0.6, 0.25, 0.1, 0.05])
    labels = rng.choice(3, size=count, p=[0.97, 0.02, 0.01]).astype(np.int64)
    return Stream(confidence, labels, np.full(count, 200.0), rng.normal(0.3, 0.03, count))


def camera(rng: np.random.Generator, count: int, *, phi: float = 0.95, length: float = 20.0) -> Stream:
    """Neighbouring frames that resemble each other in everything."""
    even = ranks(walk(rng, 0.7, count))
    return Stream(
        sure(rng, even),
        runs(rng, [0.4, 0.3, 0.2, 0.1], length, count),
        120 + 15 * walk(rng, phi, count),
        0.3 * np.exp(0.15 * walk(rng, phi, count)),
    )


def slow_camera(rng: np.random.Generator, count: int) -> Stream:
    """Light that takes minutes to change and parts that come by the hundred."""
    return camera(rng, count, phi=0.995, length=200.0)


def by_day_and_night(rng: np.random.Generator, count: int) -> Stream:
    """Daylight through the roof, clouds, and much noise on top, which hides both from a reference of minutes."""
    stream = camera(rng, count)
    hours = np.sin(np.arange(count) / 86_400 * 2 * np.pi + rng.uniform(0, 2 * np.pi))
    stream.brightness[:] = 120 + 20 * hours + 7 * walk(rng, 0.999, count) + 10 * rng.normal(size=count)
    return stream


LINES: tuple[tuple[str, Callable[[np.random.Generator, int], Stream], float], ...] = (
    ("independent frames", independent, 0.5),
    ("nearly always the same answer", lopsided, 0.5),
    ("frames like their neighbours", camera, 2.0),
    ("slow light, batches of 200", slow_camera, 2.0),
    ("day, night and clouds", by_day_and_night, 1.0),
)
"""Name, stream, and weeks to watch, one line a week."""


def false_alarms(stream: Stream) -> int:
    """How often the monitor cries; after each time it begins anew, as with another model."""
    monitor, alarms = DriftMonitor(), 0
    for prediction, look in stream.frames():
        if monitor.observe(prediction, look):
            alarms += 1
            monitor.reset()
    return alarms


def naive_false_alarms(stream: Stream, reference: int = 150, window: int = 60) -> int:
    """The same tests on neighbouring windows of every frame, each p-value below 0.01 an alarm."""
    alarms = 0
    codes = stream.label
    classes = int(codes.max()) + 1
    before = np.bincount(codes[:reference], minlength=classes).astype(np.float64)
    for start in range(reference, len(codes) - window, window):
        now = slice(start, start + window)
        counts = np.bincount(codes[now], minlength=classes).astype(np.float64)
        numbers = stream.confidence, stream.brightness, stream.sharpness
        p_values = [kolmogorov_smirnov(series[:reference], series[now])[1] for series in numbers]
        alarms += min(g_test(before, counts)[1], *p_values) < 0.01
    return alarms


def unsure(stream: Stream, at: int, rng: np.random.Generator) -> None:
    stream.confidence[at:] = rng.beta(4, 3, len(stream.confidence) - at)


def dimmed(stream: Stream, at: int, rng: np.random.Generator) -> None:
    stream.brightness[at:] *= 0.6


def blurred(stream: Stream, at: int, rng: np.random.Generator) -> None:
    stream.sharpness[at:] *= 0.5


def other_parts(stream: Stream, at: int, rng: np.random.Generator) -> None:
    stream.label[at:] = rng.integers(10, 13, len(stream.label) - at)


CHANGES = (unsure, dimmed, blurred, other_parts)


def frames_until_found(change: Callable[[Stream, int, np.random.Generator], None], seed: int) -> int:
    """Frames from a change to its finding on an independent line; twice the patience where it is missed."""
    rng = np.random.default_rng(seed)
    at = 500 + int(rng.integers(100))
    stream = independent(rng, at + 2 * PATIENCE)
    change(stream, at, rng)
    monitor = DriftMonitor()
    for number, (prediction, look) in enumerate(stream.frames()):
        if monitor.observe(prediction, look):
            return number - at + 1
    return 2 * PATIENCE


def measure() -> list[Figure]:
    figures = []
    for name, line, weeks in LINES:
        alarms = naive = 0
        for seed in range(math.ceil(weeks)):
            stream = line(np.random.default_rng(1000 + seed), round(WEEK * min(1.0, weeks)))
            alarms += false_alarms(stream)
            naive += naive_false_alarms(stream)
        figures.append(
            Figure(
                what=f"Drift: false alarms a week on a line that stays as it is, at one frame a second ({name})",
                reference="the same tests without thinning at p < 0.01",
                unit="alarms",
                ours=alarms / weeks,
                theirs=max(naive, 1) / weeks,
                higher_is_better=False,
                goal=Goal(figure=1),
            )
        )
    for change in CHANGES:
        found = [frames_until_found(change, seed) for seed in range(TRIES)]
        figures.append(
            Figure(
                what=f"Drift: frames from a clear change ({change.__name__.replace('_', ' ')}) to its finding, most "
                f"of {TRIES} lines (median: {statistics.median(found):.0f})",
                reference="the longest that is allowed",
                unit="frames",
                ours=max(found),
                theirs=PATIENCE,
                higher_is_better=False,
                goal=Goal(ratio=1),
            )
        )
    return figures
