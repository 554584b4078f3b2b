"""What was announced, kept within bounds: anybody on the network may announce anything, as often as they like. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.status import Announcement

MAX_CLAIMS = 20_000
MAX_AT_ONE_ADDRESS = 16
"""Boxes that one machine may pretend to be."""
MAX_OF_ONE_BOX = 64
"""Addresses at which one box may be said to be."""
MAX_WORDS = 8
"""Different announcements of one box at one address."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that a box is to be found at these addresses."""

    announcement: Announcement
    addresses: tuple[str, ...]
    """Hosts, those that are no neighbours of this machine last."""


class Claims:
    """Gathers claims until there are too many; those about ``expected`` boxes always find room."""

    def __init__(self, expected: Collection[str] = ()) -> None:
        self._expected = frozenset(expected)
        self._claims: dict[Announcement, Claim] = {}
        self._spare: dict[Announcement, Claim] = {}
        self._words: Counter[tuple[str, str, int]] = Counter()
        self._at: Counter[tuple[str, int]] = Counter()
        self._of: Counter[str] = Counter()
        self._malformed = self._left_out = 0

    @property
    def malformed(self) -> int:
        """Announcements that made no sense."""
        return self._malformed

    @property
    def left_out(self) -> int:
        """Claims for which there was no room: somebody floods the network."""
        return self._left_out

    @property
    def boxes(self) -> frozenset[str]:
        """The boxes that are claimed to be here."""
        return frozenset(claim.announcement.box for claim in self._claims.values())

    def add(self, text: Mapping[str, str], addresses: Iterable[str], port: int) -> None:
        """Note an announcement; the same again changes nothing, another one of the box stands beside it."""
        hosts = tuple(addresses)
        if not hosts or not port:
            self._malformed += 1
            return
        try:
            announcement = wire.from_dict(
                {
                    "box": text.get("box"),
                    "name": text.get("name"),
                    "host": hosts[0],
                    "port": port,
                    "enrolled": text.get("enrolled") in ("1", "true"),
                    "pair": _port(text.get("pair", "")),
                },
                Announcement,
                what="announcement",
            )
        except InputInvalid:
            self._malformed += 1
            return
        claim = Claim(announcement, hosts)
        if announcement in self._claims or announcement in self._spare:
            (self._claims if announcement in self._claims else self._spare)[announcement] = claim
        elif self._has_room(announcement):
            self._note(claim)
        else:
            self._left_out += 1
            if len(self._claims) + len(self._spare) < MAX_CLAIMS:
                self._spare[announcement] = claim

    def _has_room(self, said: Announcement) -> bool:
        here = self._words[said.box, said.host, said.port]
        crowded = len(self._claims) >= MAX_CLAIMS or (not here and self._at[said.host, said.port] >= MAX_AT_ONE_ADDRESS)
        if crowded and said.box not in self._expected:
            return False
        return here < MAX_WORDS if here else self._of[said.box] < MAX_OF_ONE_BOX

    def _note(self, claim: Claim) -> None:
        said = claim.announcement
        if not self._words[said.box, said.host, said.port]:
            self._at[said.host, said.port] += 1
            self._of[said.box] += 1
        self._words[said.box, said.host, said.port] += 1
        if self._spare and len(self._claims) + len(self._spare) >= MAX_CLAIMS:
            self._spare.popitem()
        self._claims[claim.announcement] = claim

    def all(self) -> list[Claim]:
        """Every claim, those about expected boxes first, else in the order in which they were heard."""
        return sorted(self._claims.values(), key=lambda claim: claim.announcement.box not in self._expected)

    def spare(self) -> list[Claim]:
        """Some of those that were left out. They say nothing by themselves: one may be the rightful one of a box whose
        key answers there, in whose name many others speak.
        """
        return list(self._spare.values())


def _port(text: str) -> int:
    """Of what may be a port; 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535 else 0
