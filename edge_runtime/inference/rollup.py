"""One row a minute for each pipeline and model, which stays where single results had to go. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from edge_runtime.contracts import latency_buckets

SPAN_S = 60.0
MAX_LABELS = 64
OTHERS = "…"
"""What further labels are counted under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A finished minute: what a :class:`~edge_runtime.contracts.rows.RollupRow` says besides who and where."""

    at_ms: int
    span_ms: int
    model: str
    frames: int
    errors: int
    kept: int
    confidence_mean: float
    latency_us_p50: int
    latency_us_p99: int
    latency_first: int
    latency_counts: tuple[int, ...]
    labels: dict[str, int]
    value_mean: float | None
    shadow: str | None
    shadow_frames: int
    shadow_agreed: int
    shadow_latency_us_p50: int


@dataclass(slots=True)
class _Open:
    """A minute that is under way. Begun by the wall clock, measured by the monotonic one: the former may jump."""

    at_ms: int
    since_s: float
    errors: int = 0
    kept: int = 0
    confidence: float = 0.0
    latencies: array[int] = field(default_factory=lambda: array("Q"))
    labels: Counter[str] = field(default_factory=Counter)
    values: int = 0
    value: float = 0.0
    shadow: str | None = None
    agreed: int = 0
    shadow_latencies: array[int] = field(default_factory=lambda: array("Q"))

    def close(self, model: str, now_s: float) -> Minute:
        frames = len(self.latencies)
        end_s = min(now_s, self.since_s + SPAN_S)
        counted = latency_buckets.count(self.latencies)
        return Minute(
            at_ms=self.at_ms,
            span_ms=round(max(0.0, end_s - self.since_s) * 1000),
            model=model,
            frames=frames,
            errors=self.errors,
            kept=self.kept,
            confidence_mean=min(1.0, self.confidence / frames) if frames else 0.0,
            latency_us_p50=_percentile(self.latencies, 50),
            latency_us_p99=_percentile(self.latencies, 99),
            latency_first=counted.first,
            latency_counts=counted.counts,
            labels=dict(self.labels),
            value_mean=self.value / self.values if self.values else None,
            shadow=self.shadow,
            shadow_frames=len(self.shadow_latencies),
            shadow_agreed=self.agreed,
            shadow_latency_us_p50=_percentile(self.shadow_latencies, 50),
        )


class Rollups:
    """The minutes of one pipeline. Times are given: ``now_s`` is monotonic, ``wall_ms`` the box's clock."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._closed: list[Minute] = []

    def frame(
        self,
        model: str,
        label: str,
        confidence: float,
        latency_us: int,
        value: float | None,
        now_s: float,
        wall_ms: int,
    ) -> None:
        """A frame was answered."""
        minute = self._minute(model, now_s, wall_ms)
        minute.latencies.append(latency_us)
        minute.confidence += confidence
        labels = minute.labels
        labels[label if label in labels or len(labels) < MAX_LABELS else OTHERS] += 1
        if value is not None:
            minute.values += 1
            minute.value += value

    def error(self, model: str, now_s: float, wall_ms: int) -> None:
        """A frame came that could not be answered."""
        self._minute(model, now_s, wall_ms).errors += 1

    def kept(self, model: str, now_s: float, wall_ms: int) -> None:
        """A sample was kept."""
        self._minute(model, now_s, wall_ms).kept += 1

    def shadowed(self, model: str, shadow: str, latency_us: int, now_s: float, wall_ms: int, *, agreed: bool) -> None:
        """The shadow model said something about a frame that ``model`` had answered; another shadow, another row."""
        minute = self._minute(model, now_s, wall_ms)
        if minute.shadow not in (None, shadow):
            self._closed.append(minute.close(model, now_s))
            minute = self._open[model] = _Open(wall_ms, now_s)
        minute.shadow = shadow
        minute.agreed += agreed
        minute.shadow_latencies.append(latency_us)

    def due(self, now_s: float) -> list[Minute]:
        """The minutes that are over by now, each once."""
        for model, minute in list(self._open.items()):
            if now_s - minute.since_s >= SPAN_S:
                self._closed.append(self._open.pop(model).close(model, now_s))
        closed, self._closed = self._closed, []
        return closed

    def close(self, now_s: float) -> list[Minute]:
        """Everything that is under way, cut short: the pipeline ends."""
        self._closed += [minute.close(model, now_s) for model, minute in self._open.items()]
        self._open.clear()
        closed, self._closed = self._closed, []
        return closed

    def _minute(self, model: str, now_s: float, wall_ms: int) -> _Open:
        minute = self._open.get(model)
        if minute is None:
            minute = self._open[model] = _Open(wall_ms, now_s)
        elif now_s - minute.since_s >= SPAN_S:
            self._closed.append(minute.close(model, now_s))
            minute = self._open[model] = _Open(wall_ms, now_s)
        return minute


def _percentile(numbers: array[int], percent: float) -> int:
    if not numbers:
        return 0
    return int(np.percentile(np.frombuffer(numbers, np.uint64), percent, method="nearest"))
