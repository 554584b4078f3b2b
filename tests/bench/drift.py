"""Drift's false alarms on lines that stay as they are, and how soon it finds each change on each of these lines.

Against the same tests without what keeps them honest: no thinning, one p-value in a hundred counts, one is enough.
Seeds are fixed: the same lines in every run. ``python -m tests.bench.drift`` runs this part alone.
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
WEEKS = 3
"""That each line is watched, one seed a week. Where none of them has a false alarm, more than one a week is ruled out
at 95 %: with one a week, three weeks pass without any in 5 cases of 100."""
PATIENCE = 200
"""Thinned frames within which a clear change must be found."""
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
    labels: npt.NDArray[np.int64] = drawn[np.cumsum(starts) - 1].astype(np.int64)
    return labels


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


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of line."""

    name: str
    stream: Callable[[np.random.Generator, int], Stream]
    frames: int
    """To begin with; twice as many where that is too few to learn the line and to find a change within the patience."""
    tries: int = 30
    """By how many seeds each change is tried."""


LINES = (
    Line("independent frames", independent, 2_000),
    Line("nearly always the same answer", lopsided, 2_000),
    Line("frames like their neighbours", camera, 50_000),
    Line("slow light, batches of 200", slow_camera, 300_000, tries=10),
    Line("day, night and clouds", by_day_and_night, 50_000),
)


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


Change = Callable[[Stream, int, np.random.Generator], None]
CHANGES: tuple[tuple[Change, str], ...] = (
    (unsure, "drift.confidence"),
    (dimmed, "input.brightness"),
    (blurred, "input.blur"),
    (other_parts, "drift.classes"),
)
"""And of which kind its finding is."""


@dataclass(frozen=True, slots=True)
class Wait:
    """From a change to its finding."""

    frames: int
    thin: int
    """Each how many-th of them counted."""

    @property
    def thinned(self) -> float:
        return self.frames / self.thin


def wait_for(change: Change, kind: str, line: Line, seed: int) -> Wait | None:
    """How long a change takes to be found that comes after everything was learned; twice the patience where it is
    missed. None where there was a false alarm of the same kind before: it would not be told of a second time."""
    frames = line.frames
    while (learned := _learned(line.stream(np.random.default_rng(seed), frames), kind)) is None:
        frames *= 2
    at, thin = learned
    rng = np.random.default_rng(seed)
    stream, monitor = line.stream(rng, frames), DriftMonitor()
    at += int(rng.integers(100)) * thin
    change(stream, at, rng)
    for number, (prediction, look) in enumerate(stream.frames()):
        found = monitor.observe(prediction, look)
        if any(finding.kind == kind for finding in found):
            return Wait(number - at + 1, thin) if number >= at else None
    return Wait(2 * PATIENCE * thin, thin)


def _learned(stream: Stream, kind: str) -> tuple[int, int] | None:
    """After how many frames everything is learned, and each how many-th of them counts for this kind of finding; None
    where too few are left for a change to be found among."""
    monitor = DriftMonitor()
    for number, (prediction, look) in enumerate(stream.frames(), 1):
        monitor.observe(prediction, look)
        if monitor.progress == 1.0:
            thin = monitor.memory().watches[kind].thin
            return (number, thin) if number + (100 + PATIENCE) * thin < len(stream.label) else None
    return None


def measure() -> list[Figure]:
    return list(_figures())


def _figures() -> Iterator[Figure]:
    for figure in (_false_alarms, _waits):
        yield from map(figure, LINES)


def _false_alarms(line: Line) -> Figure:
    alarms = naive = 0
    for seed in range(WEEKS):
        stream = line.stream(np.random.default_rng(1000 + seed), WEEK)
        alarms += false_alarms(stream)
        naive += naive_false_alarms(stream)
    return Figure(
        what=f"Drift: false alarms in {WEEKS} weeks of a line that stays as it is, one frame a second ({line.name})",
        reference="the same tests without thinning at p < 0.01",
        unit="alarms",
        ours=alarms,
        theirs=max(naive, 1),
        higher_is_better=False,
        goal=Goal(figure=0),
    )


def _waits(line: Line) -> Figure:
    tried = [wait_for(change, kind, line, seed) for change, kind in CHANGES for seed in range(line.tries)]
    waits = [wait for wait in tried if wait is not None]
    median, longest = statistics.median(wait.frames for wait in waits), max(wait.frames for wait in waits)
    return Figure(
        what=f"Drift: thinned frames from a clear change to its finding, most of {len(waits)} tries ({line.name}; as "
        f"they come: median {median:,.0f}, most {longest:,} frames; {len(tried) - len(waits)} tries left out for a "
        "false alarm before)",
        reference="the longest that is allowed",
        unit="frames",
        ours=max(wait.thinned for wait in waits),
        theirs=PATIENCE,
        higher_is_better=False,
        goal=Goal(ratio=1),
    )


if __name__ == "__main__":
    for each in _figures():
        print(f"{each.what}: {each.ours:g} (reference {each.theirs:g}), {'met' if each.met else 'missed'}", flush=True)
