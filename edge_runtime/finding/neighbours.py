"""What a box finds in its own networks, for a desktop that cannot see them."""

from __future__ import annotations

import ipaddress

from edge_runtime.contracts.finding import Neighbours
from edge_runtime.finding.echo import hears_itself
from edge_runtime.finding.interfaces import list_interfaces
from edge_runtime.finding.reasons import reasons_of
from edge_runtime.finding.search import search

SMALLEST_PREFIX = 24
"""Of a larger network only what is announced is found: nobody wants to knock at a thousand doors of a factory."""
MOST_REASONS = 256
MOST_FOUND = 4096


def find_neighbours(seconds: float, port: int) -> Neighbours:
    """Listen for ``seconds``, and ask every address of this machine's own small IPv4 networks on ``port``."""
    places = [
        (str(host), port)
        for interface in list_interfaces()
        if interface.up and not interface.loopback
        for own in interface.networks
        if isinstance(own, ipaddress.IPv4Interface) and own.network.prefixlen >= SMALLEST_PREFIX
        for host in own.network.hosts()
    ]
    evidence = search(seconds=seconds, places=places)
    reasons = reasons_of(evidence, (), (), hears_itself)
    return Neighbours(found=evidence.found[:MOST_FOUND], reasons=tuple(reasons[:MOST_REASONS]))
