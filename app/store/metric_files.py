"""The ledger of the files that this desktop has in the bucket, and the labels that are to go there."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.store.database import Database
from app.store.writer import Writer
from cloud_sync.metrics.parquet import Row as FileRow
from cloud_sync.metrics.partitions import Kind, Partition
from cloud_sync.metrics.plan import File

LABELS_SENT = "labels-in-bucket"
"""The note of the last label event that stands in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InBucket:
    """What of one kind stands in the bucket by this desktop's hand."""

    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A label that was given here, to a sample of a box."""

    event: int
    box: str
    at_ms: int
    row: FileRow


def plan_file(db: Database, site: str, partition: Partition, body: bytes, rows: int) -> File:
    """Remember a file before it is written."""

    def work(writer: Writer) -> File:
        number = writer.execute(
            "INSERT INTO metric_files (key, kind, box, period, rows, size, state)"
            " VALUES ('', ?, ?, ?, ?, ?, 'planned') RETURNING number",
            (partition.kind, partition.box, partition.period, rows, len(body)),
        ).fetchone()[0]
        key = partition.key(site, db.replica, number, body)
        writer.execute("UPDATE metric_files SET key = ? WHERE number = ?", (key, number))
        return File(number=number, key=key, partition=partition, rows=rows, size=len(body), state="planned")

    return db.write(work)


def mark_written(writer: Writer, files: Iterable[File]) -> None:
    """The files stand in the bucket with all that they are to hold."""
    writer.executemany("UPDATE metric_files SET state = 'written' WHERE number = ?", [(file.number,) for file in files])
    writer.touch("metric_files", "")


def doom(writer: Writer, files: Iterable[File]) -> None:
    """The files are to be deleted."""
    writer.executemany("UPDATE metric_files SET state = 'doomed' WHERE number = ?", [(file.number,) for file in files])
    writer.touch("metric_files", "")


def doom_planned(db: Database) -> None:
    """What was under way when the program ended is to go: it is made again."""
    if db.read_one("SELECT 1 FROM metric_files WHERE state = 'planned'"):
        db.write(lambda writer: writer.execute("UPDATE metric_files SET state = 'doomed' WHERE state = 'planned'"))


def forget(db: Database, files: Iterable[File]) -> None:
    """The files are not in the bucket any more."""
    numbers = [(file.number,) for file in files]

    def work(writer: Writer) -> None:
        writer.executemany("DELETE FROM metric_files WHERE number = ?", numbers)
        writer.touch("metric_files", "")

    db.write(work)


def doomed(db: Database) -> list[File]:
    return [_file(row) for row in db.read("SELECT * FROM metric_files WHERE state = 'doomed' ORDER BY number")]


def written(db: Database, kind: Kind | None = None) -> list[File]:
    """Files that stand in the bucket."""
    sql = "SELECT * FROM metric_files WHERE state = 'written' AND (?1 IS NULL OR kind = ?1) ORDER BY number"
    return [_file(row) for row in db.read(sql, (kind,))]


def crowded(db: Database) -> list[File]:
    """Files of partitions in which there are several."""
    rows = db.read(
        "SELECT * FROM metric_files WHERE state = 'written' AND (kind, box, period) IN (SELECT kind, box, period"
        " FROM metric_files WHERE state = 'written' GROUP BY kind, box, period HAVING count(*) > 1) ORDER BY number"
    )
    return [_file(row) for row in rows]


def in_bucket(db: Database) -> dict[str, InBucket]:
    """By kind, what stands in the bucket."""
    rows = db.read(
        "SELECT kind, count(*) AS files, sum(rows) AS rows, sum(size) AS bytes FROM metric_files"
        " WHERE state = 'written' GROUP BY kind"
    )
    return {row["kind"]: InBucket(files=row["files"], rows=row["rows"], bytes=row["bytes"]) for row in rows}


def labels_waiting(db: Database, most: int) -> list[Labelled]:
    """Labels given on this desktop to samples of boxes that stand in no file yet, oldest first."""
    rows = db.read(
        "SELECT e.rowid AS event, s.box AS box, s.at_ms AS at_ms, e.sample, s.pipeline, s.model, s.predicted,"
        " s.confidence, s.margin, s.reason, e.label, e.at_ms AS labelled_ms, e.clock, e.replica"
        " FROM label_events e JOIN samples s USING (sample)"
        " WHERE e.rowid > ? AND e.replica = ? AND s.box IS NOT NULL ORDER BY e.rowid LIMIT ?",
        (_labels_sent(db), db.replica, most),
    )
    return [
        Labelled(event=row["event"], box=row["box"], at_ms=row["at_ms"], row=_label_row(tuple(row))) for row in rows
    ]


def count_labels_waiting(db: Database) -> int:
    (row,) = db.read(
        "SELECT count(*) AS n FROM label_events e JOIN samples s USING (sample)"
        " WHERE e.rowid > ? AND e.replica = ? AND s.box IS NOT NULL",
        (_labels_sent(db), db.replica),
    )
    number: int = row["n"]
    return number


def mark_labels_sent(writer: Writer, through: int) -> None:
    writer.note(LABELS_SENT, str(through))


def forget_all(writer: Writer) -> None:
    """The site moves to another store, which has none of the files: everything that is here goes there."""
    writer.execute("DELETE FROM metric_files")
    writer.execute("UPDATE arrivals SET in_bucket = 0")
    writer.execute("UPDATE metric_rollups SET sent = 0")
    writer.note(LABELS_SENT, None)
    for table in ("metric_files", "arrivals", "metric_rollups"):
        writer.touch(table, "")


def keys_of(files: Collection[File]) -> dict[str, File]:
    return {file.key: file for file in files}


def _labels_sent(db: Database) -> int:
    row = db.read_one("SELECT value FROM notes WHERE name = ?", (LABELS_SENT,))
    return int(row["value"] or 0) if row else 0


def _label_row(row: FileRow) -> FileRow:
    _event, _box, at_ms, sample, *rest = row
    return (sample, at_ms, *rest)


def _file(row: sqlite3.Row) -> File:
    return File(
        number=row["number"],
        key=row["key"],
        partition=Partition(row["kind"], row["box"], row["period"]),
        rows=row["rows"],
        size=row["size"],
        state=row["state"],
    )
