"""A hybrid logical clock: wall time where it can be had, and never backwards where it cannot. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from edge_runtime.contracts.errors import InputInvalid

FIRST_STAMP = "000000000000000.000000"
MAX_AHEAD_MS = 24 * 3600 * 1000
"""A stamp further ahead of this computer's clock than this is not believed: one such stamp would win every merge
until that time has come."""

_STAMP = re.compile(r"([0-9]{15})\.([0-9]{6})")
_MAX_MS = 10**15 - 1
_MAX_COUNTER = 10**6 - 1
_MAX_STRIDE = 1000


def format_stamp(ms: int, counter: int) -> str:
    """The text of a stamp. Texts sort as stamps do."""
    return f"{ms:015d}.{counter:06d}"


def parse_stamp(stamp: str) -> tuple[int, int]:
    """A stamp's milliseconds since 1970 and counter.

    :raises InputInvalid: not a stamp.
    """
    found = _STAMP.fullmatch(stamp)
    if found is None:
        raise InputInvalid(f"{stamp[:40]!r} is not a stamp of a journal's clock.")
    return int(found[1]), int(found[2])


def check_not_ahead(stamp: str, now_ms: int) -> None:
    """:raises InputInvalid: the stamp is more than MAX_AHEAD_MS ahead of ``now_ms``, or is no stamp."""
    ahead_ms = parse_stamp(stamp)[0] - now_ms
    if ahead_ms > MAX_AHEAD_MS:
        raise InputInvalid(
            f"A change is stamped {_words(ahead_ms)} ahead of this computer's clock.",
            hint="Set the clocks of both desktops, then sync again; nothing of it was taken over.",
        )


def _by_chance() -> int:
    return 1 + secrets.randbelow(_MAX_STRIDE)


class HybridClock:
    """Gives stamps that always grow, and that are later than every stamp received.

    :param last: the last stamp given or received, as it was kept.
    :param stride: how far the counter moves on, at least 1. By chance: two copies of one desktop that do not know of
        each other yet would give the same stamps, if their clocks are behind ``last``.
    """

    def __init__(self, last: str = FIRST_STAMP, stride: Callable[[], int] = _by_chance) -> None:
        self._ms, self._counter = parse_stamp(last)
        self._stride = stride

    @property
    def last(self) -> str:
        """The last stamp given or received: keep it, and begin with it next time."""
        return format_stamp(self._ms, self._counter)

    def tick(self, now_ms: int) -> str:
        """The stamp of something that happens now, later than any before it."""
        stride = self._stride()
        if now_ms > self._ms:
            self._ms, self._counter = min(now_ms, _MAX_MS), stride
        elif self._counter + stride <= _MAX_COUNTER:
            self._counter += stride
        else:
            self._ms, self._counter = self._ms + 1, 0
        return self.last

    def receive(self, stamp: str, now_ms: int) -> None:
        """Move past another replica's stamp.

        :raises InputInvalid: as :func:`check_not_ahead`; the clock stays as it was.
        """
        check_not_ahead(stamp, now_ms)
        self._ms, self._counter = max((self._ms, self._counter), parse_stamp(stamp))


def _words(ms: int) -> str:
    days = ms // 86_400_000
    return f"{days // 365} years" if days >= 2 * 365 else f"{days} days" if days >= 2 else f"{ms // 3_600_000} hours"
