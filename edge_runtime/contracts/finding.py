"""Boxes that were found on a network, and why others may not have been. Hints all of them: identity is the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from edge_runtime.contracts.rows import Count, Digest, Name

ReasonKind = Literal[
    "no-network",
    "interface-down",
    "no-multicast",
    "multicast-blocked",
    "not-listening",
    "flooded",
    "dropped",
    "false-claims",
    "malformed",
    "unproved",
    "name-clash",
    "other-subnet",
    "address-silent",
    "address-refused",
    "address-unreachable",
    "other-key",
    "no-box",
    "not-announced",
    "not-swept",
    "via-too-old",
]


Address = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:.]+(%[^\s\[\]%]{1,64})?\]|[^\s:\[\]]{1,255}):[0-9]{1,5}\Z")]
"""``host:port``, an IPv6 host in brackets and with the zone that it may have."""
Words = Annotated[str, Meta(max_length=400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBox:
    """A box, or what claims to be one."""

    box: Digest
    name: Annotated[str, Meta(max_length=200)]
    """What it calls itself; of a proved one, as its key's certificate has it."""
    addresses: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=64)]
    """``host:port``, the best first."""
    interfaces: Annotated[tuple[Words, ...], Meta(max_length=64)] = ()
    """Of the machine that looked: those on which it is a neighbour."""
    announced: bool = False
    """Somebody told the network of it, at an address where its key answers or nothing does."""
    announced_as: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=16)] = ()
    """Under which names. Others than ``name``: it was renamed since its key was made, or somebody else speaks."""
    proved: bool = False
    """Its key answered at the first address. Without that anybody may have announced it."""
    enrolled: bool | UnsetType = UNSET
    """It says that it trusts a desktop already. Left out: nobody says, or two say otherwise."""
    pair: Count = 0
    """Port at which it says that it takes a one-time code; 0: it takes none, or nobody says."""
    told_by: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    """Names of the enrolled boxes that found it in their networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a box may not have been found, or may not be what it seems."""

    kind: ReasonKind
    subject: Words = ""
    """The interface, address or name that it is about."""
    facts: Annotated[dict[Annotated[str, Meta(max_length=40)], Words], Meta(max_length=16)] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlace:
    """An address to ask."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[int, Meta(ge=1, le=65535)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighboursRequest:
    """``POST /v1/neighbours``: listen, and try the addresses of the box's own networks, and those that are named."""

    seconds: Annotated[float, Meta(gt=0, le=10)] = 2.0
    places: Annotated[tuple[NamedPlace, ...], Meta(max_length=256)] = ()
    subnets: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=16)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The answer: what the box found in its networks."""

    found: Annotated[tuple[FoundBox, ...], Meta(max_length=4096)] = ()
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=256)] = ()
    swept: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=256)] = ()
    """Networks of which every address was asked. A box that knows of no named ones leaves them out."""
    asked: Count = 0
    """How many of the named addresses were asked."""
