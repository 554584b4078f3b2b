"""Which machines share an identity that belongs to one of them alone. Pure.

A *mark* is what should be one machine's: a box's key, a machine-id, an SSH host key. A *life* is one start of what has
the mark: of the box's program for a key, of the system for the other two. A machine has one life at a time, each after
the one before. So two lives that answered in turns, one before *and* after the other, are two machines. The order is
that of sightings, as no clock can be trusted; one box at several addresses, or two boxes on one machine, are one life.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.store.records import Sighting

MarkKind = Literal["key", "machine", "host-key"]
_KINDS: tuple[MarkKind, ...] = ("key", "machine", "host-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Machines that were made from one image."""

    marks: tuple[MarkKind, ...]
    """What they have in common."""
    proved: bool
    """They answered in turns. Otherwise it may be one machine that was set up anew."""
    sides: tuple[Sighting, ...]
    """Each of them, as it answered last."""


def find_clones(sightings: Sequence[Sighting]) -> tuple[Clone, ...]:
    """The clones among what was seen, those that share a box's key first."""
    latest = _latest(sightings)
    found: dict[tuple[Sighting, ...], tuple[list[MarkKind], bool]] = {}
    for (kind, mark), seen in _by_mark(sightings).items():
        sides = _sides(kind, [one for one in latest if _mark(kind, one) == mark])
        proved = _proved(kind, sides, seen)
        if not proved and not _may_be_two(kind, sides):
            continue
        marks, before = found.get(proved or sides, ([], False))
        found[proved or sides] = ([*marks, kind], before or bool(proved))
    clones = [Clone(marks=tuple(marks), proved=proved, sides=sides) for sides, (marks, proved) in found.items()]
    return tuple(sorted(clones, key=lambda one: (_KINDS.index(one.marks[0]), [_place(side) for side in one.sides])))


def suspects(sightings: Sequence[Sighting]) -> tuple[tuple[str, str], ...]:
    """(box, address) of those who must be asked in turns before anything can be said of them."""
    latest = _latest(sightings)
    places: dict[tuple[str, str], None] = {}
    for kind, mark in _by_mark(latest):
        now = [one for one in latest if _mark(kind, one) == mark]
        if len({_life(kind, one) for one in now}) > 1:
            places |= dict.fromkeys(_place(one) for one in now)
    return tuple(places)


def at_once(one: Sighting, other: Sighting) -> bool:
    """Whether both were alive at one time: one answered between two answers of the other."""
    return _encloses(one, other) or _encloses(other, one)


def _encloses(outer: Sighting, inner: Sighting) -> bool:
    windows = ((inner.first_asked, inner.first_heard), (inner.last_asked, inner.last_heard))
    return any(asked >= outer.first_heard and heard <= outer.last_asked for asked, heard in windows)


def _latest(sightings: Iterable[Sighting]) -> list[Sighting]:
    """The last of each box at each address."""
    last: dict[tuple[str, str], Sighting] = {}
    for one in sorted(sightings, key=lambda one: one.last_heard):
        if one.boot:
            last[_place(one)] = one
    return sorted(last.values(), key=_place)


def _by_mark(sightings: Iterable[Sighting]) -> dict[tuple[MarkKind, str], list[Sighting]]:
    groups: defaultdict[tuple[MarkKind, str], list[Sighting]] = defaultdict(list)
    for one in sightings:
        for kind in _KINDS:
            if one.boot and (mark := _mark(kind, one)):
                groups[kind, mark].append(one)
    return groups


def _sides(kind: MarkKind, now: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """One of each life: a machine with two addresses is one side. The last that was heard stands for it."""
    lives = {_life(kind, one): one for one in sorted(now, key=lambda one: (one.last_heard, _place(one)))}
    return tuple(sorted(lives.values(), key=_place))


def _proved(kind: MarkKind, sides: Iterable[Sighting], seen: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """The sides that were alive beside another one, as whatever life; an address that was left long ago was not."""
    at: defaultdict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for one in seen:
        at[_place(one)].append(one)
    alive: dict[Sighting, None] = {}
    for side, other in itertools.combinations(sides, 2):
        lives = itertools.product(at[_place(side)], at[_place(other)])
        if any(_life(kind, one) != _life(kind, two) and at_once(one, two) for one, two in lives):
            alive |= {side: None, other: None}
    return tuple(sorted(alive, key=_place))


def _may_be_two(kind: MarkKind, sides: Sequence[Sighting]) -> bool:
    """Two keys at two hosts. One key that moved, or one machine that was started again, is nothing new."""
    return (
        kind != "key"
        and len(sides) > 1
        and len({side.box for side in sides}) == len(sides)
        and len({_host(side.address) for side in sides}) == len(sides)
    )


def _mark(kind: MarkKind, one: Sighting) -> str:
    return {"key": one.box, "machine": one.machine, "host-key": one.host_key}[kind]


def _life(kind: MarkKind, one: Sighting) -> str:
    if kind == "key":
        return one.boot
    # Where the system does not tell its starts apart, its address must do.
    return one.kernel_boot or f"at {_host(one.address)}"


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _place(one: Sighting) -> tuple[str, str]:
    return one.box, one.address
