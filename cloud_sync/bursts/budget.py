"""How long a burst may go on for the money that is left: pure arithmetic, always on the dear side.

An attempt whose end nobody saw is taken to have run until its deadline and the grace after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from cloud_sync.bursts.spec import STOP_GRACE_S, Money

_HOUR_MS = 3_600_000
_GRACE_MS = int(STOP_GRACE_S * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a host asks for one attempt."""

    usd_per_hour: Money = 0.0
    fixed_usd: Money = 0.0
    """Disk and traffic, whatever the attempt's length."""
    minimum_s: Annotated[float, Meta(ge=0.0)] = 0.0
    """The shortest time that is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTimes:
    """From when to when one attempt can have cost money."""

    attempt: int
    price: Price
    started_ms: int
    deadline_ms: int
    ended_ms: int | None = None
    """None: it runs, or nobody saw it end."""


def duration_usd(price: Price, milliseconds: float) -> float:
    """Price of one attempt of this length, in US dollars."""
    billed = max(milliseconds, price.minimum_s * 1000.0, 0.0)
    return price.fixed_usd + price.usd_per_hour * billed / _HOUR_MS


def spent_usd(attempts: Iterable[AttemptTimes], now_ms: int) -> float:
    """What the attempts have cost so far, as far as can be known."""
    return math.fsum(
        duration_usd(
            a.price, (min(now_ms, a.deadline_ms + _GRACE_MS) if a.ended_ms is None else a.ended_ms) - a.started_ms
        )
        for a in attempts
    )


def committed_usd(attempts: Iterable[AttemptTimes]) -> float:
    """What the attempts can cost at most, whether or not they are still at work."""
    return math.fsum(
        duration_usd(a.price, (a.deadline_ms + _GRACE_MS if a.ended_ms is None else a.ended_ms) - a.started_ms)
        for a in attempts
    )


def attempt_deadline_ms(
    *, now_ms: int, deadline_ms: int, cap_usd: float, attempts: Iterable[AttemptTimes], price: Price
) -> int | None:
    """Until when a new attempt may work, or None where neither time nor money is left for one.

    With it, :func:`committed_usd` over all attempts stays within ``cap_usd``.
    """
    if now_ms >= deadline_ms:
        return None
    if price == Price():
        return deadline_ms
    left = cap_usd - committed_usd(attempts)
    if left < duration_usd(price, _GRACE_MS):
        return None
    if price.usd_per_hour == 0.0:
        return deadline_ms
    # Bounded before it is rounded: at next to no price, the money lasts for ever.
    wanted_ms = deadline_ms - now_ms + _GRACE_MS
    affordable_ms = math.floor(min((left - price.fixed_usd) / price.usd_per_hour * _HOUR_MS, wanted_ms)) - _GRACE_MS
    return now_ms + affordable_ms if affordable_ms > 0 else None


def worst_case_usd(price: Price, *, now_ms: int, deadline_ms: int, cap_usd: float, max_attempts: int) -> float:
    """The most that a burst can cost if everything goes wrong: every attempt used, each to its end.

    Attempts follow one another, so time is paid once and what is fixed is paid per attempt; never above the cap.
    """
    if price == Price():
        return 0.0
    time_usd = price.usd_per_hour * max(0, deadline_ms - now_ms) / _HOUR_MS
    overheads = duration_usd(price, _GRACE_MS) * max_attempts
    return min(cap_usd, time_usd + overheads)
