"""Hearing boxes that announce themselves over mDNS, on every interface and over IPv4 and IPv6."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from zeroconf import (
    Error,
    InterfaceChoice,
    IPVersion,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from edge_runtime.finding.asking import AGAIN_S, WHO_ELSE_S, Unresolved, ask_who_else
from edge_runtime.finding.claims import Claim, Claims
from edge_runtime.finding.interfaces import distance, list_interfaces
from edge_runtime.finding.reception import dropped, make_room

SERVICE = "_lineside._tcp.local."
READ_ON_S = 1.0
"""How much longer is listened while what was heard is still being read, or more comes."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in while listening."""

    claims: tuple[Claim, ...] = ()
    spare: tuple[Claim, ...] = ()
    """As :meth:`Claims.spare` tells."""
    malformed: int = 0
    left_out: int = 0
    """Announcements beyond what is read or kept: the network is flooded."""
    dropped: int = 0
    """Packets that came and found no room here."""
    problem: str | None = None
    """Why this machine could not listen at all."""


def listen(
    seconds: float,
    *,
    expected: Collection[str] = (),
    enough: Callable[[Collection[str]], bool] = lambda _boxes: False,
) -> Heard:
    """Listen for ``seconds``, or until ``enough`` of the boxes heard so far says so.

    However many announcements come in, it takes at most a second longer, and what it keeps is bounded.
    """
    try:
        zeroconf = _open()
    except (OSError, Error, RuntimeError) as error:
        _log.warning("multicast is off on this machine: %s", error)
        return Heard(problem=str(error))
    hearing = _Hearing(zeroconf, Claims(expected))
    try:
        return hearing.gather(seconds, enough)
    finally:
        zeroconf.close()


def _open() -> Zeroconf:
    try:
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    except OSError:
        # A machine whose IPv6 is switched off.
        return Zeroconf(interfaces=InterfaceChoice.All)


class _Hearing:
    """What one look hears, until it ends."""

    def __init__(self, zeroconf: Zeroconf, claims: Claims) -> None:
        self._zeroconf, self._claims = zeroconf, claims
        self._interfaces = list_interfaces()
        self._names: SimpleQueue[str] = SimpleQueue()
        self._unresolved = Unresolved()
        self._news = 0
        """Names and answers that came."""

    def gather(self, seconds: float, enough: Callable[[Collection[str]], bool]) -> Heard:
        sockets = [reader.sock for reader in self._zeroconf.engine.readers]
        make_room(sockets)
        browser = ServiceBrowser(self._zeroconf, SERVICE, handlers=[self._heard])
        try:
            done = self._until(time.monotonic() + seconds, enough)
        finally:
            browser.cancel()
        return Heard(
            claims=tuple(self._claims.all()),
            spare=tuple(self._claims.spare()),
            malformed=self._claims.malformed,
            left_out=self._claims.left_out + self._unresolved.left_out + (0 if done else self._names.qsize()),
            dropped=dropped(sockets),
        )

    def _heard(self, *, name: str, state_change: ServiceStateChange, **_rest: object) -> None:
        """On the library's own thread, for each announcement: nothing here waits."""
        if state_change is not ServiceStateChange.Removed:
            self._names.put(name)

    def _until(self, deadline: float, enough: Callable[[Collection[str]], bool]) -> bool:
        """Listen until ``deadline``, and a little longer while news come; whether it was enough."""
        # The library asks first for answers to this machine alone, which another program at the same port may take.
        ask_at = who_at = time.monotonic() + AGAIN_S
        asked_with, told = -1, 0
        while not enough(self._claims.boxes):
            now = time.monotonic()
            if now >= deadline + READ_ON_S or (now >= deadline and now >= ask_at and told == self._news):
                return False
            if now >= ask_at:
                told, ask_at = self._news, now + AGAIN_S
                for info in self._unresolved.resolved(self._zeroconf):
                    self._claim(info)
                self._unresolved.ask(self._zeroconf)
            if now >= who_at and asked_with != self._news:
                asked_with, who_at = self._news, now + WHO_ELSE_S
                ask_who_else(self._zeroconf, SERVICE)
            with suppress(Empty):
                self._read(self._names.get(timeout=max(0.0, ask_at - now)))
        return True

    def _read(self, name: str) -> None:
        self._news += 1
        info = self._unresolved.look(self._zeroconf, SERVICE, name)
        if info is not None:
            self._claim(info)

    def _claim(self, info: ServiceInfo) -> None:
        self._news += 1
        text = {
            key.decode(errors="replace"): (value or b"").decode(errors="replace")
            for key, value in info.properties.items()
        }
        hosts = sorted(info.parsed_scoped_addresses(), key=lambda host: distance(self._interfaces, host))
        self._claims.add(text, hosts, info.port or 0)
