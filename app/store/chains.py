"""The chains of boxes' audits: their entries, and how far each was told to reach."""

from __future__ import annotations

from typing import Any

from app.store.audit_chain import ToldEnd
from app.store.database import Database
from app.store.garbled import is_garbled, plain, readable
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
    """What was told; what is no text is written out, and matches nothing."""
    if "audit_chains" not in db.tables():
        return []
    sql = "SELECT beginning, entry, digest, anchor, taken_back FROM audit_chains WHERE box = ? ORDER BY beginning"
    return [ToldEnd(**plain(dict(row))) for row in db.read_garbled(sql, (box,))]


def all_audits(db: Database, box: str) -> list[AuditRow]:
    """Every audit of a box, in the order of its chain; those that were never sealed first. None where somebody took
    the table away: what was noted of them tells that they were here.
    """
    if "audits" not in db.tables():
        return []
    sql = """SELECT box, boot, seq, at_ms, kind, who, message, entry, previous, chain FROM audits WHERE box = ?
        ORDER BY entry, boot, seq"""
    rows = db.read_garbled(sql, (box,))
    return [_audit(dict(row)) for row in rows]


def boxes_with_audits(db: Database) -> list[str]:
    here = [table for table in ("audits", "audit_chains") if table in db.tables()]
    if not here:
        return []
    sql = " UNION ".join(f"SELECT box FROM {table}" for table in here)  # noqa: S608 - names of ours
    return sorted(readable(row["box"]) for row in db.read_garbled(sql))


def _audit(row: dict[str, Any]) -> AuditRow:
    """A row that is no text as one without a seal of its own: it is what it was in no case."""
    if is_garbled(row):
        shown = plain(row)
        return AuditRow(**{**shown, "message": f"(not readable) {shown['message']}", "chain": ""})
    return AuditRow(**row)
