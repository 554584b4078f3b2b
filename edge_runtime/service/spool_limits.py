"""What has to leave a spool that is too full or too old: pure decisions, no input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts.rows import LossRow, Row, SampleRow, Stream

SpoolClass = Literal[
    "audits",
    "alerts",
    "hard_samples",
    "shadows",
    "rollups",
    "random_samples",
    "unlabelled_samples",
    "results",
    "fetched_samples",
]
CLASSES: tuple[SpoolClass, ...] = (
    "audits",
    "alerts",
    "hard_samples",
    "shadows",
    "rollups",
    "random_samples",
    "unlabelled_samples",
    "results",
    "fetched_samples",
)
"""Most precious first. Fetched samples are on a desktop already: their bytes stay while nothing else needs the room,
and are no loss."""
TINY: frozenset[SpoolClass] = frozenset({"audits", "alerts"})
"""Never given up for the disk's sake: they say why the rest went, and would free next to nothing."""
SAMPLE_CLASSES: Mapping[str, SpoolClass] = {
    "hard": "hard_samples",
    "disagreement": "hard_samples",
    "recovered": "hard_samples",
    "random": "random_samples",
    "unlabelled": "unlabelled_samples",
}
"""Class by a sample's reason."""
SLICES = 64
"""A class that is over its limit gives up this part of the limit more than it must, so that it need not again at
once."""
DAY_MS = 86_400_000
LONGEST_PAUSE_MS = 400 * DAY_MS
"""A box may have been switched off this long; a clock that claims more is wrong."""
_MERGE_MS = ((10_000, DAY_MS), (1_000, 3_600_000), (0, 60_000))

Reason = Literal["limit.bytes", "limit.age", "limit.total", "disk.reserve", "disk.full"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Let at least ``size`` bytes of a class go, the oldest first."""

    kind: SpoolClass
    size: int
    reason: Reason


def class_of(stream: Stream, row: Row) -> SpoolClass:
    """The priority class of a row that is no loss."""
    if isinstance(row, SampleRow):
        return SAMPLE_CLASSES[row.reason]
    if stream == "samples" or stream == "losses":
        raise ValueError(f"a {type(row).__name__} in the stream {stream!r}")
    return stream


def choose_cuts(stored: Mapping[SpoolClass, int], limits: SpoolLimits, *, free_bytes: int) -> tuple[Cut, ...]:
    """What must go, given the bytes of each class and the disk's free bytes.

    First every class keeps its own limit. Then, while all together are over the budget or the disk's reserve is
    touched, the lowest class gives all that it has before the one above gives anything.
    """
    left = {kind: stored.get(kind, 0) for kind in CLASSES}
    cuts: list[Cut] = []

    def take(kind: SpoolClass, size: int, reason: Reason) -> int:
        taken = min(size, left[kind])
        if taken > 0:
            left[kind] -= taken
            cuts.append(Cut(kind, taken, reason))
        return taken

    for kind in reversed(CLASSES):
        limit = limits.max_bytes if kind == "fetched_samples" else limits.of(kind).max_bytes
        if left[kind] > limit:
            take(kind, left[kind] - limit + limit // SLICES, "limit.bytes")
    excess = sum(left.values()) - limits.max_bytes
    if excess > 0:
        excess += limits.max_bytes // SLICES
    for kind in reversed(CLASSES):
        excess -= take(kind, excess, "limit.total")
    short = limits.reserve_bytes - free_bytes - sum(cut.size for cut in cuts)
    for kind in reversed(CLASSES):
        if kind not in TINY:
            short -= take(kind, short, "disk.reserve")
    return tuple(cuts)


def has_room(
    kind: SpoolClass, size: int, *, stored: Mapping[SpoolClass, int], limits: SpoolLimits, free_bytes: int
) -> bool:
    """Whether ``size`` more bytes of a class may be written: free ones, or what lower classes would give way with."""
    lower = sum(stored.get(other, 0) for other in CLASSES[CLASSES.index(kind) + 1 :])
    return free_bytes + lower >= limits.reserve_bytes + size


def resumed_age_ms(age_ms: int, *, stopped_ms: int, now_ms: int) -> int:
    """How long the spool has been in use, at a start.

    While the box runs, its monotonic clock counts. For the time that it was switched off there is only the wall
    clock, before (``stopped_ms``) and after: it is believed where it went forward by no more than
    :data:`LONGEST_PAUSE_MS`. A clock that was reset or has run away thus neither expires everything at once nor keeps
    anything for ever.
    """
    pause = now_ms - stopped_ms
    return age_ms + (pause if 0 <= pause <= LONGEST_PAUSE_MS else 0)


def oldest_age_ms(kind: SpoolClass, limits: SpoolLimits, *, age_ms: int) -> int:
    """Rows of a class that were put before the spool had this age are too old."""
    days = limits.of("results" if kind == "fetched_samples" else kind).max_age_days
    return age_ms - int(days * DAY_MS)


def merge_losses(before: LossRow, more: LossRow) -> LossRow:
    """Two losses of one kind as one row, under the key of the first."""
    return replace(
        before,
        count=before.count + more.count,
        bytes=before.bytes + more.bytes,
        first_ms=min(before.first_ms, more.first_ms),
        last_ms=max(before.last_ms, more.last_ms),
    )


def may_merge(before: LossRow, more: LossRow, *, rows: int) -> bool:
    """Whether a loss goes on what one before it began. The ledger is never cut: where it is long, it gets coarser."""
    longest = next(span for above, span in _MERGE_MS if rows >= above)
    return abs(more.at_ms - before.last_ms) < longest
