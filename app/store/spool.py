"""What boxes saw: results, alerts, the loss ledger, and how far each stream has been collected."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from app.store.database import Database
from app.store.lookup import check_limit, join_cursor, split_cursor, to_json
from app.store.records import Page
from app.store.tables import insert_new_sql, key_of
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, SampleRow, Stream

SpoolRow = ResultRow | SampleRow | AlertRow | LossRow
_KINDS: Mapping[str, type[SpoolRow]] = {
    "results": ResultRow,
    "samples": SampleRow,
    "alerts": AlertRow,
    "losses": LossRow,
}


def collect(db: Database, stream: Stream, rows: Sequence[SpoolRow], cursor: int, box: str) -> int:
    """Keep rows of one stream together with how far it has come, in one transaction; returns how many were new.

    Collecting the same rows again changes nothing.

    :raises InputInvalid: a row of another stream, or one that speaks for another box.
    :raises NotFound: the box is not enrolled here.
    """
    for row in rows:
        if not isinstance(row, _KINDS[stream]):
            raise InputInvalid(f"A {type(row).__name__} came in the stream {stream!r}.")
        if row.box != box:
            raise InputInvalid(f"Box {box[:12]} sent a row in the name of {row.box[:12]}.")

    def work(writer: Writer) -> int:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (box,)).fetchone() is None:
            raise NotFound(f"The box {box[:12]} is not enrolled here.")
        new = _INSERT[stream](writer, [wire.to_dict(row) for row in rows]) if rows else 0
        writer.upsert("cursors", {"box": box, "stream": stream, "cursor": cursor})
        return new

    return db.write(work)


def _insert_plain(table: str, writer: Writer, rows: list[dict[str, Any]]) -> int:
    writer.touch(table, *(key_of(table, row) for row in rows))
    return writer.executemany(insert_new_sql(table, tuple(rows[0])), rows).rowcount


def _insert_alerts(writer: Writer, rows: list[dict[str, Any]]) -> int:
    return sum(writer.insert_new("alerts", {**row, "facts": to_json(row["facts"])}) for row in rows)


def _insert_samples(writer: Writer, rows: list[dict[str, Any]]) -> int:
    new = 0
    for row in rows:
        sample = {key: value for key, value in row.items() if key not in ("boot", "seq", "label")}
        sample |= {"origin": "box", "predicted": row["label"]}
        # Other desktops hear of it once its bytes are here: before, there is nothing that they could fetch.
        new += writer.insert_new("samples", sample, journal=False)
    return new


_INSERT = {
    "results": lambda writer, rows: _insert_plain("results", writer, rows),
    "losses": lambda writer, rows: _insert_plain("losses", writer, rows),
    "alerts": _insert_alerts,
    "samples": _insert_samples,
}


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
    shown = tuple(ResultRow(**row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(rows=shown, cursor=join_cursor(shown[-1].at_ms, shown[-1].seq, shown[-1].boot) if more else None)


def count_results(db: Database, box: str | None = None) -> int:
    """How many results have been collected, of one box or all."""
    (row,) = db.read("SELECT COUNT(*) AS n FROM results WHERE ?1 IS NULL OR box = ?1", (box,))
    count: int = row["n"]
    return count


def list_alerts(db: Database, box: str | None = None, limit: int = 100) -> list[AlertRow]:
    """The newest alerts, of one box or all."""
    rows = db.read(
        "SELECT * FROM alerts WHERE ?1 IS NULL OR box = ?1 ORDER BY at_ms DESC, boot DESC, seq DESC LIMIT ?2",
        (box, check_limit(limit)),
    )
    return [_alert(row) for row in rows]


def _alert(row: sqlite3.Row) -> AlertRow:
    return AlertRow(**{**dict(row), "facts": wire.decode(row["facts"], dict[str, float], what="alert's facts")})
