"""Pages of a box's spool as they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.rows import (
    AlertRow,
    AuditRow,
    LossRow,
    ResultRow,
    RollupRow,
    Row,
    SampleRow,
    ShadowRow,
    Stream,
)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Page(Generic[R]):
    rows: tuple[R, ...]
    cursor: int
    more: bool
    chain: ChainHead | None = None


@dataclass(frozen=True, slots=True)
class SpoolPage:
    """Some rows of one stream; ``cursor`` is what to ask after next and what to acknowledge."""

    rows: tuple[Row, ...]
    cursor: int
    more: bool
    chain: ChainHead | None = None
    """Of audits, with their last page."""


# Decoded in one go, each row as what its stream holds: a dictionary for each on the way would cost a third more.
_PAGES: Mapping[Stream, Any] = {
    "audits": _Page[AuditRow],
    "alerts": _Page[AlertRow],
    "samples": _Page[SampleRow],
    "shadows": _Page[ShadowRow],
    "rollups": _Page[RollupRow],
    "results": _Page[ResultRow],
    "losses": _Page[LossRow],
}


def read_page(stream: Stream, body: bytes, *, what: str) -> SpoolPage:
    """A page as a box sends it.

    :raises InputInvalid: it is none, or a row of it is not what the stream holds; names ``what``.
    """
    page = wire.decode(body, _PAGES[stream], what=what)
    return SpoolPage(page.rows, page.cursor, page.more, page.chain)
