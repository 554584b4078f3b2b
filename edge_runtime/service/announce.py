"""Telling the local network that a box is here. Only a hint: who a box is, its key says."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
import threading

import ifaddr
from zeroconf import Error, IPVersion, ServiceInfo, Zeroconf

from edge_runtime.contracts.status import Announcement

SERVICE_TYPE = "_lineside._tcp.local."
LOOK_EVERY_S = 10.0
"""How soon a cable that was plugged in, or another address, is noticed."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
_log = logging.getLogger(__name__)


def to_txt(announcement: Announcement) -> dict[str, str]:
    """The TXT record."""
    txt = {
        "box": announcement.box,
        # A TXT item has at most 255 bytes, its key among them.
        "name": announcement.name.encode()[:240].decode(errors="ignore"),
        "host": announcement.host,
        "port": str(announcement.port),
        "enrolled": "1" if announcement.enrolled else "0",
    }
    if announcement.pair:
        txt["pair"] = str(announcement.pair)
    return txt


class Announcer:
    """Announces until closed, in a thread of its own: a network that is slow or absent holds nothing up."""

    def __init__(self, announcement: Announcement) -> None:
        self._announcement = announcement
        # A box and a copy of it have one id: both are to be heard, or nobody would learn that there are two.
        self._label = f"lineside-{announcement.box[:16]}-{secrets.token_hex(4)}"
        self._wanted = threading.Condition()
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
        pause_s = FIRST_PAUSE_S
        while not self._closing:
            here = _addresses(self._announcement.host)
            try:
                zeroconf = _open(self._announcement.host, here)
                try:
                    self._announce_until_moved(zeroconf, here)
                finally:
                    zeroconf.close()
                pause_s = FIRST_PAUSE_S
            except (OSError, Error, RuntimeError) as error:
                # A box that boots before its cable is plugged in, for instance.
                if pause_s == FIRST_PAUSE_S:
                    _log.warning("the box cannot be announced now, it is tried again: %s", error)
                with self._wanted:
                    self._wanted.wait_for(lambda: self._closing, pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _announce_until_moved(self, zeroconf: Zeroconf, here: list[str]) -> None:
        """Until closed, or until this machine has other addresses than ``here``."""
        told: Announcement | None = None
        while _addresses(self._announcement.host) == here:
            with self._wanted:
                self._wanted.wait_for(lambda: self._closing or self._announcement != told, LOOK_EVERY_S)  # noqa: B023 - asked before told changes
                if self._closing:
                    return
                latest = self._announcement
            if latest == told:
                continue
            if told is None:
                zeroconf.register_service(_service(self._label, latest, here))
            else:
                zeroconf.update_service(_service(self._label, latest, here))
            told = latest


class Beacon:
    """What is announced of this box, from one listener to the next; nothing at first."""

    def __init__(self) -> None:
        self._announcer: Announcer | None = None

    def begin(self, announcement: Announcement | None) -> None:
        """Announce this from now on instead of what was; None: nothing."""
        self.ask_to_stop()
        self._announcer = Announcer(announcement) if announcement else None

    def update(self, announcement: Announcement) -> None:
        """As :meth:`Announcer.update`, where anything is announced."""
        if self._announcer:
            self._announcer.update(announcement)

    def ask_to_stop(self) -> None:
        if self._announcer:
            self._announcer.ask_to_stop()

    def close(self, timeout_s: float) -> None:
        """Wait for the good-bye, no longer than ``timeout_s``."""
        if self._announcer:
            self._announcer.close(timeout_s)


def _open(host: str, here: list[str]) -> Zeroconf:
    address = ipaddress.ip_address(host)
    versions = (
        IPVersion.V4Only if address.version == 4 else IPVersion.All if address.is_unspecified else IPVersion.V6Only
    )
    # IPv6 passes no multicast over the loopback.
    return Zeroconf(interfaces=[one for one in here if one != "::1"] or here, ip_version=versions)


def _service(label: str, announcement: Announcement, addresses: list[str]) -> ServiceInfo:
    return ServiceInfo(
        SERVICE_TYPE,
        f"{label}.{SERVICE_TYPE}",
        port=announcement.port,
        parsed_addresses=addresses,
        properties=to_txt(announcement),
        server=f"{label}.local.",
    )


def _addresses(host: str) -> list[str]:
    """Where the box can be reached, the loopback last; a listener on ``::`` is reached over IPv4, too."""
    own = ipaddress.ip_address(host)
    if not own.is_unspecified:
        return [host]
    found = {
        ip.ip if isinstance(ip.ip, str) else ip.ip[0]
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str) or (own.version == 6 and _is_usable(ip.ip))
    }
    return sorted(found, key=lambda address: (ipaddress.ip_address(address).is_loopback, address))


def _is_usable(address: tuple[str, int, int]) -> bool:
    """Not yet in the first seconds, while the system looks whether a neighbour has it already."""
    host, _flow, zone = address
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0, 0, zone))
    except OSError:
        return False
    return True
