"""Enrolled boxes, and what each said last."""

from __future__ import annotations

import sqlite3

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.records import Box, Contact
from app.store.sightings import note_sighting
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.status import BoxStatus

_SELECT = """SELECT b.box, b.name, COALESCE(s.address, b.address) AS address, b.certificate, b.enrolled_ms,
    s.last_seen_ms, s.problem, s.status, s.skew_ms, s.skew_error_ms FROM boxes b LEFT JOIN box_status s USING (box)"""


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


def set_status(
    db: Database,
    box: str,
    *,
    status: BoxStatus | None = None,
    problem: str | None = None,
    address: str | None = None,
    seen_ms: int | None = None,
    contact: Contact | None = None,
) -> None:
    """Keep what a contact with a box brought; does nothing for a box that is not enrolled.

    :param status: what it answered; without it the last one stays.
    :param problem: why it did not answer; a ``status`` clears it.
    :param address: where it was found; None leaves it.
    :param seen_ms: when it answered; None leaves it.
    :param contact: how it came by its ``status``.
    """

    def work(writer: Writer) -> None:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (box,)).fetchone() is None:
            return
        row: dict[str, object] = {"box": box}
        if status is not None:
            row |= {"status": to_json(status), "problem": None}
        if problem is not None:
            row["problem"] = problem
        if address is not None:
            row["address"] = address
        if seen_ms is not None:
            row["last_seen_ms"] = seen_ms
        if contact is not None:
            row |= {"skew_ms": contact.skew_ms, "skew_error_ms": contact.skew_error_ms}
            if status is not None:
                note_sighting(writer, status, contact)
        writer.upsert("box_status", row)
        writer.touch("boxes", box)

    db.write(work)


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
        status=_status(row["status"]),
        skew_ms=row["skew_ms"],
        skew_error_ms=row["skew_error_ms"],
    )


def _status(text: str | None) -> BoxStatus | None:
    if text is None:
        return None
    try:
        return wire.decode(text, BoxStatus, what="box status")
    except InputInvalid:
        # Kept by another version of this program; the next contact brings one that can be read.
        return None
