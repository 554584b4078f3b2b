"""Where the slot table stands: one row of SQLite, and a copy of it in a file of its own.

The copy is written first, so that it never knows of less than the row does: should the database be damaged, what this
box has accepted before is not forgotten, and no older model can take its place.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DatabaseDamaged, DiskFull, InputInvalid
from edge_runtime.update.durable import about_room, is_damage, open_database, put_aside, write_durably
from edge_runtime.update.slots import SlotTable

MAX_COPY_BYTES = 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """The table at a start."""

    table: SlotTable
    problem: str | None = None
    """What a person must know of how it was come by."""


class SlotStore:
    """Written so that it lasts through a power cut before :meth:`save` returns.

    :param path: of the database; the copy lies beside it as ``.copy``.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._copy = path, path.with_suffix(".copy")
        self._unread = False
        """What stands there is not known, so nothing may be written over it."""

    @property
    def damaged(self) -> list[Path]:
        """The files that were put aside and still lie there."""
        files = (path.with_name(f"{path.name}.damaged") for path in (self._path, self._copy))
        return [path for path in files if path.exists()]

    def open(self) -> Opened:
        """For the one who writes it: the table, whatever has become of the files.

        Where neither row nor copy can be used, nothing is known of what was accepted before: the table says that it is
        :attr:`SlotTable.lost`.
        """
        try:
            table = self._read_row()
        except (sqlite3.Error, OSError, InputInvalid) as error:
            return self._without_row(error)
        if table is None:
            return self._without_row(None)
        try:
            same = self._read_copy() == table
        except (OSError, InputInvalid):
            same = False
        if not same:
            with suppress(OSError, DiskFull):
                self._write_copy(table)
        return Opened(table)

    def load(self) -> SlotTable:
        """For those who only look.

        :raises DatabaseDamaged: the row or the file cannot be read.
        """
        try:
            return self._read_row() or SlotTable()
        except (sqlite3.Error, OSError, InputInvalid) as error:
            raise self._explained(error) from error

    def save(self, table: SlotTable) -> None:
        """Write ``table``; it is on the disk when this returns.

        :raises DiskFull: no room; the row is as it was.
        :raises DatabaseDamaged: the file cannot be written.
        """
        if self._unread:
            raise DatabaseDamaged(
                f"What {self._path.name} holds could not be read at the start, so nothing is written over it.",
                hint="Mend the disk and start the box again.",
            )
        try:
            self._write_copy(table)
            self._write_row(table)
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def _without_row(self, error: Exception | None) -> Opened:
        name = self._path.name
        damaged = isinstance(error, InputInvalid) or (error is not None and is_damage(error, self._path))
        trouble = (
            f"The update state in {name} cannot be used: {_words(error)}."
            if error
            else f"There is no update state in {name}."
        )
        try:
            copy, rotten = self._read_copy(), False
        except (OSError, InputInvalid) as unreadable:
            _log.error("%s cannot be used: %s", self._copy.name, unreadable)
            copy, rotten = None, isinstance(unreadable, InputInvalid)
        if copy is None and not rotten and error is None and not self._had_models():
            return Opened(SlotTable())
        if error is not None and not damaged:
            # Nothing shows that the file is at fault: it is left alone, and so is what it says.
            self._unread = copy is None
            if copy is not None:
                return Opened(copy, f"{trouble} Its copy is used.")
            return Opened(SlotTable(lost=True), f"{trouble} No model is known, and none is installed.")
        if damaged:
            with suppress(OSError):
                put_aside(self._path)
        if copy is not None:
            self._save_if_possible(copy)
            return Opened(copy, f"{trouble} It was restored from its copy.")
        if rotten:
            with suppress(OSError):
                put_aside(self._copy)
        if not self.damaged:
            # Nothing was left to put aside, and yet somebody must have looked before anything is installed.
            with suppress(OSError, DiskFull):
                write_durably(self._path.with_name(f"{name}.damaged"), [b"The update state was gone.\n"])
        lost = SlotTable(lost=True)
        self._save_if_possible(lost)
        return Opened(lost, f"{trouble} Nor can its copy be used. No model is known, and none is installed for now.")

    def _had_models(self) -> bool:
        """A bundle lies in a slot: its row was written before it, so there was one."""
        return any((self._path.parent / "slots").glob("*.bundle"))

    def _save_if_possible(self, table: SlotTable) -> None:
        try:
            self.save(table)
        except (DiskFull, DatabaseDamaged) as error:
            _log.error("the update state could not be written: %s", error)

    def _read_row(self) -> SlotTable | None:
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT body FROM model_slots WHERE id = 1").fetchone()
        return wire.decode(row[0], SlotTable, what="slot table") if row else None

    def _write_row(self, table: SlotTable) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "INSERT INTO model_slots (id, body) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                (wire.encode(table),),
            )

    def _read_copy(self) -> SlotTable | None:
        """:raises InputInvalid: it is not what was written."""
        try:
            with self._copy.open("rb") as file:
                digest, _, body = file.read(MAX_COPY_BYTES).partition(b"\n")
        except FileNotFoundError:
            return None
        if digest != _digest(body):
            raise InputInvalid("The copy of the update state is not what was written.")
        return wire.decode(body, SlotTable, what="copy of the slot table")

    def _write_copy(self, table: SlotTable) -> None:
        body = wire.encode(table)
        write_durably(self._copy, [_digest(body), b"\n", body])

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = open_database(self._path, synchronous="FULL", timeout_s=10)
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS model_slots (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL)"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _explained(self, error: Exception) -> DiskFull | DatabaseDamaged:
        if about_room(error, self._path):
            return DiskFull("The box's update state cannot be opened or written: no space left.")
        return DatabaseDamaged(
            f"The box's update state in {self._path.name} cannot be used: {_words(error)}.",
            hint="The model that answers goes on. Look after the box's disk, then try again.",
        )


def looked_into(table: SlotTable, store: SlotStore) -> SlotTable:
    """The table with which something may be installed.

    :raises DatabaseDamaged: what was accepted before was lost, and nobody has looked into it yet.
    """
    if table.lost and (left := store.damaged):
        raise DatabaseDamaged(
            "This box has lost its memory of which releases it ran, so an older one could be passed off as new.",
            hint=f"Find out why at the box, take away {' and '.join(path.name for path in left)}, and install again.",
        )
    return replace(table, lost=False)


def _words(error: Exception) -> str:
    return (error.message if isinstance(error, InputInvalid) else str(error)).rstrip(".")


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
