"""The journal's part of a sync: changes out, changes in, and a new id for a desktop whose own another one uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.rekey import Rekeyed, clock_is_right, is_ahead, rekey
from edge_runtime.contracts.errors import ReplicaCopied

if TYPE_CHECKING:
    from cloud_sync.journal.replicate import PullReport, PushReport
    from cloud_sync.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What one exchange of changes did."""

    pushed: PushReport
    pulled: PullReport
    rekeyed: Rekeyed | None
    """This desktop goes on under another id."""
    ahead: bool
    """Stamps of this desktop lie more than a day ahead of its clock, and nobody can tell which of the two is wrong."""


def exchange(database: Database, store: ObjectStore, prefix: str) -> Exchanged:
    """Send what was changed here, take over what was changed elsewhere.

    A desktop whose clock was years ahead, or under whose id somebody else has written, takes a new id first: see
    :mod:`app.store.rekey`.

    :param prefix: the site's folder in the store.
    """
    ahead = is_ahead(database)
    rekeyed = rekey(database, "ahead") if ahead and clock_is_right(database) else None
    try:
        pushed, pulled = _once(database, store, prefix)
    except ReplicaCopied:
        from cloud_sync.journal.replicate import shared_through

        rekeyed = rekey(database, "copied", shared=shared_through(store, StoreJournal(database), prefix))
        pushed, pulled = _once(database, store, prefix)
    return Exchanged(pushed=pushed, pulled=pulled, rekeyed=rekeyed, ahead=ahead and rekeyed is None)


def _once(database: Database, store: ObjectStore, prefix: str) -> tuple[PushReport, PullReport]:
    from cloud_sync.journal.replicate import pull, push

    journal = StoreJournal(database)
    return push(store, journal, prefix), pull(store, journal, prefix, now_ms=database.now_ms)
