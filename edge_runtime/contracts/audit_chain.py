"""The box's chain of audits: each entry's digest covers its words and the entry before.

It has no key and says nothing of who wrote it. It shows any later change, because whoever has seen an entry has seen
all that came before. The box's id is not covered: a box that was given a new identity goes on with its chain.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AuditRow, Count, Digest

LOST = "audits.lost"
"""Kind of an entry that says which entries before it are gone from the box, though no desktop had them, and why."""
ANEW = "audits.begun-anew"
"""Kind of an entry of a chain that another one came before, which was lost with its spool."""
MOST_RANGES = 64
_RANGE = re.compile(r"\b(\d{1,18})-(\d{1,18})\b")

Ranges = tuple[tuple[int, int], ...]
"""Entries from the first to the last of each, both among them; in order, and with something between them."""
_COVERED = ("boot", "seq", "at_ms", "kind", "who", "message", "entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """Where a box's chain stands; comes with the last page of its audits."""

    beginning: Digest
    """What its first entry follows: drawn at random for each new spool."""
    entry: Count
    """The newest entry; 0: none yet."""
    digest: Digest
    """Of the newest entry."""
    anchor: Count = 0
    """Entries up to this one have left the box: some desktop has acknowledged them, or the loss ledger counts them."""


def seal(row: AuditRow, *, entry: int, previous: str) -> AuditRow:
    """The row as the next entry of a chain."""
    linked = replace(row, entry=entry, previous=previous, chain="")
    return replace(linked, chain=digest_of(linked))


def digest_of(row: AuditRow) -> str:
    """What ``row.chain`` must be."""
    covered = {name: getattr(row, name) for name in _COVERED}
    return hashlib.sha256(row.previous.encode() + wire.encode(covered)).hexdigest()


def lost_message(reason: str, entries: Iterable[tuple[int, int]]) -> str:
    """What an entry of the kind :data:`LOST` says; :func:`lost_entries` reads it."""
    return f"{reason}: entries {', '.join(f'{first}-{last}' for first, last in joined(entries))}"


def lost_entries(row: AuditRow) -> Ranges:
    """The entries that this one says are gone; none where it is of another kind."""
    found = _RANGE.findall(row.message) if row.kind == LOST else []
    return joined((int(first), int(last)) for first, last in found)


def joined(entries: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges put in order, those that touch as one; of too many the oldest are told more coarsely."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(one for one in entries if one[0] <= one[1]):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], max(last, ranges[-1][1])
        else:
            ranges.append((first, last))
    if (surplus := len(ranges) - MOST_RANGES) > 0:
        ranges[: surplus + 1] = [(ranges[0][0], ranges[surplus][1])]
    return tuple(ranges)
