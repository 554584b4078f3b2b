"""Labels of boxes: plain words, by which boxes are grouped. They travel between desktops."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.store.database import Database
from app.store.writer import Writer

LABEL = re.compile(r"[^\W_](?:[\w .-]{0,38}[\w.-])?")
"""Letters and digits of any script first, then also spaces, dots, hyphens and underscores; 40 characters at most."""


def change_labels(db: Database, box: str, *, add: Iterable[str], remove: Iterable[str]) -> None:
    """Give a box labels and take labels off it, in one transaction; what is so already changes nothing."""
    added, removed = list(add), list(remove)

    def work(writer: Writer) -> None:
        for label in removed:
            writer.delete("box_labels", f"{box}/{label}")
        for label in added:
            writer.insert_new("box_labels", {"box": box, "label": label})
        writer.touch("boxes", box)

    db.write(work)


def list_labels(db: Database) -> dict[str, int]:
    """How many enrolled boxes have each label, by label."""
    rows = db.read("SELECT label, COUNT(*) AS n FROM box_labels JOIN boxes USING (box) GROUP BY label ORDER BY label")
    return {row["label"]: row["n"] for row in rows}
