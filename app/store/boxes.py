"""Enrolled boxes, and what each said last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.records import Box, Heard
from app.store.sightings import note_sightings
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxRefusesDesktop, BoxWrongKey, InputInvalid, LinesideError, NotFound
from edge_runtime.contracts.status import BoxStatus

SUSPICIOUS = (BoxWrongKey.code, BoxRefusesDesktop.code)
"""Somebody answers for a box, and not as it should."""
ENTERED_EVERY_MS = 3_600_000
_SELECT = """SELECT b.box, b.name, COALESCE(s.address, b.address) AS address, b.certificate, b.enrolled_ms,
    s.last_seen_ms, s.problem, s.problem_code, CAST(s.status AS BLOB) AS status, s.skew_ms, s.skew_error_ms,
    (SELECT json_group_array(label)
        FROM (SELECT l.label FROM box_labels l WHERE l.box = b.box ORDER BY l.label)) AS labels
    FROM boxes b LEFT JOIN box_status s USING (box)"""


def put_box(db: Database, box: Box) -> None:
    """Keep an enrolled box, and whatever of its status the record has."""

    def work(writer: Writer) -> None:
        writer.upsert(
            "boxes",
            {
                "box": box.box,
                "name": box.name,
                "address": box.address,
                "certificate": box.certificate,
                "enrolled_ms": box.enrolled_ms,
            },
        )
        writer.upsert(
            "box_status",
            {
                "box": box.box,
                "address": None,
                "last_seen_ms": box.last_seen_ms,
                "problem": box.problem,
                "problem_code": box.problem_code,
                "status": to_json(box.status) if box.status else None,
            },
        )

    db.write(work)


def get_box(db: Database, name_or_id: str) -> Box:
    """A box by its exact name, its id, or the unique beginning of its id.

    :raises NotFound: there is none.
    :raises InputInvalid: more than one goes by that name or beginning.
    """
    named = db.read(f"{_SELECT} WHERE b.name = ? LIMIT 2", (name_or_id,))
    if len(named) > 1:
        raise InputInvalid(f"Two boxes are called {name_or_id!r}.", hint="Use the box's id instead of its name.")
    if named:
        return _box(named[0])
    box = resolve(db, "boxes", "box", name_or_id, "box")
    row = db.read_one(f"{_SELECT} WHERE b.box = ?", (box,))
    if row is None:
        raise NotFound(f"The box {name_or_id!r} was forgotten just now.")
    return _box(row)


def list_boxes(db: Database) -> list[Box]:
    """Every enrolled box, by name."""
    return [_box(row) for row in db.read(f"{_SELECT} ORDER BY b.name COLLATE NOCASE, b.box")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What a contact with a box brought."""

    box: str
    status: BoxStatus | None = None
    """What it answered; without it the last one stays."""
    problem: LinesideError | None = None
    """Why it did not answer; a ``status`` clears it."""
    address: str | None = None
    """Where it was found; None leaves it."""
    seen_ms: int | None = None
    """When it answered; None leaves it."""
    heard: Heard | None = None
    """How it was come by, where it answered."""


def keep_contacts(db: Database, contacts: Iterable[Contact]) -> int:
    """Keep what contacts with boxes brought, in one transaction; one with a box that is not enrolled is left out.

    That another key answers for a box, or that it refuses this desktop, goes into the activity when it begins.

    :returns: how many sightings there were so far; see :mod:`app.store.sightings`.
    """
    rows = [(contact, _row_of(contact)) for contact in contacts]

    def work(writer: Writer) -> int:
        enrolled = {row["box"] for row in writer.execute("SELECT box FROM boxes")}
        for contact, row in rows:
            if contact.box in enrolled:
                if contact.problem is not None and contact.problem.code in SUSPICIOUS:
                    _enter(writer, contact.box, contact.problem)
                writer.upsert("box_status", row)
                writer.touch("boxes", contact.box)
        return note_sightings(
            writer,
            [
                (contact.status, contact.heard)
                for contact, _row in rows
                # One that has just been renewed answers as another box already.
                if contact.heard and contact.status and contact.status.box == contact.box in enrolled
            ],
        )

    return db.write(work)


def _enter(writer: Writer, box: str, problem: LinesideError) -> None:
    """Once until the box answers rightly again, and never twice within an hour."""
    known = writer.execute(
        "SELECT b.name, s.problem_code, s.last_seen_ms FROM boxes b LEFT JOIN box_status s USING (box) WHERE b.box = ?",
        (box,),
    ).fetchone()
    if known["problem_code"] == problem.code:
        return
    entered = writer.execute(
        "SELECT max(at_ms) AS at_ms FROM activity WHERE what = ? AND subject = ?", (problem.code, box)
    ).fetchone()
    settled = min(known["last_seen_ms"] or 0, writer.now_ms - ENTERED_EVERY_MS)
    if entered["at_ms"] is None or entered["at_ms"] <= settled:
        writer.activity(problem.code, box, f"{known['name']}: {problem.message}")


def set_status(
    db: Database,
    box: str,
    *,
    status: BoxStatus | None = None,
    problem: LinesideError | None = None,
    address: str | None = None,
    seen_ms: int | None = None,
    heard: Heard | None = None,
) -> None:
    """:func:`keep_contacts` for one contact."""
    keep_contacts(db, [Contact(box=box, status=status, problem=problem, address=address, seen_ms=seen_ms, heard=heard)])


def move_box(db: Database, box: str, address: str, words: str) -> None:
    """An enrolled box is to be asked at this address from now on; ``words`` go into the activity."""

    def work(writer: Writer) -> None:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (box,)).fetchone() is not None:
            writer.upsert("box_status", {"box": box, "address": address})
            writer.touch("boxes", box)
            writer.activity("box.moved", box, words)

    db.write(work)


def _row_of(contact: Contact) -> dict[str, object]:
    row: dict[str, object] = {"box": contact.box}
    if contact.status is not None:
        row |= {"status": to_json(contact.status), "problem": None, "problem_code": None}
    if contact.problem is not None:
        row |= {"problem": str(contact.problem), "problem_code": contact.problem.code}
    if contact.address is not None:
        row["address"] = contact.address
    if contact.seen_ms is not None:
        row["last_seen_ms"] = contact.seen_ms
    if contact.heard is not None:
        row |= {"skew_ms": contact.heard.skew_ms, "skew_error_ms": contact.heard.skew_error_ms}
    return row


def remove_box(db: Database, box: str) -> None:
    """Strike a box off; its results, samples and alerts stay."""
    db.write(lambda writer: writer.delete("boxes", box))


def _box(row: sqlite3.Row) -> Box:
    return Box(
        box=row["box"],
        name=row["name"],
        address=row["address"],
        certificate=row["certificate"],
        enrolled_ms=row["enrolled_ms"],
        last_seen_ms=row["last_seen_ms"],
        problem=row["problem"],
        problem_code=row["problem_code"],
        status=_status(row["status"]),
        skew_ms=row["skew_ms"],
        skew_error_ms=row["skew_error_ms"],
        labels=wire.decode(row["labels"], tuple[str, ...], what="box's labels"),
    )


def _status(kept: bytes | None) -> BoxStatus | None:
    if kept is None:
        return None
    try:
        return wire.decode(kept, BoxStatus, what="box status")
    except InputInvalid:
        # Kept by another version of this program, or no text any more; the next contact brings one that can be read.
        return None
