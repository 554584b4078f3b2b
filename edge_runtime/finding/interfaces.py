"""The network interfaces of this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ifaddr

_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000
"""``IFF_…`` of Linux's ``if.h``."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressRange = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface and the networks that it is part of."""

    name: str
    index: int | None = None
    """The system's number, which an IPv6 zone may name."""
    networks: tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...] = ()
    """Its addresses, each with its network."""
    up: bool = True
    multicast: bool = True
    """Whether it passes multicast at all, as far as the system says."""
    loopback: bool = False

    def holds(self, address: Address) -> bool:
        """Whether this address is a neighbour on this interface."""
        return any(address in own.network for own in self.networks if own.version == address.version)


def list_interfaces(sys_class_net: Path = Path("/sys/class/net")) -> list[Interface]:
    """Every interface, those without an address too, by name.

    :param sys_class_net: where Linux keeps what it knows of each; elsewhere every interface counts as up.
    """
    found = {}
    for adapter in ifaddr.get_adapters(include_unconfigured=True):
        flags = _flags(sys_class_net / adapter.name)
        networks = tuple(
            ipaddress.ip_interface(f"{ip.ip if ip.is_IPv4 else ip.ip[0]}/{ip.network_prefix}") for ip in adapter.ips
        )
        found[adapter.name] = Interface(
            name=adapter.nice_name,
            index=adapter.index,
            networks=networks,
            up=bool(flags & _UP),
            multicast=bool(flags & _MULTICAST),
            loopback=bool(flags & _LOOPBACK) or any(own.ip.is_loopback for own in networks),
        )
    return [found[name] for name in sorted(found)]


def neighbours_of(interfaces: Iterable[Interface], address: str) -> tuple[str, ...]:
    """Names of the interfaces on which ``address`` is a neighbour; its IPv6 zone, if it has one, says which."""
    plain, _, zone = address.partition("%")
    try:
        wanted = ipaddress.ip_address(plain)
    except ValueError:
        return ()
    return tuple(
        interface.name
        for interface in interfaces
        if interface.holds(wanted) and (not zone or zone in (interface.name, str(interface.index)))
    )


def distance(interfaces: Iterable[Interface], host: str) -> tuple[bool, bool, bool, bool]:
    """What sorts addresses by how well they serve to reach a machine: neighbours first, the loopback and link-local
    ones last, IPv4 before IPv6, and names after them all.
    """
    try:
        plain = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True, True, True, True
    passing = plain.is_loopback or plain.is_link_local
    return False, not neighbours_of(interfaces, host), passing, plain.version == 6


def _flags(folder: Path) -> int:
    try:
        flags = int((folder / "flags").read_text("ascii"), 16)
        # A cable that is not plugged in leaves the interface "up".
        if (folder / "operstate").read_text("ascii").strip() == "down":
            flags &= ~_UP
    except (OSError, ValueError):
        return _UP | _MULTICAST
    return flags
