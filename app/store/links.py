"""How fast the links from this desktop to its boxes are, as deliveries have shown."""

from __future__ import annotations

from app.store.database import Database
from app.store.records import LinkFigure


def put_link(db: Database, figure: LinkFigure) -> None:
    """Remember a figure in place of the one before; nothing where the box is not enrolled any more."""
    db.write(
        lambda writer: writer.execute(
            "INSERT OR REPLACE INTO links (box, bytes_per_s, at_ms) SELECT box, ?2, ?3 FROM boxes WHERE box = ?1",
            (figure.box, figure.bytes_per_s, figure.at_ms),
        )
    )


def link_of(db: Database, box: str) -> LinkFigure | None:
    """The figure of the last delivery or measurement."""
    row = db.read_one("SELECT box, bytes_per_s, at_ms FROM links WHERE box = ?", (box,))
    return LinkFigure(**dict(row)) if row else None
