"""How ``spool.db`` is opened: one that cannot be read is put aside, and one that was taken away is written anew."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ANEW
from edge_runtime.contracts.rows import STREAMS, AuditRow, SampleRow, Stream
from edge_runtime.service.spool_copy import copy_of, remove_copy, rows_in_copy, write_copy
from edge_runtime.service.spool_files import Ballast, Found, SampleFiles
from edge_runtime.service.spool_limits import SAMPLE_CLASSES
from edge_runtime.service.spool_memory import Entry, Gone
from edge_runtime.service.spool_tables import SpoolTables
from edge_runtime.update.durable import is_damage, lacks_room, put_aside, sync_folder

Loss = Literal["spool.damaged", "spool.missing"]
_BROUGHT_BACK = "The spool's file was taken away; what it held was written anew, and nothing is lost."
_AWAY = (
    "The spool's file was taken away, and {why}. Until there is room the box goes on with the file that it has open: "
    "what is in that is lost if the box ends before."
)
_log = logging.getLogger(__name__)


class SpoolOpening:
    """Used by one thread at a time.

    :param lose: keeps a loss in memory until there is a ledger to write it to.
    :param alert: tells a person, by kind and message.
    :param audit: makes an audit by kind and message.
    :param put_audit: keeps one in memory until it can be entered in the chain.
    :param recovered: makes a row for a sample of which the file alone is left.
    """

    def __init__(
        self,
        path: Path,
        files: SampleFiles,
        ballast: Ballast,
        *,
        had_one: bool,
        now_ms: Callable[[], int],
        lose: Callable[[Gone, str], None],
        alert: Callable[[str, str], None],
        audit: Callable[[str, str], AuditRow],
        put_audit: Callable[[AuditRow], None],
        recovered: Callable[[Found], SampleRow],
    ) -> None:
        self._path, self._files, self._ballast, self._had_one = path, files, ballast, had_one
        self._now_ms, self._lose, self._alert = now_ms, lose, alert
        self._audit, self._put_audit, self._recovered = audit, put_audit, recovered
        self._is_away = False
        """It was told that the file was taken away and could not be written anew yet."""
        self._lost: Loss | None = None
        """What became of the spool before, until the one that takes its place is complete."""

    @property
    def lost(self) -> Loss | None:
        """What became of the spool before the one that was opened, until :meth:`complete`."""
        return self._lost

    def open(self, served: Mapping[Stream, int]) -> SpoolTables:
        """Make it if need be; a file that proves to be broken is put aside.

        :param served: the last cursors that a desktop may have.
        :raises sqlite3.Error, OSError: the disk refuses something.
        """
        self._take_up_copy()
        try:
            if why := self._why_unlike_before(served):
                raise ValueError(why)
            tables = self._begin(served)
        except Exception as error:
            if not is_damage(error, self._path):
                raise
            self.put_aside(error, None)
            tables = self._begin(served)
        self._had_one = True
        return tables

    def complete(self) -> None:
        """What was opened has all that is left of the one before."""
        self._lost = None

    def put_aside(self, error: Exception, tables: SpoolTables | None) -> None:
        """Let go of a spool that cannot be read, and tell so.

        :param tables: those that were open.
        :raises OSError: the file cannot even be put aside.
        """
        _log.error("the spool cannot be read and is put aside: %s", error)
        lost: Loss = "spool.damaged" if self._path.exists() else "spool.missing"
        self._lost = lost
        if tables is not None:
            with suppress(sqlite3.Error):
                tables.close()
        put_aside(self._path)
        # Only now: where the file cannot even be put aside this comes again.
        self._lose_rows(tables.totals.rows if tables else None, lost)
        self._put_audit(self._audit(ANEW, f"{lost}: the chain before this one went with its spool."))
        message = f"The spool was {lost.partition('.')[2]} and has begun anew; what it held is in the loss ledger."
        kept = f" The file is kept as {self._path.name}.damaged." if lost == "spool.damaged" else ""
        self._alert(lost, f"{message}{kept} Samples that are whole were taken up again.")

    def bring_back(self, tables: SpoolTables, *, spare_bytes: int | None) -> bool:
        """Write anew what is in tables whose file was taken away, and close them; then it can be opened again.

        :param spare_bytes: what the disk has left beside the reserve; None where it does not say.
        :returns: False where it is too little, and the tables are as they were.
        :raises sqlite3.Error, OSError: the disk does not take it, and the tables are as they were.
        """
        if spare_bytes is not None and spare_bytes < (needed := tables.file_bytes()):
            self._tell_away(f"{max(spare_bytes, 0)} bytes beside the reserve are no room for the {needed} that it had")
            return False
        try:
            self._write_anew(tables)
        except (sqlite3.Error, OSError) as error:
            self._tell_away(f"cannot be written anew: {str(error)[:200]}")
            raise
        self._is_away = False
        self._alert("spool.missing", _BROUGHT_BACK)
        return True

    def _tell_away(self, why: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._alert("spool.missing", _AWAY.format(why=why))

    def _write_anew(self, tables: SpoolTables) -> None:
        # First of all: a copy that has no spool beside it is what the next start goes on with.
        with suppress(FileNotFoundError):
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        copy = copy_of(self._path)
        write_copy(copy, tables)
        # Closed before there is another one at its place, of which it would remove the log.
        tables.close()
        put_aside(self._path)
        copy.replace(self._path)
        sync_folder(self._path.parent)

    def _take_up_copy(self) -> None:
        """Where a process was killed in :meth:`bring_back`: go on with a copy that is whole, or else let go of it."""
        copy = copy_of(self._path)
        if not copy.exists():
            return
        rows = rows_in_copy(copy)
        taken = self._path.exists() and self._path.stat().st_size > 0
        if rows is not None and not taken:
            # The log of the file that was taken away would be read as that of its copy.
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            copy.replace(self._path)
            sync_folder(self._path.parent)
            self._alert("spool.missing", _BROUGHT_BACK)
            return
        _log.error("a copy of the spool is %s", "not whole" if rows is None else "not needed: there is another spool")
        if rows is None:
            remove_copy(copy)
        else:
            put_aside(copy)
        if taken:
            # Otherwise this is told as of any spool that is not there any more.
            self._lose_rows(rows, "spool.missing")
            kept = "" if rows is None else f" It is kept as {copy.name}.damaged."
            self._alert("spool.missing", f"The spool's file was taken away, and another one stands there.{kept}")

    def _lose_rows(self, known: Mapping[Stream, int] | None, reason: Loss) -> None:
        now = self._now_ms()
        for stream in STREAMS:
            # Samples are counted by their files. A count of 0 says that nobody knows how many there were.
            count = known[stream] if known else None
            if count != 0 and stream != "samples":
                self._lose(Gone(stream, max(count or 0, 0), 0, now, now), reason)

    def _why_unlike_before(self, served: Mapping[Stream, int]) -> str | None:
        """SQLite makes a new database where there is no file, or one without a byte: a power cut, a disk that failed
        or a person may have left it so."""
        if self._lost or not (self._had_one or any(served.values())):
            # Where it was told already, this is the new one, for which there was no room.
            return None
        try:
            return None if self._path.stat().st_size else "it is an empty file, and was none before"
        except FileNotFoundError:
            return "it is not there, and was before"
        except OSError:
            return None

    def _begin(self, served: Mapping[Stream, int]) -> SpoolTables:
        """Open it; in one that takes another's place the samples that are whole have rows again."""
        # All is read before there is a new file: a crash meanwhile is told of, and mended, as this one is.
        found = self._files.intact() if self._lost else []
        tables = self._connect(served)
        rows = [self._recovered(each) for each in found]
        kind = SAMPLE_CLASSES["recovered"]
        try:
            with tables.transaction():
                tables.insert(
                    (Entry(0, "samples", kind, row.at_ms, wire.encode(row), row.sample, row.size) for row in rows),
                    age_ms=0,
                )
        except BaseException:
            tables.close()
            raise
        return tables

    def _connect(self, served: Mapping[Stream, int]) -> SpoolTables:
        # A spool that has to begin anew begins above all that one before it gave out, if the clock is right at all.
        by_clock = min(max(self._now_ms(), 0) // 1000, 2**32) << 20
        first = max(by_clock, *served.values()) if served else by_clock
        try:
            return SpoolTables(self._path, first=first)
        except sqlite3.Error as error:
            if lacks_room(error, self._path) and self._ballast.drop():
                return SpoolTables(self._path, first=first)
            raise
