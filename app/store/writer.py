"""What a piece of work may do inside the one write transaction."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.store.tables import TABLES, columns_of, delete_sql, insert_new_sql, key_of, select_sql, upsert_sql
from edge_runtime.contracts import wire

if TYPE_CHECKING:
    from cloud_sync.journal.clock import HybridClock

Parameters = Sequence[Any] | Mapping[str, Any]

CLOCK_NOTE = "clock"
FIRST_DIGEST = "0" * 64


class Writer:
    """Handed to the work of one transaction; worthless afterwards.

    :param replica: this desktop's id in the journal.
    :param who: the person at this desktop, for labels and the audit chain.
    """

    def __init__(self, connection: sqlite3.Connection, *, replica: str, who: str) -> None:
        self.replica = replica
        self.who = who
        self.now_ms = time.time_ns() // 1_000_000
        """The desktop's clock when the transaction began, milliseconds since 1970."""
        self.touched: defaultdict[str, set[str]] = defaultdict(set)
        """Table → keys that listeners hear of after the commit."""
        self._connection = connection
        self._clock: HybridClock | None = None

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Any statement; neither journaled nor told to listeners (call :meth:`touch`)."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> sqlite3.Cursor:
        """As :meth:`execute`, once for each row."""
        return self._connection.executemany(sql, rows)

    def touch(self, table: str, *keys: str) -> None:
        """Tell listeners of these rows after the commit."""
        self.touched[table].update(keys)

    def upsert(self, table: str, row: Mapping[str, Any], *, journal: bool = True) -> None:
        """Insert the row, or replace the given columns of the one with its key.

        A synced table's row is journaled in this transaction, unless nothing of it that travels has changed or
        ``journal`` is False.
        """
        self.touch(table, key_of(table, row))
        sql = upsert_sql(table, tuple(row))
        if not (journal and TABLES[table].synced):
            self.execute(sql, row)
            return
        before = self._travelling(table, row)
        self.execute(sql, row)
        after = self._travelling(table, row)
        if after is not None and after != before:
            self._record(table, key_of(table, row), after)

    def insert_new(self, table: str, row: Mapping[str, Any], *, journal: bool = True) -> bool:
        """Insert the row unless its key is there; False where it was. Journaled as in :meth:`upsert`."""
        if self.execute(insert_new_sql(table, tuple(row)), row).rowcount == 0:
            return False
        self.touch(table, key_of(table, row))
        if journal and TABLES[table].synced:
            self.journal(table, row)
        return True

    def journal(self, table: str, row: Mapping[str, Any]) -> None:
        """Journal a row that stands in the database already; ``row`` needs to have its key only."""
        if (body := self._travelling(table, row)) is not None:
            self._record(table, key_of(table, row), body)

    def delete(self, table: str, key: str) -> None:
        """Delete the row with this key (as :func:`app.store.tables.key_of` writes it); journaled where it is synced."""
        self.touch(table, key)
        if self.execute(delete_sql(table), columns_of(table, key)).rowcount and TABLES[table].synced:
            self._record(table, key, None)

    def activity(self, what: str, subject: str, message: str, *, facts: bytes = b"") -> None:
        """Add an entry to the audit chain.

        :param what: dotted and stable, such as ``box.enrolled``.
        :param subject: id of what it is about.
        :param facts: JSON, for whoever verifies it later; covered like the rest.
        """
        last = self.execute("SELECT digest FROM activity ORDER BY seq DESC LIMIT 1").fetchone()
        highest = self.execute("SELECT seq FROM sqlite_sequence WHERE name = 'activity'").fetchone()
        entry = {
            "seq": (highest[0] if highest else 0) + 1,
            "at_ms": self.now_ms,
            "who": self.who,
            "what": what,
            "subject": subject,
            "message": message,
            "facts": facts.decode(),
        }
        digest = chain_digest(last[0] if last else FIRST_DIGEST, entry)
        self.execute(
            "INSERT INTO activity (seq, at_ms, who, what, subject, message, facts, digest)"
            " VALUES (:seq, :at_ms, :who, :what, :subject, :message, :facts, :digest)",
            {**entry, "digest": digest},
        )
        self.touch("activity", str(entry["seq"]))

    def tick(self) -> str:
        """The next stamp of this replica's hybrid clock."""
        return self._hybrid_clock().tick(self.now_ms)

    def receive(self, stamp: str) -> None:
        """Move this replica's hybrid clock past a stamp from another one."""
        self._hybrid_clock().receive(stamp, self.now_ms)

    def stamp(self, table: str, key: str, clock: str, replica: str) -> None:
        """Remember when, and by whom, a row that may change was last written."""
        self.execute(
            "INSERT INTO row_clocks (table_name, row_key, clock, replica) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (table_name, row_key) DO UPDATE SET clock = excluded.clock, replica = excluded.replica",
            (table, key, clock, replica),
        )

    def note(self, name: str, value: str | None) -> None:
        """Keep one small fact of this desktop; see :func:`app.store.journal.note_of`."""
        self.execute(
            "INSERT INTO notes (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def noted(self, name: str) -> str | None:
        """What :meth:`note` kept."""
        row = self.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return row["value"] if row else None

    def finish(self) -> None:
        """Called by the database before the commit."""
        if self._clock is not None:
            self.note(CLOCK_NOTE, self._clock.last)

    def _travelling(self, table: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
        spec = TABLES[table]
        found = self.execute(select_sql(table, spec.travelling), {c: row[c] for c in spec.key}).fetchone()
        return None if found is None else dict(zip(spec.travelling, found, strict=True))

    def _record(self, table: str, key: str, body: dict[str, Any] | None) -> None:
        clock = self.tick()
        self.execute(
            "INSERT INTO changes (table_name, row_key, body, clock) VALUES (?, ?, ?, ?)",
            (table, key, None if body is None else wire.encode(body).decode(), clock),
        )
        if not TABLES[table].fact:
            self.stamp(table, key, clock, self.replica)

    def _hybrid_clock(self) -> HybridClock:
        if self._clock is None:
            from cloud_sync.journal.clock import HybridClock

            last = self.noted(CLOCK_NOTE)
            self._clock = HybridClock(last) if last else HybridClock()
        return self._clock


def chain_digest(previous: str, entry: Mapping[str, Any]) -> str:
    """The digest of an entry of the audit chain: sha256 over the one before and the entry's canonical JSON, without
    ``facts`` where there are none.
    """
    covered = {name: value for name, value in entry.items() if name != "facts" or value}
    return hashlib.sha256(previous.encode() + wire.encode(covered)).hexdigest()
