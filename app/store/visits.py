"""Visits: their entries, and what they look back on."""

from __future__ import annotations

from app.store.activity import COLUMNS
from app.store.database import Database
from app.store.lookup import resolve
from app.store.records import Activity, VisitEntry
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AuditRow


def entries_of(db: Database, visit: str) -> list[VisitEntry]:
    """Every entry of a visit, the first one first; none where there is no such visit."""
    rows = db.read("SELECT * FROM visit_entries WHERE visit = ? ORDER BY seq", (visit,))
    return [VisitEntry(**row) for row in rows]


def find_visit(db: Database, text: str) -> str:
    """The id of a visit by its beginning.

    :raises NotFound, InputInvalid: none, or several.
    """
    return resolve(db, "(SELECT visit FROM visit_entries WHERE seq = 1)", "visit", text, "visit")


def list_ends(db: Database) -> list[tuple[VisitEntry, VisitEntry]]:
    """The first and the newest entry of every visit, the newest visit first."""
    rows = db.read(
        "SELECT * FROM visit_entries AS one WHERE seq = 1"
        " OR seq = (SELECT max(seq) FROM visit_entries WHERE visit = one.visit) ORDER BY visit, seq"
    )
    firsts: dict[str, VisitEntry] = {}
    ends: dict[str, tuple[VisitEntry, VisitEntry]] = {}
    for row in rows:
        entry = VisitEntry(**row)
        ends[entry.visit] = firsts.setdefault(entry.visit, entry), entry
    return sorted(ends.values(), key=lambda pair: (-pair[0].at_ms, pair[0].visit))


def keep_entry(writer: Writer, entry: VisitEntry) -> bool:
    """False where the visit has an entry of this number already."""
    return writer.insert_new("visit_entries", wire.to_dict(entry))


def read_entries(writer: Writer, visit: str) -> list[VisitEntry]:
    """As :func:`entries_of`, inside a transaction."""
    rows = writer.execute("SELECT * FROM visit_entries WHERE visit = ? ORDER BY seq", (visit,)).fetchall()
    return [VisitEntry(**row) for row in rows]


def losses_since(db: Database, box: str, since_ms: int) -> tuple[int, int] | None:
    """(rows let go, when the newest entry was written) by the box's loss ledger after a time; None: nothing."""
    row = db.read_one(
        "SELECT sum(count) AS n, max(at_ms) AS newest FROM losses WHERE box = ? AND at_ms > ?", (box, since_ms)
    )
    return (row["n"], row["newest"]) if row is not None and row["n"] else None


def activity_after(db: Database, seq: int, limit: int) -> tuple[list[Activity], int]:
    """Entries after this one, oldest first, and how many there are in all."""
    (count,) = db.read("SELECT count(*) AS n FROM activity WHERE seq > ?", (seq,))
    rows = db.read(f"SELECT {COLUMNS} FROM activity WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))  # noqa: S608 - names of ours
    return [Activity(**row) for row in rows], count["n"]


def audits_between(db: Database, box: str, after: int, through: int, limit: int) -> tuple[list[AuditRow], int]:
    """Sealed audits of a box with numbers in (after, through], in the order of its chain, and how many there are."""
    where = "box = ? AND entry > ? AND entry <= ?"
    (count,) = db.read(f"SELECT count(*) AS n FROM audits WHERE {where}", (box, after, through))  # noqa: S608 - ours
    sql = f"SELECT * FROM audits WHERE {where} ORDER BY entry LIMIT ?"  # noqa: S608 - names of ours
    return [AuditRow(**row) for row in db.read(sql, (box, after, through, limit))], count["n"]
