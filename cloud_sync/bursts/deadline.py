"""The timer that ends an agent by itself, whatever else goes wrong."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from cloud_sync.bursts.spec import STOP_GRACE_S

_LAST_RESORT_S = 5.0
_LOOK_EVERY_S = 0.5


class DeadlineTimer:
    """At the deadline it asks politely, after the grace it insists, and after that the kernel ends the process.

    The deadline is absolute: a new attempt does not get new time. It counts by the wall clock and, should that be
    set back or the machine's be wrong, by the time since the start too.

    :param on_deadline: asks the work to stop; called once, in the timer's thread.
    :param on_overrun: called in that thread when the grace is over; does not return.
    """

    def __init__(self, deadline_ms: int, *, on_deadline: Callable[[], None], on_overrun: Callable[[], None]) -> None:
        self._on_deadline = on_deadline
        self._on_overrun = on_overrun
        self._lock = threading.Lock()
        self._disarmed = threading.Event()
        self._deadline_ms = deadline_ms
        self._end = time.monotonic() + self._left_by_wall()
        # The default action of SIGALRM ends a process even where Python no longer runs.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._set_alarm()
        self._thread = threading.Thread(target=self._run, name="deadline", daemon=True)
        self._thread.start()

    def tighten(self, deadline_ms: int, longest_s: float) -> None:
        """Bring the deadline forward; a later one, or a longer time, changes nothing."""
        with self._lock:
            self._deadline_ms = min(self._deadline_ms, deadline_ms)
            self._end = min(self._end, time.monotonic() + longest_s)
        self._set_alarm()

    def disarm(self) -> None:
        """The work is over."""
        self._disarmed.set()
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    def left_s(self) -> float:
        """Seconds to the deadline; negative after it."""
        with self._lock:
            return min(self._left_by_wall(), self._end - time.monotonic())

    def _left_by_wall(self) -> float:
        return self._deadline_ms / 1000.0 - time.time()

    def _set_alarm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(self.left_s(), 0.0) + STOP_GRACE_S + _LAST_RESORT_S)

    def _run(self) -> None:
        while (left := self.left_s()) > 0:
            if self._disarmed.wait(min(left, _LOOK_EVERY_S)):
                return
        # The grace counts from here: a laptop that slept past the deadline still saves what it has.
        self._set_alarm()
        self._on_deadline()
        if not self._disarmed.wait(STOP_GRACE_S):
            self._on_overrun()
