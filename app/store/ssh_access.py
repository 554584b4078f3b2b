"""How boxes were reached over SSH from this desktop, and the host keys that were verified then."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from app.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """Who signed in where, and the fingerprint that the machine's label bears."""

    user: str
    host: str
    port: int
    host_key: str


def put_access(db: Database, box: str, access: SshAccess) -> None:
    """Remember it for an enrolled box."""
    row = {"box": box, "user": access.user, "host": access.host, "port": access.port, "host_key": access.host_key}
    db.write(lambda writer: writer.upsert("box_ssh", row))


def access_of(db: Database, box: str) -> SshAccess | None:
    row = db.read_one("SELECT user, host, port, host_key FROM box_ssh WHERE box = ?", (box,))
    return _access(row) if row else None


def known_host_keys(db: Database, host: str, port: int) -> list[str]:
    """Host keys that were verified at this address."""
    rows = db.read("SELECT DISTINCT host_key FROM box_ssh WHERE host = ? AND port = ?", (host, port))
    return [row["host_key"] for row in rows]


def _access(row: sqlite3.Row) -> SshAccess:
    return SshAccess(user=row["user"], host=row["host"], port=row["port"], host_key=row["host_key"])
