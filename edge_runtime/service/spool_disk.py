"""The part of the spool that lies on the disk: opened, healed, kept within its limits. Safe to use from any thread."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import LOST, ChainHead, Ranges, lost_message
from edge_runtime.contracts.errors import BoxRefused, DiskFull, InputInvalid, LinesideError
from edge_runtime.contracts.rows import STREAMS, AuditRow, LossRow, SampleRow, Stream
from edge_runtime.service.spool_files import Ballast, Found, SampleFiles
from edge_runtime.service.spool_limits import (
    CLASSES,
    Cut,
    SpoolClass,
    choose_cuts,
    oldest_age_ms,
    resumed_age_ms,
)
from edge_runtime.service.spool_memory import Batch, Entry, Gone
from edge_runtime.service.spool_opening import SpoolOpening
from edge_runtime.service.spool_tables import Evicted, SpoolTables, readable
from edge_runtime.update.durable import is_damage, lacks_room

ENFORCE_EVERY_S = 10.0
"""How often age and free disk are looked at; bytes are at every commit."""
REMEMBER_EVERY_MS = 60_000
"""How often the clock is written where nothing else is."""
SHRINK_ABOVE_BYTES = 64 * 2**20
SHRINK_BYTES = 16 * 2**20
_log = logging.getLogger(__name__)


class SpoolDisk:
    """Opens when it is first used, and again after every failure.

    :param ledger: makes a loss a row of the ledger, with a key of its own.
    :param audit: makes an audit by kind and message, which is entered in the chain at once.
    :param monotonic: seconds; ages are measured by it.
    :param lose, alert, put_audit, recovered: as for :class:`SpoolOpening`.
    """

    def __init__(
        self,
        home: Path,
        files: SampleFiles,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        ledger: Callable[[Gone, str], LossRow],
        lose: Callable[[Gone, str], None],
        alert: Callable[[str, str], None],
        audit: Callable[[str, str], AuditRow],
        put_audit: Callable[[AuditRow], None],
        recovered: Callable[[Found], SampleRow],
    ) -> None:
        self._path, self._files = home / "spool.db", files
        self._now_ms, self._monotonic, self._ledger, self._lose, self._audit = now_ms, monotonic, ledger, lose, audit
        self._ballast = Ballast(home / "spool.ballast")
        self._opening = SpoolOpening(
            self._path,
            files,
            self._ballast,
            # Made when a spool is opened for the first time.
            had_one=(home / "samples").exists(),
            now_ms=now_ms,
            lose=lose,
            alert=alert,
            audit=audit,
            put_audit=put_audit,
            recovered=recovered,
        )
        self._lock = threading.RLock()
        self._open_tables: SpoolTables | None = None
        self._served: dict[Stream, int] = {}
        self._postponed: dict[Stream, int] = {}
        """What was acknowledged while the disk did not take even that."""
        self._age_base_ms = self._remembered_ms = 0
        self._opened_s = 0.0
        self._next_enforce_s = 0.0
        self._closed = False

    def free_bytes(self) -> int | None:
        """What the disk has left; None where it does not say."""
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:
            return None

    def rows(self) -> dict[Stream, int]:
        """Rows on the disk that no desktop has acknowledged."""
        tables = self._open_tables
        return dict(tables.totals.rows) if tables else dict.fromkeys(STREAMS, 0)

    def stored(self) -> dict[SpoolClass, int]:
        """Bytes on the disk by class."""
        tables = self._open_tables
        return dict(tables.totals.size) if tables else dict.fromkeys(CLASSES, 0)

    def write(self, batch: Batch, limits: SpoolLimits) -> None:
        """Put a batch on the disk, whole or not at all, and let go of what is too much then.

        :raises sqlite3.Error: it was not taken.
        :raises InputInvalid: some row of it can never be taken.
        """
        with self._lock, self._usable() as tables:
            if not (batch.rows or batch.losses or batch.sealed):
                return
            with tables.transaction(durable=any(entry.stream == "audits" for entry in batch.rows)):
                try:
                    tables.insert(batch.rows, age_ms=self._age_ms())
                    self._enter_lost(tables, tables.take_holes(), "disk.full")
                    tables.insert_losses(batch.losses, sealed=batch.sealed)
                except (OverflowError, sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError) as error:
                    # The rows are at fault, not the file.
                    raise InputInvalid(f"A row cannot be stored: {error}.") from error
                self._cut(tables, choose_cuts(tables.totals.size, limits, free_bytes=limits.reserve_bytes))
            self._files.have_rows(entry.sample for entry in batch.rows if entry.sample)

    def make_room(self) -> bool:
        """Give up the ballast; False where there is none any more."""
        return self._ballast.drop()

    def has_room_again(self) -> bool:
        """After :meth:`make_room`: whether the ballast could be laid down again. Until then its place is for what a
        person must know, and for nothing else."""
        with self._lock, self._usable() as tables:
            # Or the log would grow where there is no room for it.
            tables.settle_log()
            return self._ballast.lay()

    def enforce_soon(self) -> None:
        """Look at the disk's free bytes at the next :meth:`enforce`."""
        self._next_enforce_s = 0.0

    def enforce(self, limits: SpoolLimits) -> None:
        """From time to time, or after :meth:`enforce_soon`: let go of what is too old, and leave the reserve alone. At
        every call: where the file was taken away, all that was in it is written anew, once there is room beside the
        reserve.

        :raises sqlite3.Error: the disk did not take it.
        """
        with self._lock, self._usable() as tables:
            # First of all: what is safe on a desktop is no loss.
            self._catch_up(tables)
            if tables.astray and self._opening.bring_back(tables, spare_bytes=self._spare_bytes(limits)):
                tables = self._open()
            if self._monotonic() < self._next_enforce_s:
                return
            self._next_enforce_s = self._monotonic() + ENFORCE_EVERY_S
            age_ms = self._age_ms()
            left = self.free_bytes()
            # A disk that does not say what it has left is no reason to let anything go.
            free = limits.reserve_bytes if left is None else left + tables.free_bytes()
            with tables.transaction():
                for kind in reversed(CLASSES):
                    evicted = tables.expire(kind, oldest_age_ms(kind, limits, age_ms=age_ms))
                    self._let_go(tables, evicted, "limit.age")
                self._cut(tables, choose_cuts(tables.totals.size, limits, free_bytes=free))
                if age_ms - self._remembered_ms >= REMEMBER_EVERY_MS:
                    tables.set_clock(age_ms, self._now_ms())
                    self._remembered_ms = age_ms
            if free < limits.reserve_bytes or tables.free_bytes() > SHRINK_ABOVE_BYTES:
                tables.shrink(SHRINK_BYTES)
            self._ballast.lay()

    def page(self, stream: Stream, after: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        """Rows after a cursor, each with its own, and the cursor itself, which is 0 where it was given out by a spool
        that is no more. Rows that cannot be read are passed over and dropped, and the ledger says so.

        :raises DiskFull: the spool cannot be opened for want of room.
        """
        with self._lock, _plain(self._path), self._usable() as tables:
            if after > tables.last_cursor(stream):
                after = 0
            good: list[tuple[int, bytes]] = []
            position = after
            while (wanted := limit - len(good)) > 0:
                found = tables.page(stream, position, wanted)
                rotten = {rowid for rowid, body in found if not readable(stream, body)}
                good += [row for row in found if row[0] not in rotten]
                if not rotten:
                    break
                self._drop_rotten(tables, stream, rotten)
                position = found[-1][0]
            return good, after

    def hand_out_audits(self, waiting: Sequence[bytes]) -> list[bytes]:
        """Audits that the disk does not take now, oldest first, with their places in the chain.

        :raises LinesideError: the disk does not say where that stands.
        """
        with self._lock, _plain(self._path), self._usable() as tables:
            return tables.hand_out_audits(waiting)

    @contextmanager
    def audits_still(self) -> Iterator[Callable[[], ChainHead]]:
        """While this is held no audit comes or goes; gives what tells where their chain stands."""
        with self._lock:

            def head() -> ChainHead:
                with _plain(self._path), self._usable() as tables:
                    return tables.chain()

            yield head

    def hand_out(self, stream: Stream, through: int) -> None:
        """Rows up to this cursor go to a desktop."""
        with self._lock:
            self._served[stream] = max(self._served.get(stream, 0), through)

    def handed_out(self, stream: Stream) -> int:
        """The last cursor that may have gone to a desktop.

        :raises DiskFull: the spool cannot be opened for want of room.
        """
        with self._lock, _plain(self._path), self._usable():
            return self._served[stream]

    def acknowledge(self, stream: Stream, through: int) -> bool:
        """Drop rows that are safe elsewhere, or once the disk takes it; True where some are left for another
        call."""
        with self._lock:
            try:
                with _plain(self._path), self._usable() as tables, tables.transaction():
                    return tables.acknowledge(stream, through)
            except BoxRefused:
                raise
            except LinesideError:
                self._postponed[stream] = max(through, self._postponed.get(stream, 0))
                return False

    def forget(self, sample: str) -> None:
        """Let go of a sample whose file is damaged.

        :raises DiskFull: there is no room even for that.
        """
        with self._lock, _plain(self._path), self._usable() as tables, tables.transaction():
            self._let_go(tables, tables.forget_sample(sample), "sample.damaged")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            tables, self._open_tables = self._open_tables, None
            if tables is None:
                return
            with suppress(sqlite3.Error), tables.transaction():
                tables.set_clock(self._age_ms(), self._now_ms())
            tables.close()

    def _spare_bytes(self, limits: SpoolLimits) -> int | None:
        left = self.free_bytes()
        return None if left is None else left - limits.reserve_bytes

    def _drop_rotten(self, tables: SpoolTables, stream: Stream, rotten: Iterable[int]) -> None:
        _log.error("rows of the stream %s cannot be read and are dropped", stream)
        now = self._now_ms()
        # Where the disk takes nothing they are passed over again the next time.
        with suppress(sqlite3.OperationalError), tables.transaction():
            for rowid in rotten:
                if stream == "samples":
                    self._let_go(tables, tables.forget_sample_row(rowid), "spool.damaged")
                else:
                    entries = tables.entry_of(rowid) if stream == "audits" else ()
                    tables.forget_row(stream, rowid)
                    gone = Gone(stream, 1, 0, now, now)
                    self._let_go(tables, Evicted((), gone, entries=entries), "spool.damaged")

    def _age_ms(self) -> int:
        return self._age_base_ms + int((self._monotonic() - self._opened_s) * 1000)

    def _catch_up(self, tables: SpoolTables) -> None:
        for stream, through in tuple(self._postponed.items()):
            more = True
            while more:
                with tables.transaction():
                    more = tables.acknowledge(stream, through)
            del self._postponed[stream]

    def _cut(self, tables: SpoolTables, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
            self._let_go(tables, tables.evict(cut.kind, cut.size), cut.reason)

    def _let_go(self, tables: SpoolTables, evicted: Evicted, reason: str) -> None:
        """Enter what was evicted in the ledger, and remove its files."""
        if evicted.lost:
            tables.insert_losses([self._ledger(evicted.lost, reason)])
        self._enter_lost(tables, evicted.entries, reason)
        # Before the commit: a row without its file is found at the next start, and counted once; a file without its
        # row would be counted twice.
        self._files.remove(evicted.samples)
        if evicted.more:
            self.enforce_soon()

    def _enter_lost(self, tables: SpoolTables, entries: Ranges, reason: str) -> None:
        """The chain itself says what of it is gone: nothing else counts as a reason."""
        if entries:
            row = self._audit(LOST, lost_message(reason, entries))
            tables.insert([Entry(0, "audits", "audits", row.at_ms, wire.encode(row))], age_ms=self._age_ms())

    @contextmanager
    def _usable(self) -> Iterator[SpoolTables]:
        """The tables, opened if need be; a file that proves to be broken is put aside.

        :raises sqlite3.Error: it is broken, or the disk refused something.
        """
        if self._closed:
            raise BoxRefused("The box is stopping.")
        try:
            yield self._open_tables or self._open()
        except Exception as error:
            if not is_damage(error, self._path):
                raise
            tables, self._open_tables = self._open_tables, None
            self._opening.put_aside(error, tables)
            if isinstance(error, sqlite3.Error):
                raise
            damage = sqlite3.DatabaseError(f"the spool holds what no spool writes: {error!r}")
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage from error

    def _open(self) -> SpoolTables:
        self._open_tables = None
        tables = self._opening.open(self._served)
        now_ms = self._now_ms()
        clock = tables.clock()
        self._age_base_ms = resumed_age_ms(clock[0], stopped_ms=clock[1], now_ms=now_ms) if clock else 0
        self._opened_s = self._monotonic()
        # What was handed out before a restart may be acknowledged after it.
        self._served = {stream: tables.last_cursor(stream) for stream in STREAMS}
        self._reconcile(tables)
        self._open_tables = tables
        return tables

    def _reconcile(self, tables: SpoolTables) -> None:
        """After a crash: files without a row go, and rows without a file."""
        try:
            missing, orphans, size = self._files.reconcile(tables.samples())
        except OSError as error:
            _log.error("the folder of samples cannot be used: %s", error)
            missing, orphans, size = set(), 0, 0
        with suppress(sqlite3.OperationalError), tables.transaction():
            for sample in missing:
                self._let_go(tables, tables.forget_sample(sample), "sample.damaged")
        if orphans:
            now = self._now_ms()
            self._lose(Gone("samples", orphans, size, now, now), self._opening.lost or "power.cut")
        self._opening.complete()


@contextmanager
def _plain(path: Path) -> Iterator[None]:
    """Turn what SQLite says into errors for people."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if lacks_room(error, path):
            raise DiskFull("The spool cannot be used: no space left.") from error
        raise LinesideError(f"The spool cannot be used: {error}.") from error
