"""Hearing boxes that announce themselves over mDNS, on every interface and over IPv4 and IPv6."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from zeroconf import (
    BadTypeInNameException,
    Error,
    InterfaceChoice,
    IPVersion,
    ServiceBrowser,
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)

from edge_runtime.finding.claims import Claim, Claims
from edge_runtime.finding.interfaces import Interface, distance, list_interfaces

SERVICE = "_lineside._tcp.local."
ASK_MS = 300
READ_ON_S = 1.0
"""How much longer is read what was heard."""
MOST_ASKED = 32
"""Announcements without an address whose sender is asked for it; each costs a little time."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in while listening."""

    claims: tuple[Claim, ...] = ()
    malformed: int = 0
    left_out: int = 0
    """Announcements beyond what is read or kept: the network is flooded."""
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
    claims = Claims(expected)
    try:
        unread = _gather(zeroconf, claims, seconds, enough)
    finally:
        zeroconf.close()
    return Heard(claims=tuple(claims.all()), malformed=claims.malformed, left_out=claims.left_out + unread)


def _open() -> Zeroconf:
    try:
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    except OSError:
        # A machine whose IPv6 is switched off.
        return Zeroconf(interfaces=InterfaceChoice.All)


def _gather(zeroconf: Zeroconf, claims: Claims, seconds: float, enough: Callable[[Collection[str]], bool]) -> int:
    """Returns how many announcements were heard and not read."""
    interfaces = list_interfaces()
    names: SimpleQueue[str] = SimpleQueue()
    asked = 0

    def heard(*, name: str, state_change: ServiceStateChange, **_rest: object) -> None:
        """On the library's own thread, for each announcement: nothing here waits."""
        if state_change is not ServiceStateChange.Removed:
            names.put(name)

    def read(name: str, left_s: float) -> None:
        nonlocal asked
        try:
            info = ServiceInfo(SERVICE, name)
        except BadTypeInNameException:
            return
        if not info.load_from_cache(zeroconf):
            asked += 1
            if left_s <= 0 or asked > MOST_ASKED or not info.request(zeroconf, min(ASK_MS, left_s * 1000)):
                return
        _claim(claims, info, interfaces)

    deadline = time.monotonic() + seconds
    browser = ServiceBrowser(zeroconf, SERVICE, handlers=[heard])
    try:
        while (left_s := deadline - time.monotonic()) > 0 and not enough(claims.boxes):
            with suppress(Empty):
                read(names.get(timeout=left_s), left_s)
    finally:
        browser.cancel()
    while time.monotonic() < deadline + READ_ON_S and not enough(claims.boxes):
        try:
            read(names.get_nowait(), 0)
        except Empty:
            break
    return 0 if enough(claims.boxes) else names.qsize()


def _claim(claims: Claims, info: ServiceInfo, interfaces: list[Interface]) -> None:
    text = {
        key.decode(errors="replace"): (value or b"").decode(errors="replace") for key, value in info.properties.items()
    }
    hosts = sorted(info.parsed_scoped_addresses(), key=lambda host: distance(interfaces, host))
    claims.add(text, hosts, info.port or 0)
