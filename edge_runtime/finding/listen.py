"""Hearing boxes that announce themselves over mDNS, on every interface and over IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Collection
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
from edge_runtime.finding.interfaces import Interface, list_interfaces, neighbours_of

SERVICE = "_lineside._tcp.local."
ASK_MS = 300
MOST_ASKED = 32
"""Announcements without an address whose sender is asked for it; each costs a little time."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in while listening."""

    claims: tuple[Claim, ...] = ()
    malformed: int = 0
    left_out: int = 0
    """Claims beyond what is kept: the network is flooded."""
    problem: str | None = None
    """Why this machine could not listen at all."""


def listen(
    seconds: float,
    *,
    expected: Collection[str] = (),
    enough: Callable[[Collection[str]], bool] = lambda _boxes: False,
) -> Heard:
    """Listen for ``seconds``, or until ``enough`` of the boxes heard so far says so.

    However many announcements come in, it takes no longer, and what it keeps is bounded.
    """
    try:
        zeroconf = _open()
    except (OSError, Error, RuntimeError) as error:
        _log.warning("multicast is off on this machine: %s", error)
        return Heard(problem=str(error))
    claims = Claims(expected)
    try:
        _gather(zeroconf, claims, time.monotonic() + seconds, enough)
    finally:
        zeroconf.close()
    return Heard(claims=tuple(claims.all()), malformed=claims.malformed, left_out=claims.left_out)


def _open() -> Zeroconf:
    try:
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    except OSError:
        # A machine whose IPv6 is switched off.
        return Zeroconf(interfaces=InterfaceChoice.All)


def _gather(zeroconf: Zeroconf, claims: Claims, deadline: float, enough: Callable[[Collection[str]], bool]) -> None:
    interfaces = list_interfaces()
    names: SimpleQueue[str] = SimpleQueue()

    def heard(*, name: str, state_change: ServiceStateChange, **_rest: object) -> None:
        """On the library's own thread, for each announcement: nothing here waits."""
        if state_change is not ServiceStateChange.Removed:
            names.put(name)

    browser = ServiceBrowser(zeroconf, SERVICE, handlers=[heard])
    asked = 0
    try:
        while (left := deadline - time.monotonic()) > 0 and not enough(claims.boxes):
            try:
                info = ServiceInfo(SERVICE, names.get(timeout=left))
            except (Empty, BadTypeInNameException):
                continue
            if not info.load_from_cache(zeroconf):
                asked += 1
                if asked > MOST_ASKED or not info.request(zeroconf, min(ASK_MS, left * 1000)):
                    continue
            _claim(claims, info, interfaces)
    finally:
        browser.cancel()


def _claim(claims: Claims, info: ServiceInfo, interfaces: list[Interface]) -> None:
    text = {
        key.decode(errors="replace"): (value or b"").decode(errors="replace") for key, value in info.properties.items()
    }
    claims.add(text, _in_order(info.parsed_scoped_addresses(), interfaces), info.port or 0)


def _in_order(addresses: list[str], interfaces: list[Interface]) -> list[str]:
    """Neighbours of this machine first, IPv4 before IPv6, the loopback and link-local addresses last."""

    def rank(address: str) -> tuple[bool, bool, bool]:
        plain = ipaddress.ip_address(address.partition("%")[0])
        return not neighbours_of(interfaces, address), plain.is_loopback or plain.is_link_local, plain.version == 6

    return sorted(addresses, key=rank)
