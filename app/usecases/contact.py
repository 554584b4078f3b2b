"""A question to a box, timed: what its clock said meanwhile, and in which order it answered with others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.clock import RoundTrip
from app.store import sightings
from app.store.records import Heard

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True)
class Begun:
    """A question that is under way."""

    address: str
    asked: int
    sent_ms: float
    sent_s: float
    """By the monotonic clock."""

    def end(self, box_ms: int) -> Heard:
        """The answer came just now."""
        skew = self.trip(box_ms).skew
        return Heard(address=self.address, asked=self.asked, skew_ms=skew.ms, skew_error_ms=skew.error_ms)

    def trip(self, box_ms: int) -> RoundTrip:
        took_ms = (time.monotonic() - self.sent_s) * 1000
        return RoundTrip(sent_ms=self.sent_ms, took_ms=took_ms, box_ms=box_ms)


def begin_contact(ctx: Context, address: str) -> Begun:
    """Call it just before a box is asked."""
    return Begun(address, sightings.count_sightings(ctx.database), time.time_ns() / 1e6, time.monotonic())
