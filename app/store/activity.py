"""The audit chain: who did what, each entry sealed by the digest of the one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.store.audit_chain import Noted
from app.store.database import Database
from app.store.garbled import is_garbled, plain, readable
from app.store.lookup import check_limit, split_cursor
from app.store.noting import CAME, read_noted
from app.store.records import Activity, Page
from app.store.writer import FIRST_DIGEST, chain_digest

RENEWED = "box.renewed"
"""What an entry is about: this desktop gave the copy of a box, which is the subject, an identity of its own."""
ENROLLED, FORGOTTEN, RELEASED = "box.enrolled", "box.forgotten", "box.released"
_STEP = 1000
COLUMNS = "seq, at_ms, who, what, subject, message, digest"
_CHAIN = f"SELECT {COLUMNS}, facts FROM activity WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - names of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChain:
    """This desktop's chain, recomputed from its beginning."""

    entries: int
    broken: int | None = None
    """The first entry that does not fit."""
    noted: dict[str, list[Noted]] = field(default_factory=dict)
    """What was noted of each box's audits as they came, oldest first."""
    renewed: frozenset[str] = frozenset()
    """Ids of boxes whose copies this desktop gave identities of their own."""
    enrolled: frozenset[str] = frozenset()
    """Ids of boxes that this desktop enrolled, and did not strike off afterwards."""


def page_activity(db: Database, *, cursor: str | None = None, limit: int = 100) -> Page[Activity]:
    """Entries, newest first."""
    (before,) = split_cursor(cursor, (int,)) if cursor else (2**62,)
    rows = db.read_garbled(
        f"SELECT {COLUMNS} FROM activity WHERE seq < ? ORDER BY seq DESC LIMIT ?",  # noqa: S608 - names of ours
        (before, check_limit(limit) + 1),
    )
    shown = tuple(_entry(dict(row)) for row in rows[:limit])
    return Page(rows=shown, cursor=str(shown[-1].seq) if len(rows) > limit else None)


def _entry(row: dict[str, Any]) -> Activity:
    """Where somebody took the types of the columns away, a moment may be none: then it is told as the first of all."""
    return Activity(**{**plain(row), "at_ms": row["at_ms"] if isinstance(row["at_ms"], int) else 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class WithFacts:
    """An entry with what it keeps for programs."""

    seq: int
    at_ms: int
    what: str
    subject: str
    facts: str


def noted_about(db: Database, kinds: tuple[str, ...]) -> list[WithFacts]:
    """Entries of these kinds, oldest first."""
    marks = ", ".join("?" * len(kinds))
    rows = db.read(
        f"SELECT seq, at_ms, what, subject, facts FROM activity WHERE what IN ({marks}) ORDER BY seq",  # noqa: S608 - marks
        kinds,
    )
    return [WithFacts(**dict(row)) for row in rows]


def read_chain(db: Database) -> OwnChain:
    """Recompute the whole chain: was an entry changed, removed or put in?

    Whoever computes all digests anew after a change, or cuts the end off, shows only to a witness.
    """
    previous, seq, entries, broken = FIRST_DIGEST, 0, 0, None
    came: list[dict[str, str]] = []
    renewed: set[str] = set()
    enrolled: set[str] = set()
    while rows := db.read_garbled(_CHAIN, (seq, _STEP)):
        for row in rows:
            entry = dict(row)
            digest = entry.pop("digest")
            if broken is None and (
                row["seq"] != seq + 1 or is_garbled(dict(row)) or digest != chain_digest(previous, entry)
            ):
                broken = seq + 1
            previous, seq, entries = digest, row["seq"], entries + 1
            entry["subject"], entry["facts"] = readable(entry["subject"]), readable(entry["facts"])
            if row["what"] == CAME:
                came.append(entry)
            elif row["what"] == RENEWED:
                renewed.add(entry["subject"])
            elif row["what"] == ENROLLED:
                enrolled.add(entry["subject"])
            elif row["what"] in (FORGOTTEN, RELEASED):
                enrolled.discard(entry["subject"])
    highest = db.read_one("SELECT seq FROM sqlite_sequence WHERE name = 'activity'")
    if broken is None and highest is not None and highest["seq"] != seq:
        broken = seq + 1
    (all_there_are,) = db.read("SELECT count(*) AS n FROM activity")
    if all_there_are["n"] > entries:
        # Put in before the first one.
        broken = 1
    return OwnChain(
        entries=entries,
        broken=broken,
        noted=read_noted(came),
        renewed=frozenset(renewed),
        enrolled=frozenset(enrolled),
    )


def digest_at(db: Database, seq: int) -> str | None:
    """The digest of an entry; None where there is none of this number."""
    rows = db.read_garbled("SELECT digest FROM activity WHERE seq = ?", (seq,))
    return readable(rows[0]["digest"]) if rows else None


def newest(db: Database) -> tuple[int, str] | None:
    """Number and digest of the newest entry."""
    row = db.read_one("SELECT seq, digest FROM activity ORDER BY seq DESC LIMIT 1")
    return (row["seq"], row["digest"]) if row else None
