"""Which collected rows wait for the bucket, which are there, and which may go from here.

Rows came in stretches: those of one boot in one page. A stretch is noted in the transaction that keeps its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.store.database import Database
from app.store.writer import Writer
from cloud_sync.metrics.parquet import BATCH
from cloud_sync.metrics.parquet import Row as FileRow
from cloud_sync.metrics.plan import Stretch
from edge_runtime.contracts.rows import Row

Exported = Literal["results", "rollups"]
"""Streams that go to the bucket row by row."""

_COLUMNS: dict[Exported, str] = {
    "results": "boot, seq, at_ms, pipeline, frame, model, label, confidence, margin, latency_us, value,"
    " nullif(objects, '[]'), nullif(areas, '{}')",
    # When a minute began is wanted to the second: what is behind it is chance, and a fifth of the row.
    "rollups": "boot, seq, at_ms - at_ms % 1000, span_ms, pipeline, model, frames, errors, kept, confidence_mean,"
    " latency_us_p50, latency_us_p99, value_mean, shadow, shadow_frames, shadow_agreed, shadow_latency_us_p50",
}
"""In the order of :data:`cloud_sync.metrics.tables.FORMS`."""
SLICE = 2_000
"""Rows that one transaction deletes, about: the window's own writes wait behind it."""
AT = 2
"""Where the time stands among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A stretch as it was noted."""

    id: int
    rows: int
    stretch: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """Rows of a stream: those that are kept here, and of them those that wait for the bucket."""

    here: int
    waiting: int


def note_arrival(writer: Writer, stream: str, box: str, rows: Sequence[Row]) -> None:
    """Rows of one stream were kept; where the bucket is to have them they wait from now on."""
    if stream not in _COLUMNS:
        return
    for boot in sorted({row.boot for row in rows}):
        seqs = [row.seq for row in rows if row.boot == boot]
        writer.execute(
            "INSERT INTO arrivals (stream, box, boot, first_seq, last_seq, rows, came_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (stream, box, boot, min(seqs), max(seqs), len(seqs), writer.now_ms),
        )
    writer.touch("arrivals", box)


def boxes_waiting(db: Database, stream: Exported) -> list[str]:
    """Boxes of which rows wait for the bucket."""
    rows = db.read("SELECT DISTINCT box FROM arrivals WHERE stream = ? AND in_bucket = 0 ORDER BY box", (stream,))
    return [row["box"] for row in rows]


def waiting(db: Database, stream: Exported, box: str, most_rows: int) -> list[Arrival]:
    """The oldest stretches of a box that wait: the first, and more as long as they have so many rows together."""
    found: list[Arrival] = []
    total = 0
    for row in db.read(
        "SELECT id, boot, first_seq, last_seq, rows FROM arrivals WHERE stream = ? AND box = ? AND in_bucket = 0"
        " ORDER BY id LIMIT 1000",
        (stream, box),
    ):
        total += row["rows"]
        if found and total > most_rows:
            break
        stretch = Stretch(box, row["boot"], row["first_seq"], row["last_seq"])
        found.append(Arrival(id=row["id"], rows=row["rows"], stretch=stretch))
    return found


def rows_of(db: Database, stream: Exported, stretch: Stretch) -> Iterator[list[FileRow]]:
    """The rows of a stretch in order, part by part."""
    after = stretch.first - 1
    while True:
        rows = db.read(
            f"SELECT {_COLUMNS[stream]} FROM {stream} WHERE box = ? AND boot = ? AND seq > ? AND seq <= ?"  # noqa: S608 - names of ours
            " ORDER BY seq LIMIT ?",
            (stretch.box, stretch.boot, after, stretch.last, BATCH),
        )
        if rows:
            yield [tuple(row) for row in rows]
        if len(rows) < BATCH:
            return
        after = rows[-1]["seq"]


def mark_in_bucket(writer: Writer, arrivals: Sequence[Arrival]) -> None:
    """The rows stand in files of the bucket now."""
    writer.executemany("UPDATE arrivals SET in_bucket = 1 WHERE id = ?", [(one.id,) for one in arrivals])
    writer.touch("arrivals", *{one.stretch.box for one in arrivals})


def send_again(writer: Writer, stream: Exported, box: str) -> None:
    """The bucket has lost rows of this box: whatever is still here goes there again."""
    writer.execute("UPDATE arrivals SET in_bucket = 0 WHERE stream = ? AND box = ?", (stream, box))
    writer.touch("arrivals", box)


def let_go(db: Database, stream: Exported, *, before_ms: int, only_safe: bool, told: str | None) -> int:
    """Delete a slice of the rows that came before a moment, oldest first; returns how many
    stretches went, 0 when all are gone.

    :param only_safe: only those that stand in the bucket.
    :param told: the entry of the audit chain that is written with it.
    """

    def work(writer: Writer) -> int:
        gone = rows = 0
        for state in (1,) if only_safe else (1, 0):
            for one in writer.execute(
                "SELECT id, box, boot, first_seq, last_seq, rows FROM arrivals"
                " WHERE stream = ? AND in_bucket = ? AND came_ms < ? LIMIT 100",
                (stream, state, before_ms),
            ).fetchall():
                if rows and rows + one["rows"] > SLICE:
                    break
                writer.execute(
                    f"DELETE FROM {stream} WHERE box = ? AND boot = ? AND seq BETWEEN ? AND ?",  # noqa: S608 - names of ours
                    (one["box"], one["boot"], one["first_seq"], one["last_seq"]),
                )
                writer.execute("DELETE FROM arrivals WHERE id = ?", (one["id"],))
                rows += one["rows"]
                gone += 1
        if gone:
            writer.touch(stream, "")
            writer.touch("arrivals", "")
            if told is not None:
                writer.activity("metrics.let-go", stream, told)
        return gone

    return db.write(work)


def count_rows(db: Database, stream: Exported) -> RowCount:
    """From the stretches alone: a row that came twice counts twice."""
    (row,) = db.read(
        "SELECT coalesce(sum(rows), 0) AS here, coalesce(sum(rows) FILTER (WHERE in_bucket = 0), 0) AS waiting"
        " FROM arrivals WHERE stream = ?",
        (stream,),
    )
    return RowCount(here=row["here"], waiting=row["waiting"])


def oldest_waiting_ms(db: Database) -> int | None:
    """When the row came that has waited longest; None: nothing waits."""
    row = db.read_one("SELECT min(came_ms) AS ms FROM arrivals WHERE in_bucket = 0")
    return None if row is None else row["ms"]
