"""Where each box answered, and as which start of which machine: what copies of one box are told by."""

from __future__ import annotations

from app.store.database import Database
from app.store.journal import note_of
from app.store.records import Contact, Sighting
from app.store.writer import Writer
from edge_runtime.contracts.status import BoxStatus

KEPT_OF_ONE_BOX = 32
KEPT_MS = 30 * 86_400_000
"""Whoever was not heard for so long is no longer told of."""
_COUNT = "sightings"


def count_sightings(db: Database) -> int:
    """How many there were so far; to be read before a box is asked."""
    return int(note_of(db, _COUNT) or 0)


def note_sighting(writer: Writer, status: BoxStatus, contact: Contact) -> None:
    """A box answered."""
    marks = (status.boot, status.machine, status.host_key, status.kernel_boot)
    _note(writer, status.box, contact.address, marks, contact.asked)


def note_contact(db: Database, status: BoxStatus, contact: Contact) -> None:
    """A box answered at an address that is not the one it is known at; nothing else is kept of it."""

    def work(writer: Writer) -> None:
        if writer.execute("SELECT 1 FROM boxes WHERE box = ?", (status.box,)).fetchone() is not None:
            note_sighting(writer, status, contact)
            writer.touch("sightings", f"{status.box}/{contact.address}")

    db.write(work)


def note_key(db: Database, box: str, addresses: tuple[str, ...]) -> None:
    """The key of an enrolled box answered at these addresses; it was not asked who it is."""

    def work(writer: Writer) -> None:
        for address in addresses:
            if writer.execute(
                "SELECT 1 FROM sightings WHERE box = ? AND address = ? LIMIT 1", (box, address)
            ).fetchone():
                continue
            _note(writer, box, address, ("", "", "", ""), int(writer.noted(_COUNT) or 0))

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


def _note(writer: Writer, box: str, address: str, marks: tuple[str, str, str, str], asked: int) -> None:
    heard = int(writer.noted(_COUNT) or 0) + 1
    writer.note(_COUNT, str(heard))
    writer.execute(
        "INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (box, address, boot) DO UPDATE SET machine = excluded.machine, host_key = excluded.host_key,"
        " kernel_boot = excluded.kernel_boot, last_asked = max(last_asked, excluded.last_asked),"
        " last_heard = excluded.last_heard, last_ms = excluded.last_ms",
        (box, address, *marks, asked, heard, asked, heard, writer.now_ms),
    )
    writer.execute(
        "DELETE FROM sightings WHERE box = ?1 AND (last_heard <= (SELECT last_heard FROM sightings WHERE box = ?1"
        " ORDER BY last_heard DESC LIMIT 1 OFFSET ?2) OR (boot = '' AND EXISTS (SELECT 1 FROM sightings AS known"
        " WHERE known.box = ?1 AND known.address = sightings.address AND known.boot != '')))",
        (box, KEPT_OF_ONE_BOX),
    )
