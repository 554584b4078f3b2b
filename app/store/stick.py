"""What was taken over from sticks, apart from what was taken over from the object store.

A segment that came by stick may not be the one that the object store gets under its number: its writer may be put back
from a backup, or be a copy of another desktop, and nobody has noticed yet. So a stick moves no position of the store.
What was read from sticks is noted for one purpose alone, not to read it again; to read it again would change nothing.
And what was news goes on from here, in the name of whoever wrote it, to the object store and to the next stick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from app.store.database import Database
from app.store.journal import StoreJournal, note_of, take_over
from app.store.rows import keep_change, load_row
from app.store.snapshot import StoreSnapshots
from app.store.tables import TABLES, columns_of, select_sql
from app.store.writer import Writer
from cloud_sync.journal.changes import Change, ReplicaId, encode_change
from edge_runtime.contracts import wire

_NOTE = "sticks"
_Seq = Annotated[int, Meta(ge=0, lt=10**10)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    segments: dict[ReplicaId, tuple[_Seq, str]] = field(default_factory=dict)
    """Replica → the last of its segments that was read, and what was in it."""
    known: dict[ReplicaId, _Seq] = field(default_factory=dict)
    """Replica → up to which of its segments everything came, by segments or snapshots."""


class StickJournal(StoreJournal):
    """The database as :class:`cloud_sync.journal.replicate.LocalJournal`, before one stick.

    :attr:`begin` is set before anything is read from it.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.begin: dict[str, int] = {}
        """Replica → the segment after which this stick is to be read."""

    def positions(self) -> dict[str, int]:
        return dict(self.begin)

    def last_read(self, replica: str) -> tuple[int, str]:
        """The last segment of a desktop that was read from any stick, and :func:`said` of it; (0, "") at first."""
        return _noted(note_of(self._db, _NOTE)).segments.get(replica, (0, ""))

    def apply(self, replica: str, seq: int, changes: Sequence[Change]) -> None:
        def work(writer: Writer) -> None:
            _take(writer, changes, source=f"the desktop {replica[:12]}, by stick")
            now = _noted(writer.noted(_NOTE))
            now.segments[replica] = (seq, said(changes))
            now.known[replica] = max(seq, now.known.get(replica, 0))
            writer.note(_NOTE, wire.encode(now).decode())

        self._db.write(work)
        self.begin[replica] = seq


class StickSnapshots(StoreSnapshots):
    """Snapshots on sticks: what they cover counts for sticks alone."""

    def merge(self, changes: Sequence[Change]) -> None:
        self._db.write(lambda writer: _take(writer, changes, source="a snapshot on a stick"))

    def covers(self, positions: Mapping[str, int]) -> None:
        def work(writer: Writer) -> None:
            now = _noted(writer.noted(_NOTE))
            for replica, seq in positions.items():
                if replica != writer.replica:
                    now.known[replica] = max(seq, now.known.get(replica, 0))
            writer.note(_NOTE, wire.encode(now).decode())

        self._db.write(work)

    def positions(self) -> dict[str, int]:
        """The last segment of every desktop, this one included, of which everything is here, however it came."""
        found = super().positions()
        for replica, seq in _noted(note_of(self._db, _NOTE)).known.items():
            found[replica] = max(seq, found.get(replica, 0))
        return found


def _take(writer: Writer, changes: Sequence[Change], *, source: str) -> None:
    """Take over, and hand on: whoever wrote it may never come to the object store, nor to the next stick. What was
    known here is not handed on, so that nothing goes round in circles.
    """
    before = [_standing(writer, change) for change in changes]
    take_over(writer, changes, source=source)
    for change, was in zip(changes, before, strict=True):
        if change.table in TABLES and TABLES[change.table].synced and _standing(writer, change) != was:
            keep_change(writer.execute, change, writer.replica)


def _standing(writer: Writer, change: Change) -> object:
    """All that there is of a row, to be compared."""
    table = TABLES.get(change.table)
    if table is None or not table.synced:
        return None
    if not table.fact:
        return load_row(writer.read, change.table, change.key)
    try:
        named = columns_of(change.table, change.key)
    except ValueError:  # no key of this table: it is refused in a moment
        return None
    found = writer.execute(select_sql(change.table, table.travelling), named).fetchone()
    return None if found is None else tuple(found)


def said(changes: Sequence[Change]) -> str:
    """The same for the same changes alone."""
    return hashlib.sha256(b"\n".join(encode_change(change) for change in changes)).hexdigest()


def _noted(text: str | None) -> _Read:
    return wire.decode(text, _Read, what="note of sticks") if text else _Read()
