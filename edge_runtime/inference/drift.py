"""Has the line changed since the model was put on it? Pure: numbers in, findings out.

After a model begins to answer, the first thinned frames become the reference. From then on the last few
are compared with it: the confidence of the best label and the brightness with a two-sample Kolmogorov-Smirnov
test, the predicted classes with a G-test. The tests repeat on overlapping windows for as long as the model
runs, so a single one must be all but impossible by chance, and two in a row must agree.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

DriftKind = Literal["drift.confidence", "drift.classes", "input.brightness"]

ALPHA = 1e-6
"""Largest p-value that counts: about 200 tests in 2,000 frames, three at a time, leave less than one in 1,000."""
MIN_BRIGHTNESS_SHIFT = 6.0
"""Grey levels (of 255) between the medians: what is less does not matter, however sure it is."""
MIN_EXPECTED = 5.0
"""Classes expected less often than this in the smaller sample are pooled, or the G-test's p-value is too small."""
_TESTS_A_WINDOW = 6
_IN_A_ROW = 2

Series = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """The line is not what it was."""

    kind: DriftKind
    message: str
    facts: dict[str, float]
    """``frames`` seen since the model began, ``statistic``, ``p_value``, and the two values compared."""


@dataclass(frozen=True, slots=True)
class _Observation:
    confidence: float
    label: str
    brightness: float


class DriftMonitor:
    """Watches one pipeline while one model answers; :meth:`reset` when the model changes.

    Each kind of finding is given once until then.

    :param reference: thinned frames that say what is normal.
    :param window: thinned frames that are compared with them.
    :param thin: only every ``thin``-th frame counts: neighbouring frames resemble each other, and the tests
        take every frame for a new piece of evidence.
    """

    def __init__(self, *, reference: int = 150, window: int = 60, thin: int = 1) -> None:
        self._size, self._window_size, self._thin = reference, window, thin
        self._step = max(1, window // _TESTS_A_WINDOW)
        self.reset()

    def reset(self) -> None:
        """Forget everything: another model answers now."""
        self._frames = 0
        self._reference: list[_Observation] = []
        self._window: deque[_Observation] = deque(maxlen=self._window_size)
        self._until_test = self._window_size
        self._row: dict[DriftKind, int] = {}
        self._found: set[DriftKind] = set()

    @property
    def progress(self) -> float:
        """How much of the reference has been gathered, 0 to 1."""
        return len(self._reference) / self._size

    @property
    def found(self) -> bool:
        """Something was found since the last reset."""
        return bool(self._found)

    def observe(self, confidence: float, label: str, brightness: float) -> list[DriftFinding]:
        """Take one frame's answer; returns what was found with it, mostly nothing.

        :param brightness: mean grey level, 0 to 255.
        """
        self._frames += 1
        if (self._frames - 1) % self._thin:
            return []
        observation = _Observation(confidence, label, brightness)
        if len(self._reference) < self._size:
            self._reference.append(observation)
            return []
        self._window.append(observation)
        self._until_test -= 1
        if self._until_test:
            return []
        self._until_test = self._step
        return self._test()

    def _test(self) -> list[DriftFinding]:
        findings: list[DriftFinding] = []
        for suspicion in (self._confidence(), self._classes(), self._brightness()):
            if suspicion.kind in self._found:
                continue
            suspicious = suspicion.facts["p_value"] < ALPHA
            self._row[suspicion.kind] = self._row.get(suspicion.kind, 0) + 1 if suspicious else 0
            if self._row[suspicion.kind] >= _IN_A_ROW:
                self._found.add(suspicion.kind)
                findings.append(suspicion)
        return findings

    def _confidence(self) -> DriftFinding:
        before = np.array([o.confidence for o in self._reference])
        now = np.array([o.confidence for o in self._window])
        statistic, p_value = kolmogorov_smirnov(before, now)
        was, is_ = float(before.mean()), float(now.mean())
        message = f"The model's confidence went from {was:.0%} to {is_:.0%}: it sees things that it did not learn."
        if is_ >= was:
            message = f"The model's confidence went from {was:.0%} to {is_:.0%}: the line is not what it was."
        return self._finding("drift.confidence", message, statistic, p_value, was, is_)

    def _classes(self) -> DriftFinding:
        labels = sorted({o.label for o in self._reference} | {o.label for o in self._window})
        before = np.array([sum(o.label == label for o in self._reference) for label in labels], np.float64)
        now = np.array([sum(o.label == label for o in self._window) for label in labels], np.float64)
        statistic, p_value = g_test(before, now)
        shares = before / before.sum(), now / now.sum()
        most = int(np.argmax(np.abs(shares[1] - shares[0])))
        was, is_ = float(shares[0][most]), float(shares[1][most])
        message = f"The answers are distributed otherwise: {labels[most]!r} went from {was:.0%} to {is_:.0%}."
        return self._finding("drift.classes", message, statistic, p_value, was, is_)

    def _brightness(self) -> DriftFinding:
        before = np.array([o.brightness for o in self._reference])
        now = np.array([o.brightness for o in self._window])
        statistic, p_value = kolmogorov_smirnov(before, now)
        was, is_ = float(np.median(before)), float(np.median(now))
        if abs(is_ - was) < MIN_BRIGHTNESS_SHIFT:
            p_value = 1.0
        word = "darker" if is_ < was else "brighter"
        message = f"The frames are {word}: grey level {was:.0f} before, {is_:.0f} now. Check lamp, lens and exposure."
        return self._finding("input.brightness", message, statistic, p_value, was, is_)

    def _finding(
        self, kind: DriftKind, message: str, statistic: float, p_value: float, before: float, now: float
    ) -> DriftFinding:
        figures = {"frames": float(self._frames), "statistic": statistic, "p_value": p_value}
        return DriftFinding(kind, message, {**figures, "before": before, "now": now})


def kolmogorov_smirnov(first: Series, second: Series) -> tuple[float, float]:
    """Two-sample test: the largest distance of the two distribution functions, and its p-value.

    Ties make the p-value larger than it need be, never smaller.
    """
    both = np.concatenate([first, second])
    at_first = np.searchsorted(np.sort(first), both, side="right") / len(first)
    at_second = np.searchsorted(np.sort(second), both, side="right") / len(second)
    distance = float(np.abs(at_first - at_second).max())
    root = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return distance, 1.0
    terms = ((-1) ** (j - 1) * math.exp(-2 * j * j * scaled * scaled) for j in range(1, 101))
    return distance, min(1.0, max(0.0, 2 * math.fsum(terms)))


def g_test(first: Series, second: Series) -> tuple[float, float]:
    """Are two rows of counts from one distribution? Williams-corrected G and its p-value; rare classes are pooled."""
    total, smaller = first + second, min(first.sum(), second.sum())
    share = total / total.sum()
    rare = share * smaller < MIN_EXPECTED
    if rare.any():
        # Pooled with the least common of the others where the rare ones together are still too rare.
        if share[rare].sum() * smaller < MIN_EXPECTED and not rare.all():
            rare[int(np.argmin(np.where(rare, np.inf, share)))] = True
        first, second = (np.append(row[~rare], row[rare].sum()) for row in (first, second))
    table = np.array([first, second])
    classes, everything = table.shape[1], table.sum()
    if classes < 2:
        return 0.0, 1.0
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(rows, columns) / everything
    statistic = 2 * float(np.sum(table * np.log(np.where(table > 0, table, 1) / np.where(table > 0, expected, 1))))
    spread = (everything * (1 / rows).sum() - 1) * (everything * (1 / columns).sum() - 1)
    statistic /= 1 + float(spread) / (6 * float(everything) * (classes - 1))
    return statistic, chi_squared_tail(statistic, classes - 1)


def chi_squared_tail(statistic: float, degrees: int) -> float:
    """Probability that a chi-squared variable with ``degrees`` of freedom is larger; a finite sum for whole degrees."""
    half = max(0.0, statistic) / 2
    if half == 0.0:
        return 1.0
    start = 0.0 if degrees % 2 == 0 else 0.5
    powers = (start + i for i in range(degrees // 2))
    # In logarithms: with hundreds of classes the single factors overflow.
    terms = math.fsum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, terms + (math.erfc(math.sqrt(half)) if start else 0.0))
