"""The chains of boxes' audits: their entries, and how far each was told to reach."""

from __future__ import annotations

from dataclasses import dataclass

from app.store.database import Database
from app.store.writer import Writer
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.rows import AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChain:
    """What a box told of its chain, over all contacts."""

    beginning: str
    entry: int
    """The newest entry that it told of."""
    digest: str
    anchor: int
    """Entries up to this one had left the box before this desktop came for them."""
    taken_back: int | None
    """It told of fewer entries afterwards: the last of them."""


def note_chain(writer: Writer, box: str, told: ChainHead) -> None:
    """Keep the furthest end that a box told of, and what had left it before its entries came here."""
    row = writer.execute(
        "SELECT entry, digest, anchor, taken_back FROM audit_chains WHERE box = ? AND beginning = ?",
        (box, told.beginning),
    ).fetchone()
    known = KnownChain(beginning=told.beginning, **row) if row else _nothing_of(told)
    anchor = known.anchor
    # Only what lies beyond the last contact can have left unseen: what was here once is not excused.
    if told.anchor > known.entry:
        sql = "SELECT count(DISTINCT entry) FROM audits WHERE box = ? AND entry > ? AND entry <= ?"
        (here,) = writer.execute(sql, (box, known.entry, told.anchor)).fetchone()
        anchor = told.anchor if here < told.anchor - known.entry else anchor
    entry, digest, taken_back = told.entry, told.digest, known.taken_back
    if told.entry < known.entry:
        entry, digest = known.entry, known.digest
        taken_back = told.entry if taken_back is None else min(taken_back, told.entry)
    writer.execute(
        "INSERT OR REPLACE INTO audit_chains VALUES (?, ?, ?, ?, ?, ?)",
        (box, told.beginning, entry, digest, anchor, taken_back),
    )


def _nothing_of(told: ChainHead) -> KnownChain:
    return KnownChain(beginning=told.beginning, entry=0, digest=told.beginning, anchor=0, taken_back=None)


def is_news(db: Database, box: str, told: ChainHead) -> bool:
    """Whether a box tells of its chain what was not known."""
    row = db.read_one("SELECT entry, digest FROM audit_chains WHERE box = ? AND beginning = ?", (box, told.beginning))
    return row is None or (row["entry"], row["digest"]) != (told.entry, told.digest)


def known_chains(db: Database, box: str) -> list[KnownChain]:
    sql = "SELECT beginning, entry, digest, anchor, taken_back FROM audit_chains WHERE box = ? ORDER BY beginning"
    return [KnownChain(**row) for row in db.read(sql, (box,))]


def all_audits(db: Database, box: str) -> list[AuditRow]:
    """Every audit of a box, in the order of its chain; those that were never sealed first."""
    return [AuditRow(**row) for row in db.read("SELECT * FROM audits WHERE box = ? ORDER BY entry, boot, seq", (box,))]


def boxes_with_audits(db: Database) -> list[str]:
    sql = "SELECT box FROM audits UNION SELECT box FROM audit_chains ORDER BY box"
    return [row["box"] for row in db.read(sql)]


def lost_audits(db: Database, box: str) -> int:
    """How many audits the box's loss ledger counts."""
    row = db.read_one("SELECT coalesce(sum(count), 0) AS n FROM losses WHERE box = ? AND stream = 'audits'", (box,))
    return int(row["n"]) if row else 0


def damaged_spools(db: Database, box: str) -> int:
    """How often the box said that its spool had to begin anew."""
    row = db.read_one("SELECT count(*) AS n FROM alerts WHERE box = ? AND kind = 'spool.damaged'", (box,))
    return int(row["n"]) if row else 0
