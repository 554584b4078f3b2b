"""What two desktops decided about one thing while apart: what stands, what it beat unseen, and a person's answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app.store.database import Database
from app.store.rows import Read, load_row
from app.store.samples import add_labels, repeat_label
from app.store.writer import Writer
from cloud_sync.journal.clock import parse_stamp
from cloud_sync.journal.rows import PRESENCE, RowState, contested
from edge_runtime.contracts.errors import InputInvalid, NotFound

LABELS = "label_events"
LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One column of one row that two desktops wrote without the one having seen the other."""

    conflict: str
    """The beginning of a digest over which values of what they are."""
    table: str
    key: str
    """Of the row; of labels, the sample."""
    field: str
    """The column; nothing: one of the two deleted the row."""
    stands: Any
    """The value; where there is no ``field``, whether the row is there."""
    stands_by: str
    """Whose it is: a desktop's id in the journal."""
    stands_ms: int
    other: Any
    other_by: str
    other_ms: int


def list_conflicts(db: Database) -> list[Conflict]:
    """Every conflict that nobody has decided yet, newest first."""
    found = [*_of_rows(db.read), *_of_labels(db.read)]
    return sorted(found, key=lambda one: (-max(one.stands_ms, one.other_ms), one.conflict))


def decide(db: Database, conflict: str, *, take: bool) -> Conflict:
    """Answer a conflict: with the other value, or with the one that stands. Other desktops hear of it as of any change.

    :param conflict: the beginning of its id.
    :raises NotFound: there is none, or it was answered meanwhile.
    :raises InputInvalid: more than one begins so.
    """

    def work(writer: Writer) -> Conflict:
        found = [one for one in (*_of_rows(writer.read), *_of_labels(writer.read)) if one.conflict.startswith(conflict)]
        if not found or not conflict:
            raise NotFound(f"There is no conflict {conflict[:20]!r}.", hint="List them: `lineside sync conflicts`.")
        if len(found) > 1:
            raise InputInvalid(f"More than one conflict begins with {conflict!r}.", hint="Give more of its id.")
        (one,) = found
        if one.table == LABELS:
            if take:
                add_labels(writer, {one.key: one.other})
            else:
                repeat_label(writer, one.key)
        else:
            writer.settle(one.table, one.key, one.field, one.other if take else one.stands)
        writer.activity("sync.conflict-decided", one.key, words(one, take=take))
        return one

    return db.write(work)


def words(one: Conflict, *, take: bool) -> str:
    """What was decided, for the activity."""
    if one.field == PRESENCE:
        there = one.other if take else one.stands
        return f"{one.table} {one.key[:12]}: {'kept' if there else 'deleted'}, as two desktops did not agree."
    chosen, left = (one.other, one.stands) if take else (one.stands, one.other)
    return f"{one.table} {one.key[:12]}: {one.field} is {chosen!r}, not {left!r}."


def _of_rows(read: Read) -> Iterator[Conflict]:
    for table, key in read("SELECT table_name, row_key FROM row_clocks WHERE lost <> ''"):
        row = load_row(read, table, key)
        if row is None:
            continue
        for one in _worth_telling(row):
            clock, replica = row.dot if one.field == PRESENCE else row.stamps.get(one.field, row.dot)
            yield _conflict(
                table,
                key,
                one.field,
                (int(not row.gone) if one.field == PRESENCE else row.values.get(one.field), clock, replica),
                (one.value, one.clock, one.replica),
            )


def _worth_telling(row: RowState) -> Iterable[Any]:
    found = contested(row)
    if row.gone:  # what its columns would be matters once somebody wants it back
        found = tuple(one for one in found if one.field == PRESENCE)
    # Several desktops may have said the same.
    return {(one.field, repr(one.value)): one for one in found}.values()


def _of_labels(read: Read) -> Iterator[Conflict]:
    # One label, written twice, is no conflict; the label that stands is the sample's.
    sql = """SELECT e.sample, s.label, s.label_clock, s.label_replica, e.label AS other, e.clock, e.replica
        FROM label_events e JOIN samples s USING (sample)
        WHERE e.superseded = 0 AND e.sample IN
            (SELECT sample FROM label_events WHERE superseded = 0 GROUP BY sample HAVING COUNT(*) > 1)
        AND e.label IS NOT s.label AND (e.clock, e.replica) < (s.label_clock, s.label_replica)
        GROUP BY e.sample, e.label HAVING e.clock = MAX(e.clock)"""
    for row in read(sql):
        yield _conflict(
            LABELS,
            row["sample"],
            LABEL,
            (row["label"], row["label_clock"], row["label_replica"]),
            (row["other"], row["clock"], row["replica"]),
        )


def _conflict(table: str, key: str, field: str, stands: tuple[Any, str, str], other: tuple[Any, str, str]) -> Conflict:
    named = "\n".join([table, key, field, *stands[1:], *other[1:]])
    return Conflict(
        conflict=hashlib.sha256(named.encode()).hexdigest()[:12],
        table=table,
        key=key,
        field=field,
        stands=stands[0],
        stands_by=stands[2],
        stands_ms=parse_stamp(stands[1])[0],
        other=other[0],
        other_by=other[2],
        other_ms=parse_stamp(other[1])[0],
    )
