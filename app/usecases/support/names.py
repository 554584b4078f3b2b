"""Names of people, boxes, machines and the site, and what stands in their place."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from app.store import boxes as box_store
from app.store import support as support_store
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context, Places

Names = tuple[dict[str, str], dict[str, str]]
"""What a name is replaced by, and which names are not known."""
_UNKNOWN = "names of boxes and people"


def names_of(ctx: Context) -> Names:
    """Of a site that is open."""
    names, unknown = _here() | {ctx.site.name: "[site]"}, {}
    try:
        boxes = [(box.name, box.address, box.labels) for box in box_store.list_boxes(ctx.database)]
        names |= _of_boxes(boxes) | dict.fromkeys(support_store.people(ctx.database), "[user]")
        names |= _of_machines(support_store.machines(ctx.database))
    except LinesideError as error:
        unknown[_UNKNOWN] = f"They may be in it: {error.message}"
    try:
        desktops = (ctx.roots().facts.desktops or {}).values()
        names |= {desktop.name: f"[desktop {number}]" for number, desktop in enumerate(desktops, 1)}
    except LinesideError as error:
        unknown["names of desktops"] = f"They may be in it: {error.message}"
    return names, unknown


def names_of_home(places: Places) -> Names:
    """Of a site that cannot be opened."""
    names, unknown = _here(), {}
    try:
        site = json.loads(places.site.read_bytes())
        names |= {str(site["name"]): "[site]"}
    except (OSError, ValueError, KeyError, TypeError):
        unknown["the site's name"] = "It may be in it: its file cannot be read."
    rows = support_store.salvaged_names(places.database)
    names |= _of_boxes(rows.boxes) | dict.fromkeys(rows.people, "[user]") | _of_machines(rows.machines)
    if not rows.whole:
        unknown[_UNKNOWN] = "They may be in it: the database cannot be read in full."
    return names, unknown


def _here() -> dict[str, str]:
    host = socket.gethostname()
    names = {host: "[host]", host.partition(".")[0]: "[host]"}
    # An account may have no name, as in containers.
    with suppress(KeyError, OSError, ImportError):
        names[getpass.getuser()] = "[user]"
    return names


def _of_boxes(boxes: Iterable[tuple[str, str, Iterable[str]]]) -> dict[str, str]:
    names: dict[str, str] = {}
    labels: dict[str, None] = {}
    for number, (name, address, its_labels) in enumerate(boxes, 1):
        names |= {address.rpartition(":")[0].strip("[]"): "[address]", name: f"[box {number}]"}
        labels |= dict.fromkeys(its_labels)
    return {label: f"[label {number}]" for number, label in enumerate(labels, 1)} | names


def _of_machines(machines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Users and hosts that boxes were reached at over SSH."""
    names: dict[str, str] = {}
    for user, host in machines:
        names |= {user: "[user]", host: "[address]"}
    return names
