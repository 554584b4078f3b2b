"""What a piece of work may do inside the one write transaction."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.store import rows
from app.store.tables import TABLES, columns_of, delete_sql, insert_new_sql, key_of, select_sql, upsert_sql
from cloud_sync.journal.clock import FIRST_STAMP, HybridClock
from cloud_sync.journal.rows import RowState, deleted, settled, written
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import NotFound

Parameters = Sequence[Any] | Mapping[str, Any]

CLOCK_NOTE = "clock"
FIRST_DIGEST = "0" * 64


class Writer:
    """Handed to the work of one transaction; worthless afterwards.

    :param replica: this desktop's id in the journal.
    :param who: the person at this desktop, for labels and the audit chain.
    """

    def __init__(self, connection: sqlite3.Connection, *, replica: str, who: str, now_ms: int) -> None:
        self.replica = replica
        self.who = who
        self.now_ms = now_ms
        """The desktop's clock when the transaction began, milliseconds since 1970."""
        self.touched: defaultdict[str, set[str]] = defaultdict(set)
        """Table → keys that listeners hear of after the commit."""
        self._connection = connection
        self._clock: HybridClock | None = None

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Any statement; neither journaled nor told to listeners (call :meth:`touch`)."""
        return self._connection.execute(sql, parameters)

    def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """All rows of a query, as this transaction sees them."""
        rows: list[sqlite3.Row] = self._connection.execute(sql, parameters).fetchall()
        return rows

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
        key = key_of(table, row)
        self.touch(table, key)
        sql = upsert_sql(table, tuple(row))
        if not (journal and TABLES[table].synced):
            self.execute(sql, row)
            return
        before = self._travelling(table, row)
        state = self._state(table, key)
        self.execute(sql, row)
        after = self._travelling(table, row)
        if after is not None and after != before:
            self._record(table, key, after, before, state)

    def insert_new(self, table: str, row: Mapping[str, Any], *, journal: bool = True) -> bool:
        """Insert the row unless its key is there; False where it was. Journaled as in :meth:`upsert`."""
        state = self._state(table, key_of(table, row)) if journal and TABLES[table].synced else None
        if self.execute(insert_new_sql(table, tuple(row)), row).rowcount == 0:
            return False
        self.touch(table, key_of(table, row))
        if journal and TABLES[table].synced and (after := self._travelling(table, row)) is not None:
            self._record(table, key_of(table, row), after, None, state)
        return True

    def journal(self, table: str, row: Mapping[str, Any]) -> None:
        """Journal a row that stands in the database already; ``row`` needs to have its key only."""
        if (body := self._travelling(table, row)) is not None:
            key = key_of(table, row)
            self._record(table, key, body, None, self._state(table, key))

    def delete(self, table: str, key: str) -> None:
        """Delete the row with this key (as :func:`app.store.tables.key_of` writes it); journaled where it is synced."""
        self.touch(table, key)
        state = self._state(table, key) if TABLES[table].synced else None
        values = rows.standing_values(self.read, table, key) if TABLES[table].synced else None
        if self.execute(delete_sql(table), columns_of(table, key)).rowcount and TABLES[table].synced:
            if state is None and values is not None:
                state = RowState((FIRST_STAMP, self.replica), values)
            self._keep(table, key, deleted(state, (self.tick(), self.replica)))

    def settle(self, table: str, key: str, column: str, value: Any) -> None:
        """Decide a column of which a value was lost, or whether the row is there: what is decided is a change like any
        other, made by somebody who had all the values before them.
        """
        state = self._state(table, key)
        if state is None:
            raise NotFound(f"The row {key[:80]!r} was never there.")
        after = settled(state, column, value, (self.tick(), self.replica))
        rows.put_row(self.execute, table, key, after)
        self.touch(table, key)
        self._keep(table, key, after)

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

    def begin_clock(self, last: str) -> None:
        """Let this replica's hybrid clock go on from another stamp."""
        self._clock = HybridClock(last)

    def tick(self) -> str:
        """The next stamp of this replica's hybrid clock."""
        return self._hybrid_clock().tick(self.now_ms)

    def receive(self, stamp: str) -> None:
        """Move this replica's hybrid clock past a stamp from another one."""
        self._hybrid_clock().receive(stamp, self.now_ms)

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

    def _state(self, table: str, key: str) -> RowState | None:
        return None if TABLES[table].fact else rows.load_row(self.read, table, key)

    def _record(
        self, table: str, key: str, after: dict[str, Any], before: dict[str, Any] | None, state: RowState | None
    ) -> None:
        clock = self.tick()
        if TABLES[table].fact:
            rows.keep_change(self.execute, rows.fact_change(table, after, clock, self.replica), self.replica)
            return
        changed = {
            column: after[column]
            for column in TABLES[table].columns
            if before is None or before[column] != after[column]
        }
        if state is None and before is not None:  # a row that stood here before anybody journaled it
            changed = {column: after[column] for column in TABLES[table].columns}
        self._keep(table, key, written(state, changed, (clock, self.replica)))

    def _keep(self, table: str, key: str, row: RowState) -> None:
        rows.save_row(self.execute, table, key, row)
        rows.keep_change(self.execute, rows.to_change(table, key, row), self.replica)

    def _hybrid_clock(self) -> HybridClock:
        if self._clock is None:
            last = self.noted(CLOCK_NOTE)
            self._clock = HybridClock(last) if last else HybridClock()
        return self._clock


def chain_digest(previous: str, entry: Mapping[str, Any]) -> str:
    """The digest of an entry of the audit chain: sha256 over the one before and the entry's canonical JSON, without
    ``facts`` where there are none.
    """
    covered = {name: value for name, value in entry.items() if name != "facts" or value}
    return hashlib.sha256(previous.encode() + wire.encode(covered)).hexdigest()
