"""A desktop's side of the journal over a small SQLite file: rows, outbox and positions, one transaction a step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloud_sync.journal.changes import Change
from cloud_sync.journal.clock import HybridClock
from tests.unit.sync.last_writer import wins

FACTS = frozenset({"facts"})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (tbl TEXT, key TEXT, body TEXT, clock TEXT, replica TEXT, PRIMARY KEY (tbl, key));
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT, key TEXT, body TEXT, clock TEXT);
CREATE TABLE IF NOT EXISTS positions (replica TEXT PRIMARY KEY, seq INTEGER);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), clock TEXT, seq INTEGER, through INTEGER,
    planned_seq INTEGER, planned_through INTEGER, unsent INTEGER);
INSERT OR IGNORE INTO state VALUES (1, '000000000000000.000000', 0, 0, 0, 0, NULL);
CREATE TABLE IF NOT EXISTS own (seq INTEGER PRIMARY KEY, through INTEGER, digest TEXT);
"""


class SqliteJournal:
    """As :class:`cloud_sync.journal.replicate.LocalJournal`; close it afterwards."""

    def __init__(self, path: Path, replica: str) -> None:
        self.replica = replica
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        # What a power cut does is not asked of this database, and it is made anew for every example.
        self._connection.execute("PRAGMA synchronous = OFF")
        if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchone():
            self._connection.executescript(_SCHEMA)

    def write(self, table: str, key: str, body: dict[str, Any] | None, now_ms: int) -> Change | None:
        """A change by the person at this desktop; None where a fact is there already."""
        with self._transaction():
            if table in FACTS and self._standing(table, key) is not None:
                return None
            clock = self._clock()
            change = Change(table, key, body, clock.tick(now_ms), self.replica)
            self._connection.execute("UPDATE state SET clock = ?", (clock.last,))
            self._connection.execute(
                "INSERT INTO outbox (tbl, key, body, clock) VALUES (?, ?, ?, ?)",
                (table, key, json.dumps(body), change.clock),
            )
            self._put(change)
        return change

    def rows(self) -> dict[tuple[str, str], Change]:
        """Everything that stands, deletions included."""
        found = self._connection.execute("SELECT tbl, key, body, clock, replica FROM rows")
        return {
            (table, key): Change(table, key, json.loads(body), clock, replica)
            for table, key, body, clock, replica in found
        }

    def forget_positions(self) -> None:
        """Take over everything once more."""
        self._connection.execute("DELETE FROM positions")

    def forget_store(self) -> None:
        """Begin with another store."""
        with self._transaction():
            self._connection.execute("DELETE FROM positions")
            self._connection.execute("DELETE FROM own")
            self._connection.execute(
                "UPDATE state SET seq = 0, through = 0, planned_seq = 0, planned_through = 0, unsent = NULL"
            )

    def close(self) -> None:
        self._connection.close()

    # --- LocalJournal

    def unsealed(self, limit: int) -> list[tuple[int, Change]]:
        found = self._connection.execute(
            "SELECT id, tbl, key, body, clock FROM outbox WHERE id > (SELECT through FROM state) ORDER BY id LIMIT ?",
            (limit,),
        )
        return [
            (number, Change(table, key, json.loads(body), clock, self.replica))
            for number, table, key, body, clock in found
        ]

    def sealed_through(self) -> tuple[int, int]:
        seq, through = self._connection.execute("SELECT seq, through FROM state").fetchone()
        return seq, through

    def plan_segment(self, seq: int, through: int) -> int:
        with self._transaction():
            sealed, sealed_through, planned, planned_through = self._connection.execute(
                "SELECT seq, through, planned_seq, planned_through FROM state"
            ).fetchone()
            if seq <= sealed:
                return int(sealed_through)
            if planned == seq:
                return int(planned_through)
            self._connection.execute("UPDATE state SET planned_seq = ?, planned_through = ?", (seq, through))
            return through

    def mark_sealed(self, seq: int, through: int, digest: str, *, sent: bool = True) -> None:
        with self._transaction():
            if self._connection.execute(
                "UPDATE state SET seq = ?, through = ? WHERE seq < ?", (seq, through, seq)
            ).rowcount:
                self._connection.execute("INSERT INTO own VALUES (?, ?, ?)", (seq, through, digest))
                if not sent:
                    self._connection.execute("UPDATE state SET unsent = coalesce(unsent, ?)", (seq,))

    def unsent(self) -> int | None:
        (found,) = self._connection.execute("SELECT unsent FROM state").fetchone()
        return None if found is None else int(found)

    def mark_sent(self, seq: int) -> None:
        self._connection.execute("UPDATE state SET unsent = iif(?1 >= seq, NULL, ?1 + 1) WHERE unsent <= ?1", (seq,))

    def unseal(self, seq: int) -> None:
        raise AssertionError("nobody else wrote under this desktop's id")

    def sealed(self, seq: int) -> list[Change]:
        found = self._connection.execute(
            "SELECT tbl, key, body, clock FROM outbox JOIN own ON own.seq = ?1 AND id <= through"
            " WHERE id > coalesce((SELECT through FROM own WHERE seq = ?1 - 1), 0) ORDER BY id",
            (seq,),
        )
        return [Change(table, key, json.loads(body), clock, self.replica) for table, key, body, clock in found]

    def digest_of(self, seq: int) -> str | None:
        found = self._connection.execute("SELECT digest FROM own WHERE seq = ?", (seq,)).fetchone()
        return found[0] if found else None

    def void(self) -> frozenset[str]:
        return frozenset()

    def positions(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT replica, seq FROM positions").fetchall())

    def apply(self, replica: str, seq: int, changes: Sequence[Change]) -> None:
        with self._transaction():
            if self.positions().get(replica, 0) >= seq:
                return
            clock = self._clock()
            for change in changes:
                clock.receive(change.clock, 10**15)
                standing = self._standing(change.table, change.key)
                new = (change.clock, change.replica)
                if standing is None or (wins(standing, new) if change.table in FACTS else wins(new, standing)):
                    self._put(change)
            self._connection.execute("UPDATE state SET clock = ?", (clock.last,))
            self._connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (replica, seq))

    def _standing(self, table: str, key: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = self._connection.execute(
            "SELECT clock, replica FROM rows WHERE tbl = ? AND key = ?", (table, key)
        ).fetchone()
        return found

    def _put(self, change: Change) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)",
            (change.table, change.key, json.dumps(change.body), change.clock, change.replica),
        )

    def _clock(self) -> HybridClock:
        return HybridClock(self._connection.execute("SELECT clock FROM state").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
