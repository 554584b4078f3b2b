"""What a box finds in its own networks, for a desktop that cannot see them."""

from __future__ import annotations

from edge_runtime.config import DEFAULT_PORT
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.finding import Neighbours, NeighboursRequest
from edge_runtime.finding.echo import hears_itself
from edge_runtime.finding.probe import MOST_ADDRESSES, addresses_of
from edge_runtime.finding.reasons import reasons_of
from edge_runtime.finding.schedule import Place
from edge_runtime.finding.search import search

MOST_REASONS = 256
MOST_FOUND = 4096


def find_neighbours(asked: NeighboursRequest) -> Neighbours:
    """Listen, and ask the addresses that were named, and every address of this machine's own small networks.

    :raises InputInvalid: what was named is no subnet, or far too much.
    """
    named: list[Place] = [(place.host, place.port) for place in asked.places]
    named += [(host, DEFAULT_PORT) for subnet in asked.subnets for host in addresses_of(subnet)]
    if len(named) > MOST_ADDRESSES:
        raise InputInvalid(f"{len(named)} addresses are too many for a box; at most {MOST_ADDRESSES} are tried.")
    evidence = search(seconds=asked.seconds, places=named, sweep=True)
    reasons = reasons_of(evidence, (), [(place.host, place.port) for place in asked.places], hears_itself)
    return Neighbours(
        found=evidence.found[:MOST_FOUND],
        reasons=tuple(reasons[:MOST_REASONS]),
        swept=(*asked.subnets, *evidence.sweep.networks),
        asked=len(asked.places),
    )
