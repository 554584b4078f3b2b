"""The audit chain: who did what, each entry sealed by the digest of the one before."""

from __future__ import annotations

from app.store.database import Database
from app.store.lookup import check_limit, split_cursor
from app.store.records import Activity, Page
from app.store.writer import FIRST_DIGEST, chain_digest
from edge_runtime.contracts.errors import DatabaseDamaged

_STEP = 1000


def page_activity(db: Database, *, cursor: str | None = None, limit: int = 100) -> Page[Activity]:
    """Entries, newest first."""
    (before,) = split_cursor(cursor, (int,)) if cursor else (2**62,)
    rows = db.read("SELECT * FROM activity WHERE seq < ? ORDER BY seq DESC LIMIT ?", (before, check_limit(limit) + 1))
    shown = tuple(Activity(**row) for row in rows[:limit])
    return Page(rows=shown, cursor=str(shown[-1].seq) if len(rows) > limit else None)


def verify_chain(db: Database) -> int:
    """Recompute the whole chain; returns how many entries it has.

    :raises DatabaseDamaged: an entry was changed, removed or put in; names the first one that does not fit.
    """
    previous, seq = FIRST_DIGEST, 0
    while rows := db.read("SELECT * FROM activity WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _STEP)):
        for row in rows:
            entry = dict(row)
            digest = entry.pop("digest")
            if row["seq"] != seq + 1 or digest != chain_digest(previous, entry):
                raise _broken(seq + 1)
            previous, seq = digest, row["seq"]
    highest = db.read_one("SELECT seq FROM sqlite_sequence WHERE name = 'activity'")
    if highest is not None and highest["seq"] != seq:
        raise _broken(seq + 1)
    return seq


def _broken(seq: int) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"The activity chain is broken at entry {seq}: it, or one before the next, was changed or removed.",
        hint="Keep the file as it is, and compare it with the last backup or with another desktop of the site.",
    )
