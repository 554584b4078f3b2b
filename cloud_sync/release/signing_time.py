"""As of which second a desktop signs its releases. Pure.

That second is the version of all three roles, and each box that accepts it counts it as its own time from then on. So
one that is wrong does harm wherever it is carried, and nobody is believed alone: not this desktop's clock, not a box.
"""

from __future__ import annotations

import datetime

from edge_runtime.contracts.errors import ClockDoubtful, SignedInFuture

SKEW_S = 86_400
"""How far clocks may be apart: a time zone set wrong is no reason to stop anybody."""
QUIET_S = 180 * 86_400
"""A clock that is further ahead of everything that was signed before is not believed until a person says so."""
LAST_S = int(datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC).timestamp())
"""A clock beyond this is wrong."""


def signing_time(
    *, now_s: int, newest_s: int, seen_s: int, root_s: int, root_end_s: int, confirmed: bool = False
) -> int:
    """The second as of which to sign: now, and in any case later than what counts already.

    :param now_s: this desktop's clock, as all others in seconds since 1970.
    :param newest_s: as of when the releases were signed last, by a key that still counts; 0: never.
    :param seen_s: what a box has accepted; 0: no box is asked.
    :param root_s: when the newest root was made, at the latest.
    :param root_end_s: when it expires.
    :param confirmed: a person has said that the clock is right.
    :raises ClockDoubtful: this desktop's clock is not believed.
    :raises SignedInFuture: the box's number is not.
    """
    require_clock(now_s, newest_s=newest_s)
    if now_s >= root_end_s:
        raise ClockDoubtful(
            f"This desktop's clock says {day(now_s)}, and the site's root has expired on {day(root_end_s)}.",
            hint="Set the clock. If it is right, any change of the keys makes a new root: `lineside site rotate-key`.",
        )
    known_s = max(newest_s, root_s)
    if now_s - known_s > QUIET_S and not confirmed:
        raise ClockDoubtful(
            f"This desktop's clock says {day(now_s)}, {(now_s - known_s) // 86_400} days after anything that was "
            f"signed here ({day(known_s)})."
        )
    require_seen(now_s, seen_s=seen_s, who="The box")
    return max(now_s, newest_s + 1, seen_s + 1)


def require_clock(now_s: int, *, newest_s: int) -> None:
    """Nothing that is signed as of the future is made or sent.

    :raises ClockDoubtful: this desktop's clock is behind what it signed itself, or in a far age.
    """
    if not 0 <= now_s < LAST_S:
        raise ClockDoubtful(f"This desktop's clock says {day(now_s)}.", hint="Set the clock, then try again.")
    if newest_s - now_s > SKEW_S:
        raise ClockDoubtful(
            f"This desktop's releases are signed as of {day(newest_s)}, and its clock says {day(now_s)}.",
            hint="Set the clock, if it is wrong now. If it was wrong then: `lineside site rotate-key` gives this "
            "desktop new keys, and boxes forget what the old ones signed.",
        )


def require_seen(now_s: int, *, seen_s: int, who: str) -> None:
    """What a box says that it has accepted is no more than any desktop's clock can have said by now.

    :raises SignedInFuture: it is.
    """
    if seen_s - now_s > SKEW_S:
        raise SignedInFuture(
            f"{who} says that it has accepted a release that was signed on {day(seen_s)}; this desktop's clock says "
            f"{day(now_s)}."
        )


def day(seconds: int) -> str:
    """A date for people; whatever the number is."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return f"second {seconds} since 1970"
