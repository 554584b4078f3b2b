"""Which boxes may begin now in a staged rollout: a canary, then waves. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal

from msgspec import Meta

from edge_runtime.contracts.errors import InputInvalid

BoxState = Literal[
    "waiting",
    "sending",
    "installing",
    "trial",
    "committed",
    "failed",
    "rolled-back",
    "held",
    "withdrawn",
    "overtaken",
]
FAILED: Final[frozenset[BoxState]] = frozenset({"failed", "rolled-back"})
BEGUN: Final[frozenset[BoxState]] = frozenset({"sending", "installing", "trial", "committed", *FAILED})
"""States of a box that was offered the model: its wave has begun."""
ON_BOX: Final[frozenset[BoxState]] = frozenset({"installing", "trial"})
"""The box has the model in hand and decides by itself."""
OPEN: Final[frozenset[BoxState]] = frozenset({"waiting", "sending", *ON_BOX})
"""States from which a box still goes on."""
MINUTE_MS: Final = 60_000
MAX_PAUSE_MINUTES: Final = 30 * 24 * 60
MAX_FAILURES: Final = 10_000
MAX_CAP_BYTES_PER_S: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a rollout proceeds; which box is in which wave stands with the boxes."""

    pause_minutes: Annotated[int, Meta(ge=0, le=MAX_PAUSE_MINUTES)] = 0
    """How long a wave rests after its last commit before the next one begins."""
    max_failures: Annotated[int, Meta(ge=0)] = 0
    """Boxes that may fail or roll back before the rollout stops. The canary may not."""
    cap_bytes_per_s: Annotated[int, Meta(ge=1)] | None = None
    """What all deliveries of the rollout together may take of the link of the desktop that makes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxProgress:
    """How far one box has come; the lowest wave is the canary."""

    box: str
    wave: int
    state: BoxState
    reason: str | None = None
    updated_ms: int = 0
    """When it came into this state, milliseconds since 1970, by the clock of the desktop that saw it. What lies in the
    future here was written by a clock that is ahead, and counts as now."""
    away: bool = False
    """It did not answer when it was asked last."""
    name: str = ""
    """What a person calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do next, and what is waited for."""

    start: tuple[str, ...] = ()
    """Boxes to begin with now, those that are away among them: they get their turn as soon as they answer."""
    finished: bool = False
    """Every box has come to an end, and not too many failed."""
    stopped: str | None = None
    """Why no further box may begin; those under way are left to come to their own end."""
    rests_until_ms: int | None = None
    """The wave that is through rests until then, milliseconds since 1970."""
    awaited: tuple[str, ...] = ()
    """Boxes for which the next wave waits."""
    away: tuple[str, ...] = ()
    """Boxes whose turn has come and which do not answer."""


def next_boxes(plan: Plan, boxes: Sequence[BoxProgress], now_ms: int) -> Decision:
    """Decide from how far each box has come.

    A wave lets the next one begin once none of its boxes is at work any more, one at least has committed, and it has
    rested. A box that is away holds nothing up, with one exception: a canary that fell silent with the model in hand,
    which is what a canary is there to show. Of the canary every box that answers must commit. A wave that has begun
    never closes again, whatever a box does that comes back late.

    :param now_ms: milliseconds since 1970.
    """
    waves = sorted({box.wave for box in boxes})
    if why := _too_many(plan, boxes, waves):
        return Decision(stopped=why)
    unsettled = [box for box in boxes if box.state in OPEN]
    if not unsettled:
        return Decision(finished=True)
    through = waves[0]
    gate = _Gate()
    for earlier, later in pairwise(waves):
        begun = any(box.state in BEGUN for box in boxes if box.wave >= later)
        wave = [box for box in boxes if box.wave == earlier]
        gate = _gate_after(plan, wave, now_ms, canary=earlier == waves[0])
        if gate.stopped and not begun:
            return Decision(stopped=gate.stopped)
        if not begun and (gate.awaited or gate.blocked or (gate.rests_until_ms or 0) > now_ms):
            break
        through, gate = later, _Gate()
    turn = [box for box in unsettled if box.wave <= through]
    return Decision(
        start=tuple(box.box for box in turn if box.state == "waiting"),
        rests_until_ms=gate.rests_until_ms if not gate.awaited and not gate.blocked else None,
        awaited=gate.awaited,
        away=tuple(box.box for box in turn if box.away),
    )


def assign_waves(boxes: Sequence[str], *, canary: int, shares: Sequence[float]) -> list[list[str]]:
    """The canary and the waves after it, in the order of ``boxes``; waves that would be empty are left out.

    :param canary: how many boxes come first.
    :param shares: which share of the boxes after the canary has had its turn after each wave: rising, above 0 to 1. The
        last wave takes whatever is left.
    :raises InputInvalid: a canary that is none, or shares that do not rise.
    """
    if not 1 <= canary <= max(len(boxes), 1):
        raise InputInvalid(f"A canary of {canary} out of {len(boxes)} boxes is none.")
    if any(not 0 < share <= 1 for share in shares) or list(shares) != sorted(set(shares)):
        raise InputInvalid("The waves' shares must rise, each above 0 % and none above 100 %.")
    rest = list(boxes[canary:])
    ends = [math.ceil(len(rest) * share) for share in shares[:-1]] + [len(rest)]
    waves, begin = [list(boxes[:canary])], 0
    for end in ends:
        waves.append(rest[begin:end])
        begin = max(begin, end)
    return [wave for wave in waves if wave]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """What stands between a wave and the next one."""

    awaited: tuple[str, ...] = ()
    blocked: bool = False
    rests_until_ms: int | None = None
    stopped: str | None = None


def _gate_after(plan: Plan, wave: Sequence[BoxProgress], now_ms: int, *, canary: bool) -> _Gate:
    awaited = tuple(box.box for box in wave if box.state in OPEN and (not box.away or (canary and box.state in ON_BOX)))
    if awaited:
        return _Gate(awaited=awaited)
    commits = [min(box.updated_ms, now_ms) for box in wave if box.state == "committed"]
    if commits:
        return _Gate(rests_until_ms=max(commits) + plan.pause_minutes * MINUTE_MS)
    if away := tuple(box.box for box in wave if box.state in OPEN):
        return _Gate(awaited=away, blocked=True)
    if any(box.state in FAILED for box in wave):
        return _Gate(stopped=f"no box of the wave took it ({_told(wave)})")
    # Whoever was in it was taken out of the rollout: there is nothing to learn from it.
    return _Gate()


def _too_many(plan: Plan, boxes: Sequence[BoxProgress], waves: Sequence[int]) -> str | None:
    failed = [box for box in boxes if box.state in FAILED]
    if canary := [box for box in failed if box.wave == waves[0]]:
        return f"the canary did not take it ({_told(canary)})"
    if len(failed) > plan.max_failures:
        return f"{len(failed)} of {len(boxes)} boxes did not take it ({_told(failed)})"
    return None


def _told(boxes: Sequence[BoxProgress]) -> str:
    return "; ".join(
        f"{box.name or box.box} {box.state.replace('-', ' ')}: {box.reason or 'no reason given'}"
        for box in boxes
        if box.state in FAILED
    )
