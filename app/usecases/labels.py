"""Labels of boxes, and the boxes that a person means by names and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.store import boxes as box_store
from app.store import labels as label_store
from app.store.labels import LABEL
from app.store.records import Box
from edge_runtime.contracts.errors import InputInvalid, NotFound

if TYPE_CHECKING:
    from app.context import Context

GROUP = "label:"


def list_labels(ctx: Context) -> dict[str, int]:
    """How many boxes have each label, by label."""
    return label_store.list_labels(ctx.database)


def label_box(ctx: Context, name: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Box:
    """Give a box labels and take labels off it; returns the box with those it has now.

    :raises InputInvalid: a label that is no plain word or two, or one both to be added and removed.
    """
    box = box_store.get_box(ctx.database, name)
    added = [_checked(label) for label in add]
    removed = [label.strip() for label in remove]
    if both := set(added) & set(removed):
        raise InputInvalid(f"The label {min(both)!r} cannot be both added and removed.")
    label_store.change_labels(ctx.database, box.box, add=added, remove=removed)
    return box_store.get_box(ctx.database, box.box)


def choose_boxes(ctx: Context, names: Sequence[str]) -> list[Box]:
    """The boxes that are meant by names, ids and ``label:LABEL``, each once, in the order in which they come.

    :raises NotFound: no such box, or no box with that label.
    """
    known = box_store.list_boxes(ctx.database)
    chosen: dict[str, Box] = {}
    for name in names:
        if name.startswith(GROUP):
            label = name.removeprefix(GROUP).strip()
            group = [box for box in known if label in box.labels]
            if not group:
                raise NotFound(
                    f"No box has the label {label[:80]!r}.",
                    hint=f"Give it to one: `lineside boxes label BOX --add {label[:40] or 'LABEL'}`.",
                )
        else:
            group = [box_store.get_box(ctx.database, name)]
        chosen.update({box.box: box for box in group})
    return list(chosen.values())


def _checked(label: str) -> str:
    text = label.strip()
    if not LABEL.fullmatch(text):
        raise InputInvalid(
            f"{label[:80]!r} is no label: letters and digits first, then also spaces, '.', '-' and '_'; at most 40."
        )
    return text
