"""The clock doctor: how wrong the clocks of boxes are, and setting them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.clock import RoundTrip, Skew, accuses_desktop, best_of
from app.fleet.failures import problems_of
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases.boxes import connect, get_box, refresh
from app.usecases.crew import side_by_side
from cloud_sync.release.signing_time import SKEW_S, day
from edge_runtime.build_time import build_time_s
from edge_runtime.contracts.clock import BoxClock
from edge_runtime.contracts.errors import (
    ClockDoubtful,
    ClockForbidden,
    ClockNotKept,
    ClockRefused,
    LinesideError,
)

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
    problem_code: str | None = None
    """The code of that error."""

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
    # One that does not answer keeps the others waiting for nothing.
    read = {box.box: reading for box, reading in side_by_side(lambda box: _read(ctx, box), chosen, "clocks")}
    return [read[box.box] for box in chosen]


def is_desktop_suspect(readings: Sequence[ClockReading]) -> bool:
    """Whether it is rather this desktop's clock that is wrong: several boxes are off by the same."""
    return accuses_desktop([reading.skew for reading in readings if reading.skew is not None])


def accuses_this_desktop(boxes: Sequence[Box]) -> bool:
    """As :func:`is_desktop_suspect`, by what the boxes that answer said last."""
    return accuses_desktop(
        [
            Skew(ms=box.skew_ms, error_ms=box.skew_error_ms or 0.0)
            for box in boxes
            if box.problem is None and box.skew_ms is not None
        ]
    )


def is_wrong(box: Box) -> bool:
    """Whether a box's clock was further off than it should be when it answered last."""
    return box.skew_ms is not None and Skew(ms=box.skew_ms, error_ms=box.skew_error_ms or 0.0).matters


def set_clock(ctx: Context, name: str) -> ClockChange:
    """Set a box's clock to this desktop's. The box and this desktop keep who did it, from when and to when; this one
    before the box is told, and once more what became of it, also where that is unknown.

    :raises ClockDoubtful: this desktop's own clock is not believed; no box was asked.
    :raises ClockRefused: this desktop's time is before what the box knows to have happened.
    :raises ClockForbidden: the box's system does not let it.
    :raises ClockNotKept: it took the time, and something there set its clock back at once.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: it does not answer.
    """
    box = get_box(ctx, name)
    _require_own_clock(ctx)
    with connect(ctx, box) as client:
        before, clock = _measure(client)
        was = f"the clock of {box.name}: it was {before.ms / 1000:+.1f} s off"
        _note(ctx, box, "box.clock-begun", f"Begun to set {was}.")
        try:
            after, now = _set(client, before)
        except (ClockRefused, ClockForbidden) as error:
            _note(ctx, box, "box.clock-not-set", f"Did not set {was}. {error.message}")
            raise
        except LinesideError as error:
            _note(ctx, box, "box.clock-unknown", f"Told to set {was}. Whether it was set is not known: {error.message}")
            raise
    change = ClockChange(
        box=box.box, name=box.name, before=_reading(box, before, clock), after=_reading(box, after, now)
    )
    kept = abs(after.ms) <= 2 * GOOD_MS + after.error_ms
    what, words = ("box.clock-set", "Set") if kept else ("box.clock-not-kept", "Tried to set")
    _note(ctx, box, what, f"{words} {was} and is {after.ms / 1000:+.1f} s off now.")
    refresh(ctx, box.box)
    if not kept:
        raise ClockNotKept(f"{box.name} took the time, and its clock is {after.ms / 1000:+.1f} s off all the same.")
    return change


def _require_own_clock(ctx: Context) -> None:
    """:raises ClockDoubtful: this desktop's clock may be wrong, and nobody has said that it is right."""
    now_s = time.time()
    if now_s < build_time_s() - SKEW_S:
        raise ClockDoubtful(
            f"This desktop's clock says {day(int(now_s))}, and its software was built on {day(build_time_s())}.",
            hint="Set this desktop's clock first; no box's clock was set.",
        )
    try:
        ctx.repository().require_date()
    except ClockDoubtful:
        raise
    except LinesideError:
        # This desktop signs nothing, or its repository is damaged: nothing there tells of its clock.
        return


def _set(client: BoxClient, before: Skew) -> tuple[Skew, BoxClock]:
    """Tell the box the time until it has it; how far it is off then, and its clock."""
    after = before
    for _ in range(TRIES):
        # Half a round trip from now it arrives.
        client.set_clock(round(time.time_ns() / 1e6 + after.error_ms))
        after, now = _measure(client)
        if abs(after.ms) <= GOOD_MS + after.error_ms:
            break
    return after, now


def _read(ctx: Context, box: Box) -> ClockReading:
    try:
        with problems_of(box.address), connect(ctx, box) as client:
            skew, clock = _measure(client)
    except LinesideError as problem:
        return ClockReading(box=box.box, name=box.name, problem=str(problem), problem_code=problem.code)
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


def _note(ctx: Context, box: Box, what: str, words: str) -> None:
    ctx.database.write(lambda writer: writer.activity(what, box.box, words))
