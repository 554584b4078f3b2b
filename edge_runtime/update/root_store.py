"""The roots that this box has accepted, kept so that none can be taken back.

They stand in SQLite (``trust.db``, FULL) and, each once more, as files in ``trust/``: whichever of the two is lost or
damaged is made anew from the other. The highest number counts.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from edge_runtime.contracts.errors import DatabaseDamaged, DiskFull, LinesideError
from edge_runtime.update.durable import about_room, is_damage, open_database, put_aside, write_durably
from edge_runtime.update.roots import MAX_ROOT_BYTES, read_root

_log = logging.getLogger(__name__)


class RootStore:
    """:param home: the box's home folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / "trust.db"
        self._folder = home / "trust"
        self.newest_file = self._folder / "root.json"
        """Written last with every new root: whoever watches this file learns of it."""

    def load(self) -> dict[int, bytes]:
        """Every root that was accepted, by number, the newest last; empty where there is no site yet.

        :raises DatabaseDamaged: neither the database nor a file can be read, though there was one.
        """
        files = self._read_files()
        try:
            rows = self._read_rows()
        except (sqlite3.Error, OSError) as error:
            if is_damage(error, self._path):
                _log.error("%s is damaged and is made anew from the files: %s", self._path.name, error)
                with suppress(OSError):
                    put_aside(self._path)
            elif not files:
                raise DatabaseDamaged(f"{self._path.name} cannot be read: {error}.") from error
            rows = {}
        known = dict(sorted({**files, **rows}.items()))
        self._mend(known, rows, files)
        return known

    def add(self, roots: dict[int, bytes]) -> None:
        """Keep roots that were checked, all or none; they are on the disk when this returns, and there is no way back.

        :raises DiskFull: no room; the root before them still counts.
        :raises DatabaseDamaged: the database cannot be written.
        """
        try:
            self._write_rows(roots)
        except (sqlite3.Error, OSError) as error:
            if about_room(error, self._path):
                raise DiskFull("The site's new root cannot be kept: no space left on the box.") from error
            raise DatabaseDamaged(f"{self._path.name} cannot be written: {error}.") from error
        self._write_files(roots)

    def _mend(self, known: dict[int, bytes], rows: dict[int, bytes], files: dict[int, bytes]) -> None:
        try:
            if missing := {version: body for version, body in known.items() if version not in rows}:
                self._write_rows(missing)
            if missing := {version: body for version, body in known.items() if files.get(version) != body}:
                self._write_files(missing)
        except (sqlite3.Error, OSError, LinesideError) as error:
            _log.error("a copy of the site's roots could not be written: %s", error)

    def _write_files(self, roots: dict[int, bytes]) -> None:
        try:
            for version, body in sorted(roots.items()):
                write_durably(self._folder / "roots" / f"{version}.root.json", [body])
            newest = max(roots)
            if newest >= max(self._read_files(), default=0):
                write_durably(self.newest_file, [roots[newest]])
        except (OSError, LinesideError) as error:
            # The row counts; the files follow at the next start.
            _log.error("a copy of the site's roots could not be written: %s", error)

    def _read_files(self) -> dict[int, bytes]:
        found = {}
        for path in (*(self._folder / "roots").glob("*.root.json"), self.newest_file):
            try:
                with path.open("rb") as file:
                    body = file.read(MAX_ROOT_BYTES + 1)
                found[read_root(body).version] = body
            except FileNotFoundError:
                continue
            except (OSError, LinesideError) as error:
                _log.warning("%s in the trust folder is left out: %s", path.name, error)
        return found

    def _read_rows(self) -> dict[int, bytes]:
        if not self._path.exists():
            return {}
        with closing(self._connect()) as connection:
            return dict(connection.execute("SELECT version, body FROM roots ORDER BY version").fetchall())

    def _write_rows(self, roots: dict[int, bytes]) -> None:
        with closing(self._connect()) as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO roots (version, body) VALUES (?, ?)", roots.items())

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = open_database(self._path, synchronous="FULL", timeout_s=10)
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS roots (version INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        except BaseException:
            connection.close()
            raise
        return connection
