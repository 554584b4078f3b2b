"""When files may go, and how fast: what the engineer chose, and what follows from it now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from app.settings import Traffic

if TYPE_CHECKING:
    from app.context import Context

Hold = Literal["metered", "hours"]


def hold(traffic: Traffic, now: datetime) -> Hold | None:
    """Why files do not go now; None: they may.

    :param now: by the wall clock of this computer.
    """
    if traffic.metered:
        return "metered"
    if traffic.hours is None:
        return None
    begin, end = (_minute(*map(int, time.split(":"))) for time in traffic.hours.split("-"))
    minute = _minute(now.hour, now.minute)
    # Of hours that begin and end at one time, the whole day is meant; others may go over midnight.
    inside = begin <= minute < end if begin < end else minute >= begin or minute < end
    return None if inside else "hours"


def hold_now(ctx: Context) -> Hold | None:
    """As :func:`hold`, by the settings as they are now."""
    return hold(ctx.settings.traffic, datetime.now().astimezone())


def change_traffic(ctx: Context, traffic: Traffic) -> None:
    """Use other limits from now on, also for what is on its way.

    :raises ConfigInvalid: a value that is not allowed; nothing was changed.
    """
    ctx.change_settings(replace(ctx.settings, traffic=traffic))


def _minute(hour: int, minute: int) -> int:
    return 60 * hour + minute
