"""This desktop's side of the journal: what it has to tell the others, and what it takes over from them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from app.store.database import Database
from app.store.incoming import checked_row
from app.store.noting import note_audits
from app.store.objects import expect_object, known_objects
from app.store.records import SyncStatus
from app.store.tables import TABLES, Table, columns_of, delete_sql, insert_new_sql, upsert_sql
from app.store.writer import Writer
from cloud_sync.journal.changes import Change
from cloud_sync.journal.merge import wins
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import AuditRow

_SEALED_SEQ = "sealed-seq"
_SEALED_THROUGH = "sealed-through"
_PLANNED = "planned-segment"
_LAST_SYNC = "last-sync-ms"
_SYNC_PROBLEM = "sync-problem"


class StoreJournal:
    """The database as :class:`cloud_sync.journal.replicate.LocalJournal`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.replica = db.replica

    def unsealed(self, limit: int) -> list[tuple[int, Change]]:
        """Changes made here that are in no segment yet, oldest first, each with its number."""
        rows = self._db.read(
            "SELECT id, table_name, row_key, body, clock FROM changes WHERE id > ? ORDER BY id LIMIT ?",
            (_number(self._db, _SEALED_THROUGH), limit),
        )
        return [
            (
                row["id"],
                Change(
                    table=row["table_name"],
                    key=row["row_key"],
                    body=None if row["body"] is None else json.loads(row["body"]),
                    clock=row["clock"],
                    replica=self.replica,
                ),
            )
            for row in rows
        ]

    def sealed_through(self) -> tuple[int, int]:
        """(number of the last segment, number of the last change in it)."""
        return _number(self._db, _SEALED_SEQ), _number(self._db, _SEALED_THROUGH)

    def plan_segment(self, seq: int, through: int) -> int:
        """Remember that segment ``seq`` ends with change ``through``, unless an end of it is remembered or it is sealed
        already; the end that stands.
        """

        def work(writer: Writer) -> int:
            if seq <= int(writer.noted(_SEALED_SEQ) or 0):
                return int(writer.noted(_SEALED_THROUGH) or 0)
            planned = writer.noted(_PLANNED)
            planned_seq, planned_through = map(int, planned.split(":")) if planned else (0, 0)
            if planned_seq == seq:
                return planned_through
            writer.note(_PLANNED, f"{seq}:{through}")
            return through

        return self._db.write(work)

    def mark_sealed(self, seq: int, through: int) -> None:
        """Segment ``seq`` stands in the object store and ends with change ``through``; nothing where it did before."""

        def work(writer: Writer) -> None:
            if seq <= int(writer.noted(_SEALED_SEQ) or 0):
                return
            writer.note(_SEALED_SEQ, str(seq))
            writer.note(_SEALED_THROUGH, str(through))
            writer.touch("sync", self.replica)

        self._db.write(work)

    def positions(self) -> dict[str, int]:
        """The last segment taken over from each other replica."""
        return {row["replica"]: row["seq"] for row in self._db.read("SELECT replica, seq FROM positions")}

    def apply(self, replica: str, seq: int, changes: Sequence[Change]) -> None:
        """Take over a segment of another replica, whole or not at all; a segment that was taken over is passed by.

        A row that may change goes to the newer (clock, replica); a fact is added where it is not there. Tables
        and columns that this version does not know are passed by.

        :raises InputInvalid: a change is not of the form that its table has; nothing was taken over.
        """

        def work(writer: Writer) -> None:
            known = writer.execute("SELECT seq FROM positions WHERE replica = ?", (replica,)).fetchone()
            if known is not None and known["seq"] >= seq:
                return
            audits: defaultdict[str, list[AuditRow]] = defaultdict(list)
            for change in changes:
                table = TABLES.get(change.table)
                if table is not None and table.synced:
                    try:
                        row = _apply(writer, table, change)
                    except sqlite3.IntegrityError as error:
                        raise InputInvalid(
                            f"A row of the journal's {change.table!r} cannot be kept: {error}."
                        ) from error
                    if row is not None and change.table == "audits":
                        audits[str(row["box"])].append(AuditRow(**row))
            for box, rows in audits.items():
                note_audits(writer, box, rows, None, source=f"the desktop {replica[:12]}")
            writer.upsert("positions", {"replica": replica, "seq": seq})

        self._db.write(work)


def _apply(writer: Writer, table: Table, change: Change) -> dict[str, Any] | None:
    """Returns the row as it stands here from now on; None where it did already, or goes."""
    writer.receive(change.clock)
    row = None if change.body is None else checked_row(change.table, change.key, change.body)
    if change.table == "label_events" and row is not None and not _is_own_label(row, change):
        raise InputInvalid("A label in the journal is not of the time and the desktop that wrote it.")
    if change.table == "visit_entries" and row is not None and row["replica"] != change.replica:
        raise InputInvalid("An entry of a visit in the journal is not of the desktop that wrote it.")
    if row is None and not table.deletable:
        raise InputInvalid(f"The journal deletes a row of {change.table!r}, which is never done.")
    if table.fact and row is not None:
        if not writer.execute(insert_new_sql(change.table, tuple(row)), row).rowcount:
            return None
        if change.table == "label_events":
            writer.touch("samples", str(row["sample"]))
    else:
        last = writer.execute(
            "SELECT clock, replica FROM row_clocks WHERE table_name = ? AND row_key = ?", (change.table, change.key)
        ).fetchone()
        if last is not None and not wins((change.clock, change.replica), (last["clock"], last["replica"])):
            return None
        if row is None:
            writer.execute(delete_sql(change.table), _key_columns(change))
        else:
            writer.execute(upsert_sql(change.table, tuple(row)), row)
        writer.stamp(change.table, change.key, change.clock, change.replica)
    writer.touch(change.table, change.key)
    if row is not None:
        _expect_files(writer, change.table, row)
    return row


def _key_columns(change: Change) -> dict[str, str]:
    try:
        return columns_of(change.table, change.key)
    except ValueError as error:
        raise InputInvalid(f"{change.key[:80]!r} is no key of the journal's {change.table!r}.") from error


def _is_own_label(row: Mapping[str, Any], change: Change) -> bool:
    """The label that stands is the newest event's: nobody may date one ahead, or write it in another's name."""
    return row.get("replica") == change.replica and str(row.get("clock")) <= change.clock


def _expect_files(writer: Writer, table: str, row: dict[str, Any]) -> None:
    match table:
        case "samples":
            expect_object(writer, str(row["sample"]), int(row["size"]), "sample")
            writer.execute(
                "UPDATE samples SET presence = 1 WHERE sample = ?1 AND presence = 0"
                " AND EXISTS (SELECT 1 FROM objects WHERE sha256 = ?1 AND present = 1)",
                (row["sample"],),
            )
        case "models":
            expect_object(writer, str(row["sha256"]), int(row["size"]), "bundle")
        case "datasets":
            expect_object(writer, str(row["dataset"]), int(row["size"]), "dataset")


def note_of(db: Database, name: str) -> str | None:
    """One small fact of this desktop, kept by :meth:`Writer.note`."""
    row = db.read_one("SELECT value FROM notes WHERE name = ?", (name,))
    return row["value"] if row else None


def _number(db: Database, name: str) -> int:
    return int(note_of(db, name) or 0)


def forget_store(db: Database) -> None:
    """The site moves to another object store, which has nothing of this desktop: everything is to be sent again."""

    def work(writer: Writer) -> None:
        for name in (_SEALED_SEQ, _SEALED_THROUGH, _PLANNED, _LAST_SYNC, _SYNC_PROBLEM):
            writer.note(name, None)
        writer.execute("DELETE FROM positions")
        writer.execute("UPDATE objects SET synced_ms = NULL WHERE present = 1")
        writer.touch("sync", db.replica)

    db.write(work)


def set_last_sync(db: Database, *, at_ms: int | None, problem: str | None) -> None:
    """Remember how the last sync went; ``at_ms`` None leaves the time of the last good one."""

    def work(writer: Writer) -> None:
        if at_ms is not None:
            writer.note(_LAST_SYNC, str(at_ms))
        writer.note(_SYNC_PROBLEM, problem)
        writer.touch("sync", db.replica)

    db.write(work)


def status(db: Database, store: str | None) -> SyncStatus:
    """What waits and what is safe, from this database alone."""
    last_ms = note_of(db, _LAST_SYNC)
    (changes,) = db.read("SELECT COUNT(*) AS n FROM changes WHERE id > ?", (_number(db, _SEALED_THROUGH),))
    (waiting,) = db.read(
        "SELECT COUNT(*) AS n, COALESCE(SUM(size), 0) AS bytes FROM objects WHERE present = 1 AND synced_ms IS NULL"
    )
    objects, size = known_objects(db)
    return SyncStatus(
        store=store,
        last_ms=int(last_ms) if last_ms else None,
        pending_changes=changes["n"],
        pending_objects=waiting["n"],
        pending_bytes=waiting["bytes"],
        objects=objects,
        bytes=size,
        problem=note_of(db, _SYNC_PROBLEM),
    )
