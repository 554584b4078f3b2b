"""Hours and days: the minutes that this desktop collected, added up as they come."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.store.database import Database
from app.store.writer import Writer
from cloud_sync.metrics import rollup
from cloud_sync.metrics.rollup import SPANS, Span, Sums
from edge_runtime.contracts import latency_buckets, wire
from edge_runtime.contracts.rows import RollupRow

AT_ONCE = 500
"""Minutes of one transaction: the window's own writes wait behind it."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An hour or a day of one pipeline and model of a box."""

    span: Span
    box: str
    pipeline: str
    model: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What an hour or a day comes to. ``version`` grows with every change."""

    place: Place
    sums: Sums
    version: int


def roll_up(db: Database) -> int:
    """Add minutes that came to their hours and days, each once; returns how many, 0 when all are."""

    def work(writer: Writer) -> int:
        rows = writer.execute(f"SELECT * FROM rollups WHERE rolled = 0 LIMIT {AT_ONCE}").fetchall()  # noqa: S608 - a number
        _change(writer, (_minute(row) for row in rows), taking=False)
        writer.executemany(
            "UPDATE rollups SET rolled = 1 WHERE box = ? AND boot = ? AND seq = ?",
            [(row["box"], row["boot"], row["seq"]) for row in rows],
        )
        return len(rows)

    return db.write(work)


def give_away(db: Database, box: str, keys: Collection[tuple[str, int]]) -> int:
    """Another desktop has brought these minutes (boot, seq) of a box to the bucket, too: they count there and no longer
    here. Returns how many that were; those that are not here, or were given away before, are passed by.
    """

    def work(writer: Writer) -> int:
        minutes = []
        for boot, seq in keys:
            row = writer.execute(
                "UPDATE rollups SET elsewhere = 1 WHERE box = ? AND boot = ? AND seq = ? AND elsewhere = 0"
                " AND rolled = 1 RETURNING *",
                (box, boot, seq),
            ).fetchone()
            if row is not None:
                minutes.append(_minute(row))
        _change(writer, minutes, taking=True)
        return len(minutes)

    return db.write(work)


def unsent(db: Database, span: Span, most: int) -> list[Rolled]:
    """Hours or days that the bucket does not have as they stand, box by box."""
    rows = db.read(
        "SELECT * FROM metric_rollups WHERE span = ? AND version > sent ORDER BY span, box, at_ms LIMIT ?", (span, most)
    )
    return [_rolled(row) for row in rows]


def mark_sent(writer: Writer, sent: Iterable[Rolled]) -> None:
    """The bucket has these as they were then; what has changed since waits on."""
    writer.executemany(
        "UPDATE metric_rollups SET sent = ?"
        " WHERE span = ? AND box = ? AND pipeline = ? AND model = ? AND at_ms = ? AND sent < ?",
        [(one.version, *_key(one.place), one.version) for one in sent],
    )
    writer.touch("metric_rollups", "")


def send_again(writer: Writer, span: Span, box: str) -> None:
    """The bucket has lost some of this box: all go there again."""
    writer.execute("UPDATE metric_rollups SET sent = 0 WHERE span = ? AND box = ?", (span, box))
    writer.touch("metric_rollups", box)


def page(db: Database, span: Span, box: str, *, before_ms: int, limit: int) -> list[Rolled]:
    """The newest hours or days of a box that begin before a moment."""
    rows = db.read(
        "SELECT * FROM metric_rollups WHERE span = ? AND box = ? AND at_ms < ?"
        " ORDER BY at_ms DESC, pipeline, model LIMIT ?",
        (span, box, before_ms, limit),
    )
    return [_rolled(row) for row in rows]


def count(db: Database) -> dict[Span, tuple[int, int]]:
    """By span: (how many, how many of them the bucket does not have as they stand)."""
    found = {
        row["span"]: (row["n"], row["waiting"])
        for row in db.read(
            "SELECT span, count(*) AS n, count(*) FILTER (WHERE version > sent) AS waiting FROM metric_rollups"
            " GROUP BY span"
        )
    }
    return {span: found.get(span, (0, 0)) for span in SPANS}


def _change(writer: Writer, minutes: Iterable[RollupRow], *, taking: bool) -> None:
    together: dict[Place, Sums] = {}
    for minute in minutes:
        sums = rollup.of_minute(minute)
        for place in _places(minute):
            together[place] = rollup.add(together.get(place, Sums()), sums)
    for place, sums in together.items():
        known = writer.execute(
            "SELECT * FROM metric_rollups WHERE span = ? AND box = ? AND pipeline = ? AND model = ? AND at_ms = ?",
            _key(place),
        ).fetchone()
        before = _rolled(known) if known is not None else Rolled(place=place, sums=Sums(), version=0)
        change = rollup.take_away if taking else rollup.add
        _keep(writer, Rolled(place=place, sums=change(before.sums, sums), version=before.version + 1))


def _places(minute: RollupRow) -> Iterator[Place]:
    for span in SPANS:
        at_ms = rollup.begin_of(span, minute.at_ms)
        yield Place(span, minute.box, minute.pipeline, minute.model, at_ms)


def _keep(writer: Writer, one: Rolled) -> None:
    sums = one.sums
    row = {
        "span": one.place.span,
        "box": one.place.box,
        "pipeline": one.place.pipeline,
        "model": one.place.model,
        "at_ms": one.place.at_ms,
        "minutes": sums.minutes,
        "frames": sums.frames,
        "errors": sums.errors,
        "kept": sums.kept,
        "confidence": sums.confidence,
        "latency_first": sums.latencies.first,
        "latency_counts": wire.encode(sums.latencies.counts).decode(),
        "labels": wire.encode(dict(sums.labels)).decode(),
        "value": sums.value,
        "value_frames": sums.value_frames,
        "shadow_frames": sums.shadow_frames,
        "shadow_agreed": sums.shadow_agreed,
        "version": one.version,
    }
    writer.upsert("metric_rollups", row)


def _rolled(row: sqlite3.Row) -> Rolled:
    counts = wire.decode(row["latency_counts"], tuple[int, ...], what="hour's latencies")
    return Rolled(
        place=Place(row["span"], row["box"], row["pipeline"], row["model"], row["at_ms"]),
        sums=Sums(
            minutes=row["minutes"],
            frames=row["frames"],
            errors=row["errors"],
            kept=row["kept"],
            confidence=row["confidence"],
            latencies=latency_buckets.read(row["latency_first"], counts),
            labels=wire.decode(row["labels"], dict[str, int], what="hour's answers"),
            value=row["value"],
            value_frames=row["value_frames"],
            shadow_frames=row["shadow_frames"],
            shadow_agreed=row["shadow_agreed"],
        ),
        version=row["version"],
    )


def _minute(row: sqlite3.Row) -> RollupRow:
    fields = {name: row[name] for name in row.keys() if name not in ("rolled", "elsewhere")}  # noqa: SIM118 - a Row
    fields["labels"] = wire.decode(row["labels"], dict[str, int], what="minute's answers")
    fields["latency_counts"] = wire.decode(row["latency_counts"], tuple[int, ...], what="minute's latencies")
    return RollupRow(**fields)


def _key(place: Place) -> Sequence[object]:
    return (place.span, place.box, place.pipeline, place.model, place.at_ms)
