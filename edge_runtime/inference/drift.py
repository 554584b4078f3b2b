"""Has the line changed since the model was put on it? Pure: answers in, findings out.

After a model begins to answer, the first thinned frames become the reference. From then on the last few
are compared with it: the confidence of the best label (or the value, where that says more), the brightness and the
sharpness with a two-sample Kolmogorov-Smirnov test, the predicted classes with a G-test.

The tests take every point for a new piece of evidence, and frames of one camera resemble their neighbours. Each
series is therefore thinned by itself: once its reference is full, it is asked how much it resembles its own past, and
where that is too much, every second point is let go and the gathering goes on at half the pace, until what is left is
all but independent. What little memory remains is taken off the evidence. The tests repeat on overlapping windows for
as long as the model runs, so a single one must be all but impossible by chance, and two in a row must agree.

Light also swings with the hours, which no reference of minutes can show. So to be unlike the reference is not enough.
Either the change is sudden: the latest window is as plainly unlike the ones right before it, and more so than any was
before. Or, from the second day on, it is unlike the reference by more than it ever was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.inference.answers import Prediction
from edge_runtime.inference.drift_memory import DriftMemory, LargestMemory, WatchMemory
from edge_runtime.inference.health import Finding, HealthMonitor, Look
from edge_runtime.inference.two_samples import Series, g_test, kolmogorov_smirnov, memory

ALPHA = 1e-6
"""Largest p-value that counts; ``tests/bench/drift.py`` shows what that means on a line that runs for weeks."""
SUSPICIOUS = 0.01
"""From which p-value on it is looked closer."""
MIN_BRIGHTNESS_SHIFT = 6.0
"""Grey levels (of 255) between the medians: what is less does not matter, however sure it is."""
MIN_SHARPNESS_RATIO = 0.75
"""Of the medians: a smaller loss does not matter, however sure it is. (A gain never does.)"""
MAX_CORRELATION, MAX_INFLATION = 0.25, 3.0
"""Of neighbours, and of the variance of ten neighbours' means, in a reference that may stay as it is. Independent
points are beyond one of the two about once in 1,000 references, and then merely wait twice as long."""
MAX_THIN = 2**12
SETTLED = 2**17
"""Frames after which it is known how far the series strays by itself: a day and a half at one a second."""
UNUSUAL, STRAYED = 1.2, 1.5
"""By what factor a sudden change, and one that crept in, must exceed the largest that was seen before."""
ONE_CLASS = 16
"""How many times as long one class alone must last before it is taken for all there is."""
_TESTS_A_WINDOW = 6
_IN_A_ROW = 2
_BEFORE = 3
"""Windows before the latest, with which it is compared too."""

T = TypeVar("T")


class DriftMonitor:
    """Watches one pipeline while one model answers; :meth:`reset` when the model changes.

    Each kind of finding about drift is given once until then; what :class:`HealthMonitor` finds comes as it comes.

    :param reference: thinned frames that say what is normal.
    :param window: thinned frames that are compared with them.
    :param thin: at most every ``thin``-th frame counts; a series that has a memory is thinned further by itself.
    """

    def __init__(self, *, reference: int = 150, window: int = 60, thin: int = 1) -> None:
        self._plan = reference, window, thin
        self.reset()

    def reset(self) -> None:
        """Forget everything: another model answers now."""
        self._frames = 0
        self._found = False
        self._health = HealthMonitor()
        self._watches: dict[str, _Watch[Any]] = {}

    def memory(self) -> DriftMemory:
        """Everything that was learned of the line, for :meth:`recall`; not how the last pictures looked."""
        watches = {kind: watch.memory() for kind, watch in self._watches.items()}
        return DriftMemory(plan=self._plan, frames=self._frames, found=self._found, watches=watches)

    def recall(self, memory: DriftMemory) -> None:
        """Go on where ``memory`` was taken.

        :raises InputInvalid: it is not of a monitor like this one; everything is forgotten.
        """
        self.reset()
        if memory.plan != self._plan:
            raise InputInvalid("It is of other settings of drift.")
        watches: dict[str, _Watch[Any]] = {}
        for kind, of_watch in memory.watches.items():
            if (make := _KINDS.get(kind)) is None:
                raise InputInvalid(f"There is no drift of kind {kind[:50]!r}.")
            watches[kind] = make(kind, *self._plan)
            watches[kind].recall(of_watch)
        self._watches, self._frames, self._found = watches, memory.frames, memory.found

    @property
    def progress(self) -> float:
        """How much of the reference has been gathered, 0 to 1; it may fall back to a half when a memory is found."""
        return min((watch.progress for watch in self._watches.values()), default=0.0)

    @property
    def found(self) -> bool:
        """The line was found to have changed since the last reset."""
        return self._found

    def observe(self, prediction: Prediction, look: Look | None = None) -> list[Finding]:
        """Take one frame's answer; returns what was found with it, mostly nothing.

        :param look: how the frame looks, where it is an image.
        """
        self._frames += 1
        found = [self._watch("drift.classes").observe(prediction.label)]
        if prediction.telling == "value" and prediction.value is not None:
            found.append(self._watch("drift.value").observe(prediction.value))
        else:
            found.append(self._watch("drift.confidence").observe(prediction.confidence))
        if look is not None:
            found.append(self._watch("input.brightness").observe(look.brightness))
            found.append(self._watch("input.blur").observe(look.sharpness))
        findings = [finding for finding in found if finding is not None]
        if findings:
            self._found = True
            for finding in findings:
                finding.facts["frames"] = float(self._frames)
        return findings + (self._health.observe(look) if look is not None else [])

    def _watch(self, kind: str) -> _Watch[Any]:
        watch = self._watches.get(kind)
        if watch is None:
            watch = self._watches[kind] = _KINDS[kind](kind, *self._plan)
        return watch


class _Watch(ABC, Generic[T]):
    """One series: its reference, its latest points, its own thinning."""

    point: type[float] | type[str]
    """Of what it is a series."""

    def __init__(self, kind: str, reference: int, window: int, thin: int) -> None:
        self.kind = kind
        self._size, self._window, self._thin = reference, window, thin
        self._step = max(1, window // _TESTS_A_WINDOW)
        self._points = 0
        self._reference: list[T] = []
        self._latest: deque[T] = deque(maxlen=(1 + _BEFORE) * window)
        self._until_test = window
        self._evidence = 1.0
        self._full = self._done = False
        self._row = 0
        held_back = _BEFORE * _TESTS_A_WINDOW
        self._usual, self._usual_step = _Largest(held_back), _Largest(held_back)

    def memory(self) -> WatchMemory:
        return WatchMemory(
            thin=self._thin,
            points=self._points,
            reference=tuple(map(self.point, self._reference)),
            latest=tuple(map(self.point, self._latest)),
            until_test=self._until_test,
            evidence=self._evidence,
            full=self._full,
            done=self._done,
            row=self._row,
            usual=self._usual.memory(),
            usual_step=self._usual_step.memory(),
        )

    def recall(self, memory: WatchMemory) -> None:
        """:raises InputInvalid: no such series could have come to be."""
        most = self._latest.maxlen if memory.full else 0
        lengths = len(memory.reference) == self._size if memory.full else len(memory.reference) < self._size
        sound = all(type(point) is self.point for point in (*memory.reference, *memory.latest))
        if not (sound and lengths and len(memory.latest) <= (most or 0) and memory.until_test <= self._window):
            raise InputInvalid(f"It is no memory of {self.kind}.")
        self._thin, self._points, self._until_test = memory.thin, memory.points, memory.until_test
        self._reference, self._evidence = cast(list[T], list(memory.reference)), memory.evidence
        self._latest.extend(cast(tuple[T, ...], memory.latest))
        self._full, self._done, self._row = memory.full, memory.done, memory.row
        self._usual.recall(memory.usual)
        self._usual_step.recall(memory.usual_step)

    @property
    def progress(self) -> float:
        return len(self._reference) / self._size

    def observe(self, point: T) -> Finding | None:
        self._points += 1
        if self._done or (self._points - 1) % self._thin:
            return None
        if not self._full:
            self._gather(point)
            return None
        self._latest.append(point)
        self._until_test -= 1
        if self._until_test:
            return None
        self._until_test = self._step
        statistic, p_value = self._suspect()
        self._row = self._row + 1 if p_value < ALPHA else 0
        if self._row < _IN_A_ROW:
            return None
        before, now, message, matters = self.tell(self._reference, self._now())
        if not matters:
            self._row = 0
            return None
        self._done = True
        return Finding(self.kind, message, {"statistic": statistic, "p_value": p_value, "before": before, "now": now})

    def _now(self) -> list[T]:
        return list(self._latest)[-self._window :]

    def _suspect(self) -> tuple[float, float]:
        """The window against the reference; a p-value of 1 where its being different is nothing out of the ordinary."""
        now = self._now()
        statistic, p_value = self.test(self._reference, now, self._evidence)
        step, step_p_value = 0.0, 1.0
        if p_value < SUSPICIOUS:
            step, step_p_value = self.test(list(self._latest)[: -self._window], now, self._evidence)
        sudden = step_p_value < ALPHA and step > UNUSUAL * self._usual_step.value
        away = self.away(self._reference, now, statistic)
        grown = self._points >= SETTLED and away > STRAYED * self._usual.value
        if self._points < SETTLED:
            self._usual.add(away)
        self._usual_step.add(step)
        return statistic, p_value if sudden or grown else 1.0

    def _gather(self, point: T) -> None:
        self._reference.append(point)
        if len(self._reference) < self._size:
            return
        correlation, inflation = memory(self.columns(self._reference))
        remembers = correlation > MAX_CORRELATION or inflation > MAX_INFLATION
        if (remembers and self._thin < MAX_THIN) or self._too_short(self._reference):
            self._reference = self._reference[::2]
            self._thin *= 2
            return
        self._full = True
        self._latest.extend(self._reference[-_BEFORE * self._window :])
        left = min(max(0.0, correlation), 0.95)
        self._evidence = (1 - left) / (1 + left)

    def _too_short(self, reference: list[T]) -> bool:
        """Whether a full reference says nothing yet about the memory of the series."""
        return False

    @abstractmethod
    def columns(self, points: list[T]) -> npt.NDArray[Any]:
        """The series as :func:`memory` takes it."""

    @abstractmethod
    def test(self, reference: Sequence[T], window: Collection[T], evidence: float) -> tuple[float, float]:
        """Statistic and p-value."""

    @abstractmethod
    def away(self, reference: Sequence[T], window: Collection[T], statistic: float) -> float:
        """How far the window is from the reference, on a scale without an end."""

    @abstractmethod
    def tell(self, reference: Sequence[T], window: Collection[T]) -> tuple[float, float, str, bool]:
        """The figure before and now, what there is to say of them, and whether it matters."""


class _Largest:
    """The largest of all numbers but the latest few: what is happening now must not pass for usual."""

    def __init__(self, held_back: int) -> None:
        self.value = 0.0
        self._latest: deque[float] = deque(maxlen=held_back)

    def add(self, number: float) -> None:
        if len(self._latest) == self._latest.maxlen:
            self.value = max(self.value, self._latest[0])
        self._latest.append(number)

    def memory(self) -> LargestMemory:
        return LargestMemory(value=self.value, latest=tuple(self._latest))

    def recall(self, memory: LargestMemory) -> None:
        self.value = memory.value
        self._latest.extend(memory.latest)


class _Numbers(_Watch[float]):
    point = float

    def columns(self, points: list[float]) -> npt.NDArray[Any]:
        # Ranks are what the test goes by; a few outliers would hide how much all the others resemble each other.
        _, level, counts = np.unique(points, return_inverse=True, return_counts=True)
        ranks = np.cumsum(counts) - counts / 2
        return ranks[level][:, np.newaxis]

    def test(self, reference: Sequence[float], window: Collection[float], evidence: float) -> tuple[float, float]:
        return kolmogorov_smirnov(np.array(reference), np.array(window), evidence)

    def away(self, reference: Sequence[float], window: Collection[float], statistic: float) -> float:
        return abs(median(window) - median(reference))


class _Confidence(_Numbers):
    def tell(self, reference: Sequence[float], window: Collection[float]) -> tuple[float, float, str, bool]:
        was, is_ = fmean(reference), fmean(window)
        why = "the line is not what it was" if is_ >= was else "it sees things that it did not learn"
        return was, is_, f"The model's confidence went from {was:.0%} to {is_:.0%}: {why}.", True


class _Value(_Numbers):
    def tell(self, reference: Sequence[float], window: Collection[float]) -> tuple[float, float, str, bool]:
        was, is_ = median(reference), median(window)
        message = f"The model's values are distributed otherwise: typically {was:.4g} before, {is_:.4g} now."
        return was, is_, message, True


class _Brightness(_Numbers):
    def tell(self, reference: Sequence[float], window: Collection[float]) -> tuple[float, float, str, bool]:
        was, is_ = median(reference), median(window)
        word = "darker" if is_ < was else "brighter"
        message = f"The frames are {word}: grey level {was:.0f} before, {is_:.0f} now. Check lamp, lens and exposure."
        return was, is_, message, abs(is_ - was) >= MIN_BRIGHTNESS_SHIFT


class _Sharpness(_Numbers):
    def tell(self, reference: Sequence[float], window: Collection[float]) -> tuple[float, float, str, bool]:
        was, is_ = median(reference), median(window)
        message = f"The frames are blurred: {is_ / was if was else 0:.0%} of the fine detail is left. Check the lens."
        return was, is_, message, is_ < MIN_SHARPNESS_RATIO * was


class _Classes(_Watch[str]):
    point = str

    def _too_short(self, reference: list[str]) -> bool:
        # One class alone may be a line that has no other, or one batch of many.
        return self._points < ONE_CLASS * self._size and len(set(reference)) == 1

    def columns(self, points: list[str]) -> npt.NDArray[Any]:
        labels = sorted(set(points))
        return np.array([[point == label for label in labels] for point in points])

    def test(self, reference: Sequence[str], window: Collection[str], evidence: float) -> tuple[float, float]:
        labels, before, now = self._counts(reference, window)
        return g_test(before, now, evidence) if len(labels) > 1 else (0.0, 1.0)

    def away(self, reference: Sequence[str], window: Collection[str], statistic: float) -> float:
        return statistic

    def tell(self, reference: Sequence[str], window: Collection[str]) -> tuple[float, float, str, bool]:
        labels, before, now = self._counts(reference, window)
        shares = before / before.sum(), now / now.sum()
        most = int(np.argmax(np.abs(shares[1] - shares[0])))
        was, is_ = float(shares[0][most]), float(shares[1][most])
        message = f"The answers are distributed otherwise: {labels[most]!r} went from {was:.0%} to {is_:.0%}."
        return was, is_, message, True

    @staticmethod
    def _counts(reference: Sequence[str], window: Collection[str]) -> tuple[list[str], Series, Series]:
        rows = Counter(reference), Counter(window)
        labels = sorted(rows[0] | rows[1])
        before, now = (np.array([row[label] for label in labels], np.float64) for row in rows)
        return labels, before, now


_KINDS: Mapping[str, type[_Watch[Any]]] = {
    "drift.classes": _Classes,
    "drift.value": _Value,
    "drift.confidence": _Confidence,
    "input.brightness": _Brightness,
    "input.blur": _Sharpness,
}
