"""Where frames come from. Kinds register as entry points in the group ``lineside.sources``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Source, SourceFactory

GROUP = "lineside.sources"


def require_kind(address: str) -> str:
    """The kind of a source's address.

    :raises InputInvalid: no such kind is installed; names those that are.
    """
    kind = address.partition(":")[0]
    known = sorted(entry_points(group=GROUP).names)
    if kind not in known:
        raise InputInvalid(f"There is no source of kind {kind!r}; installed are {', '.join(known) or 'none'}.")
    return kind


def open_source(address: str, memory: Path) -> Source:
    """Open ``kind:location``; the source keeps its position in the file ``memory``.

    :raises InputInvalid: an unknown kind, or a location that this kind cannot have.
    """
    kind = require_kind(address)
    factory = cast(SourceFactory, entry_points(group=GROUP)[kind].load())
    return factory(address.partition(":")[2], memory)
