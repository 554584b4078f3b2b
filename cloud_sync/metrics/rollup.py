"""Minutes of boxes added up to hours and days. Pure.

Adding is exact in every count, in whatever order minutes come, and what was added can be taken away again; so a late
minute is added to its hour, and nothing has to be read anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_runtime.contracts import latency_buckets
from edge_runtime.contracts.latency_buckets import Counts
from edge_runtime.contracts.rows import RollupRow

Span = Literal["hours", "days"]
SPANS: Mapping[Span, int] = {"hours": 3_600_000, "days": 86_400_000}
"""What minutes are added up to, and how many milliseconds each lasts."""
MOST_LABELS = 64
MOST_IN_A_MINUTE = 10**9
OTHERS = "…"
"""What further labels are counted under, as on the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What some minutes of one pipeline and model come to."""

    minutes: int = 0
    frames: int = 0
    errors: int = 0
    kept: int = 0
    confidence: float = 0.0
    """Sum over the frames."""
    latencies: Counts = latency_buckets.NONE
    """Of the frames of boxes that count them."""
    labels: Mapping[str, int] = field(default_factory=dict)
    value: float = 0.0
    """Sum over ``value_frames``: those of minutes that had a value."""
    value_frames: int = 0
    shadow_frames: int = 0
    shadow_agreed: int = 0

    @property
    def confidence_mean(self) -> float:
        return min(1.0, max(0.0, self.confidence / self.frames)) if self.frames else 0.0

    @property
    def value_mean(self) -> float | None:
        return self.value / self.value_frames if self.value_frames else None


def begin_of(span: Span, at_ms: int) -> int:
    """When the hour or day began in which ``at_ms`` lies, UTC. A minute belongs to the one in which it began."""
    return at_ms - at_ms % SPANS[span]


def of_minute(row: RollupRow) -> Sums:
    """One minute as a box tells it, but no more than can be in one: a box that lies must not spoil sums."""
    frames = _sane(row.frames)
    valued = frames if row.value_mean is not None else 0
    return Sums(
        minutes=1,
        frames=frames,
        errors=_sane(row.errors),
        kept=_sane(row.kept),
        confidence=row.confidence_mean * frames,
        latencies=latency_buckets.read(row.latency_first, [_sane(number) for number in row.latency_counts]),
        labels={label: _sane(number) for label, number in row.labels.items()},
        value=(row.value_mean or 0.0) * valued,
        value_frames=valued,
        shadow_frames=_sane(row.shadow_frames),
        shadow_agreed=_sane(row.shadow_agreed),
    )


def add(one: Sums, other: Sums) -> Sums:
    return Sums(
        minutes=one.minutes + other.minutes,
        frames=one.frames + other.frames,
        errors=one.errors + other.errors,
        kept=one.kept + other.kept,
        confidence=one.confidence + other.confidence,
        latencies=latency_buckets.add(one.latencies, other.latencies),
        labels=_labels(one.labels, other.labels, 1),
        value=one.value + other.value,
        value_frames=one.value_frames + other.value_frames,
        shadow_frames=one.shadow_frames + other.shadow_frames,
        shadow_agreed=one.shadow_agreed + other.shadow_agreed,
    )


def take_away(one: Sums, other: Sums) -> Sums:
    """``one`` without ``other``, which was added to it before."""
    return Sums(
        minutes=one.minutes - other.minutes,
        frames=one.frames - other.frames,
        errors=one.errors - other.errors,
        kept=one.kept - other.kept,
        confidence=one.confidence - other.confidence,
        latencies=latency_buckets.take_away(one.latencies, other.latencies),
        labels=_labels(one.labels, other.labels, -1),
        value=one.value - other.value,
        value_frames=one.value_frames - other.value_frames,
        shadow_frames=one.shadow_frames - other.shadow_frames,
        shadow_agreed=one.shadow_agreed - other.shadow_agreed,
    )


def three_figures(number: int) -> int:
    """The number to three figures: a percentile of some dozens of frames is not known any better."""
    step: int = 10 ** max(0, len(str(number)) - 3)
    return round(number / step) * step


def _sane(number: int) -> int:
    return min(number, MOST_IN_A_MINUTE)


def _labels(one: Mapping[str, int], other: Mapping[str, int], sign: int) -> dict[str, int]:
    labels = dict(one)
    for label, number in other.items():
        known = label in labels or (sign > 0 and len(labels) < MOST_LABELS)
        name = label if known else OTHERS
        labels[name] = labels.get(name, 0) + sign * number
    return {label: number for label, number in labels.items() if number > 0}
