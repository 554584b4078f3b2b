"""Looking for boxes: listen, ask every address for its key, and put the two together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from edge_runtime.config import join_address
from edge_runtime.contracts.finding import FoundBox
from edge_runtime.finding.claims import Claim
from edge_runtime.finding.interfaces import Interface, list_interfaces, neighbours_of
from edge_runtime.finding.listen import Heard, listen
from edge_runtime.finding.probe import Probed, probe

MOST_PROBED = 4096
"""Announced addresses that are asked: a flood of claims must not take for ever."""
ADDRESSES_OF_ONE = 4

Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one look brought."""

    interfaces: tuple[Interface, ...]
    heard: Heard
    answers: dict[Place, Probed]
    found: tuple[FoundBox, ...]
    false_claims: int
    """Announcements of a box at an address where another key answers."""
    not_asked: int
    """Announced addresses beyond those that were asked."""


def search(
    *,
    seconds: float,
    places: Iterable[Place] = (),
    expected: Collection[str] = (),
    about: Collection[str] | None = None,
    enough: Callable[[Collection[str]], bool] = lambda _boxes: False,
    done: Callable[[int, int], None] = lambda _count, _total: None,
) -> Evidence:
    """Listen for ``seconds`` and ask ``places`` and every announced address whose key it has.

    :param expected: boxes whose announcements always find room.
    :param about: only the announced addresses of these boxes are asked; None: those of all.
    :param done: called with how many addresses of how many were asked; may raise to stop.
    """
    heard = listen(seconds, expected=expected, enough=enough) if seconds > 0 else Heard()
    interfaces = tuple(list_interfaces())
    claimed = [
        place for claim in heard.claims if about is None or claim.announcement.box in about for place in _places(claim)
    ]
    asked = list(dict.fromkeys([*places, *claimed[:MOST_PROBED]]))
    answers = {
        (answer.host, answer.port): answer for answer in probe(asked, done=lambda count: done(count, len(asked)))
    }
    found, false_claims = gather(heard.claims, answers, interfaces)
    return Evidence(
        interfaces=interfaces,
        heard=heard,
        answers=answers,
        found=found,
        false_claims=false_claims,
        not_asked=max(0, len(claimed) - MOST_PROBED),
    )


def gather(
    claims: Iterable[Claim], answers: dict[Place, Probed], interfaces: Iterable[Interface]
) -> tuple[tuple[FoundBox, ...], int]:
    """One entry a key, and how many announcements were shown to be false. Pure.

    Where a key answered, that is where the box is. An announcement adds what its key bears out; one that nothing
    bears out and nothing contradicts stands as unproved.
    """
    interfaces = tuple(interfaces)
    proved: dict[str, list[Place]] = {}
    names: dict[str, str] = {}
    for place, answer in answers.items():
        if answer.presented:
            proved.setdefault(answer.presented.fingerprint, []).append(place)
            names.setdefault(answer.presented.fingerprint, answer.presented.name)
    told: dict[str, Claim] = {}
    only_claimed: dict[str, list[Place]] = {}
    false_claims = 0
    for claim in claims:
        box, own = claim.announcement.box, _places(claim)
        if any(place in own for place in proved.get(box, ())):
            told.setdefault(box, claim)
        elif any(answers[place].presented for place in own if place in answers):
            false_claims += 1
        elif box not in proved:
            told.setdefault(box, claim)
            only_claimed.setdefault(box, []).extend(own)
    found = []
    for box in sorted(proved.keys() | only_claimed.keys()):
        places = proved.get(box) or only_claimed[box]
        announced = told[box].announcement if box in told else None
        found.append(
            FoundBox(
                box=box,
                name=announced.name if announced else names[box],
                addresses=tuple(dict.fromkeys(join_address(host, port) for host, port in places)),
                interfaces=tuple(dict.fromkeys(name for host, _ in places for name in neighbours_of(interfaces, host))),
                announced=announced is not None,
                proved=box in proved,
                enrolled=announced.enrolled if announced else False,
                pair=announced.pair if announced else 0,
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.proved, one.name.casefold(), one.box))), false_claims


def _places(claim: Claim) -> list[Place]:
    return [(host, claim.announcement.port) for host in claim.addresses[:ADDRESSES_OF_ONE]]
