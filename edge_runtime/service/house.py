"""What has to be done a few times a second for as long as a box runs, and when it ends itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from edge_runtime.inference.in_hand import HANGS_AFTER_S
from edge_runtime.service.crashes import HUNG, HUNG_STATUS, CrashWatch
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.orders import Orders
from edge_runtime.service.watchdog import Pulse, Watchdog

TICK_S = 0.2
TELL_COUNTERS_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class House:
    """Kept by the main thread.

    :param orders: by which the process is to end.
    :param changed: called when the lines have other figures, once a second at most.
    :param ticks: what each part wants to have done a few times a second.
    """

    def __init__(
        self,
        *,
        orders: Orders,
        lines: LineUp,
        crashes: CrashWatch,
        changed: Callable[[], None],
        ticks: Sequence[Callable[[], object]],
    ) -> None:
        self._orders, self._lines, self._crashes, self._changed, self._ticks = orders, lines, crashes, changed, ticks
        self._watchdog = Watchdog.of_this_process()
        self.exit_status = 0
        """Of this process."""
        self.hangs_after_s = HANGS_AFTER_S
        """A frame that has been in hand for longer than this at the end is to blame for it."""

    def keep(self) -> None:
        """Until the process is to end."""
        told: object = None
        next_tell = 0.0
        while not self._orders.end.wait(TICK_S):
            for tick in self._ticks:
                tick()
            now = time.monotonic()
            lines = self._lines.status()
            self._watchdog.tell(self._watchdog.pulse(lines, self._lines.stalled), now)
            self._look_for_hangs()
            news = self._lines.changes(), tuple(line.state for line in lines)
            if news != told and now >= next_tell:
                told, next_tell = news, now + TELL_COUNTERS_EVERY_S
                self._changed()

    def end(self, exit_status: int) -> None:
        """Have the process end by itself; from any thread."""
        self.exit_status = exit_status
        self._orders.end.set()

    def tell_stopping(self) -> None:
        """For systemd."""
        self._watchdog.tell(Pulse(stopping=True), time.monotonic())

    def _look_for_hangs(self) -> None:
        """A thread that is in a frame cannot be ended. Under the watchdog that would end the same way, but then nobody
        would know whose fault it was."""
        after_s = self._watchdog.stalled_after_s
        if bundle := self._lines.hanging(after_s):
            _log.error("%s: %s; the box starts anew", bundle[:12], HUNG)
            self._crashes.hangs(bundle)
            self.end(HUNG_STATUS)
        elif self._lines.undecoded(after_s):
            anew = self._crashes.starts_anew()
            self._lines.tell_undecoded(after_s, leave=not anew)
            if anew:
                self.hangs_after_s = after_s
                self.end(HUNG_STATUS)
