"""Two desktops that rolled out different bundles to one box while apart: which one stands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_sync.release.plan import ON_BOX, OPEN, BoxState


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One rollout's row of one box."""

    rollout: str
    bundle: str
    replica: str
    """The desktop that started the rollout."""
    stamp: str
    """Of that desktop's hybrid clock, when it started it: texts sort as stamps do."""
    ended: str | None
    """Stamp from which on the rollout was at an end; None: it goes on."""
    state: BoxState
    beside: frozenset[str] = frozenset()
    """Bundles that take nothing away from this one: a box may have both."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a claim's row should say; ``by`` is the rollout that took the box, ``why`` the box's own reason."""

    state: BoxState
    by: str | None = None
    why: str | None = None


def stands(claims: Sequence[Claim]) -> Claim:
    """The claim that stands before the box itself has said anything: the later stamp, then the greater replica."""
    return max(claims, key=lambda claim: (claim.stamp, claim.replica, claim.rollout))


def settle(claims: Sequence[Claim], running: str | None) -> dict[str, Verdict]:
    """What is to change in the rows of one box, by rollout. The same on every desktop that knows the same.

    A rollout that was at an end when another desktop started its own was not apart from it, and neither were two of one
    desktop, which refuses the second; those are left alone.

    :param running: the bundle that is committed on the box and answers there, as far as is known.
    """
    verdicts: dict[str, Verdict] = {}
    for claim in claims:
        rivals = [other for other in claims if _apart(claim, other)]
        if not rivals:
            continue
        holder = next((other for other in rivals if other.bundle == running), None)
        first = stands([claim, *rivals])
        if claim.bundle == running:
            wanted = Verdict("committed")
        elif claim.state == "committed" and holder is not None and holder.bundle not in claim.beside:
            # The box went on to another one, whatever the order in which they were started.
            wanted = Verdict("overtaken", holder.rollout)
        elif first is not claim and claim.state in OPEN and claim.state not in ON_BOX:
            wanted = Verdict("overtaken", first.rollout)
        else:
            continue
        if wanted.state != claim.state:
            verdicts[claim.rollout] = wanted
    return verdicts


def _apart(one: Claim, other: Claim) -> bool:
    if one.bundle == other.bundle or one.replica == other.replica:
        return False
    earlier, later = sorted((one, other), key=lambda claim: (claim.stamp, claim.replica, claim.rollout))
    return earlier.ended is None or earlier.ended > later.stamp
