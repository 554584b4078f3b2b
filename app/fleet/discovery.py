"""Finding boxes by mDNS. An announcement is only a hint: who a box is, its key says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.status import Announcement

SERVICE = "_lineside._tcp.local."
RESOLVE_MS = 1000
MAX_ANNOUNCEMENTS = 10_000
log = logging.getLogger(__name__)


def discover(
    seconds: float, *, enough: Callable[[dict[str, Announcement]], bool] = lambda _found: False
) -> list[Announcement]:
    """Listen for boxes for ``seconds``, or until ``enough`` says so; an empty list where multicast is off.

    Malformed announcements are left out; of two with one identity the later one stands.
    """
    from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

    found: dict[str, Announcement] = {}
    changed = threading.Event()

    class Listener(ServiceListener):
        def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            if len(found) >= MAX_ANNOUNCEMENTS:
                return
            info = zc.get_service_info(type_, name, RESOLVE_MS)
            if info is None or not info.port or not info.parsed_scoped_addresses():
                return
            text = {k.decode(errors="replace"): (v or b"").decode(errors="replace") for k, v in info.properties.items()}
            try:
                announcement = wire.from_dict(
                    {
                        "box": text.get("box"),
                        "name": text.get("name"),
                        "host": info.parsed_scoped_addresses()[0],
                        "port": info.port,
                        "enrolled": text.get("enrolled") in ("1", "true"),
                        "pair": _port(text.get("pair", "")),
                    },
                    Announcement,
                    what="announcement",
                )
            except InputInvalid as error:
                log.info("an announcement was left out: %s", error)
                return
            found[announcement.box] = announcement
            changed.set()

        def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            self.add_service(zc, type_, name)

        def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            """A box that leaves stays in this short list: asking it decides."""

    try:
        zeroconf = Zeroconf()
    except OSError as error:
        log.warning("multicast is off on this machine: %s", error)
        return []
    try:
        browser = ServiceBrowser(zeroconf, SERVICE, listener=Listener())
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not enough(dict(found)):
            changed.wait(left)
            changed.clear()
        browser.cancel()
    finally:
        zeroconf.close()
    return sorted(found.values(), key=lambda announcement: (announcement.name, announcement.box))


def _port(text: str) -> int:
    """Of what may be a port; 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535 else 0
