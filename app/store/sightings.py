"""Where each box answered, and as which start of which machine: what copies of one box are told by."""

from __future__ import annotations

from collections.abc import Iterable

from app.store.database import Database
from app.store.journal import note_of
from app.store.records import Heard, Sighting
from app.store.writer import Writer
from edge_runtime.contracts.status import BoxStatus

KEPT_OF_ONE_BOX = 32
KEPT_MS = 30 * 86_400_000
"""Whoever was not heard for so long is no longer told of."""
_COUNT = "sightings"


def count_sightings(db: Database) -> int:
    """How many there were so far; to be read before a box is asked."""
    return int(note_of(db, _COUNT) or 0)


def note_sightings(writer: Writer, answers: Iterable[tuple[BoxStatus, Heard]]) -> int:
    """Enrolled boxes answered; returns how many sightings there were so far."""
    count = before = int(writer.noted(_COUNT) or 0)
    for status, heard in answers:
        count += 1
        marks = (status.boot, status.machine, status.host_key, status.kernel_boot)
        _note(writer, status.box, heard.address, marks, asked=heard.asked, heard=count)
    if count != before:
        writer.note(_COUNT, str(count))
    return count


def note_elsewhere(db: Database, status: BoxStatus, heard: Heard) -> None:
    """A box answered at an address that is not the one it is known at; nothing else is kept of it."""

    def work(writer: Writer) -> None:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (status.box,)).fetchone() is not None:
            note_sightings(writer, [(status, heard)])
            writer.touch("sightings", f"{status.box}/{heard.address}")

    db.write(work)


def note_key(db: Database, box: str, addresses: tuple[str, ...]) -> None:
    """The key of an enrolled box answered at these addresses; it was not asked who it is."""

    def work(writer: Writer) -> None:
        for address in addresses:
            if writer.execute(
                "SELECT 1 FROM sightings WHERE box = ? AND address = ? LIMIT 1", (box, address)
            ).fetchone():
                continue
            count = int(writer.noted(_COUNT) or 0)
            _note(writer, box, address, ("", "", "", ""), asked=count, heard=count)

    db.write(work)


def list_sightings(db: Database) -> list[Sighting]:
    """Those of late, in the order in which they were heard last."""
    rows = db.read("SELECT * FROM sightings ORDER BY last_heard")
    newest = max((row["last_ms"] for row in rows), default=0)
    return [Sighting(**row) for row in rows if row["last_ms"] >= newest - KEPT_MS]


def forget_place(db: Database, box: str, address: str) -> None:
    """The box is not at this address any more."""

    def work(writer: Writer) -> None:
        writer.execute("DELETE FROM sightings WHERE box = ? AND address = ?", (box, address))
        writer.touch("sightings", f"{box}/{address}")

    db.write(work)


def _note(writer: Writer, box: str, address: str, marks: tuple[str, str, str, str], *, asked: int, heard: int) -> None:
    boot, machine, host_key, kernel_boot = marks
    known = writer.execute(
        "UPDATE sightings SET machine = ?, host_key = ?, kernel_boot = ?, last_asked = max(last_asked, ?),"
        " last_heard = ?, last_ms = ? WHERE box = ? AND address = ? AND boot = ?",
        (machine, host_key, kernel_boot, asked, heard, writer.now_ms, box, address, boot),
    )
    if known.rowcount:
        return
    writer.execute(
        "INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (box, address, *marks, asked, heard, asked, heard, writer.now_ms),
    )
    # Now that it said who it is, that its key answered there says nothing more; and of many starts the last ones do.
    writer.execute(
        "DELETE FROM sightings WHERE box = ?1 AND (last_heard <= (SELECT last_heard FROM sightings WHERE box = ?1"
        " ORDER BY last_heard DESC LIMIT 1 OFFSET ?2) OR (boot = '' AND EXISTS (SELECT 1 FROM sightings AS known"
        " WHERE known.box = ?1 AND known.address = sightings.address AND known.boot != '')))",
        (box, KEPT_OF_ONE_BOX),
    )
