"""One writer thread and a pool of readers over one SQLite file.

All writing goes through :meth:`Database.write`, one transaction after the other on one thread, so the window
never waits for a lock and a listener always hears of what was committed. Reading is possible from any thread
at any time, also while something is being written.
"""

from __future__ import annotations

import getpass
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from app.store.garbled import from_bytes
from app.store.migrations import WAIT_FOR_OTHERS_S, bring_up_to_date, plain_errors
from app.store.writer import Parameters, Writer

T = TypeVar("T")
Listener = Callable[[str, frozenset[str]], None]

_log = logging.getLogger(__name__)

REPLICA_NOTE = "replica"


def wall_ms() -> int:
    """This computer's time, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Database:
    """Make one with :meth:`open`; close it when done."""

    def __init__(self, path: Path, *, replica: str, now_ms: Callable[[], int] = wall_ms) -> None:
        self.path = path
        self.now_ms = now_ms
        self._first_replica = replica
        self.who = _person()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._listeners: list[Listener] = []
        self._idle_readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._connection = _connect(path)
        # FULL: what was journaled, audited or acknowledged to a box must survive a power cut.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._known_version = self._data_version()
        self._thread = threading.Thread(target=self._run, name="lineside-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path, *, replica: str, now_ms: Callable[[], int] = wall_ms) -> Database:
        """Open or create the database, bringing it up to date first; an old one is copied beside itself before.

        :param replica: this desktop's id in the journal, until :func:`app.store.rekey.rekey` gives it another one.
        :param now_ms: this desktop's clock, milliseconds since 1970.
        :raises DatabaseTooNew: a newer Lineside made it.
        :raises DatabaseDamaged: it is no database of Lineside, or cannot be read.
        """
        bring_up_to_date(path)
        with plain_errors(path):
            return cls(path, replica=replica, now_ms=now_ms)

    @property
    def replica(self) -> str:
        """This desktop's id in the journal."""
        row = self.read_one("SELECT value FROM notes WHERE name = ?", (REPLICA_NOTE,))
        return row["value"] if row else self._first_replica

    def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """All rows of a query, from any thread; sees the last commit.

        :raises DatabaseDamaged: the file's pages cannot be read, a table is gone, or what should be text is none.
        """
        return self._read(sql, parameters, str)

    def read_garbled(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """As :meth:`read`, also where a column has bytes that are no text; see :mod:`app.store.garbled`."""
        return self._read(sql, parameters, from_bytes)

    def read_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """The first row of a query, or None; as :meth:`read`."""
        rows = self.read(sql, parameters)
        return rows[0] if rows else None

    def write(self, work: Callable[[Writer], T]) -> T:
        """Run ``work`` on the writer thread in one transaction and return what it returns.

        Whatever it raises undoes all of it and is raised here. When this returns, the commit is on the disk and
        listeners have been told.

        :raises DiskFull: no room; nothing of ``work`` stands.
        """
        return self._on_writer(lambda: self._transact(work))

    def shrink(self, most_pages: int) -> int:
        """Give some free pages of the file back to the disk; returns how many are left.

        A slice of work like any write: others wait for this one alone, not for the whole file.
        """
        return self._on_writer(lambda: self._shrink(most_pages))

    def changed_elsewhere(self) -> bool:
        """Whether another program wrote to the file since this was asked last, or since it was opened.

        Cheap, but it waits for the writes that are queued before it: not for a thread that must not wait.
        """
        return self._on_writer(self._look_elsewhere)

    def tables(self) -> frozenset[str]:
        """The names of all tables, as listeners hear them."""
        return frozenset(row["name"] for row in self.read("SELECT name FROM sqlite_master WHERE type = 'table'"))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with a table and the keys of changed rows after each commit of this process; of results,
        which come by the thousand, with their box.

        It runs on the writer thread: it must be quick and must not write. Returns what ends the subscription.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def close(self) -> None:
        """Finish the writes that wait and close every connection; calling it again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            readers, self._idle_readers = self._idle_readers, []
            self._jobs.put(None)
        self._thread.join()
        for reader in readers:
            reader.close()

    def _read(self, sql: str, parameters: Parameters, text: Callable[[bytes], str]) -> list[sqlite3.Row]:
        with plain_errors(self.path):
            connection = self._reader()
            connection.text_factory = text
            try:
                rows: list[sqlite3.Row] = connection.execute(sql, parameters).fetchall()
            finally:
                self._give_back(connection)
            return rows

    def _on_writer(self, work: Callable[[], T]) -> T:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a write inside a write, or inside a listener, would wait for itself")
        future: Future[T] = Future()
        with self._lock:
            self._check_open()
            self._jobs.put((work, future))
        return future.result()

    def _data_version(self) -> int:
        # SQLite counts here only what other connections committed; of ours, the writer's alone ever commits.
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _look_elsewhere(self) -> bool:
        before, self._known_version = self._known_version, self._data_version()
        return before != self._known_version

    def _shrink(self, most_pages: int) -> int:
        # The rows of this statement are its steps.
        self._connection.execute(f"PRAGMA incremental_vacuum({int(most_pages)})").fetchall()
        return int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"the database {self.path.name} was closed")

    def _reader(self) -> sqlite3.Connection:
        with self._lock:
            self._check_open()
            if self._idle_readers:
                return self._idle_readers.pop()
        connection = _connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle_readers.append(connection)
                return
        connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            try:
                with plain_errors(self.path):
                    result = work()
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, not to this thread
                future.set_exception(error)
            else:
                future.set_result(result)
        self._connection.close()

    def _transact(self, work: Callable[[Writer], T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            writer = Writer(connection, replica=self._first_replica, who=self.who, now_ms=self.now_ms())
            # Another program may have given this desktop another id since.
            writer.replica = writer.noted(REPLICA_NOTE) or self._first_replica
            result = work(writer)
            writer.finish()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._tell(writer.touched)
        return result

    def _tell(self, touched: Mapping[str, set[str]]) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for table, keys in touched.items():
            for listener in listeners:
                try:
                    listener(table, frozenset(keys))
                except Exception:  # noqa: BLE001 - the row stands; a listener's fault must not end the writer
                    _log.exception("a listener failed on %s", table)


def _connect(path: Path) -> sqlite3.Connection:
    # Given from thread to thread, used by one at a time.
    connection = sqlite3.connect(path, timeout=WAIT_FOR_OTHERS_S, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # An account without a name, as containers have.
        return "unknown"
