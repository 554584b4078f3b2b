"""What systemd is told: that the box is ready, that its lines still go round, that it stops.

The messages are those of ``sd_notify(3)``, sent to the datagram socket that ``NOTIFY_SOCKET`` names. A ping says that
frames are being dealt with, not that a timer runs: where a line hangs, none is sent, and systemd starts the box anew.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.contracts.text import one_line

MAX_STATUS = 200
PING_SHARE = 0.25
"""Of the time that systemd waits: it has to miss several before it acts."""
STALLED_SHARE = 0.5
"""Of the time after which systemd takes a box for dead."""
UNWATCHED_S = 60.0
"""That time where nobody waits for pings."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the box does at one moment."""

    ready: bool = False
    """Lines and listeners are up."""
    stopping: bool = False
    stalled: tuple[str, ...] = ()
    """Lines that have not gone round for too long."""
    status: str = ""
    """One line for ``systemctl status``."""


@dataclass(frozen=True, slots=True)
class Told:
    """What systemd has heard so far, and when the last ping went (monotonic seconds)."""

    pulse: Pulse = field(default_factory=Pulse)
    pinged_s: float = float("-inf")


def next_message(pulse: Pulse, told: Told, *, now_s: float, ping_every_s: float | None) -> tuple[str, Told]:
    """The lines to send now, which may be none, and what systemd will have heard then.

    :param ping_every_s: None where nobody waits for pings.
    """
    lines: list[str] = []
    if pulse.ready and not told.pulse.ready and not pulse.stopping:
        lines.append("READY=1")
    if pulse.stopping and not told.pulse.stopping:
        lines.append("STOPPING=1")
    status = f"stalled: {', '.join(pulse.stalled)}" if pulse.stalled else pulse.status
    before = f"stalled: {', '.join(told.pulse.stalled)}" if told.pulse.stalled else told.pulse.status
    if status != before:
        lines.append(f"STATUS={one_line(status)[:MAX_STATUS]}")
    pinged_s = told.pinged_s
    # Before it is ready nobody counts; while it stops, systemd has another time limit.
    due = ping_every_s is not None and pulse.ready and not pulse.stopping and now_s - pinged_s >= ping_every_s
    if due and not pulse.stalled:
        lines.append("WATCHDOG=1")
        pinged_s = now_s
    return "\n".join(lines), Told(pulse, pinged_s)


class Watchdog:
    """The line to systemd; without one nothing is sent. Used by one thread.

    :param environment: that of the process: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID``.
    :param pid: of this process: the variables may be meant for another one, which has passed them on.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the null byte of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.limit_s = _limit_s(environment, pid)
        """How long systemd waits for a ping; None where nobody waits for any."""
        self.stalled_after_s = (self.limit_s or UNWATCHED_S) * STALLED_SHARE
        """A line that hangs in a frame for so long is stuck."""
        self._told = Told()

    @classmethod
    def of_this_process(cls) -> Watchdog:
        return cls(os.environ, os.getpid())

    def pulse(self, lines: Sequence[PipelineStatus], stalled: Callable[[float], tuple[str, ...]]) -> Pulse:
        """What systemd may know; a line that hangs in a frame for half of its patience counts as stalled.

        :param stalled: names of the lines that have stood still for so many seconds.
        """
        return Pulse(
            ready=True,
            stalled=stalled(self.stalled_after_s),
            status=", ".join(f"{line.name}: {line.state}" for line in lines) or "no line to watch",
        )

    def tell(self, pulse: Pulse, now_s: float) -> None:
        """Send what is news, and a ping where one is due; call it several times a second.

        :param now_s: monotonic seconds.
        """
        if pulse.stalled and pulse.stalled != self._told.pulse.stalled:
            _log.error("no sign of life from %s: the watchdog is not fed", ", ".join(pulse.stalled))
        ping_every_s = self.limit_s * PING_SHARE if self.limit_s is not None else None
        message, told = next_message(pulse, self._told, now_s=now_s, ping_every_s=ping_every_s)
        if not message or not self._address or self._send(message):
            self._told = told

    def _send(self, message: str) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                # A full queue must not hold up the daemon: the next round says it again.
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            _log.warning("systemd does not hear: %s", error)
            return False
        return True


def _limit_s(environment: Mapping[str, str], pid: int) -> float | None:
    """``WATCHDOG_USEC`` in seconds; None where it is not for this process, or nonsense."""
    wanted, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    if not (wanted.isascii() and wanted.isdigit() and meant == str(pid) and int(wanted) > 0):
        return None
    return int(wanted) / 1e6
