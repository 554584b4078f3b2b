"""What this box keeps for each desktop: how far the desktop's own chain had come. It only ever goes forward."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxRefused, DiskFull
from edge_runtime.contracts.witness import ActivityHead, TellRequest, Witnessed, said
from edge_runtime.identity import is_signed_by
from edge_runtime.service.http import SMALL_BODY, Request, Response, Routes, answer
from edge_runtime.service.root_ledger import Audit
from edge_runtime.service.trust import TrustStore
from edge_runtime.update.durable import is_damage, lacks_room, open_database, put_aside

MOST_KEPT = 256
"""Desktops, those that were struck off among them; beyond that they go first."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS heads (desktop TEXT PRIMARY KEY, entry INT NOT NULL, digest TEXT NOT NULL,"
    " signature TEXT NOT NULL, at_ms INT NOT NULL) WITHOUT ROWID, STRICT"
)
_log = logging.getLogger(__name__)


class Witness:
    """``witness.db``, one row a desktop, synced to the disk before a desktop is told that it stands.

    :param audit: told where the file was damaged, and what it held is gone.
    """

    def __init__(self, home: Path, trust: TrustStore, *, now_ms: Callable[[], int], audit: Audit) -> None:
        self._path, self._trust, self._now_ms, self._audit = home / "witness.db", trust, now_ms, audit
        self._lock = threading.Lock()

    def routes(self) -> Routes:
        routes = Routes()
        routes.add("GET", "/v1/witness", self._get)
        routes.add("PUT", "/v1/witness", self._put, max_body=SMALL_BODY)
        return routes

    def kept(self, desktop: str) -> Witnessed:
        """The newest head of this desktop.

        :raises DiskFull, BoxRefused: the file cannot be used now.
        """
        return self._with(lambda database: _read(database, desktop))

    def tell(self, desktop: str, request: TellRequest) -> Witnessed:
        """Keep a head that goes on from the one that is here; returns the one that stands then.

        :raises BoxRefused: it is not signed with this desktop's key.
        :raises DiskFull, BoxRefused: the file cannot be used now.
        """
        head, certificate = request.head, self._trust.pinned().get(desktop)
        if certificate is None or not is_signed_by(certificate, said(desktop, head.entry, head.digest), head.signature):
            raise BoxRefused("This head of a chain is not signed with the key of the desktop that brings it.")

        def keep(database: sqlite3.Connection) -> Witnessed:
            before = _read(database, desktop)
            goes_on = before.head is None or (request.after == before.head.digest and head.entry > before.head.entry)
            if goes_on:
                row = (desktop, head.entry, head.digest, head.signature, self._now_ms())
                database.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)", row)
                self._make_room(database)
            return _read(database, desktop)

        return self._with(keep)

    def _make_room(self, database: sqlite3.Connection) -> None:
        known = [desktop for (desktop,) in database.execute("SELECT desktop FROM heads ORDER BY at_ms")]
        trusted = self._trust.pinned()
        for desktop in [desktop for desktop in known if desktop not in trusted][: max(len(known) - MOST_KEPT, 0)]:
            database.execute("DELETE FROM heads WHERE desktop = ?", (desktop,))

    def _with(self, work: Callable[[sqlite3.Connection], Witnessed]) -> Witnessed:
        with self._lock:
            try:
                try:
                    return self._transact(work)
                except Exception as error:
                    if not is_damage(error, self._path):
                        raise
                    _log.error("%s is damaged and begins anew: %s", self._path.name, error)
                    put_aside(self._path)
                self._audit("witness.lost", "What desktops had told of their chains was damaged.", who="box")
                return self._transact(work)
            except (sqlite3.Error, OSError) as error:
                if lacks_room(error, self._path):
                    raise DiskFull("The box has no room to keep how far this desktop's chain has come.") from error
                raise BoxRefused(f"The box cannot keep how far this desktop's chain has come: {error}.") from error

    def _transact(self, work: Callable[[sqlite3.Connection], Witnessed]) -> Witnessed:
        with closing(open_database(self._path, synchronous="FULL")) as database, database:
            database.execute(_SCHEMA)
            return work(database)

    def _get(self, request: Request) -> Response:
        return answer(self.kept(request.peer))

    def _put(self, request: Request) -> Response:
        return answer(self.tell(request.peer, wire.decode(request.body, TellRequest, what="head of a chain")))


def _read(database: sqlite3.Connection, desktop: str) -> Witnessed:
    row = database.execute("SELECT entry, digest, signature, at_ms FROM heads WHERE desktop = ?", (desktop,)).fetchone()
    if row is None:
        return Witnessed()
    entry, digest, signature, at_ms = row
    return Witnessed(head=ActivityHead(entry=entry, digest=digest, signature=signature), at_ms=at_ms)
