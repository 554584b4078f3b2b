"""The chain of audits in the spool's database: its end outlives every row that leaves."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence

from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead, Ranges, joined, lost_entries, seal
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import AuditRow

CHAIN_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS chain (id INTEGER PRIMARY KEY CHECK (id = 1), beginning TEXT NOT NULL,"
    " entry INT NOT NULL, digest TEXT NOT NULL)"
)


class SpoolChain:
    """Works on the spool's connection, inside the caller's transaction.

    Rows that are handed out while the disk takes none get their place at that moment: it is kept for them here until
    they are written, and the chain goes on after it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._ahead: AuditRow | None = None
        """The newest entry that was handed out before it was written."""
        self._handed: dict[tuple[str, int], AuditRow] = {}
        """Such entries, by boot and number."""
        self._holes: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Where there is no chain yet: one that follows nothing before."""
        beginning = secrets.token_hex(32)
        self._database.execute("INSERT OR IGNORE INTO chain VALUES (1, ?, 0, ?)", (beginning, beginning))

    def seal(self, body: bytes) -> bytes:
        """The row as the newest entry, as it will be stored; one that was handed out already as it was then."""
        row = wire.decode(body, AuditRow, what="audit")
        entry, digest = self._end()
        sealed = self._handed.get((row.boot, row.seq)) or seal(row, entry=entry + 1, previous=digest)
        stored = self._stored()
        if sealed.entry > stored.entry:
            if sealed.entry > stored.entry + 1:
                self._holes.append((stored.entry + 1, sealed.entry - 1))
            self._database.execute("UPDATE chain SET entry = ?, digest = ?", (sealed.entry, sealed.chain))
        return wire.encode(sealed)

    def hand_out(self, waiting: Sequence[bytes]) -> list[bytes]:
        """Rows that wait in memory, oldest first, with the places that they will have."""
        rows = [wire.decode(body, AuditRow, what="audit") for body in waiting]
        handed = {}
        for row in rows:
            key = (row.boot, row.seq)
            if (sealed := self._handed.get(key)) is None:
                entry, digest = self._end()
                sealed = self._ahead = seal(row, entry=entry + 1, previous=digest)
            handed[key] = sealed
        self._handed = handed
        return [wire.encode(row) for row in handed.values()]

    def take_holes(self) -> Ranges:
        """Entries that were handed out and passed over since this was asked last: memory could not hold them."""
        holes, self._holes = joined(self._holes), []
        return holes

    def entries_in(self, bodies: Iterable[bytes]) -> Ranges:
        """Which entries go with these rows: their own, and those of which they alone say that they are gone."""
        gone: list[tuple[int, int]] = []
        for body in bodies:
            try:
                row = wire.decode(body, AuditRow, what="audit")
            except (InputInvalid, TypeError):
                continue
            if row.entry:
                gone += [(row.entry, row.entry), *lost_entries(row)]
        return joined(gone)

    def _end(self) -> tuple[int, str]:
        stored = self._stored()
        if self._ahead is not None and self._ahead.entry > stored.entry:
            return self._ahead.entry, self._ahead.chain
        return stored.entry, stored.digest

    def head(self) -> ChainHead:
        """Where it stands, and up to where its entries have left.

        :raises ValueError: it holds what no spool writes.
        """
        head = self._stored()
        oldest = self._database.execute("SELECT body FROM audits ORDER BY id LIMIT 1").fetchone()
        if oldest is None:
            return _with_anchor(head, head.entry)
        try:
            first = wire.decode(oldest[0], AuditRow, what="audit")
        except (InputInvalid, TypeError):
            # It will be dropped when somebody comes for it.
            return head
        return _with_anchor(head, max(first.entry - 1, 0))

    def _stored(self) -> ChainHead:
        found = self._database.execute("SELECT beginning, entry, digest FROM chain").fetchone()
        if found is None:
            raise ValueError("its chain of audits has no end")
        try:
            return wire.from_dict(dict(zip(("beginning", "entry", "digest"), found, strict=True)), ChainHead)
        except InputInvalid as error:
            raise ValueError(f"its chain of audits cannot be read: {error.message}") from error


def _with_anchor(head: ChainHead, anchor: int) -> ChainHead:
    return ChainHead(beginning=head.beginning, entry=head.entry, digest=head.digest, anchor=anchor)
