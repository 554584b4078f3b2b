"""The machine's clock, read and set for a desktop. Nothing on the box itself waits for it or is ordered by it."""

from __future__ import annotations

import ctypes
import datetime
import logging
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.clock import BoxClock, SetClock
from edge_runtime.contracts.errors import BoxRefused, ClockForbidden, ClockRefused
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer
from edge_runtime.service.spool import Spool

_CAP_SYS_TIME = 25
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SELF = Path("/proc/self/status")
_SYSTEMD = Path("/run/systemd/system")
_log = logging.getLogger(__name__)


class ClockApi:
    """Sets the clock where the system allows it, never before what the box knows to have happened.

    :param signed_s: when the newest release that was accepted here was signed, seconds since 1970.
    """

    def __init__(self, *, signed_s: Callable[[], int], spool: Spool, changed: Callable[[], object]) -> None:
        self._signed_s, self._spool, self._changed = signed_s, spool, changed

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/clock", lambda _request: answer(self._read()))
        routes.add("POST", "/v1/clock", self._set, max_body=SMALL_BODY)
        return routes

    def _read(self) -> BoxClock:
        # The moment last: what comes before it takes a while the first time.
        floor_ms, may_set = self._floor_ms(), may_set_clock()
        return BoxClock(at_ms=_now_ms(), floor_ms=floor_ms, may_set=may_set)

    def _set(self, request: Request) -> Response:
        at_ms = wire.decode(request.body, SetClock, what="time").at_ms
        if at_ms < (floor_ms := self._floor_ms()):
            raise ClockRefused(
                f"{spell(at_ms)} is before {spell(floor_ms)}, when this box's software or release was made."
            )
        before_ms = _now_ms()
        try:
            time.clock_settime_ns(time.CLOCK_REALTIME, at_ms * 1_000_000)
        except PermissionError as error:
            raise ClockForbidden(
                "The box's process lacks the right to set the clock, CAP_SYS_TIME.", hint=_hint()
            ) from error
        except OSError as error:
            raise BoxRefused(f"The system does not take this time: {error.strerror}.") from error
        _log.warning("the clock was set from %s to %s by %s", spell(before_ms), spell(at_ms), request.peer[:12])
        self._spool.audit("clock.set", f"From {spell(before_ms)} to {spell(at_ms)}.", who=request.peer)
        self._spool.flush()
        self._changed()
        return answer(self._read())

    def _floor_ms(self) -> int:
        # The TUF client takes a while to load, and is seldom needed.
        from edge_runtime.update.verify import BUILD_TIME_S

        return max(BUILD_TIME_S, self._signed_s()) * 1000


def keep_from_children() -> None:
    """What this process may do beyond its user's rights, the programs that it starts may not: the sandbox above all.

    Call it before there is a second thread.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def may_set_clock(status: Path = _SELF) -> bool:
    """Whether this process has the right, as far as the system tells."""
    try:
        rights = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text("ascii"), re.MULTILINE)
    except OSError:
        return False
    return rights is not None and bool(int(rights[1], 16) >> _CAP_SYS_TIME & 1)


def _hint(systemd: Path = _SYSTEMD) -> str | None:
    """What can be done on a machine where nothing could give the box that right; None: the usual."""
    return None if systemd.is_dir() else "There is no systemd to give it that right: set the clock at the box by hand."


def spell(at_ms: int) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=at_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
