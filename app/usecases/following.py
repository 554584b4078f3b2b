"""Following every enrolled box: how each is, once a second, kept in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.fleet.follower import Followed, Follower, News
from app.store import boxes as box_store
from app.store.boxes import Contact
from app.store.records import Box, Heard
from app.usecases import roots
from app.usecases.boxes import now_ms
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context


class Following:
    """Asks until it is closed.

    :param changed: called after answers were kept, on a thread of its own.
    :param failed: takes an error that ends it.
    """

    def __init__(
        self, ctx: Context, *, changed: Callable[[], None] = lambda: None, failed: Callable[[BaseException], None]
    ) -> None:
        self._ctx, self._changed = ctx, changed
        self._follower = Follower(self._keep, failed=failed)

    def look_again(self) -> list[Box]:
        """Follow the boxes that are enrolled now, with the key that this desktop has now; returns them as they are
        known.
        """
        known = box_store.list_boxes(self._ctx.database)
        identity = self._ctx.identity
        self._follower.follow(Followed(box.box, box.address, box.certificate, identity) for box in known)
        return known

    def close(self) -> None:
        self._follower.close()

    def _keep(self, news: Sequence[News]) -> int:
        at_ms = now_ms()
        count = box_store.keep_contacts(
            self._ctx.database,
            [
                Contact(box=one.box, status=one.status, seen_ms=at_ms, heard=_heard(one))
                if one.status
                else Contact(box=one.box, problem=one.problem)
                for one in news
            ],
        )
        self._changed()
        return count


def _heard(news: News) -> Heard | None:
    if news.trip is None:
        return None
    skew = news.trip.skew
    return Heard(address=news.address, asked=news.asked, skew_ms=skew.ms, skew_error_ms=skew.error_ms)


def to_visit(ctx: Context, known: Sequence[Box]) -> list[Box]:
    """Those of these boxes from which something is to be collected, or to which keys are to be brought."""
    newest = ctx.roots().facts
    introducing = bool(ctx.places.former_keys)
    return [
        box
        for box in known
        if (introducing and roots.is_pending(box, newest))
        or (
            box.problem is None
            and box.status is not None
            and (waiting(box.status) or box.status.root not in (0, newest.version))
        )
    ]


def waiting(status: BoxStatus) -> int:
    """Rows in a box's spool that no desktop has yet."""
    spool = status.spool
    seen = spool.results + spool.samples + spool.alerts + spool.losses
    return seen + spool.audits + spool.shadows + spool.rollups
