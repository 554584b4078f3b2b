"""The chain of audits in the spool's database: its end outlives every row that leaves."""

from __future__ import annotations

import secrets
import sqlite3

from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead, seal
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import AuditRow

CHAIN_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS chain (id INTEGER PRIMARY KEY CHECK (id = 1), beginning TEXT NOT NULL,"
    " entry INT NOT NULL, digest TEXT NOT NULL)"
)


class SpoolChain:
    """Works on the spool's connection, inside the caller's transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def begin(self) -> None:
        """Where there is no chain yet: one that follows nothing before."""
        beginning = secrets.token_hex(32)
        self._database.execute("INSERT OR IGNORE INTO chain VALUES (1, ?, 0, ?)", (beginning, beginning))

    def seal(self, body: bytes) -> bytes:
        """The row as the newest entry, as it will be stored."""
        head = self._stored()
        row = seal(wire.decode(body, AuditRow, what="audit"), entry=head.entry + 1, previous=head.digest)
        self._database.execute("UPDATE chain SET entry = ?, digest = ?", (row.entry, row.chain))
        return wire.encode(row)

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
