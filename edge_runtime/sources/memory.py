"""The file in which a source remembers how far it came."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from edge_runtime.update.durable import about_room, is_read_only, make_folder, open_database

T = TypeVar("T")


def open_memory(path: Path, table: str, load: Callable[[sqlite3.Connection], T]) -> tuple[sqlite3.Connection, T]:
    """Open ``path`` with ``table`` (a CREATE statement) in it, and what ``load`` reads from it.

    A damaged file counts as none: better to see what is there a second time than not to run. A power cut may take
    the last commits with it, for the same reason. Where a full disk has no room for a first one, or nothing may be
    written there, it is kept in memory alone.

    :raises sqlite3.OperationalError: it cannot be opened now, for a reason that is not its content.
    """
    make_folder(path.parent)
    try:
        return _open(path, table, load)
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        if _takes_nothing(error, path):
            return _open_copy(path, table, load)
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            # Locked, or a disk that fails: nothing is wrong with the file, as far as anybody knows.
            raise
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path, table, load)


def remember(database: sqlite3.Connection, path: Path, work: Callable[[], object]) -> bool:
    """Do ``work`` in one transaction; False where the disk did not take it: a line does not stop for that."""
    try:
        with database:
            work()
    except sqlite3.Error as error:
        if _takes_nothing(error, path):
            return False
        raise
    return True


def _open(path: Path, table: str, load: Callable[[sqlite3.Connection], T]) -> tuple[sqlite3.Connection, T]:
    return _prepare(open_database(path, synchronous="NORMAL"), table, load)


def _open_copy(path: Path, table: str, load: Callable[[sqlite3.Connection], T]) -> tuple[sqlite3.Connection, T]:
    """In memory alone, with what can be read of the file without writing beside it."""
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as file:
            file.backup(copy)
        return _prepare(copy, table, load)
    except (sqlite3.DatabaseError, ValueError, TypeError):
        copy.close()
    return _prepare(sqlite3.connect(":memory:", check_same_thread=False), table, load)


def _takes_nothing(error: BaseException, path: Path) -> bool:
    """The disk is at fault, and not the file: it is full, or read-only."""
    return is_read_only(path.parent) or about_room(error, path)


def _prepare(
    database: sqlite3.Connection, table: str, load: Callable[[sqlite3.Connection], T]
) -> tuple[sqlite3.Connection, T]:
    try:
        database.execute(table)
        return database, load(database)
    except BaseException:
        database.close()
        raise
