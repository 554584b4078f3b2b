"""Telling the local network that a box is here. Only a hint: who a box is, its key says."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading

from zeroconf import Error, InterfaceChoice, ServiceInfo, Zeroconf

from edge_runtime.contracts.status import Announcement

SERVICE_TYPE = "_lineside._tcp.local."
_log = logging.getLogger(__name__)


def to_txt(announcement: Announcement) -> dict[str, str]:
    """The TXT record."""
    return {
        "box": announcement.box,
        # A TXT item has at most 255 bytes, its key among them.
        "name": announcement.name.encode()[:240].decode(errors="ignore"),
        "host": announcement.host,
        "port": str(announcement.port),
        "enrolled": "1" if announcement.enrolled else "0",
    }


class Announcer:
    """Announces until closed, in a thread of its own: a network that is slow or absent holds nothing up."""

    def __init__(self, announcement: Announcement) -> None:
        self._announcement = announcement
        self._wanted = threading.Condition()
        self._told: Announcement | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="announce", daemon=True)
        self._thread.start()

    def update(self, announcement: Announcement) -> None:
        """Announce this from now on."""
        with self._wanted:
            self._announcement = announcement
            self._wanted.notify_all()

    def ask_to_stop(self) -> None:
        """Say good-bye to the network; :meth:`close` waits for it."""
        with self._wanted:
            self._closing = True
            self._wanted.notify_all()

    def close(self, timeout_s: float) -> None:
        """Wait for the good-bye, no longer than ``timeout_s``."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            zeroconf = _open(self._announcement.host)
        except (OSError, Error, RuntimeError) as error:
            _log.warning("multicast is not available, the box is not announced: %s", error)
            return
        try:
            self._announce_until_closed(zeroconf)
        except (OSError, Error, RuntimeError) as error:
            _log.warning("the box is no longer announced: %s", error)
        finally:
            zeroconf.close()

    def _announce_until_closed(self, zeroconf: Zeroconf) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._closing or self._announcement != self._told)
                if self._closing:
                    return
                latest = self._announcement
            info = _service(latest)
            if self._told is None:
                zeroconf.register_service(info)
            else:
                zeroconf.update_service(info)
            self._told = latest


def _open(host: str) -> Zeroconf:
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        return Zeroconf(interfaces=InterfaceChoice.All)
    return Zeroconf(interfaces=[host])


def _service(announcement: Announcement) -> ServiceInfo:
    # A DNS label has at most 63 bytes; 16 digits of the identity are enough to be the only one of its name.
    label = f"lineside-{announcement.box[:16]}"
    return ServiceInfo(
        SERVICE_TYPE,
        f"{label}.{SERVICE_TYPE}",
        port=announcement.port,
        parsed_addresses=_addresses(announcement.host),
        properties=to_txt(announcement),
        server=f"{label}.local.",
    )


def _addresses(host: str) -> list[str]:
    if not ipaddress.ip_address(host).is_unspecified:
        return [host]
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: asks the routing table which address faces the network.
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(str(probe.getsockname()[0]))
        except OSError:
            _log.info("this machine has no route to a network")
    return sorted(found, key=lambda address: (address.startswith("127."), address)) or ["127.0.0.1"]
