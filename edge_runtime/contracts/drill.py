"""A drill: a real fault on one box, for a few seconds, and what the box measured of how it got over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts.renewal import RequestId
from edge_runtime.contracts.rows import Count, Digest, MaybeDigest, Moment

DrillKind = Literal["cut", "kill", "fill", "clock"]
DRILL_KINDS: tuple[DrillKind, ...] = ("cut", "kill", "fill", "clock")
DrillPhase = Literal["before", "fault", "after", "done"]
DrillOutcome = Literal["running", "recovered", "not-recovered", "given-up"]
LEAST_S, MOST_S, USUAL_S = 3, 60, 10
"""How long a fault lasts, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRequest:
    """``POST /v1/drill``."""

    drill: RequestId
    """Drawn by the desktop: the same one again is the same drill."""
    kind: DrillKind
    seconds: Annotated[int, Meta(ge=LEAST_S, le=MOST_S)] = USUAL_S
    """Of the fault; a process that is killed is away for as long as it takes to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Frames that the lines dealt with in a time."""

    frames: Count = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """What the box did and measured; complete once ``phase`` is ``done``."""

    drill: RequestId
    kind: DrillKind
    box: Digest
    who: Digest
    """Fingerprint of the desktop that asked."""
    seconds: Count
    begun_ms: Moment
    """By the box's clock, as are all times here."""
    phase: DrillPhase = "before"
    outcome: DrillOutcome = "running"
    problems: Annotated[tuple[Annotated[str, Meta(max_length=500)], ...], Meta(max_length=20)] = ()
    """What was not as before when the time for it had run out, or why the drill was given up."""
    detail: Annotated[str, Meta(max_length=500)] = ""
    """What the fault was, in figures."""
    before: Counted = field(default_factory=Counted)
    during: Counted = field(default_factory=Counted)
    after: Counted = field(default_factory=Counted)
    longest_gap_ms: float | None = None
    """The longest time without a frame on a line that had some before; None where no line had any."""
    bundle: MaybeDigest = ""
    slot: Annotated[str, Meta(max_length=1)] = ""
    bundle_after: MaybeDigest = ""
    slot_after: Annotated[str, Meta(max_length=1)] = ""
    verified: bool | None = None
    """The committed model's file was read again and is what was signed; None: there is none, or not read yet."""
    restarted: bool = False
    """The box's process was another one afterwards."""
    ended_ms: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillAnswer:
    """The answer to ``POST`` and ``GET /v1/drill``."""

    report: Annotated[str, Meta(max_length=64 * 1024)]
    """A :class:`DrillReport` as JSON; nothing: this box was never drilled."""
    signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{128})?\Z")] = ""
    """Of the box's key over :func:`said`."""


def said(report: str) -> bytes:
    """What a box signs of a report."""
    return b"lineside: this box measured in a drill\0" + report.encode()
