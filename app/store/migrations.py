"""Brings a database file up to the schema that this version knows, and refuses what it must not touch."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from app.store.schema import STEPS, Step
from edge_runtime.contracts.errors import DatabaseDamaged, DatabaseTooNew, DiskFull
from edge_runtime.update.durable import lacks_room, sync_folder

MIGRATION_SET = "lineside"
WAIT_FOR_OTHERS_S = 30.0
"""How long to wait for another program that writes."""
_INCREMENTAL = 2
_MIGRATIONS_TABLE = "_sqlite_migrations"
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
_DAMAGE = (
    "Could not decode to UTF-8",
    "no such table",
    "no such column",
    "has no column named",
    "already exists",
    "duplicate column name",
)
"""What is said, without a code of its own, where somebody else changed the file: the schema is always up to date, and
no step is applied to one that has it."""


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a broken file or a full disk into errors for people; other errors pass.

    :raises DatabaseDamaged: the file is not a database, cannot be read, its pages contradict each other, or somebody
        took a table, a column or the list of applied steps away, or put bytes where text was.
    :raises DiskFull: no room to write.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code in _BROKEN and lacks_room(error, path)):
            raise DiskFull(f"There is no room to write to {path.name}.") from error
        if code in _BROKEN or any(words in str(error) for words in _DAMAGE):
            raise DatabaseDamaged(f"{path} cannot be used: {error}.") from error
        raise


def bring_up_to_date(path: Path, steps: Sequence[Step] = STEPS) -> Path | None:
    """Apply the steps that ``path`` lacks; returns the copy that was made first, None where none was needed.

    A new file is made where there is none. An existing database is copied beside itself before anything in it
    changes. Two programs may call this at once.

    :raises DatabaseTooNew: a step was applied that this version does not know; nothing was changed.
    :raises DatabaseDamaged: it is not a database of Lineside, or it cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with plain_errors(path), closing(sqlite3.connect(path, timeout=WAIT_FOR_OTHERS_S)) as connection:
        if not _pending(connection, path, steps):
            return None
        with _one_at_a_time(path):
            applied, pending = _applied(connection, path), _pending(connection, path, steps)
            if not pending:
                return None
            copy = _copy(connection, path, before=pending[0]) if applied else None
            _let_it_shrink(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            _apply(connection, steps)
            return copy


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    # A lock that every system has, that waits, and that a killed program does not leave behind.
    lock = path.with_name(f".{path.name}.lock")
    with closing(sqlite3.connect(lock, timeout=WAIT_FOR_OTHERS_S, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def _pending(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> list[str]:
    applied, known = _applied(connection, path), [step.name for step in steps]
    if unknown := [name for name in applied if name not in known]:
        raise DatabaseTooNew(f"{path} has the change {unknown[-1]!r}, which this version does not know.")
    return [name for name in known if name not in applied]


def _applied(connection: sqlite3.Connection, path: Path) -> list[str]:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return []
    if _MIGRATIONS_TABLE not in tables:
        raise DatabaseDamaged(
            f"{path} is a database of another program.", hint="Choose another folder for the site; it was not touched."
        )
    sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id"
    return [name for (name,) in connection.execute(sql, (MIGRATION_SET,))]


def _let_it_shrink(connection: sqlite3.Connection) -> None:
    """From here on the file gives back what was deleted, piece by piece: a whole VACUUM would hold up the window."""
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        # Where there are tables already, they are written anew, once; in an empty file it does nothing.
        connection.execute("VACUUM")


def _copy(connection: sqlite3.Connection, path: Path, *, before: str) -> Path:
    copy = path.with_name(f"{path.name}.before-{before}")
    part = path.with_name(f".{copy.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as target:
        connection.backup(target)
    part.chmod(0o600)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(copy)
    sync_folder(path.parent)
    return copy


def _apply(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    # A tenth of a second to import, and needed only where something has to change.
    import sqlite_utils

    migrations = sqlite_utils.Migrations(MIGRATION_SET)
    for step in steps:
        migrations(name=step.name)(step.apply)
    migrations.apply(sqlite_utils.Database(connection, execute_plugins=False))
