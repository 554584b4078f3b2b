"""Files that are whole after a power cut, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from edge_runtime.contracts.errors import DiskFull, LinesideError

TEMPORARY = ".part"
"""How the name of an unfinished file ends."""
FULL_BELOW_BYTES = 256 * 1024
_CHUNK = 2**20
_BROKEN = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        # A table or a column is missing, or holds what the schema forbids.
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)
_log = logging.getLogger(__name__)


def make_folder(folder: Path) -> None:
    """At a start: where the disk does not take it, whoever needs it later says so."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.error("%s cannot be made: %s", folder, error)


def write_durably(path: Path, chunks: Iterable[bytes], *, mode: int = 0o644) -> None:
    """Put ``chunks`` at ``path``: temporary file, fsync, rename, fsync of the folder.

    :raises DiskFull: no room; what was at ``path`` before is untouched, as it is whatever ``chunks`` raises.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"{path.name} could not be written to {path.parent}: no space left.") from error
        raise


def is_full(path: Path) -> bool:
    """Whether the disk under ``path`` has no room left: SQLite may then speak of any input or output error."""
    return shutil.disk_usage(path.parent).free < FULL_BELOW_BYTES


def about_room(error: BaseException, path: Path) -> bool:
    """Whether an error comes from a full disk under ``path``; SQLite may then speak of any input or output error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT) or is_full(path)


def is_read_only(folder: Path) -> bool:
    """Whether this process cannot change what is in ``folder``: mounted so, forbidden, or not there at all."""
    return not os.access(folder, os.W_OK)


def lacks_room(error: BaseException, path: Path) -> bool:
    """As :func:`about_room`; False where the disk does not say."""
    try:
        return about_room(error, path)
    except OSError:
        return False


def is_damage(error: Exception, path: Path) -> bool:
    """Whether an error shows that a database itself is at fault, and not the disk, its caller or a want of memory."""
    if not isinstance(error, sqlite3.Error):
        return not isinstance(error, OSError | LinesideError | MemoryError)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Python's own: a text that is none.
        return isinstance(error, sqlite3.OperationalError)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    return code & 0xFF in _BROKEN and not lacks_room(error, path)


def put_aside(path: Path) -> None:
    """Keep a damaged file, and what SQLite has beside it, under a name that ends in ``.damaged``.

    :raises OSError: it cannot be done.
    """
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            broken = path.with_name(path.name + suffix)
            broken.replace(broken.with_name(f"{broken.name}.damaged"))


def open_database(
    path: Path,
    *,
    synchronous: Literal["FULL", "NORMAL"],
    isolation_level: Literal["DEFERRED"] | None = "DEFERRED",
    timeout_s: float = 5.0,
    shrinks: bool = False,
) -> sqlite3.Connection:
    """SQLite with a write-ahead log, for any one thread at a time. A full disk has no room for the index that several
    connections share: there the file can be read all the same, by this one alone.

    :param shrinks: a new file can give back its free pages, a little at a time.
    :raises sqlite3.Error: it is no database, or it is not there and there is no room to make it.
    """

    def connect(*, alone: bool) -> sqlite3.Connection:
        database = sqlite3.connect(path, timeout=timeout_s, check_same_thread=False, isolation_level=isolation_level)
        try:
            if alone:
                database.execute("PRAGMA locking_mode=EXCLUSIVE")
            if shrinks:
                database.execute("PRAGMA auto_vacuum=INCREMENTAL")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(f"PRAGMA synchronous={synchronous}")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    try:
        return connect(alone=False)
    except sqlite3.Error as error:
        if not about_room(error, path):
            raise
    return connect(alone=True)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` last through a power cut."""
    if os.name == "nt":
        return  # a folder cannot be opened there; NTFS journals the rename itself
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of ``path`` in pieces, so that a large file never stands in memory whole."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    digest = hashlib.sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def remove_unfinished(folder: Path) -> None:
    """Remove what :func:`write_durably` left in ``folder`` when the power went; what stays is in nobody's way."""
    for leftover in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):
            leftover.unlink(missing_ok=True)
