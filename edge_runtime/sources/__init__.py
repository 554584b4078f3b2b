"""Where frames come from. Kinds register as entry points in the group ``lineside.sources``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Source, SourceKind

GROUP = "lineside.sources"


def _kind(address: str) -> SourceKind:
    name = address.partition(":")[0]
    known = sorted(entry_points(group=GROUP).names)
    if name not in known:
        raise InputInvalid(f"There is no source of kind {name!r}; installed are {', '.join(known) or 'none'}.")
    return cast(SourceKind, entry_points(group=GROUP)[name].load())


def check_source(address: str) -> None:
    """Whether an address could be opened, as far as can be told without doing so.

    :raises InputInvalid: no such kind is installed, or a location that this kind cannot have.
    """
    _kind(address).check(address.partition(":")[2])


def open_source(address: str, memory: Path) -> Source:
    """Open ``kind:location``; the source keeps its position in the file ``memory``.

    :raises InputInvalid: an unknown kind, or a location that this kind cannot have.
    """
    return _kind(address)(address.partition(":")[2], memory)
