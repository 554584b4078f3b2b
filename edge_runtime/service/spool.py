"""What waits on the box for a desktop: rows in ``spool.db``, the bytes of samples in ``samples/ab/SHA``.

One thread writes, in transactions at most 100 ms apart, so that a thousand frames a second are fine. Rows
leave when a desktop acknowledged them, or under the limits, and then the loss ledger says so.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts.errors import BoxRefused, DiskFull, NotFound
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, SampleRow, Stream
from edge_runtime.contracts.status import SpoolStatus
from edge_runtime.inference.pipeline import Stamp
from edge_runtime.service.spool_tables import Evicted, Gone, SpoolTables, connect
from edge_runtime.update.durable import is_full

COMMIT_EVERY_S = 0.1
ENFORCE_EVERY_S = 10.0
RETRY_S = 1.0
MAX_PENDING = 20_000
"""Rows that may wait in memory for a disk that does not take them."""
MAX_RESULT_ROWS = 1_000_000
MIN_SLICE = 1_000
"""Results that go at least when the disk runs short."""
MAX_PAGE_ROWS = 5_000
MAX_PAGE_BYTES = 8 * 2**20
FLUSH_TIMEOUT_S = 5.0

Row = ResultRow | SampleRow | AlertRow | LossRow
T = TypeVar("T")
_PAGES: dict[Stream, str] = {
    "results": "SELECT id, body FROM results WHERE id > ? ORDER BY id LIMIT ?",
    "samples": "SELECT id, body FROM samples WHERE id > ? AND NOT acked ORDER BY id LIMIT ?",
    "alerts": "SELECT id, body FROM alerts WHERE id > ? ORDER BY id LIMIT ?",
    "losses": "SELECT id, body FROM losses WHERE id > ? ORDER BY id LIMIT ?",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolPage:
    """Rows after a cursor, as the JSON that was stored."""

    rows: tuple[msgspec.Raw, ...]
    cursor: int
    """Pass it as ``after`` for the next page, and acknowledge through it."""
    more: bool


class Spool:
    """Safe to use from any thread; :meth:`close` waits until everything that was put is on disk.

    A ``spool.db`` that cannot be read is put aside, and the ledger says what went with it.
    """

    def __init__(self, home: Path, *, box: str, boot: str, limits: SpoolLimits, now_ms: Callable[[], int]) -> None:
        self._path, self._folder = home / "spool.db", home / "samples"
        self._box, self._boot, self._now_ms = box, boot, now_ms
        self.limits = limits
        self._lock = threading.Condition()
        self._sequences: dict[Stream, int] = {"results": 0, "samples": 0, "alerts": 0, "losses": 0}
        self._pending: list[Row] = []
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._put = self._committed = 0
        self._waiters = 0
        self._closing = False
        self._next_enforce = 0.0
        home.mkdir(parents=True, exist_ok=True)
        damaged = self._open()
        self._reader = connect(self._path)
        self._reader_lock = threading.Lock()
        self._reconcile(damaged=damaged)
        self._thread = threading.Thread(target=self._write_until_closed, name="spool", daemon=True)
        self._thread.start()

    def stamp(self, stream: Stream) -> Stamp:
        """Key and time of the next row of a stream: (box, boot, seq) never comes twice."""
        with self._lock:
            seq = self._sequences[stream]
            self._sequences[stream] += 1
        return {"box": self._box, "boot": self._boot, "seq": seq, "at_ms": self._now_ms()}

    def put_result(self, row: ResultRow) -> None:
        self._append(row)

    def put_alert(self, row: AlertRow) -> None:
        self._append(row)

    def put_loss(self, row: LossRow) -> None:
        self._append(row)

    def put_sample(self, row: SampleRow, data: bytes) -> bool:
        """Keep a sample; False where its bytes are here already, or no room is left (the ledger then says so)."""
        path = self._sample_path(row.sample)
        if path.exists():
            return False
        if shutil.disk_usage(self._folder).free < self.limits.reserve_bytes + len(data):
            self._lose(Gone("samples", 1, len(data), row.at_ms, row.at_ms), "disk.reserve")
            return False
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            _log.warning("a sample could not be kept: %s", error)
            self._lose(Gone("samples", 1, len(data), row.at_ms, row.at_ms), "disk.full")
            return False
        self._append(row)
        return True

    def flush(self) -> bool:
        """Wait until everything put so far is committed; False when the disk does not take it in good time."""
        with self._lock:
            goal = self._put
            if self._committed >= goal:
                return True
            self._waiters += 1
            self._lock.notify_all()
            try:
                return self._lock.wait_for(lambda: self._committed >= goal, FLUSH_TIMEOUT_S)
            finally:
                self._waiters -= 1

    def page(self, stream: Stream, after: int, limit: int) -> SpoolPage:
        """Up to ``limit`` rows after a cursor, oldest first; fewer where they are large."""
        if stream == "losses":
            # On the writer's thread: a row that somebody has read must not grow any more.
            return self._call(lambda: self._page(self._database, stream, after, limit))
        with self._reader_lock:
            return self._page(self._reader, stream, after, limit)

    def _page(self, database: sqlite3.Connection, stream: Stream, after: int, limit: int) -> SpoolPage:
        wanted = max(1, min(limit, MAX_PAGE_ROWS))
        if stream == "losses":
            self._tables.seal_losses()
        found = database.execute(_PAGES[stream], (after, wanted + 1)).fetchall()
        rows: list[msgspec.Raw] = []
        size = 0
        for rowid, body in found[:wanted]:
            size += len(body)
            if rows and size > MAX_PAGE_BYTES:
                break
            rows.append(msgspec.Raw(body))
            after = rowid
        return SpoolPage(tuple(rows), after, len(rows) < len(found))

    def acknowledge(self, stream: Stream, through: int) -> None:
        """A desktop has everything up to this cursor; also bytes, where it is a stream of samples."""
        self._call(lambda: self._tables.acknowledge(stream, through))

    def sample(self, sample: str) -> bytes:
        """The bytes of a kept sample, checked; a damaged file is dropped, and the ledger says so.

        :raises NotFound: it is not here (any more).
        """
        try:
            data = self._sample_path(sample).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"The sample {sample[:12]}… is not on this box.") from error
        if hashlib.sha256(data).hexdigest() != sample:
            self._call(lambda: self._drop(self._tables.forget_sample(sample), "sample.damaged"))
            raise NotFound(f"The sample {sample[:12]}… was damaged on this box and has been dropped.")
        return data

    def status(self) -> SpoolStatus:
        totals = self._tables.totals
        return SpoolStatus(
            results=totals.rows["results"],
            samples=totals.rows["samples"],
            alerts=totals.rows["alerts"],
            losses=totals.rows["losses"],
            sample_bytes=totals.waiting_bytes,
            disk_free_bytes=shutil.disk_usage(self._folder).free,
        )

    def close(self) -> None:
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()
        self._reader.close()
        self._database.close()

    def _open(self) -> bool:
        """Open the writer's side; True where a damaged file had to be put aside."""
        self._folder.mkdir(exist_ok=True)
        try:
            self._database = connect(self._path)
            self._tables = SpoolTables(self._database)
        except sqlite3.DatabaseError as error:
            if is_full(self._path):
                # Nothing is wrong with the rows: they must still be there when there is room again.
                raise DiskFull(f"The spool in {self._folder} cannot be opened: no space left.") from error
            _log.error("the spool cannot be read and is put aside: %s", error)
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    broken = self._path.with_name(self._path.name + suffix)
                    broken.replace(broken.with_name(f"{broken.name}.damaged"))
            self._database = connect(self._path)
            self._tables = SpoolTables(self._database)
            return True
        return False

    def _reconcile(self, *, damaged: bool) -> None:
        """After a crash: files without a row go, and rows without a file."""
        known = self._tables.samples()
        here: set[str] = set()
        orphans = size = 0
        for path in self._folder.glob("*/*"):
            if path.name in known:
                here.add(path.name)
                continue
            orphans, size = orphans + 1, size + path.stat().st_size
            path.unlink(missing_ok=True)
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for missing in known - here:
                self._drop(self._tables.forget_sample(missing), "sample.damaged")
        if damaged or orphans:
            now = self._now_ms()
            self._lose(Gone("samples", orphans, size, now, now), "spool.damaged" if damaged else "power.cut")

    def _sample_path(self, sample: str) -> Path:
        return self._folder / sample[:2] / sample

    def _append(self, row: Row) -> None:
        with self._lock:
            self._pending.append(row)
            self._put += 1
            if len(self._pending) <= MAX_PENDING:
                return
            # The disk has not taken anything for long: the least precious rows go.
            lost = [row for row in self._pending if isinstance(row, ResultRow)][: MAX_PENDING // 2]
            gone = {id(row) for row in lost}
            self._pending = [row for row in self._pending if id(row) not in gone]
            self._committed += len(lost)
        if lost:
            self._lose(Gone("results", len(lost), 0, lost[0].at_ms, lost[-1].at_ms), "disk.full")

    def _lose(self, gone: Gone, reason: str) -> None:
        self._append(self._loss(gone, reason))

    def _loss(self, gone: Gone, reason: str) -> LossRow:
        return LossRow(
            **self.stamp("losses"),
            stream=gone.stream,
            count=gone.count,
            bytes=gone.bytes,
            first_ms=gone.first_ms,
            last_ms=gone.last_ms,
            reason=reason,
        )

    def _call(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the writer's thread, after everything that was put before, in its transaction."""
        future: Future[T] = Future()
        with self._lock:
            if self._closing:
                raise BoxRefused("The box is stopping.")
            self._calls.append((work, future))
            self._lock.notify_all()
        return future.result(timeout=60)

    def _write_until_closed(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or self._waiters or self._calls, COMMIT_EVERY_S)
                rows, self._pending = self._pending, []
                calls, self._calls = self._calls, []
                closing = self._closing
            try:
                self._transact(rows, calls)
            except Exception as error:  # noqa: BLE001 - the spool goes on whatever the disk does
                told = DiskFull("The spool cannot be written: no space left.") if is_full(self._path) else error
                for _work, future in calls:
                    future.set_exception(told)
                self._recover(rows, error)
                if closing:
                    return
                time.sleep(RETRY_S)
                continue
            with self._lock:
                self._committed += len(rows)
                self._lock.notify_all()
                if closing and not self._pending and not self._calls:
                    return

    def _transact(self, rows: list[Row], calls: list[tuple[Callable[[], Any], Future[Any]]]) -> None:
        thorough = time.monotonic() >= self._next_enforce
        if not rows and not calls and not thorough:
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._tables.insert(rows)
            results = [work() for work, _future in calls]
            self._enforce(thorough=thorough)
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        for result, (_work, future) in zip(results, calls, strict=True):
            future.set_result(result)
        if thorough:
            self._database.execute("PRAGMA incremental_vacuum").fetchall()

    def _recover(self, rows: list[Row], error: Exception) -> None:
        """Keep what could not be written for the next attempt, unless the rows themselves are the trouble."""
        _log.error("the spool could not be written: %s", error)
        with suppress(sqlite3.Error):
            self._tables.recount()
        with self._lock:
            if isinstance(error, sqlite3.Error | OSError):
                self._pending = rows + self._pending
            else:
                self._committed += len(rows)

    def _enforce(self, *, thorough: bool) -> None:
        totals = self._tables.totals
        if (excess := totals.stored_bytes - self.limits.max_sample_bytes) > 0:
            self._drop(self._tables.evict_samples(excess), "limit.bytes")
        if not thorough:
            return
        self._next_enforce = time.monotonic() + ENFORCE_EVERY_S
        oldest = self._now_ms() - int(self.limits.max_age_days * 86_400_000)
        for stream in ("results", "samples", "alerts"):
            self._drop(self._tables.expire(stream, oldest), "limit.age")
        self._drop(self._tables.trim_results(MAX_RESULT_ROWS), "limit.rows")
        short = self.limits.reserve_bytes - shutil.disk_usage(self._folder).free
        if short <= 0:
            return
        # The lowest class first, in slices: what that frees shows the next time round.
        if results := totals.rows["results"]:
            self._drop(self._tables.trim_results(results - max(results // 4, MIN_SLICE)), "disk.reserve")
        else:
            self._drop(self._tables.evict_samples(short), "disk.reserve")

    def _drop(self, evicted: Evicted, reason: str) -> None:
        if evicted.lost:
            self._tables.insert([self._loss(evicted.lost, reason)])
        for sample in evicted.samples:
            self._sample_path(sample).unlink(missing_ok=True)
