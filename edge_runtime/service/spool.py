"""What waits on the box for a desktop: rows in ``spool.db``, the bytes of samples in ``samples/ab/SHA``.

One thread writes, in transactions at most 100 ms apart, so that a thousand frames a second are fine. Rows leave when a
desktop acknowledged them, or under the limits, and then the loss ledger says so. Nothing here ever stops a line: where
the disk takes nothing, rows wait in memory, and what that cannot hold is counted.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.errors import DiskFull, InputInvalid, LinesideError, NotFound
from edge_runtime.contracts.rows import (
    STREAMS,
    AlertRow,
    AuditRow,
    LossRow,
    ResultRow,
    RollupRow,
    Row,
    SampleRow,
    ShadowRow,
    Stream,
)
from edge_runtime.contracts.status import SpoolStatus
from edge_runtime.inference.ports import Stamp
from edge_runtime.service.spool_disk import SpoolDisk
from edge_runtime.service.spool_files import Found, SampleFiles, why_lost
from edge_runtime.service.spool_limits import SAMPLE_CLASSES, has_room
from edge_runtime.service.spool_memory import Gone, Waiting
from edge_runtime.update.durable import is_damage, is_read_only, lacks_room

COMMIT_EVERY_S = 0.1
RETRY_S = 1.0
CAREFUL_ROWS = 500
"""Rows that are written at once while the disk is short: some may fit where all do not."""
URGENT: tuple[Stream, ...] = ("audits", "alerts", "losses")
"""What a desktop is given out of the memory, too, while the disk takes none."""
MAX_PAGE_ROWS = 5_000
MAX_PAGE_BYTES = 8 * 2**20
FLUSH_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolPage:
    """Rows after a cursor, as the JSON that was stored."""

    rows: tuple[msgspec.Raw, ...]
    cursor: int
    """Pass it as ``after`` for the next page, and acknowledge through it."""
    more: bool
    chain: ChainHead | None = None
    """With the last page of audits: where their chain stands."""


class Spool:
    """Safe to use from any thread; :meth:`close` waits until everything that was put is on disk, if the disk takes it.

    A ``spool.db`` that cannot be read is put aside, and the ledger says what went with it.

    :param now_ms: the wall clock, milliseconds since 1970; it only stamps rows, and may be wrong.
    :param monotonic: seconds; what ages are measured by.
    """

    def __init__(
        self,
        home: Path,
        *,
        box: str,
        boot: str,
        limits: SpoolLimits,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._box, self._boot, self._now_ms = box, boot, now_ms
        self._limits = limits
        home.mkdir(parents=True, exist_ok=True)
        self._home, self._files = home, SampleFiles(home / "samples")
        self._disk = SpoolDisk(
            home,
            self._files,
            now_ms=now_ms,
            monotonic=monotonic,
            ledger=self._loss,
            lose=self._lose,
            alert=self._alert,
            audit=self._audit,
            put_audit=self.put_audit,
            recovered=self._recovered,
        )
        self._lock = threading.Condition()
        self._sequences: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._waiting = Waiting(limits.memory_bytes, ledger=self._loss, discard=self._files.remove)
        self._waiters = 0
        self._closing = False
        self._problem: str | None = None
        """Why the disk does not take rows at the moment."""
        self._alerted: set[str] = set()
        """Kinds of alerts that this problem has raised already."""
        self._thread = threading.Thread(target=self._write_until_closed, name="spool", daemon=True)
        self._thread.start()

    @property
    def limits(self) -> SpoolLimits:
        """Those in force."""
        return self._limits

    def limit_to(self, limits: SpoolLimits) -> None:
        """Go by other limits from now on."""
        with self._lock:
            self._limits, self._waiting.room = limits, limits.memory_bytes

    def stamp(self, stream: Stream) -> Stamp:
        """Key and time of the next row of a stream: (box, boot, seq) never comes twice."""
        with self._lock:
            seq = self._sequences[stream]
            self._sequences[stream] += 1
        return {"box": self._box, "boot": self._boot, "seq": seq, "at_ms": self._now_ms()}

    def put_audit(self, row: AuditRow) -> None:
        self._put("audits", row)

    def audit(self, kind: str, message: str, *, who: str = "box") -> None:
        """Note what was done to the box, and by whom: a desktop's fingerprint, or ``box``."""
        self.put_audit(self._audit(kind, message, who=who))

    def put_alert(self, row: AlertRow) -> None:
        self._put("alerts", row)

    def put_shadow(self, row: ShadowRow) -> None:
        self._put("shadows", row)

    def put_rollup(self, row: RollupRow) -> None:
        self._put("rollups", row)

    def put_result(self, row: ResultRow) -> None:
        self._put("results", row)

    def put_loss(self, row: LossRow) -> None:
        with self._lock:
            self._waiting.add_loss(row)

    def lose_frames(self, count: int, size: int, reason: str) -> None:
        """Enter frames in the ledger that nobody answered."""
        at_ms = self._now_ms()
        self._lose(Gone("frames", count, size, at_ms, at_ms), reason)

    def put_sample(self, row: SampleRow, data: bytes) -> bool:
        """Keep a sample; False where its bytes are here already, or no room is left (the ledger then says so)."""
        if self._files.has(row.sample):
            return False
        gone = Gone("samples", 1, len(data), row.at_ms, row.at_ms)
        kind = SAMPLE_CLASSES[row.reason]
        free, stored = self._disk.free_bytes(), self._disk.stored()
        if free is None:
            # The disk does not say; then the file itself finds out.
            free = self._limits.reserve_bytes + len(data)
        if self._problem is not None:
            self._lose(gone, self._waiting.cause)
            return False
        if not has_room(kind, len(data), stored=stored, limits=self._limits, free_bytes=free):
            self._lose(gone, "disk.full" if free < len(data) else "disk.reserve")
            return False
        try:
            self._files.write(row.sample, data)
        except OSError as error:
            _log.warning("a sample could not be kept: %s", error)
            self._lose(gone, why_lost(error))
            return False
        if free < self._limits.reserve_bytes + len(data):
            self._disk.enforce_soon()
        self._put("samples", row)
        return True

    def flush(self) -> bool:
        """Wait until everything put so far is committed; False where the disk does not take it in good time."""
        with self._lock:
            goal = self._waiting.ticket
            self._waiters += 1
            self._lock.notify_all()
            try:
                self._lock.wait_for(lambda: self._waiting.settled(goal) or self._problem, FLUSH_TIMEOUT_S)
                return self._waiting.settled(goal)
            finally:
                self._waiters -= 1

    def page(self, stream: Stream, after: int, limit: int) -> SpoolPage:
        """Up to ``limit`` rows after a cursor, oldest first; fewer where they are large. A cursor from before the spool
        had to begin anew stands for its beginning.

        While the disk takes nothing, the last page of audits, alerts and losses has those that wait in memory, too.
        They come again with every page, and under a cursor once they are on the disk. Audits have their place in the
        chain already, and keep it; while nobody can read how far that has come they are not handed out.

        :raises DiskFull: there is no room to open the spool.
        """
        if stream != "audits":
            return self._page(stream, after, limit)
        with self._disk.audits_still() as head:
            page = self._page(stream, after, limit)
            if page.more:
                return page
            try:
                return replace(page, chain=head())
            except LinesideError:
                # The disk does not say now; what waits in memory is handed out all the same.
                return page

    def _page(self, stream: Stream, after: int, limit: int) -> SpoolPage:
        wanted = max(1, min(limit, MAX_PAGE_ROWS))
        in_trouble = self._problem is not None
        try:
            found, after = self._disk.page(stream, after, wanted + 1)
        except LinesideError:
            if not in_trouble or stream not in URGENT:
                raise
            found = []
        rows: list[msgspec.Raw] = []
        size = 0
        for rowid, body in found[:wanted]:
            size += len(body)
            if rows and size > MAX_PAGE_BYTES:
                break
            rows.append(msgspec.Raw(body))
            after = rowid
        self._disk.hand_out(stream, after)
        more = len(rows) < len(found)
        if in_trouble and stream in URGENT and not more:
            with self._lock:
                waiting: Sequence[bytes] = self._waiting.peek(stream)[: wanted - len(rows)]
            if stream == "audits":
                try:
                    waiting = self._disk.hand_out_audits(waiting)
                except LinesideError:
                    # Nobody knows which places they will have: they come once that can be read.
                    waiting = ()
            for body in waiting:
                size += len(body)
                if size > MAX_PAGE_BYTES:
                    break
                rows.append(msgspec.Raw(body))
        return SpoolPage(tuple(rows), after, more)

    def acknowledge(self, stream: Stream, through: int) -> None:
        """A desktop has everything up to this cursor; also bytes, where it is a stream of samples.

        :raises InputInvalid: no row so far was ever handed out; nothing was dropped.
        """
        try:
            handed_out = self._disk.handed_out(stream)
        except DiskFull:
            # Nobody can tell yet; whatever it is comes again, and so does the desktop.
            return
        if through > handed_out:
            raise InputInvalid(f"Nobody was given the {stream} up to {through} yet.")
        while self._disk.acknowledge(stream, through):
            continue

    def sample(self, sample: str) -> bytes:
        """The bytes of a kept sample, checked; a damaged file is dropped, and the ledger says so.

        :raises NotFound: it is not here (any more).
        """
        data = self._files.read(sample)
        if data is None:
            self._disk.forget(sample)
            raise NotFound(f"The sample {sample[:12]}… was damaged on this box and has been dropped.")
        return data

    def rename(self, box: str) -> None:
        """From now on rows are those of the box with this id; what waits keeps the one that it was stamped with."""
        with self._lock:
            self._box = box

    def status(self) -> SpoolStatus:
        rows, stored = self._disk.rows(), self._disk.stored()
        return SpoolStatus(
            **rows,
            sample_bytes=sum(stored[kind] for kind in set(SAMPLE_CLASSES.values())),
            disk_free_bytes=self._disk.free_bytes() or 0,
            in_memory=len(self._waiting),
            problem=self._problem,
        )

    def close(self) -> None:
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()
        self._disk.close()

    def _put(self, stream: Stream, row: Row) -> None:
        with self._lock:
            self._waiting.add(stream, row)

    def _audit(self, kind: str, message: str, *, who: str = "box") -> AuditRow:
        return AuditRow(**self.stamp("audits"), kind=kind, who=who, message=message)

    def _recovered(self, found: Found) -> SampleRow:
        stamp = self.stamp("samples")
        stamp["at_ms"] = max(found.at_ms, 0)
        return SampleRow(
            **stamp,
            pipeline="unknown",
            frame="",
            sample=found.sample,
            media=found.media,
            size=found.size,
            reason="recovered",
        )

    def _alert(self, kind: str, message: str) -> None:
        free = self._disk.free_bytes()
        facts = {} if free is None else {"free_bytes": float(free)}
        self.put_alert(AlertRow(**self.stamp("alerts"), kind=kind, message=message, facts=facts))

    def _lose(self, gone: Gone, reason: str) -> None:
        self.put_loss(self._loss(gone, reason))

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

    def _write_until_closed(self) -> None:
        while True:
            with self._lock:
                pause_s = COMMIT_EVERY_S if self._problem is None else RETRY_S
                self._lock.wait_for(lambda: self._closing or (self._waiters and not self._problem), pause_s)
                closing = self._closing
            if self._write_everything():
                self._healed()
                if closing and len(self._waiting):
                    # What came to light only then, such as that the file was taken away.
                    self._write_everything()
            if closing:
                if left := len(self._waiting):
                    _log.error("%d rows could not be written before the end", left)
                return

    def _write_everything(self) -> bool:
        """Empty the memory and keep the limits; False where the disk does not take it."""
        try:
            if self._problem is None:
                self._write()
                self._disk.enforce(self._limits)
                return True
            self._write(tiny=True)
            self._disk.enforce(self._limits)
            if not self._disk.has_room_again():
                return False
            while len(self._waiting):
                self._write(most=CAREFUL_ROWS)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would write the rows that wait
            self._refused(error)
            return False
        return True

    def _write(self, *, tiny: bool = False, most: int | None = None) -> None:
        with self._lock:
            batch = self._waiting.take(tiny=tiny, most=most)
        try:
            self._disk.write(batch, self._limits)
        except (sqlite3.Error, OSError):
            with self._lock:
                self._waiting.put_back()
            raise
        except Exception:  # noqa: BLE001 - rows that cannot be written at all must not hold up those behind them
            _log.exception("%d rows cannot be stored", len(batch.rows))
            with self._lock:
                self._waiting.give_up("spool.fault")
        with self._lock:
            self._waiting.landed()
            self._lock.notify_all()

    def _refused(self, error: Exception) -> None:
        """The disk does not take rows: they wait in memory from now on, but for what a person must know at once."""
        path = self._home / "spool.db"
        # SQLite only says that it cannot open a file.
        read_only, full = is_read_only(self._home), lacks_room(error, path)
        why = f"the folder {self._home} is read-only" if read_only else str(error) or repr(error)
        with self._lock:
            first, self._problem = self._problem is None, why
            self._waiting.cause = "disk.full" if full else "disk.read-only" if read_only else why_lost(error)
            self._lock.notify_all()
        if first:
            _log.error("the spool cannot be written, rows wait in memory: %s", why, exc_info=error)
        # What is damaged has been put aside, with an alert of its own.
        kind = "disk.full" if full else "disk.refused"
        if kind in self._alerted or (is_damage(error, path) and not full):
            return
        self._alerted.add(kind)
        rest = "Rows wait in memory; what it cannot hold is in the loss ledger."
        self._alert(kind, f"{'The disk has no room left' if full else f'The disk takes no rows: {why[:200]}'}. {rest}")
        if full and self._disk.make_room():
            _log.warning("the spool's ballast was given up")

    def _healed(self) -> None:
        with self._lock:
            before, self._problem = self._problem, None
        self._alerted.clear()
        if before is not None:
            _log.info("the spool is written again")
