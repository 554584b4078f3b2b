"""In which order addresses are asked, and when it is enough. Pure.

What a person named is asked first, all of it. Announcements are anybody's word, and one machine can make thousands:
so enrolled boxes and others take turns, of the others the interfaces, on each the networks, in each the hosts; and
there is an end to the time that may be lost on addresses where no box's key answers.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Place = tuple[str, int]

MOST_PROBED = 4096
"""Announced addresses that are asked at most."""
AGAIN_S = 64.0
"""That asking silent ones a second time may take in vain, added up over all."""
VAIN_S = 512.0
"""That asking announced addresses in vain may take, added up over all; 256 at a time, it is three seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An announced box, and where it is said to be."""

    box: str
    places: tuple[Place, ...]
    """The best first; the next is asked only where no box's key answers at those before."""
    lane: str
    """The interface on which the first is a neighbour; nothing: it is behind a router."""
    network: str
    """What the first is part of."""
    usual: bool
    """It is said to listen at the port where boxes do."""
    expected: bool = False
    """One that is enrolled here."""


class Schedule:
    """Gives out the addresses one by one, and is told what came of each.

    :param named: asked in any case.
    :param aside: asked when all others were: of whom so much was said that there was no room for it. The true address
        of a box may be among them.
    """

    def __init__(
        self,
        named: Iterable[Place],
        candidates: Iterable[Candidate] = (),
        *,
        aside: Iterable[Candidate] = (),
        most: int = MOST_PROBED,
        vain_s: float = VAIN_S,
    ) -> None:
        self._named = deque(dict.fromkeys(named))
        last = in_order(aside)
        self._aside = frozenset(last)
        self._waiting = deque((candidate, 0) for candidate in (*in_order(candidates), *last))
        self._most, self._vain_s = most, vain_s
        self._answered: dict[Place, bool] = {}
        self._asking: dict[Place, list[tuple[Candidate, int]]] = {}
        self._of_claims: set[Place] = set()
        self._silent: deque[Place] = deque()
        self._again_s = AGAIN_S
        self.patient = False
        """What is asked now was silent among many others: fewer at a time, this machine may be busy."""
        self.total = len(self._named) + len(self._waiting)
        """Of what there is to ask, roughly: an announced box may be asked at several addresses, or at none any more."""

    def take(self) -> Place | None:
        """The next address to ask; None: there is none, as long as nothing more is told."""
        while self._named:
            place = self._named.popleft()
            if place not in self._asking and place not in self._answered:
                self._asking[place] = []
                return place
        while self._waiting and not self._is_enough:
            candidate, at = self._waiting.popleft()
            place = candidate.places[at]
            if place in self._asking:
                self._asking[place].append((candidate, at))
            elif place in self._answered:
                self._after(candidate, at, answered=self._answered[place])
            else:
                self._asking[place] = [(candidate, at)]
                self._of_claims.add(place)
                return place
        if self._silent and not self._asking and not self._is_enough:
            self.patient = True
        if self.patient and self._silent and self._again_s > 0:
            place = self._silent.popleft()
            self._asking[place] = []
            return place
        return None

    def tell(self, place: Place, *, answered: bool, took_s: float, silent: bool = False) -> None:
        """What came of one that was taken: whether a box's key answered, and how long that took.

        :param silent: nothing did, so that it is asked once more at the end where a box is announced there.
        """
        self._answered[place] = answered
        waiting = self._asking.pop(place)
        if self.patient:
            self._again_s -= 0.0 if answered else took_s
            return
        if place in self._of_claims and not answered:
            self._vain_s -= took_s
        if silent and (waiting or place in self._of_claims):
            self._silent.append(place)
        for candidate, at in waiting:
            self._after(candidate, at, answered=answered)

    @property
    def left(self) -> int:
        """Announced boxes that were asked nowhere, without those that had been set aside."""
        waiting = (one for one, _at in self._waiting if one not in self._aside)
        return sum(not any(place in self._answered for place in one.places) for one in waiting)

    @property
    def _is_enough(self) -> bool:
        return len(self._of_claims) >= self._most or self._vain_s <= 0

    def _after(self, candidate: Candidate, at: int, *, answered: bool) -> None:
        if not answered and at + 1 < len(candidate.places):
            self._waiting.append((candidate, at + 1))


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Enrolled boxes and others in turns; see the module."""
    ordered = sorted(candidates, key=lambda one: (not one.lane, not one.usual))
    ours = in_turns([one for one in ordered if one.expected], [lambda one: one.box])
    keys: list[Callable[[Candidate], Hashable]] = [
        lambda one: one.lane,
        lambda one: one.network,
        lambda one: one.places[0][0],
    ]
    others = in_turns([one for one in ordered if not one.expected], keys)
    return list(_interleave([ours, others]))


def in_turns(items: Sequence[T], keys: Sequence[Callable[[T], Hashable]]) -> Iterator[T]:
    """One of each group, then the next of each; the groups those of the first key, within each those of the second."""
    if not keys:
        yield from items
        return
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(keys[0](item), []).append(item)
    yield from _interleave([in_turns(group, keys[1:]) for group in groups.values()])


def _interleave(queues: Iterable[Iterator[T]]) -> Iterator[T]:
    going = deque(queues)
    while going:
        queue = going.popleft()
        for item in itertools.islice(queue, 1):
            yield item
            going.append(queue)
