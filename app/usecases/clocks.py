"""The clock doctor: how wrong the clocks of boxes are, and setting them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.clock import RoundTrip, Skew, accuses_desktop, best_of
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases.boxes import connect, get_box, refresh
from edge_runtime.contracts.clock import BoxClock
from edge_runtime.contracts.errors import ClockNotKept, LinesideError

if TYPE_CHECKING:
    from app.context import Context

ROUND_TRIPS = 5
TRIES = 3
GOOD_MS = 1_000.0
"""Set to better than this; some systems keep whole seconds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """What is known of one box's clock."""

    box: str
    name: str
    skew_ms: float | None = None
    """The box's clock minus this desktop's, give or take ``error_ms``; None: it did not answer."""
    error_ms: float | None = None
    at_ms: int | None = None
    """What it said."""
    may_set: bool = False
    """The box's system lets it be set from here."""
    matters: bool = False
    """It is further off than it should be."""
    problem: str | None = None
    """Why it did not answer."""

    @property
    def skew(self) -> Skew | None:
        return None if self.skew_ms is None else Skew(ms=self.skew_ms, error_ms=self.error_ms or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A clock that was set."""

    box: str
    name: str
    before: ClockReading
    after: ClockReading


def read_clocks(ctx: Context, name: str | None = None) -> list[ClockReading]:
    """Measure one box's clock, or all; changes nothing.

    :raises NotFound: there is no such box.
    """
    chosen = [get_box(ctx, name)] if name else box_store.list_boxes(ctx.database)
    return [_read(ctx, box) for box in chosen]


def is_desktop_suspect(readings: Sequence[ClockReading]) -> bool:
    """Whether it is rather this desktop's clock that is wrong: several boxes are off by the same."""
    return accuses_desktop([reading.skew for reading in readings if reading.skew is not None])


def is_wrong(box: Box) -> bool:
    """Whether a box's clock was further off than it should be when it answered last."""
    return box.skew_ms is not None and Skew(ms=box.skew_ms, error_ms=box.skew_error_ms or 0.0).matters


def set_clock(ctx: Context, name: str) -> ClockChange:
    """Set a box's clock to this desktop's. The box and this desktop keep who did it, from when and to when.

    :raises ClockRefused: this desktop's time is before what the box knows to have happened.
    :raises ClockForbidden: the box's system does not let it.
    :raises ClockNotKept: it took the time, and something there set its clock back at once.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: it does not answer.
    """
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        before, clock = _measure(client)
        after, now = before, clock
        for _ in range(TRIES):
            # Half a round trip from now it arrives.
            client.set_clock(round(time.time_ns() / 1e6 + after.error_ms))
            after, now = _measure(client)
            if abs(after.ms) <= GOOD_MS + after.error_ms:
                break
    change = ClockChange(
        box=box.box, name=box.name, before=_reading(box, before, clock), after=_reading(box, after, now)
    )
    off = f"it was {before.ms / 1000:+.1f} s off and is {after.ms / 1000:+.1f} s off now."
    kept = abs(after.ms) <= 2 * GOOD_MS + after.error_ms
    what, words = ("box.clock-set", "Set") if kept else ("box.clock-not-kept", "Tried to set")
    ctx.database.write(lambda w: w.activity(what, box.box, f"{words} the clock of {box.name}: {off}"))
    refresh(ctx, box.box)
    if not kept:
        raise ClockNotKept(f"{box.name} took the time, and its clock is {after.ms / 1000:+.1f} s off all the same.")
    return change


def _read(ctx: Context, box: Box) -> ClockReading:
    try:
        with connect(ctx, box) as client:
            skew, clock = _measure(client)
    except LinesideError as error:
        return ClockReading(box=box.box, name=box.name, problem=str(error))
    return _reading(box, skew, clock)


def _measure(client: BoxClient) -> tuple[Skew, BoxClock]:
    # The first one opens the connection, and is slow.
    clock = client.clock()
    trips = []
    for _ in range(ROUND_TRIPS):
        sent_ms, sent_s = time.time_ns() / 1e6, time.monotonic()
        clock = client.clock()
        trips.append(RoundTrip(sent_ms=sent_ms, took_ms=(time.monotonic() - sent_s) * 1000, box_ms=clock.at_ms))
    return best_of(trips), clock


def _reading(box: Box, skew: Skew, clock: BoxClock) -> ClockReading:
    return ClockReading(
        box=box.box,
        name=box.name,
        skew_ms=round(skew.ms, 2),
        error_ms=round(skew.error_ms, 2),
        at_ms=clock.at_ms,
        may_set=clock.may_set,
        matters=skew.matters,
    )
