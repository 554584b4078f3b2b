"""What the boxes of a rehearsed rollout mean to each other: who hands it on, and whose link it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.fleet.delivery import MIN_HANDOVER_BYTES, Way

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One box's part of the deliveries."""

    wave: int
    takes: bool
    """It answered, and nothing that is known would keep it from committing the model."""
    answered: bool
    way: Way
    bytes: int
    """Over this desktop's link."""
    missing: int
    """Bytes of the bundle that are not on the box."""
    bytes_per_s: float | None = None
    """Of its link alone; None: not known."""
    minutes: float | None = None


def hand_on(shares: Sequence[Share]) -> list[Share]:
    """What a later wave gets from an earlier one does not cross this desktop's link again, where it is worth it and
    the boxes reach each other.
    """
    givers = [share.wave for share in shares if share.takes]
    first = min(givers, default=None)
    return [
        replace(share, way="neighbour", bytes=0)
        if first is not None
        and share.wave > first
        and share.answered
        and share.way in ("patch", "whole")
        and share.missing >= MIN_HANDOVER_BYTES
        else share
        for share in shares
    ]


def take_time(shares: Sequence[Share], *, cap: int | None, at_a_time: int) -> tuple[list[Share], float | None]:
    """Minutes for each box, beside the others of its wave, and for all, one wave after the other.

    All deliveries leave over one link, which is taken to carry what the fastest of them showed: where each box has a
    slow link of its own it goes faster than that.

    :param cap: bytes a second for all together.
    :param at_a_time: boxes that are served beside each other.
    :returns: None in place of a figure where a link that counts was never measured.
    """
    fastest = max((share.bytes_per_s for share in shares if share.bytes_per_s), default=None)
    whole = min((rate for rate in (fastest, cap) if rate is not None), default=None)
    timed, total = dict[int, Share](), 0.0
    known = True
    for wave in sorted({share.wave for share in shares}):
        members = [(at, share) for at, share in enumerate(shares) if share.wave == wave]
        sending = [share for _at, share in members if share.bytes]
        beside = min(at_a_time, max(len(sending), 1))
        for at, share in members:
            timed[at] = replace(share, minutes=_minutes(share, whole / beside if whole else None))
        if any(share.bytes_per_s is None for share in sending) or (sending and whole is None):
            known = False
        elif whole is not None:
            alone = max((_minutes(share, whole) or 0.0 for share in sending), default=0.0)
            total += max(alone, sum(share.bytes for share in sending) / whole / MINUTE_S)
    return [timed[at] for at in range(len(shares))], total if known else None


def _minutes(share: Share, most: float | None) -> float | None:
    if not share.bytes:
        return 0.0
    if share.bytes_per_s is None or most is None:
        return None
    return share.bytes / min(share.bytes_per_s, most) / MINUTE_S
