"""What boxes saw and what was done to them, stream by stream, and how far each has been collected."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

from app.store.chains import note_chain
from app.store.database import Database
from app.store.lookup import check_limit, join_cursor, split_cursor, to_json
from app.store.metric_rows import note_arrival
from app.store.noting import note_audits
from app.store.records import Page
from app.store.tables import insert_new_sql
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import (
    ROW_TYPES,
    AlertRow,
    AuditRow,
    FoundObject,
    LossRow,
    ResultRow,
    RollupRow,
    Row,
    ShadowRow,
    Stream,
)

R = TypeVar("R", AlertRow, AuditRow, ShadowRow, RollupRow, LossRow)

_JSON: Mapping[Stream, tuple[str, ...]] = {
    "results": ("objects", "areas"),
    "alerts": ("facts",),
    "rollups": ("labels", "latency_counts"),
}
"""Columns that hold JSON."""
_EMPTY = {"[]", "{}"}
_PLAIN = tuple(field.name for field in fields(ResultRow) if field.name not in _JSON["results"])


def collect(
    db: Database,
    stream: Stream,
    rows: Sequence[Row],
    cursor: int,
    box: str,
    *,
    former: Collection[str] = (),
    chain: ChainHead | None = None,
) -> int:
    """Keep rows of one stream together with how far it has come, in one transaction; returns how many were new.

    Collecting the same rows again changes nothing.

    :param former: ids that the box had before. Rows of those days are this box's, for its machine saw them; but for
        those that are here already, which the box that it was copied from has sent.
    :param chain: where the box's chain of audits stands, after these.
    :raises InputInvalid: a row of another stream, or one that speaks for another box.
    :raises NotFound: the box is not enrolled here.
    """
    # Sets, for a page is a thousand rows: nearly always all of one kind and in one name.
    if strange := set(map(type, rows)) - {ROW_TYPES[stream]}:
        raise InputInvalid(f"A {strange.pop().__name__} came in the stream {stream!r}.")
    names = {row.box for row in rows}
    if foreign := names - {box, *former}:
        raise InputInvalid(f"Box {box[:12]} sent a row in the name of {min(foreign)[:12]}.")

    def work(writer: Writer) -> int:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (box,)).fetchone() is None:
            raise NotFound(f"The box {box[:12]} is not enrolled here.")
        mine = list(rows)
        if names != {box}:
            mine = [row for row in rows if row.box == box or not _is_here(writer, stream, row)]
            mine = [replace(row, box=box) for row in mine]
        if stream == "audits":
            mine = [row for row in mine if not _is_here(writer, stream, row)]
        new = _INSERT.get(stream, _insert_local)(writer, stream, mine) if mine else 0
        if new:
            note_arrival(writer, stream, box, mine)
        writer.upsert("cursors", {"box": box, "stream": stream, "cursor": cursor})
        told = note_chain(writer, box, chain) if chain is not None else None
        if stream == "audits" and (mine or told):
            note_audits(writer, box, [row for row in mine if isinstance(row, AuditRow)], told, source="the box")
        return new

    return db.write(work)


def _is_here(writer: Writer, stream: Stream, row: Row) -> bool:
    # A sample is known by its bytes, whoever sends it.
    if stream == "samples":
        return False
    sql = f"SELECT 1 FROM {stream} WHERE box = ? AND boot = ? AND seq = ?"  # noqa: S608 - names of ours
    return writer.execute(sql, (row.box, row.boot, row.seq)).fetchone() is not None


def _insert_local(writer: Writer, stream: Stream, rows: Sequence[Row]) -> int:
    """Rows that stay on this desktop: many, so all at once, and without a dictionary for each."""
    if stream != "results":
        writer.touch(stream, *(f"{row.box}/{row.boot}/{row.seq}" for row in rows))
        return sum(writer.execute(*_insert_one(stream, row)).rowcount for row in rows)
    # A thousand keys of a page would tell nobody more than whose they are.
    writer.touch(stream, rows[0].box)
    # The columns that most results leave empty are so by themselves.
    read = attrgetter(*_PLAIN)
    plain = [read(row) for row in rows if isinstance(row, ResultRow) and not (row.objects or row.areas)]
    new = writer.executemany(insert_new_sql(stream, _PLAIN, positional=True), plain).rowcount if plain else 0
    if len(plain) < len(rows):
        rich = (row for row in rows if isinstance(row, ResultRow) and (row.objects or row.areas))
        new += sum(writer.execute(*_insert_one(stream, row)).rowcount for row in rich)
    return new


def _insert_one(stream: Stream, row: Row) -> tuple[str, dict[str, Any]]:
    flat = _flat(stream, row)
    return insert_new_sql(stream, tuple(flat)), flat


def _insert_synced(writer: Writer, stream: Stream, rows: Sequence[Row]) -> int:
    return sum(writer.insert_new(stream, _flat(stream, row)) for row in rows)


def _flat(stream: Stream, row: Row) -> dict[str, Any]:
    """The row as columns."""
    flat = wire.to_dict(row)
    for column in _JSON.get(stream, ()):
        flat[column] = to_json(flat[column])
    return flat


def _insert_samples(writer: Writer, _stream: Stream, rows: Sequence[Row]) -> int:
    new = 0
    for row in rows:
        flat = wire.to_dict(row)
        sample = {key: value for key, value in flat.items() if key not in ("boot", "seq", "label")}
        sample |= {"origin": "box", "predicted": flat["label"]}
        # Other desktops hear of it once its bytes are here: before, there is nothing that they could fetch.
        new += writer.insert_new("samples", sample, journal=False)
    return new


_INSERT: Mapping[Stream, Callable[[Writer, Stream, Sequence[Row]], int]] = {
    "audits": _insert_synced,
    "alerts": _insert_synced,
    "samples": _insert_samples,
}
"""How rows are kept where they do not just stay on this desktop."""


def cursor_of(db: Database, box: str, stream: Stream) -> int:
    """How far a box's stream has been collected; 0 at the beginning."""
    row = db.read_one("SELECT cursor FROM cursors WHERE box = ? AND stream = ?", (box, stream))
    return row["cursor"] if row else 0


def page_results(db: Database, box: str, cursor: str | None = None, limit: int = 100) -> Page[ResultRow]:
    """Results of one box, newest first."""
    at_ms, seq, boot = split_cursor(cursor, (int, int, str)) if cursor else (2**62, 0, "")
    rows = db.read(
        "SELECT * FROM results WHERE box = ? AND (at_ms, boot, seq) < (?, ?, ?)"
        " ORDER BY at_ms DESC, boot DESC, seq DESC LIMIT ?",
        (box, at_ms, boot, seq, check_limit(limit) + 1),
    )
    shown = tuple(_result(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(rows=shown, cursor=join_cursor(shown[-1].at_ms, shown[-1].seq, shown[-1].boot) if more else None)


def count_results(db: Database, box: str | None = None) -> int:
    """How many results have been collected, of one box or all."""
    (row,) = db.read("SELECT COUNT(*) AS n FROM results WHERE ?1 IS NULL OR box = ?1", (box,))
    count: int = row["n"]
    return count


def page_alerts(db: Database, box: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[AlertRow]:
    """Alerts of one box or all, newest first."""
    return _page(db, "alerts", AlertRow, box, cursor, limit, {"facts": dict[str, float]})


def page_audits(db: Database, box: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[AuditRow]:
    """What was done to one box or all, newest first."""
    return _page(db, "audits", AuditRow, box, cursor, limit)


def page_shadows(db: Database, box: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[ShadowRow]:
    """Frames on which a shadow model said otherwise, newest first."""
    return _page(db, "shadows", ShadowRow, box, cursor, limit)


def page_rollups(db: Database, box: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[RollupRow]:
    """Minutes of one box's pipelines, or of all, newest first."""
    return _page(
        db, "rollups", RollupRow, box, cursor, limit, {"labels": dict[str, int], "latency_counts": tuple[int, ...]}
    )


def lost_by_stream(db: Database, box: str) -> dict[str, int]:
    """How many rows of each stream a box let go, by its ledger as far as it was collected."""
    rows = db.read('SELECT stream, sum("count") AS n FROM losses WHERE box = ? GROUP BY stream', (box,))
    return {row["stream"]: row["n"] for row in rows}


def page_losses(db: Database, box: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[LossRow]:
    """Entries of the loss ledgers, newest first."""
    return _page(db, "losses", LossRow, box, cursor, limit)


def _page(
    db: Database,
    stream: Stream,
    kind: type[R],
    box: str | None,
    cursor: str | None,
    limit: int,
    decoded: Mapping[str, Any] = MappingProxyType({}),
) -> Page[R]:
    """A page of a stream, newest first. ``decoded``: what the columns that hold JSON are."""
    at_ms, seq, of, boot = split_cursor(cursor, (int, int, str, str)) if cursor else (2**62, 0, "", "")
    where = "box = ? AND " if box else ""
    columns = ", ".join(f'"{field.name}"' for field in fields(kind))
    rows = db.read(
        f"SELECT {columns} FROM {stream} WHERE {where}(at_ms, box, boot, seq) < (?, ?, ?, ?)"  # noqa: S608 - names of ours
        " ORDER BY at_ms DESC, box DESC, boot DESC, seq DESC LIMIT ?",
        (*([box] if box else []), at_ms, of, boot, seq, check_limit(limit) + 1),
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        rows=tuple(
            kind(**{**dict(row), **{name: wire.decode(row[name], what, what=name) for name, what in decoded.items()}})
            for row in rows[:limit]
        ),
        cursor=join_cursor(last["at_ms"], last["seq"], last["box"], last["boot"]) if last else None,
    )


def _result(row: sqlite3.Row) -> ResultRow:
    fields = dict(row)
    objects, areas = fields.pop("objects"), fields.pop("areas")
    # Most results have neither, and a thousand of them are read for one chart.
    return ResultRow(
        **fields,
        objects=() if objects in _EMPTY else wire.decode(objects, tuple[FoundObject, ...], what="result's objects"),
        areas={} if areas in _EMPTY else wire.decode(areas, dict[str, float], what="result's areas"),
    )
