"""Results: what the models on the boxes said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.store import spool
from app.store.records import Page
from edge_runtime.contracts.rows import ResultRow

if TYPE_CHECKING:
    from app.context import Context

PAGE = 1000


def page_results(ctx: Context, box: str, *, cursor: str | None = None, limit: int = PAGE) -> Page[ResultRow]:
    """A page of one box's results, newest first."""
    return spool.page_results(ctx.database, box, cursor, limit)


def results_of(ctx: Context, box: str) -> Iterator[ResultRow]:
    """Every collected result of a box, newest first, a page at a time."""
    cursor: str | None = None
    while True:
        page = page_results(ctx, box, cursor=cursor)
        yield from page.rows
        cursor = page.cursor
        if cursor is None:
            return
