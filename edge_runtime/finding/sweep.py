"""Which of this machine's own networks are small enough to ask at every address. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from edge_runtime.finding.interfaces import AddressRange, Interface
from edge_runtime.finding.schedule import Place

SMALLEST_PREFIX = 22
"""A larger network takes too long, and fills the tables of its switches."""
MOST_SWEPT = 4096
"""Addresses in all."""


@dataclass(frozen=True, slots=True)
class Unswept:
    """A network of which only what is announced is found."""

    network: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is asked at every address, and what is not."""

    places: tuple[Place, ...] = ()
    networks: tuple[str, ...] = ()
    unswept: tuple[Unswept, ...] = ()


def plan_sweep(interfaces: Iterable[Interface], port: int) -> Sweep:
    """Every address of the small IPv4 networks on which this machine has neighbours.

    No IPv6 network is ever small enough; one is told of where its interface has no IPv4 network beside it.
    """
    places: dict[Place, None] = {}
    swept: list[str] = []
    unswept: list[Unswept] = []
    for interface in interfaces:
        if not interface.up or interface.loopback:
            continue
        networks = list(dict.fromkeys(own.network for own in interface.networks))
        ipv4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
        for network in ipv4:
            if network.prefixlen < SMALLEST_PREFIX or len(places) + network.num_addresses > MOST_SWEPT:
                unswept.append(_told(network, interface))
            elif network.prefixlen < network.max_prefixlen:
                swept.append(str(network))
                places |= dict.fromkeys((str(host), port) for host in network.hosts())
        if not ipv4:
            unswept += [_told(network, interface) for network in networks if network.prefixlen < network.max_prefixlen]
    return Sweep(places=tuple(places), networks=tuple(dict.fromkeys(swept)), unswept=tuple(unswept))


def _told(network: AddressRange, interface: Interface) -> Unswept:
    return Unswept(str(network), interface.name)
