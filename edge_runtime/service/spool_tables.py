"""The spool's tables on one SQLite connection. Used by the spool's writer thread only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, SampleRow, Stream

MERGE_LOSSES_MS = 60_000
"""Losses of one kind that follow each other this closely become one row, as long as nobody has read it."""
_RANK = {"unlabelled": 0, "random": 1, "hard": 2}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS losses (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS samples (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL,
    sample TEXT NOT NULL UNIQUE, size INT NOT NULL, rank INT NOT NULL, acked INT NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS samples_by_worth ON samples (acked DESC, rank, id);
"""
_FACTS = {
    "results": "SELECT count(*), coalesce(sum(length(body)), 0), min(at_ms), max(at_ms) FROM results WHERE id <= ?",
    "alerts": "SELECT count(*), coalesce(sum(length(body)), 0), min(at_ms), max(at_ms) FROM alerts WHERE id <= ?",
}
_OLDER = {
    "results": "SELECT coalesce(max(id), 0) FROM results WHERE at_ms < ?",
    "alerts": "SELECT coalesce(max(id), 0) FROM alerts WHERE at_ms < ?",
}
_DELETE = {
    "results": "DELETE FROM results WHERE id <= ?",
    "alerts": "DELETE FROM alerts WHERE id <= ?",
    "losses": "DELETE FROM losses WHERE id <= ?",
}


@dataclass(frozen=True, slots=True)
class Gone:
    """What had to leave a stream before a desktop had it."""

    stream: str
    count: int
    bytes: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Evicted:
    """Samples whose files may be removed now, and the part of them that is a loss (none where all were fetched)."""

    samples: tuple[str, ...]
    lost: Gone | None


@dataclass(slots=True)
class Totals:
    """Kept in step with the tables, so that nothing counts a million rows."""

    rows: dict[Stream, int]
    waiting_bytes: int
    """Of samples that no desktop has acknowledged."""
    stored_bytes: int


def connect(path: Path) -> sqlite3.Connection:
    """WAL, ``synchronous=NORMAL``: a power cut may cost the last rows, never the file."""
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        # Only before the first table: lets the file shrink again, a little at a time.
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


class SpoolTables:
    """Every method runs inside the caller's transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._open_losses: dict[tuple[str, str], tuple[int, LossRow]] = {}
        self.totals = self._count()

    def _count(self) -> Totals:
        rows: dict[Stream, int] = {
            "results": self._number("SELECT count(*) FROM results"),
            "samples": self._number("SELECT count(*) FROM samples WHERE NOT acked"),
            "alerts": self._number("SELECT count(*) FROM alerts"),
            "losses": self._number("SELECT count(*) FROM losses"),
        }
        waiting = self._number("SELECT coalesce(sum(size), 0) FROM samples WHERE NOT acked")
        return Totals(rows, waiting, self._number("SELECT coalesce(sum(size), 0) FROM samples"))

    def _number(self, sql: str, parameters: Sequence[int] = ()) -> int:
        return int(self._database.execute(sql, parameters).fetchone()[0])

    def insert(self, rows: Iterable[ResultRow | SampleRow | AlertRow | LossRow]) -> None:
        """Add rows in order; a sample that is there already and a loss that can be merged add none."""
        results: list[tuple[int, bytes]] = []
        for row in rows:
            if isinstance(row, ResultRow):
                results.append((row.at_ms, wire.encode(row)))
            elif isinstance(row, SampleRow):
                self._insert_sample(row)
            elif isinstance(row, AlertRow):
                self._database.execute("INSERT INTO alerts (at_ms, body) VALUES (?, ?)", (row.at_ms, wire.encode(row)))
                self.totals.rows["alerts"] += 1
            else:
                self._insert_loss(row)
        self._database.executemany("INSERT INTO results (at_ms, body) VALUES (?, ?)", results)
        self.totals.rows["results"] += len(results)

    def _insert_sample(self, row: SampleRow) -> None:
        sql = "INSERT OR IGNORE INTO samples (at_ms, body, sample, size, rank) VALUES (?, ?, ?, ?, ?)"
        values = (row.at_ms, wire.encode(row), row.sample, row.size, _RANK[row.reason])
        if self._database.execute(sql, values).rowcount:
            self.totals.rows["samples"] += 1
            self.totals.waiting_bytes += row.size
            self.totals.stored_bytes += row.size

    def _insert_loss(self, row: LossRow) -> None:
        rowid, before = self._open_losses.get((row.stream, row.reason), (0, None))
        if before is not None and row.at_ms - before.last_ms < MERGE_LOSSES_MS:
            merged = replace(
                before,
                count=before.count + row.count,
                bytes=before.bytes + row.bytes,
                first_ms=min(before.first_ms, row.first_ms),
                last_ms=max(before.last_ms, row.last_ms),
            )
            self._database.execute("UPDATE losses SET body = ? WHERE id = ?", (wire.encode(merged), rowid))
        else:
            merged = row
            sql = "INSERT INTO losses (at_ms, body) VALUES (?, ?)"
            rowid = self._database.execute(sql, (row.at_ms, wire.encode(row))).lastrowid or 0
            self.totals.rows["losses"] += 1
        self._open_losses[row.stream, row.reason] = rowid, merged

    def seal_losses(self) -> None:
        """A desktop has read the ledger: from now on new losses get rows of their own."""
        self._open_losses.clear()

    def recount(self) -> None:
        """After a transaction that was rolled back."""
        self._open_losses.clear()
        self.totals = self._count()

    def acknowledge(self, stream: Stream, through: int) -> None:
        """Drop rows that are safe elsewhere; the bytes of samples stay as long as there is room."""
        if stream == "samples":
            size = self._number("SELECT coalesce(sum(size), 0) FROM samples WHERE id <= ? AND NOT acked", (through,))
            sql = "UPDATE samples SET acked = 1 WHERE id <= ? AND NOT acked"
            self.totals.waiting_bytes -= size
        else:
            if stream == "losses":
                self.seal_losses()
            sql = _DELETE[stream]
        self.totals.rows[stream] -= self._database.execute(sql, (through,)).rowcount

    def evict_samples(self, need_bytes: int) -> Evicted:
        """Let go of at least ``need_bytes`` of samples: fetched ones first, then the least worth, then the oldest."""
        victims: list[tuple[str, int, int, int]] = []
        freed = 0
        sql = "SELECT sample, size, at_ms, acked FROM samples ORDER BY acked DESC, rank, id"
        with closing(self._database.execute(sql)) as cursor:
            while freed < need_bytes and (row := cursor.fetchone()):
                victims.append(row)
                freed += row[1]
        return self._drop_samples(victims)

    def expire(self, stream: Literal["results", "samples", "alerts"], before_ms: int) -> Evicted:
        """Let go of what is older than ``before_ms``."""
        if stream == "samples":
            sql = "SELECT sample, size, at_ms, acked FROM samples WHERE at_ms < ?"
            return self._drop_samples(self._database.execute(sql, (before_ms,)).fetchall())
        return self._drop_rows(stream, self._number(_OLDER[stream], (before_ms,)))

    def trim_results(self, keep: int) -> Evicted:
        """Let go of the oldest results beyond ``keep``."""
        excess = self.totals.rows["results"] - max(keep, 0)
        if excess <= 0:
            return Evicted((), None)
        sql = "SELECT coalesce(max(id), 0) FROM (SELECT id FROM results ORDER BY id LIMIT ?)"
        return self._drop_rows("results", self._number(sql, (excess,)))

    def forget_sample(self, sample: str) -> Evicted:
        """Let go of one sample whose file is not what it should be."""
        sql = "SELECT sample, size, at_ms, acked FROM samples WHERE sample = ?"
        return self._drop_samples(self._database.execute(sql, (sample,)).fetchall())

    def samples(self) -> set[str]:
        return {sample for (sample,) in self._database.execute("SELECT sample FROM samples")}

    def _drop_rows(self, stream: Literal["results", "alerts"], through: int) -> Evicted:
        count, size, first_ms, last_ms = self._database.execute(_FACTS[stream], (through,)).fetchone()
        if not count:
            return Evicted((), None)
        self._database.execute(_DELETE[stream], (through,))
        self.totals.rows[stream] -= count
        return Evicted((), Gone(stream, count, size, first_ms, last_ms))

    def _drop_samples(self, victims: Sequence[tuple[str, int, int, int]]) -> Evicted:
        names = [(sample,) for sample, _size, _at_ms, _acked in victims]
        self._database.executemany("DELETE FROM samples WHERE sample = ?", names)
        self.totals.stored_bytes -= sum(size for _, size, _, _ in victims)
        lost = [(size, at_ms) for _, size, at_ms, acked in victims if not acked]
        if not lost:
            return Evicted(tuple(name for (name,) in names), None)
        size = sum(size for size, _ in lost)
        self.totals.rows["samples"] -= len(lost)
        self.totals.waiting_bytes -= size
        times = [at_ms for _, at_ms in lost]
        return Evicted(tuple(name for (name,) in names), Gone("samples", len(lost), size, min(times), max(times)))
