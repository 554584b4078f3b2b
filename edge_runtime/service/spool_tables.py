"""The spool's tables on one SQLite connection. One thread at a time, each call inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead, Ranges
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import ROW_TYPES, STREAMS, LossRow, Stream
from edge_runtime.service.spool_chain import CHAIN_SCHEMA, SpoolChain
from edge_runtime.service.spool_limits import CLASSES, SpoolClass, may_merge, merge_losses
from edge_runtime.service.spool_memory import Entry, Gone
from edge_runtime.update.durable import open_database

MOST_AT_ONCE = 20_000
"""Rows that one call removes at most, so that no transaction grows without bound."""
WAL_BYTES = 4 * 2**20
VERSION = 2
_RANKS: Mapping[SpoolClass, int] = {"unlabelled_samples": 0, "random_samples": 1, "hard_samples": 2}
_KIND_OF_RANK = {rank: kind for kind, rank in _RANKS.items()}
_ROWS = "id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL, age_ms INT NOT NULL DEFAULT 0"
_SAMPLES = "sample TEXT NOT NULL UNIQUE, size INT NOT NULL, rank INT NOT NULL, acked INT NOT NULL DEFAULT 0"
_SCHEMA = (
    *(
        f"CREATE TABLE IF NOT EXISTS {stream} ({_ROWS}{f', {_SAMPLES}' if stream == 'samples' else ''})"
        for stream in STREAMS
    ),
    "CREATE INDEX IF NOT EXISTS samples_by_class ON samples (acked, rank, id)",
    "CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), age_ms INT NOT NULL, wall_ms INT)",
    CHAIN_SCHEMA,
)
# Names come from STREAMS alone, never from a value.
_INSERT = {
    stream: f"INSERT INTO {stream} (at_ms, body, age_ms) VALUES (?, ?, ?)"  # noqa: S608 - names of ours
    for stream in STREAMS
}
_PAGE = {
    stream: f"SELECT id, body FROM {stream} WHERE id > ? {'AND NOT acked' if stream == 'samples' else ''}"  # noqa: S608 - names of ours
    " ORDER BY id LIMIT ?"
    for stream in STREAMS
}
_OLDEST = {
    stream: f"SELECT id, length(body), at_ms, age_ms FROM {stream} WHERE id <= ? ORDER BY id LIMIT ?"  # noqa: S608 - names of ours
    for stream in STREAMS
}
_ONE = {
    stream: f"SELECT id, length(body) FROM {stream} WHERE id = ?"  # noqa: S608 - names of ours
    for stream in STREAMS
}
_DELETE_ONE = {stream: f"DELETE FROM {stream} WHERE id = ?" for stream in STREAMS}  # noqa: S608 - names of ours
_DELETE = {stream: f"DELETE FROM {stream} WHERE id <= ?" for stream in STREAMS}  # noqa: S608 - names of ours
COUNT = {
    stream: f"SELECT count(*), coalesce(sum(length(body)), 0) FROM {stream}"  # noqa: S608 - names of ours
    for stream in STREAMS
}
_SAMPLE = "SELECT id, size, at_ms, age_ms, sample, acked, rank FROM samples"
_KIND_OF: Mapping[Stream, SpoolClass] = {
    "audits": "audits",
    "alerts": "alerts",
    "shadows": "shadows",
    "rollups": "rollups",
    "results": "results",
}
_STREAM_OF: Mapping[SpoolClass, Stream] = {kind: stream for stream, kind in _KIND_OF.items()}
_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Evicted:
    """What was removed: samples whose files may go now, and the part that is a loss (none where a desktop has it)."""

    samples: tuple[str, ...] = ()
    lost: Gone | None = None
    more: bool = False
    """It was too much for one transaction: ask again."""
    entries: Ranges = ()
    """Entries of the chain that went with it."""


@dataclass(slots=True)
class Totals:
    """Kept in step with the tables, so that nothing counts a million rows."""

    rows: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    """Rows that no desktop has acknowledged."""
    size: dict[SpoolClass, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    """Bytes of rows, or of samples' files."""


class SpoolTables:
    """Opens ``path``, making it if need be, and counts what is there.

    WAL, ``synchronous=NORMAL``: a power cut may cost the last rows, never the file. Audits are synced before they can
    be handed out: a chain that a desktop has seen must not grow another end.

    :param first: what cursors begin with in a new file; a desktop must not have seen them before.
    :raises sqlite3.Error: it cannot be opened, is damaged, or there is no room.
    :raises ValueError: it is a database, but not a spool, or holds what no spool writes.
    """

    def __init__(self, path: Path, *, first: int) -> None:
        self._database = open_database(path, synchronous="NORMAL", isolation_level=None, shrinks=True)
        self._path, self._file = path, _file_at(path)
        self._durable = False
        self._chain = SpoolChain(self._database)
        try:
            self._open(first)
            self.totals = self._count()
            # What is rotten shows here, before anything relies on it.
            self.clock(), self.samples(), self._chain.head()
        except BaseException:
            self._database.close()
            raise
        self._open_losses: dict[tuple[str, str], tuple[int, LossRow]] = {}

    def _open(self, first: int) -> None:
        self._database.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        names = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if strange := {name for name in names if not name.startswith("sqlite_")} - {*STREAMS, "clock", "chain"}:
            raise ValueError(f"it has tables that no spool has: {', '.join(sorted(strange))[:200]}")
        if self._number("PRAGMA user_version") == VERSION:
            return
        self._database.execute("BEGIN IMMEDIATE")
        for stream in STREAMS:
            columns = [column[1] for column in self._database.execute(f"PRAGMA table_info({stream})")]
            if columns and "age_ms" not in columns:
                self._database.execute(f"ALTER TABLE {stream} ADD COLUMN age_ms INT NOT NULL DEFAULT 0")
        for statement in _SCHEMA:
            self._database.execute(statement)
        begun = {name for (name,) in self._database.execute("SELECT name FROM sqlite_sequence")}
        fresh = [(stream, first) for stream in STREAMS if stream not in begun]
        self._database.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", fresh)
        self._chain.begin()
        self._database.execute(f"PRAGMA user_version={VERSION}")
        self._database.execute("COMMIT")

    def _count(self) -> Totals:
        totals = Totals()
        for stream in STREAMS:
            if stream != "samples":
                totals.rows[stream], size = self._database.execute(COUNT[stream]).fetchone()
                if stream in _KIND_OF:
                    totals.size[_KIND_OF[stream]] = size
        for acked, rank, rows, size in self._database.execute(
            "SELECT acked, rank, count(*), sum(size) FROM samples GROUP BY acked, rank"
        ):
            if acked not in (0, 1) or rank not in _KIND_OF_RANK or not isinstance(size, int) or size < 0:
                raise ValueError(f"it has samples of the rank {rank!r}, acknowledged {acked!r}, of {size!r} bytes")
            totals.size["fetched_samples" if acked else _KIND_OF_RANK[rank]] += size
            totals.rows["samples"] += 0 if acked else rows
        if any(self.last_cursor(stream) >= _NEVER for stream in STREAMS):
            raise ValueError("it has given out its last cursor")
        return totals

    def _number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return int(self._database.execute(sql, parameters).fetchone()[0])

    def close(self) -> None:
        self._database.close()

    @property
    def astray(self) -> bool:
        """The file is not at its place any more, where the next start looks for it: it was removed or replaced."""
        return _file_at(self._path) != self._file

    def file_bytes(self) -> int:
        """What :meth:`copy` takes on the disk."""
        return self._number("PRAGMA page_count") * self._number("PRAGMA page_size")

    def copy(self, target: sqlite3.Connection) -> None:
        """Write all that is here into an empty database, as one transaction; outside of one here.

        :raises sqlite3.Error: there is no room.
        """
        self._database.backup(target)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[None]:
        """All that is done within is done, or nothing, in the totals too.

        :param durable: what was committed is on the disk, power cut or not.
        """
        if durable != self._durable:
            self._database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        before = Totals(dict(self.totals.rows), dict(self.totals.size))
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._open_losses.clear()
            self.totals = before
            raise

    def shrink(self, most_bytes: int) -> None:
        """Give free pages back to the disk; outside of a transaction."""
        pages = max(1, most_bytes // self._number("PRAGMA page_size"))
        self._database.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def free_bytes(self) -> int:
        """What :meth:`shrink` could give back."""
        return self._number("PRAGMA freelist_count") * self._number("PRAGMA page_size")

    def settle_log(self) -> None:
        """Bring the log into the file, so that it begins anew instead of growing; outside of a transaction."""
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def clock(self) -> tuple[int, int] | None:
        """The spool's age and the wall clock when :meth:`set_clock` was called last, both in ms."""
        row = self._database.execute("SELECT age_ms, wall_ms FROM clock").fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def set_clock(self, age_ms: int, wall_ms: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (age_ms, wall_ms))

    def chain(self) -> ChainHead:
        """Where the chain of audits stands."""
        return self._chain.head()

    def hand_out_audits(self, waiting: Sequence[bytes]) -> list[bytes]:
        """Audits that wait in memory, as they will be stored."""
        return self._chain.hand_out(waiting)

    def take_holes(self) -> Ranges:
        """See :meth:`SpoolChain.take_holes`."""
        return self._chain.take_holes()

    def entry_of(self, rowid: int) -> Ranges:
        """Which entry of the chain an audit is that cannot be read: they are counted one by one, as cursors are."""
        entry = self._chain.head().entry - (self.last_cursor("audits") - rowid)
        return ((entry, entry),) if entry > 0 else ()

    def last_cursor(self, stream: Stream) -> int:
        """The highest cursor ever given to a row of this stream."""
        return self._number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (stream,))

    def page(self, stream: Stream, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to ``limit`` rows after a cursor, each with its own."""
        if stream == "losses":
            # A desktop reads the ledger: from now on new losses get rows of their own.
            self._open_losses.clear()
        return self._database.execute(_PAGE[stream], (after, limit)).fetchall()

    def insert(self, rows: Iterable[Entry], *, age_ms: int) -> None:
        """Add rows in order; a sample that is there already adds none."""
        bodies: dict[Stream, list[tuple[int, bytes, int]]] = {}
        for entry in rows:
            if entry.sample:
                self._insert_sample(entry, age_ms)
                continue
            body = self._chain.seal(entry.body) if entry.stream == "audits" else entry.body
            bodies.setdefault(entry.stream, []).append((entry.at_ms, body, age_ms))
            self.totals.size[entry.kind] += len(body)
        for stream, values in bodies.items():
            self._database.executemany(_INSERT[stream], values)
            self.totals.rows[stream] += len(values)

    def _insert_sample(self, entry: Entry, age_ms: int) -> None:
        sql = "INSERT OR IGNORE INTO samples (at_ms, body, age_ms, sample, size, rank) VALUES (?, ?, ?, ?, ?, ?)"
        values = (entry.at_ms, entry.body, age_ms, entry.sample, entry.size, _RANKS[entry.kind])
        if self._database.execute(sql, values).rowcount:
            self.totals.rows["samples"] += 1
            self.totals.size[entry.kind] += entry.size

    def insert_losses(self, rows: Iterable[LossRow], *, sealed: Iterable[LossRow] = ()) -> None:
        """Add to the ledger; a loss that goes on what an unread row tells makes that row grow, but for one that is
        sealed: a desktop may have it already."""
        for row in sealed:
            self._insert_loss(row)
        for row in rows:
            rowid, before = self._open_losses.get((row.stream, row.reason), (0, None))
            if before is not None and may_merge(before, row, rows=self.totals.rows["losses"]):
                merged = merge_losses(before, row)
                self._database.execute("UPDATE losses SET body = ? WHERE id = ?", (wire.encode(merged), rowid))
            else:
                merged = row
                rowid = self._insert_loss(row)
            self._open_losses[row.stream, row.reason] = rowid, merged

    def _insert_loss(self, row: LossRow) -> int:
        rowid = self._database.execute(_INSERT["losses"], (row.at_ms, wire.encode(row), 0)).lastrowid or 0
        self.totals.rows["losses"] += 1
        return rowid

    def acknowledge(self, stream: Stream, through: int) -> bool:
        """Drop rows that are safe elsewhere; the bytes of samples stay as long as there is room. True where it was too
        much for one transaction: ask again."""
        if stream == "samples":
            return self._acknowledge_samples(through)
        victims = self._database.execute(_OLDEST[stream], (through, MOST_AT_ONCE)).fetchall()
        if stream == "losses":
            self._open_losses.clear()
        self._drop(stream, victims)
        return len(victims) == MOST_AT_ONCE

    def _acknowledge_samples(self, through: int) -> bool:
        sql = "SELECT id, rank, size FROM samples WHERE id <= ? AND NOT acked LIMIT ?"
        fetched = self._database.execute(sql, (through, MOST_AT_ONCE)).fetchall()
        self._database.executemany("UPDATE samples SET acked = 1 WHERE id = ?", [(rowid,) for rowid, _, _ in fetched])
        self.totals.rows["samples"] -= len(fetched)
        for _, rank, size in fetched:
            self.totals.size[_KIND_OF_RANK[rank]] -= size
            self.totals.size["fetched_samples"] += size
        return len(fetched) == MOST_AT_ONCE

    def evict(self, kind: SpoolClass, size: int) -> Evicted:
        """Let at least ``size`` bytes of a class go, oldest first."""
        freed = 0

        def enough(row_size: int, _age_ms: int) -> bool:
            nonlocal freed
            done = freed >= size
            freed += row_size
            return done

        return self._evict(kind, enough)

    def expire(self, kind: SpoolClass, before_age_ms: int) -> Evicted:
        """Let go of what was put before the spool had this age."""
        return self._evict(kind, lambda _size, age_ms: age_ms >= before_age_ms)

    def _evict(self, kind: SpoolClass, stop: Callable[[int, int], bool]) -> Evicted:
        """Let the oldest rows of a class go until ``stop`` says so of the next one's bytes and age."""
        victims: list[tuple[Any, ...]] = []
        with closing(self._oldest(kind)) as cursor:
            for row in cursor:
                if len(victims) == MOST_AT_ONCE or stop(row[1], row[3]):
                    break
                victims.append(row)
        more = len(victims) == MOST_AT_ONCE
        if kind in _RANKS or kind == "fetched_samples":
            return replace(self._drop_samples(victims), more=more)
        stream = _STREAM_OF[kind]
        entries = self._audit_entries(victims[-1][0]) if victims and stream == "audits" else ()
        self._drop(stream, victims)
        lost = Gone.summed(stream, [(size, at_ms) for _, size, at_ms, _ in victims]) if victims else None
        return Evicted((), lost, more, entries)

    def _audit_entries(self, through: int) -> Ranges:
        rows = self._database.execute("SELECT body FROM audits WHERE id <= ? ORDER BY id", (through,))
        return self._chain.entries_in(body for (body,) in rows)

    def _oldest(self, kind: SpoolClass) -> sqlite3.Cursor:
        if kind == "fetched_samples":
            return self._database.execute(f"{_SAMPLE} WHERE acked ORDER BY id")
        if kind in _RANKS:
            return self._database.execute(f"{_SAMPLE} WHERE NOT acked AND rank = ? ORDER BY id", (_RANKS[kind],))
        return self._database.execute(_OLDEST[_STREAM_OF[kind]], (_NEVER, -1))

    def _drop(self, stream: Stream, victims: Sequence[tuple[Any, ...]]) -> None:
        """Remove the oldest rows of a stream, which these must be."""
        if victims:
            self._database.execute(_DELETE[stream], (victims[-1][0],))
            self.totals.rows[stream] -= len(victims)
            if stream in _KIND_OF:
                self.totals.size[_KIND_OF[stream]] -= sum(size for _, size, _, _ in victims)

    def _drop_samples(self, victims: Sequence[tuple[Any, ...]]) -> Evicted:
        self._database.executemany("DELETE FROM samples WHERE id = ?", [(victim[0],) for victim in victims])
        for _, size, _, _, _, acked, rank in victims:
            self.totals.size["fetched_samples" if acked else _KIND_OF_RANK[rank]] -= size
        lost = [(size, at_ms) for _, size, at_ms, _, _, acked, _ in victims if not acked]
        self.totals.rows["samples"] -= len(lost)
        return Evicted(tuple(victim[4] for victim in victims), Gone.summed("samples", lost) if lost else None)

    def forget_sample(self, sample: str) -> Evicted:
        """Let go of one sample whose file is not what it should be."""
        return self._drop_samples(self._database.execute(f"{_SAMPLE} WHERE sample = ?", (sample,)).fetchall())

    def forget_row(self, stream: Stream, rowid: int) -> None:
        """Let go of one row, of a stream other than samples, that cannot be read."""
        for _, size in self._database.execute(_ONE[stream], (rowid,)).fetchall():
            self._database.execute(_DELETE_ONE[stream], (rowid,))
            self.totals.rows[stream] -= 1
            if stream in _KIND_OF:
                self.totals.size[_KIND_OF[stream]] -= size

    def forget_sample_row(self, rowid: int) -> Evicted:
        """Let go of one sample whose row cannot be read."""
        return self._drop_samples(self._database.execute(f"{_SAMPLE} WHERE id = ?", (rowid,)).fetchall())

    def samples(self) -> set[str]:
        return {sample for (sample,) in self._database.execute("SELECT sample FROM samples")}


def readable(stream: Stream, body: object) -> bool:
    """Whether it is a row of this stream."""
    if not isinstance(body, bytes | str):
        return False
    try:
        wire.decode(body, ROW_TYPES[stream])
    except InputInvalid:
        return False
    return True


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file it is; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
