"""``spool.copy``: what a spool held whose file was taken away, until it stands at that file's place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edge_runtime.contracts.rows import STREAMS, Stream
from edge_runtime.service.spool_tables import COUNT, VERSION, SpoolTables
from edge_runtime.update.durable import is_damage


def copy_of(path: Path) -> Path:
    """Where the copy of the spool at ``path`` lies."""
    return path.with_suffix(".copy")


def write_copy(copy: Path, tables: SpoolTables) -> None:
    """All that the tables hold.

    :raises sqlite3.Error: there is no room; then there is no copy either.
    """
    remove_copy(copy)
    try:
        with closing(sqlite3.connect(copy)) as target:
            tables.copy(target)
    except BaseException:
        remove_copy(copy)
        raise


def remove_copy(copy: Path) -> None:
    """With what SQLite had beside it.

    :raises OSError: it cannot be removed.
    """
    for suffix in ("-journal", ""):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def rows_in_copy(copy: Path) -> dict[Stream, int] | None:
    """How many rows there are of each stream; None where the copy is not whole.

    :raises sqlite3.Error: it cannot be read now, for a reason that is not its content.
    """
    try:
        with closing(sqlite3.connect(copy)) as database:
            # Its version comes with all the rest, in one transaction.
            if database.execute("PRAGMA user_version").fetchone() != (VERSION,):
                return None
            return {stream: int(database.execute(COUNT[stream]).fetchone()[0]) for stream in STREAMS}
    except sqlite3.Error as error:
        if not is_damage(error, copy):
            raise
        return None
