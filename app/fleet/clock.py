"""How far a box's clock is from this desktop's: arithmetic on round trips. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MATTERS_MS = 5_000.0
"""A box further off than this is told of: rows of two boxes can no longer be laid side by side."""
_RESOLUTION_MS = 1.0
"""A box tells its time in whole milliseconds, rounded down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One question and its answer."""

    sent_ms: float
    """When it was asked, by this desktop's clock."""
    took_ms: float
    """Until the answer, by a clock that does not jump."""
    box_ms: int
    """What the box's clock said somewhere in between."""

    @property
    def skew(self) -> Skew:
        middle = self.sent_ms + self.took_ms / 2
        return Skew(ms=self.box_ms + _RESOLUTION_MS / 2 - middle, error_ms=(self.took_ms + _RESOLUTION_MS) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """The box's clock minus this desktop's; the truth is at most ``error_ms`` away."""

    ms: float
    error_ms: float

    @property
    def matters(self) -> bool:
        """It is far off, whatever the uncertainty."""
        return abs(self.ms) - self.error_ms > MATTERS_MS


def best_of(trips: Sequence[RoundTrip]) -> Skew:
    """The skew by the quickest round trip, which leaves the least room for doubt; there must be one."""
    return min(trips, key=lambda trip: trip.took_ms).skew


def accuses_desktop(skews: Sequence[Skew]) -> bool:
    """Whether several boxes are far off by the same: then it is rather this desktop's clock that is wrong."""
    if len(skews) < 2 or not all(skew.matters for skew in skews):
        return False
    return max(skew.ms for skew in skews) - min(skew.ms for skew in skews) <= MATTERS_MS
