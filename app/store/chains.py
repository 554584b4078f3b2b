"""The chains of boxes' audits: their entries, and how far each was told to reach."""

from __future__ import annotations

from app.store.audit_chain import ToldEnd
from app.store.database import Database
from app.store.writer import Writer
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.rows import AuditRow


def note_chain(writer: Writer, box: str, told: ChainHead) -> ToldEnd:
    """Keep the furthest end that a box told of, and what had left it before its entries came here; returns that."""
    row = writer.execute(
        "SELECT entry, digest, anchor, taken_back FROM audit_chains WHERE box = ? AND beginning = ?",
        (box, told.beginning),
    ).fetchone()
    known = ToldEnd(beginning=told.beginning, **row) if row else _nothing_of(told)
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
    return ToldEnd(beginning=told.beginning, entry=entry, digest=digest, anchor=anchor, taken_back=taken_back)


def _nothing_of(told: ChainHead) -> ToldEnd:
    return ToldEnd(beginning=told.beginning, entry=0, digest=told.beginning)


def is_news(db: Database, box: str, told: ChainHead) -> bool:
    """Whether a box tells of its chain what was not known."""
    row = db.read_one("SELECT entry, digest FROM audit_chains WHERE box = ? AND beginning = ?", (box, told.beginning))
    return row is None or (row["entry"], row["digest"]) != (told.entry, told.digest)


def known_chains(db: Database, box: str) -> list[ToldEnd]:
    sql = "SELECT beginning, entry, digest, anchor, taken_back FROM audit_chains WHERE box = ? ORDER BY beginning"
    return [ToldEnd(**row) for row in db.read(sql, (box,))]


def all_audits(db: Database, box: str) -> list[AuditRow]:
    """Every audit of a box, in the order of its chain; those that were never sealed first."""
    return [AuditRow(**row) for row in db.read("SELECT * FROM audits WHERE box = ? ORDER BY entry, boot, seq", (box,))]


def boxes_with_audits(db: Database) -> list[str]:
    sql = "SELECT box FROM audits UNION SELECT box FROM audit_chains ORDER BY box"
    return [row["box"] for row in db.read(sql)]
