"""What was done on this desktop, by whom, in a chain that shows any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.store import activity as activity_store
from app.store.records import Activity, Page

if TYPE_CHECKING:
    from app.context import Context


def page_activity(ctx: Context, cursor: str | None = None, limit: int = 100) -> Page[Activity]:
    """Entries, newest first."""
    return activity_store.page_activity(ctx.database, cursor=cursor, limit=limit)


def verify_activity(ctx: Context) -> int:
    """Recompute the chain; returns how many entries it has.

    :raises DatabaseDamaged: an entry was changed, removed or put in; names the first.
    """
    return activity_store.verify_chain(ctx.database)
