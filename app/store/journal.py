"""This desktop's side of the journal: what it has to tell the others, and what it takes over from them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.store.conflicts import list_conflicts
from app.store.database import Database
from app.store.incoming import checked_row
from app.store.noting import note_audits
from app.store.objects import expect_object, known_objects, waiting
from app.store.records import Movement, SyncProblem, SyncStatus, Waiting
from app.store.rows import Read, from_change, kept_change, load_row, put_row, quiet_columns, save_row
from app.store.tables import TABLES, Table, columns_of, insert_new_sql
from app.store.writer import Writer
from cloud_sync.journal.changes import Change
from cloud_sync.journal.rows import PRESENCE, merge
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import AuditRow

SEALED_SEQ = "sealed-seq"
SEALED_THROUGH = "sealed-through"
PLANNED = "planned-segment"
UNSENT = "unsent-segment"
"""The first segment that was sealed for a stick and does not stand in the object store yet; nothing: all do."""
FIRST_CHANGE = "first-change"
"""Number of the last change that is not of this desktop's present id."""
COVERED = "snapshot-covered"
"""How many segments the newest snapshot that is known here covers."""
ASKED_EVERYONE = "asked-everyone-ms"
"""When every other desktop's journal was last asked for more, whatever was told of its end."""
_LAST_SYNC = "last-sync-ms"
_SYNC_PROBLEM = "sync-problem"
_QUEUED = "sync-queued"
_PROBLEMS = "sync-problems"
_MOVEMENT = "sync-movement"
_MOVEMENT_AGE_MS = 15_000
"""What was told so long ago tells of a process that has ended."""
_OF_THE_STORE = (
    *(SEALED_SEQ, SEALED_THROUGH, PLANNED, FIRST_CHANGE, COVERED, ASKED_EVERYONE),
    *(_LAST_SYNC, _SYNC_PROBLEM, _QUEUED, _PROBLEMS),
)


class StoreJournal:
    """The database as :class:`cloud_sync.journal.replicate.LocalJournal`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def replica(self) -> str:
        """This desktop's id."""
        return self._db.replica

    def unsealed(self, limit: int) -> list[tuple[int, Change]]:
        """Changes made here that are in no segment yet, oldest first, each with its number."""
        replica = self.replica
        rows = self._db.read(
            "SELECT id, table_name, row_key, body, clock, state, replica FROM changes WHERE id > ? ORDER BY id LIMIT ?",
            (_number(self._db, SEALED_THROUGH), limit),
        )
        return [(row["id"], kept_change(row, replica)) for row in rows]

    def sealed_through(self) -> tuple[int, int]:
        """(number of the last segment, number of the last change in it)."""
        return _number(self._db, SEALED_SEQ), _number(self._db, SEALED_THROUGH)

    def plan_segment(self, seq: int, through: int) -> int:
        """Remember that segment ``seq`` ends with change ``through``, unless an end of it is remembered or it is sealed
        already; the end that stands.
        """

        def work(writer: Writer) -> int:
            if seq <= int(writer.noted(SEALED_SEQ) or 0):
                return int(writer.noted(SEALED_THROUGH) or 0)
            planned = writer.noted(PLANNED)
            planned_seq, planned_through = map(int, planned.split(":")) if planned else (0, 0)
            if planned_seq == seq:
                return planned_through
            writer.note(PLANNED, f"{seq}:{through}")
            return through

        return self._db.write(work)

    def mark_sealed(self, seq: int, through: int, digest: str, *, sent: bool = True) -> None:
        """Segment ``seq``, of this digest, ends with change ``through``; nothing where it did before.

        :param sent: it stands in the object store.
        """

        def work(writer: Writer) -> None:
            if seq <= int(writer.noted(SEALED_SEQ) or 0):
                return
            writer.note(SEALED_SEQ, str(seq))
            writer.note(SEALED_THROUGH, str(through))
            writer.upsert("own_segments", {"seq": seq, "through": through, "digest": digest})
            if not sent and writer.noted(UNSENT) is None:
                writer.note(UNSENT, str(seq))
            writer.touch("sync", self.replica)

        self._db.write(work)

    def unsent(self) -> int | None:
        """The first segment that was sealed and is still to go to the object store; None: all stand there."""
        noted = note_of(self._db, UNSENT)
        return int(noted) if noted else None

    def mark_sent(self, seq: int) -> None:
        """It and those before it stand in the object store."""

        def work(writer: Writer) -> None:
            noted = writer.noted(UNSENT)
            if noted is not None and int(noted) <= seq:
                last = seq >= int(writer.noted(SEALED_SEQ) or 0)
                writer.note(UNSENT, None if last else str(seq + 1))
                writer.touch("sync", self.replica)

        self._db.write(work)

    def unseal(self, seq: int) -> None:
        """Something else stands where segment ``seq`` was sent: it and those after it are to be sent again."""

        def work(writer: Writer) -> None:
            if seq > int(writer.noted(SEALED_SEQ) or 0):
                return
            first = _end_before(writer.read, seq)
            writer.execute("DELETE FROM own_segments WHERE seq >= ?", (seq,))
            writer.note(SEALED_SEQ, str(seq - 1))
            writer.note(SEALED_THROUGH, str(first or 0))
            writer.note(PLANNED, None)
            if int(writer.noted(UNSENT) or 0) >= seq:
                writer.note(UNSENT, None)
            writer.touch("sync", writer.replica)

        self._db.write(work)

    def sealed(self, seq: int) -> list[Change]:
        """The changes of a segment that was sealed; none where nobody noted which they were."""
        first, replica = _end_before(self._db.read, seq), self.replica
        if first is None:
            return []
        rows = self._db.read(
            "SELECT c.* FROM changes c JOIN own_segments o ON o.seq = ? AND c.id <= o.through"
            " WHERE c.id > ? ORDER BY c.id",
            (seq, first),
        )
        return [kept_change(row, replica) for row in rows]

    def digest_of(self, seq: int) -> str | None:
        """sha256 of a segment that was sealed; None where it was sealed before digests were noted."""
        row = self._db.read_one("SELECT digest FROM own_segments WHERE seq = ?", (seq,))
        return row["digest"] if row else None

    def void(self) -> frozenset[str]:
        """Digests of segments that count for nothing: what was in them went out again."""
        rows = self._db.read("SELECT value FROM replicas, json_each(replicas.void)")
        return frozenset(row["value"] for row in rows)

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
            take_over(writer, changes, source=f"the desktop {replica[:12]}")
            writer.upsert("positions", {"replica": replica, "seq": seq})

        self._db.write(work)


def sent_through(read: Read) -> tuple[int, int]:
    """(number of the last segment that stands in the object store, number of the last change in it)."""
    notes = {row["name"]: row["value"] for row in read("SELECT name, value FROM notes")}
    if (unsent := notes.get(UNSENT)) is not None:
        return int(unsent) - 1, _end_before(read, int(unsent)) or 0
    return int(notes.get(SEALED_SEQ) or 0), int(notes.get(SEALED_THROUGH) or 0)


def _end_before(read: Read, seq: int) -> int | None:
    """Number of the last change before a segment; None where nobody noted it."""
    found = read("SELECT through FROM own_segments WHERE seq = ?", (seq - 1,))
    if found:
        return int(found[0]["through"])
    if seq > 1:
        return None
    noted = read("SELECT value FROM notes WHERE name = ?", (FIRST_CHANGE,))
    return int((noted[0]["value"] if noted else None) or 0)


def take_over(writer: Writer, changes: Sequence[Change], *, source: str) -> None:
    """Merge changes into what stands here; see :meth:`StoreJournal.apply`.

    :param source: where they came from, in words.
    """
    audits: defaultdict[str, list[AuditRow]] = defaultdict(list)
    for change in changes:
        table = TABLES.get(change.table)
        if table is not None and table.synced:
            try:
                row = _apply(writer, table, change)
            except sqlite3.IntegrityError as error:
                raise InputInvalid(f"A row of the journal's {change.table!r} cannot be kept: {error}.") from error
            if row is not None and change.table == "audits":
                audits[str(row["box"])].append(AuditRow(**row))
    for box, rows in audits.items():
        note_audits(writer, box, rows, None, source=source)


def _apply(writer: Writer, table: Table, change: Change) -> dict[str, Any] | None:
    """Returns the row as it stands here from now on; None where it did already, or goes."""
    writer.receive(max([change.clock, *_clocks(change)]))
    body = None if change.body is None else checked_row(change.table, change.key, change.body)
    if table.fact:
        if body is None:
            raise InputInvalid(f"The journal deletes a row of {change.table!r}, which is never done.")
        return _add_fact(writer, change, body)
    if body is None and not change.row.gone:
        raise InputInvalid(f"A change of the journal's {change.table!r} has no columns.")
    if not table.deletable and (change.row.gone or any(one.field == PRESENCE for one in change.lost)):
        raise InputInvalid(f"The journal deletes a row of {change.table!r}, which is never done.")
    _check_lost(change, body)
    named = _key_columns(change)
    before = load_row(writer.read, change.table, change.key)
    said, quiet = from_change(change, body), quiet_columns(change.table)
    after = said if before is None and not said.lost else merge(before or said, said, quiet)
    if after == before:
        return None
    save_row(writer.execute, change.table, change.key, after)
    if before is not None and after.lost != before.lost:
        writer.touch("conflicts", change.key)
    if before is not None and (before.gone, before.values) == (after.gone, after.values):
        return None
    put_row(writer.execute, change.table, change.key, after)
    writer.touch(change.table, change.key)
    if after.gone:
        return None
    row = {**named, **after.values}
    _expect_files(writer, change.table, row)
    return row


def _add_fact(writer: Writer, change: Change, row: dict[str, Any]) -> dict[str, Any] | None:
    if change.table == "label_events" and not _is_own_label(row, change):
        raise InputInvalid("A label in the journal is not of the time and the desktop that wrote it.")
    if change.table == "visit_entries" and row["replica"] != change.replica:
        raise InputInvalid("An entry of a visit in the journal is not of the desktop that wrote it.")
    if not writer.execute(insert_new_sql(change.table, tuple(row)), row).rowcount:
        return None
    if change.table == "label_events":
        writer.touch("samples", str(row["sample"]))
    writer.touch(change.table, change.key)
    return row


def _clocks(change: Change) -> Iterator[str]:
    yield from (change.seen or {}).values()
    yield from (clock for clock, _replica in change.stamps.values())
    yield from (one.clock for one in change.lost)


def _check_lost(change: Change, body: dict[str, Any] | None) -> None:
    for one in change.lost:
        if one.field == PRESENCE:
            if one.value not in (0, 1):
                raise InputInvalid(f"A lost value in the journal's {change.table!r} is not what its column holds.")
        elif body is not None and one.field in body:
            checked_row(change.table, change.key, {**body, one.field: one.value})


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
                "UPDATE samples SET presence = CASE (SELECT present FROM objects WHERE sha256 = ?1) WHEN 1 THEN 1"
                " ELSE 3 END WHERE sample = ?1 AND presence = 0",
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
    """The site moves to another object store, which has nothing of this desktop: everything is to be sent again.

    As the same segments where they are known whole: others may have them from a stick.
    """

    def work(writer: Writer) -> None:
        sealed = int(writer.noted(SEALED_SEQ) or 0)
        (known,) = writer.execute("SELECT COUNT(*) FROM own_segments").fetchone()
        same = sealed > 0 and known == sealed and not int(writer.noted(FIRST_CHANGE) or 0)
        for name in _OF_THE_STORE:
            if not (same and name in (SEALED_SEQ, SEALED_THROUGH, PLANNED)):
                writer.note(name, None)
        writer.note(UNSENT, "1" if same else None)
        for table in ("positions", "uploads", *(() if same else ("own_segments",))):
            writer.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        writer.execute("UPDATE objects SET synced_ms = NULL WHERE present = 1")
        writer.touch("sync", db.replica)

    db.write(work)


def set_last_sync(db: Database, *, at_ms: int | None, problem: str | None, queued: bool = False) -> None:
    """Remember how the last sync went; ``at_ms`` None leaves the time of the last good one.

    :param queued: it did not come about, and somebody wanted it.
    """

    def work(writer: Writer) -> None:
        if at_ms is not None:
            writer.note(_LAST_SYNC, str(at_ms))
        writer.note(_SYNC_PROBLEM, problem)
        writer.note(_QUEUED, "1" if queued else None)
        writer.touch("sync", writer.replica)

    db.write(work)


def set_problems(db: Database, problems: Sequence[SyncProblem]) -> None:
    """Remember whose changes did not come in the last sync, and why."""

    def work(writer: Writer) -> None:
        writer.note(_PROBLEMS, wire.encode(list(problems)).decode() if problems else None)
        writer.touch("sync", writer.replica)

    db.write(work)


def note_movement(db: Database, movement: Movement | None) -> None:
    """Remember how far the files on their way are, for whoever asks from another process; None: there are none."""

    def work(writer: Writer) -> None:
        writer.note(_MOVEMENT, wire.encode(movement).decode() if movement else None)
        writer.touch("sync", writer.replica)

    if movement is not None or note_of(db, _MOVEMENT) is not None:
        db.write(work)


def movement_of(db: Database) -> Movement | None:
    """Files on their way now, by whichever process of this desktop."""
    noted = note_of(db, _MOVEMENT)
    found = wire.decode(noted, Movement, what="movement of a sync") if noted else None
    return found if found is not None and abs(db.now_ms() - found.at_ms) <= _MOVEMENT_AGE_MS else None


def status(db: Database, store: str | None) -> SyncStatus:
    """What waits and what is safe, from this database alone."""
    last_ms = note_of(db, _LAST_SYNC)
    (changes,) = db.read("SELECT COUNT(*) AS n FROM changes WHERE id > ?", (sent_through(db.read)[1],))
    files = waiting(db)
    to_go = [one for one in files if one.kind != "coming"]
    if changes["n"]:
        files = [Waiting(kind="journal", count=changes["n"], bytes=0), *files]
    moving = movement_of(db)
    objects, size = known_objects(db)
    (stored,) = db.read("SELECT COUNT(*) AS n FROM samples WHERE presence = 3")
    problems = note_of(db, _PROBLEMS)
    return SyncStatus(
        store=store,
        last_ms=int(last_ms) if last_ms else None,
        pending_changes=changes["n"],
        pending_objects=sum(one.count for one in to_go),
        pending_bytes=sum(one.bytes for one in to_go),
        objects=objects,
        bytes=size,
        problem=note_of(db, _SYNC_PROBLEM),
        queued=note_of(db, _QUEUED) is not None,
        stored=stored["n"],
        conflicts=len(list_conflicts(db)),
        problems=wire.decode(problems, tuple[SyncProblem, ...], what="problems of a sync") if problems else (),
        waiting=tuple(files),
        moving=moving,
        left_s=moving.left_s if moving else None,
    )
