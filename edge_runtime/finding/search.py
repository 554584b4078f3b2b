"""Looking for boxes: listen, ask every address for its key, and put the two together."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from itertools import zip_longest

from msgspec import UNSET

from edge_runtime.config import DEFAULT_PAIRING_PORT, DEFAULT_PORT, join_address
from edge_runtime.contracts.finding import FoundBox
from edge_runtime.contracts.status import Announcement
from edge_runtime.contracts.text import one_line
from edge_runtime.finding.claims import MAX_WORDS, Claim
from edge_runtime.finding.doors import ask_doors
from edge_runtime.finding.interfaces import Interface, distance, list_interfaces, neighbours_of
from edge_runtime.finding.listen import Heard, listen
from edge_runtime.finding.probe import Probed, probe_in_turn
from edge_runtime.finding.schedule import Candidate, Place, Schedule
from edge_runtime.finding.sweep import Sweep, plan_sweep
from edge_runtime.identity import LONGEST_NAME

ADDRESSES_OF_ONE = 4
DOORS_OF_ONE = 2 * MAX_WORDS
"""Ports at which one box may be said to take its code."""
NAMES_OF_ONE = 16
MOST_TOLD = 64
"""Addresses of one box: one key may answer at thousands."""
_PREFIX = {4: 24, 6: 64}
"""Of a network that takes its turn, by the version of its addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one look brought."""

    interfaces: tuple[Interface, ...]
    heard: Heard
    answers: dict[Place, Probed]
    found: tuple[FoundBox, ...]
    false_claims: int
    """Announcements of a box at an address where another key answers."""
    sweep: Sweep
    """What was asked at every address."""
    listened_s: float
    not_asked: int
    """Announced boxes that were asked nowhere: there were too many."""


def search(
    *,
    seconds: float,
    places: Iterable[Place] = (),
    expected: Collection[str] = (),
    about: Collection[str] | None = None,
    sweep: bool = False,
    enough: Callable[[Collection[str]], bool] = lambda _boxes: False,
    done: Callable[[int, int], None] = lambda _count, _total: None,
) -> Evidence:
    """Listen for ``seconds`` and ask ``places`` and every announced address whose key it has.

    :param expected: boxes whose announcements always find room.
    :param about: only the announced addresses of these boxes are asked; None: those of all.
    :param sweep: every address of this machine's own small networks is asked, too.
    :param done: called with how many addresses of how many were asked; may raise to stop.
    """
    heard = listen(seconds, expected=expected, enough=enough) if seconds > 0 else Heard()
    interfaces = tuple(list_interfaces())
    wanted = frozenset(expected)
    own = plan_sweep(interfaces, DEFAULT_PORT) if sweep else Sweep()
    announced, aside = (
        [
            _candidate(claim, interfaces, expected=claim.announcement.box in wanted)
            for claim in claims
            if about is None or claim.announcement.box in about
        ]
        for claims in (heard.claims, heard.spare)
    )
    schedule = Schedule([*places, *own.places], announced, aside=aside)
    probed = probe_in_turn(schedule, done=lambda count: done(count, max(count, schedule.total)))
    answers = {(one.host, one.port): one for one in probed}
    gathered = gather(heard.claims, answers, interfaces, heard.spare)
    # Of whom different things are said is asked himself: who takes a code trusts nobody yet.
    takes_code = ask_doors(gathered.doors)
    return Evidence(
        interfaces=interfaces,
        heard=heard,
        answers=answers,
        found=tuple(
            replace(one, pair=takes_code[one.box], enrolled=False) if one.box in takes_code else one
            for one in gathered.found
        ),
        false_claims=gathered.false_claims,
        sweep=own,
        listened_s=seconds,
        not_asked=schedule.left,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What claims and answers come to."""

    found: tuple[FoundBox, ...]
    false_claims: int
    """Announcements that were shown to be false."""
    doors: dict[str, tuple[Place, ...]]
    """Of proved boxes of which different things are said: where they may take a code, what is likeliest first."""


def gather(
    claims: Iterable[Claim],
    answers: dict[Place, Probed],
    interfaces: Iterable[Interface],
    spare: Iterable[Claim] = (),
) -> Gathered:
    """One entry a key. Pure.

    Where a key answered, that is where the box is, and what its certificate says is its name: anybody on the network
    can announce it under another one. An announcement adds what nothing contradicts; one that nothing bears out and
    nothing contradicts stands as unproved.

    :param spare: announcements that count only where the key of their box answers.
    """
    interfaces = tuple(interfaces)
    proved: dict[str, list[Place]] = {}
    names: dict[str, str] = {}
    for place, answer in answers.items():
        if answer.presented:
            proved.setdefault(answer.presented.fingerprint, []).append(place)
            names.setdefault(answer.presented.fingerprint, answer.presented.name)
    told: dict[str, list[Announcement]] = {}
    only_claimed: dict[str, list[Place]] = {}
    false_claims = 0
    for claim in claims:
        box, own = claim.announcement.box, _places(claim)
        if any(place in own for place in proved.get(box, ())):
            told.setdefault(box, []).append(claim.announcement)
        elif any(answers[place].presented for place in own if place in answers):
            false_claims += 1
        elif box not in proved:
            told.setdefault(box, []).append(claim.announcement)
            only_claimed.setdefault(box, []).extend(own)
    aside: dict[str, list[Announcement]] = {}
    for claim in spare:
        box = claim.announcement.box
        if any(place in _places(claim) for place in proved.get(box, ())):
            aside.setdefault(box, []).append(claim.announcement)
    found = []
    doors = {}
    for box in sorted(proved.keys() | only_claimed.keys()):
        places = sorted(proved.get(box) or only_claimed[box], key=lambda place: distance(interfaces, place[0]))
        said = [*told.get(box, []), *aside.get(box, [])]
        announced_as = tuple(dict.fromkeys(one.name for one in said))
        name = _name(names.get(box, ""), announced_as)
        doubtful = box in proved and (
            any(other != name for other in announced_as) or len({(one.enrolled, one.pair) for one in said}) > 1
        )
        if doubtful:
            doors[box] = tuple((places[0][0], port) for port in _ports(name, told.get(box, []), aside.get(box, [])))
        found.append(
            FoundBox(
                box=box,
                name=name,
                announced_as=announced_as[:NAMES_OF_ONE],
                addresses=tuple(dict.fromkeys(join_address(host, port) for host, port in places))[:MOST_TOLD],
                interfaces=tuple(dict.fromkeys(name for host, _ in places for name in neighbours_of(interfaces, host))),
                announced=bool(said),
                proved=box in proved,
                enrolled=said[0].enrolled if len({one.enrolled for one in said}) == 1 else UNSET,
                pair=said[0].pair if said and not doubtful else 0,
            )
        )
    return Gathered(
        found=tuple(sorted(found, key=lambda one: (not one.proved, one.name.casefold(), one.box))),
        false_claims=false_claims,
        doors=doors,
    )


def _name(proved: str, announced_as: tuple[str, ...]) -> str:
    """What the certificate says; whole where it had to be cut there and an announcement has all of it."""
    for name in announced_as:
        if not proved or one_line(name)[:LONGEST_NAME] == proved:
            return name
    return proved


def _ports(name: str, told: list[Announcement], aside: list[Announcement]) -> list[int]:
    """Where a box that is called ``name`` may take its code, what is likeliest first. However many speak in its name,
    the usual port is among them, and what was set aside takes turns with what was heard first: its own word may be in
    either.
    """
    own, own_aside = ([one.pair for one in said if one.name == name] for said in (told, aside))
    ports = [*own[:1], DEFAULT_PAIRING_PORT]
    ports += [port for pair in zip_longest(own, own_aside, fillvalue=0) for port in pair]
    ports += [one.pair for one in (*told, *aside)]
    return [port for port in dict.fromkeys(ports) if port][:DOORS_OF_ONE]


def _places(claim: Claim) -> list[Place]:
    return [(host, claim.announcement.port) for host in claim.addresses[:ADDRESSES_OF_ONE]]


def _candidate(claim: Claim, interfaces: tuple[Interface, ...], *, expected: bool) -> Candidate:
    places = _places(claim)
    host, port = places[0]
    plain = ipaddress.ip_address(host.partition("%")[0])
    return Candidate(
        box=claim.announcement.box,
        places=tuple(places),
        lane=next(iter(neighbours_of(interfaces, host)), ""),
        network=str(ipaddress.ip_network((plain, _PREFIX[plain.version]), strict=False)),
        usual=port == DEFAULT_PORT,
        expected=expected,
    )
