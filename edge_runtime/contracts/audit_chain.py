"""The box's chain of audits: each entry's digest covers its words and the entry before.

It has no key and says nothing of who wrote it. It shows any later change, because whoever has seen an entry has seen
all that came before. The box's id is not covered: a box that was given a new identity goes on with its chain.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AuditRow, Count, Digest

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
