"""Going on under another id in the journal: once a copy of this desktop is found, or its clock was years ahead.

What the object store has of the id of before stays and counts. What only this database has goes out again under the new
id: rows that may change under new dots, so that nobody takes them for seen who saw another's; facts as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.store.database import REPLICA_NOTE, Database
from app.store.journal import FIRST_CHANGE, PLANNED, SEALED_SEQ, SEALED_THROUGH, UNSENT, sent_through
from app.store.rows import Read, fact_change, keep_change, load_row, save_row, to_change
from app.store.samples import standing_events
from app.store.tables import TABLES, columns_of, select_sql
from app.store.writer import CLOCK_NOTE, Writer
from cloud_sync.journal.clock import FIRST_STAMP, MAX_AHEAD_MS, format_stamp, parse_stamp
from cloud_sync.journal.rows import Dot, dots, renamed
from edge_runtime.build_time import build_time_s
from edge_runtime.contracts import wire

Reason = Literal["copied", "ahead", "asked"]

_NO_LIMIT = format_stamp(10**15 - 1, 999_999)
_WORDS: Mapping[Reason, str] = {
    "copied": "This desktop's folder was copied, or put back from a backup: it goes on as another one of the journal.",
    "ahead": "This desktop's clock was years ahead: what it wrote then was stamped anew, and goes out again.",
    "asked": "This desktop goes on as another desktop of the journal.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What became of a desktop's id in the journal."""

    replica: str
    former: str
    changes: int
    """That go out, again or for the first time, under the new id."""


def is_ahead(db: Database) -> bool:
    """Whether this desktop has stamped, or taken over, what its clock says lies more than a day ahead."""
    row = db.read_one("SELECT value FROM notes WHERE name = ?", (CLOCK_NOTE,))
    return row is not None and parse_stamp(row["value"])[0] > db.now_ms() + MAX_AHEAD_MS


def clock_is_right(db: Database) -> bool:
    """Where :func:`is_ahead`: whether it was this desktop's clock alone that was wrong, and is not any more. One that
    stands before this program was built is wrong now; and where others' stamps lie ahead as well, so may this one be.
    """
    now_ms = db.now_ms()
    if now_ms < build_time_s() * 1000:
        return False
    limit = format_stamp(now_ms + MAX_AHEAD_MS, 999_999)
    own = own_ids(db.read, db.replica)
    found = db.read(
        "SELECT replica FROM row_clocks WHERE clock > ?1 UNION SELECT replica FROM label_events WHERE clock > ?1",
        (limit,),
    )
    return all(row["replica"] in own for row in found)


def own_ids(read: Read, replica: str) -> set[str]:
    """An id in the journal, and those under which the same desktop went before."""
    found = {replica}
    former: str | None = replica
    while former is not None:
        rows = read("SELECT former FROM replicas WHERE replica = ?", (former,))
        former = rows[0]["former"] if rows and rows[0]["former"] not in found else None
        found |= {former} if former else set()
    return found


def rekey(db: Database, reason: Reason, *, shared: int | None = None) -> Rekeyed:
    """Take a new id, in one transaction; what goes out again waits in the outbox.

    :param shared: number of the last change that stands in the object store under the id of before; None: as far as
        this database knows.
    """
    return db.write(lambda writer: _rekey(writer, reason, shared))


def _rekey(writer: Writer, reason: Reason, shared: int | None) -> Rekeyed:
    former, new = writer.replica, secrets.token_hex(32)
    limit = format_stamp(max(writer.now_ms, 0) + MAX_AHEAD_MS, 999_999) if reason == "ahead" else _NO_LIMIT
    # What went to sticks alone goes out again: the object store does not have it.
    sealed_seq, sealed = sent_through(writer.read)
    void: list[str] = []
    through = sealed if shared is None else min(shared, sealed) if writer.noted(UNSENT) else shared
    if reason == "ahead":
        through, void = _last_sane(writer, limit, through)
        latest = writer.execute("SELECT MAX(clock) FROM row_clocks WHERE clock <= ?", (limit,)).fetchone()[0]
        writer.begin_clock(latest or FIRST_STAMP)
    writer.replica = new
    writer.note(REPLICA_NOTE, new)
    writer.insert_new(
        "replicas",
        {
            "replica": new,
            "former": former,
            "void": wire.encode(void).decode(),
            "at_ms": writer.now_ms,
            "reason": reason,
        },
        journal=False,
    )
    # Others may have seen what was sent, even what goes out again.
    (last,) = writer.execute(
        "SELECT MAX(clock) FROM changes WHERE id <= ? AND clock <= ? AND replica IS NULL",
        (max(through, sealed if reason == "ahead" else 0), limit),
    ).fetchone()
    places = writer.execute(
        "SELECT table_name, row_key, MAX(clock) AS clock, MAX(replica) AS replica FROM changes WHERE id > ?"
        " GROUP BY table_name, row_key ORDER BY MIN(id)",
        (through,),
    ).fetchall()
    writer.execute("DELETE FROM changes WHERE id > ?", (through,))
    writer.execute("UPDATE changes SET replica = ? WHERE replica IS NULL", (former,))
    writer.execute("DELETE FROM own_segments")
    writer.note(PLANNED, None)
    writer.note(UNSENT, None)
    writer.note(SEALED_SEQ, None)
    writer.note(SEALED_THROUGH, str(through))
    writer.note(FIRST_CHANGE, str(through))
    (first,) = writer.execute("SELECT COUNT(*) FROM changes WHERE id > ?", (through,)).fetchone()
    writer.journal("replicas", {"replica": new})
    renaming = _Renaming(writer, former, new, shared=last or FIRST_STAMP, limit=limit)
    again = {(table, key): (clock, whose or former) for table, key, clock, whose in places}
    rows = [place for place in again if not TABLES[place[0]].fact]
    if reason == "ahead":
        rows += [place for place in _ahead_rows(writer, limit) if place not in again]
    for table, key in sorted(rows):
        renaming.row(table, key)
    for (table, key), (clock, whose) in again.items():
        if TABLES[table].fact:
            renaming.fact(table, key, clock, whose)
    if reason == "ahead":
        renaming.labels()
    # Where the id of before goes on without this database, its segments are taken over like any other's.
    writer.upsert("positions", {"replica": former, "seq": sealed_seq})
    writer.activity("sync.rekeyed", new, _WORDS[reason])
    writer.touch("sync", new)
    (waiting,) = writer.execute("SELECT COUNT(*) FROM changes WHERE id > ?", (through,)).fetchone()
    return Rekeyed(replica=new, former=former, changes=waiting - first)


def _last_sane(writer: Writer, limit: str, through: int) -> tuple[int, list[str]]:
    """(number of the last change before the first segment with something that lies ahead, digests of that segment and
    of those after it).
    """
    bad = writer.execute("SELECT MIN(id) FROM changes WHERE clock > ? AND replica IS NULL", (limit,)).fetchone()[0]
    if bad is None or bad > through:
        return through, []
    (last,) = writer.execute("SELECT MAX(through) FROM own_segments WHERE through < ?", (bad,)).fetchone()
    found = writer.execute("SELECT digest FROM own_segments WHERE through >= ? ORDER BY seq", (bad,))
    return (last or int(writer.noted(FIRST_CHANGE) or 0)), [digest for (digest,) in found]


def _ahead_rows(writer: Writer, limit: str) -> list[tuple[str, str]]:
    # A dot that is not the row's latest cannot lie further ahead than the latest.
    found = writer.execute("SELECT table_name, row_key FROM row_clocks WHERE clock > ?", (limit,))
    return [(row["table_name"], row["row_key"]) for row in found]


class _Renaming:
    def __init__(self, writer: Writer, former: str, new: str, *, shared: str, limit: str) -> None:
        self._writer = writer
        self._former = former
        self._new = new
        self._shared = shared
        self._limit = limit

    def row(self, table: str, key: str) -> None:
        """Dots that only this database has, or that lie ahead, get new ones, in their order; the row goes out again."""
        state = load_row(self._writer.read, table, key)
        if state is None:
            return
        own = sorted(dot for dot in dots(state) if self._is_ours(dot))
        names = {dot: self._named(dot) for dot in own}
        after = renamed(state, names, self._seen)
        save_row(self._writer.execute, table, key, after)
        keep_change(self._writer.execute, to_change(table, key, after), self._new)
        self._writer.touch(table, key)

    def fact(self, table: str, key: str, clock: str, replica: str) -> None:
        """A fact goes out again as it is, in the name of whoever wrote it."""
        row = self._writer.execute(select_sql(table, TABLES[table].travelling), columns_of(table, key)).fetchone()
        ahead = table == "label_events" and clock > self._limit
        if row is not None and not ahead:
            fact = dict(zip(TABLES[table].travelling, row, strict=True))
            sane = clock if clock <= self._limit else self._writer.tick()
            keep_change(self._writer.execute, fact_change(table, fact, sane, replica), self._new)

    def labels(self) -> None:
        """Label events that lie ahead go; those of this desktop are written anew, in their order."""
        found = self._writer.execute(
            "SELECT * FROM label_events WHERE clock > ? ORDER BY clock, replica", (self._limit,)
        ).fetchall()
        for event in found:
            self._writer.execute("DELETE FROM label_events WHERE event = ?", (event["event"],))
        for sample in {event["sample"] for event in found}:
            self._writer.execute(_STANDING_EVENTS, {"sample": sample})
            self._writer.execute(_STANDING_LABEL, {"sample": sample})
            self._writer.touch("samples", sample)
        own = own_ids(self._writer.read, self._new)
        for event in found:
            if event["replica"] not in own:
                continue
            clock = self._writer.tick()
            row = {column: event[column] for column in TABLES["label_events"].travelling}
            row |= {"event": f"{clock}-{self._new[:16]}", "clock": clock, "replica": self._new}
            row["base"] = standing_events(self._writer, event["sample"])
            self._writer.insert_new("label_events", row)

    def _is_ours(self, dot: Dot) -> bool:
        clock, replica = dot
        return clock > self._limit or (replica == self._former and clock > self._shared)

    def _seen(self, replica: str, clock: str) -> str:
        sane = clock if clock <= self._limit else format_stamp(max(self._writer.now_ms, 0), 0)
        return min(sane, self._shared) if replica == self._former else sane

    def _named(self, dot: Dot) -> Dot:
        return (self._writer.tick() if dot[0] > self._limit else dot[0]), self._new


_STANDING_EVENTS = """UPDATE label_events SET superseded = EXISTS (SELECT 1 FROM label_events o
        WHERE o.sample = label_events.sample AND o.event <> label_events.event
        AND (instr(o.base, label_events.event) > 0 OR (o.base IS NULL
            AND (o.clock, o.replica) > (label_events.clock, label_events.replica))))
    WHERE sample = :sample"""
_STANDING_LABEL = """UPDATE samples SET (label, labelled_ms, label_clock, label_replica) =
    (SELECT label, at_ms, clock, replica FROM label_events WHERE sample = :sample
        ORDER BY clock DESC, replica DESC LIMIT 1)
    WHERE sample = :sample"""
