"""The journal's part of a sync: changes out, changes in, and a new id for a desktop whose own another one uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.database import Database
from app.store.journal import ASKED_EVERYONE, StoreJournal, note_of
from app.store.rekey import Rekeyed, clock_is_right, is_ahead, rekey
from app.store.snapshot import StoreSnapshots
from edge_runtime.contracts.errors import ReplicaCopied

if TYPE_CHECKING:
    from cloud_sync.journal.replicate import PullReport, PushReport
    from cloud_sync.objects import ObjectStore


SNAPSHOT_EVERY = 200
"""Segments of all desktops together."""
ASK_EVERYONE_EVERY_MS = 24 * 3_600_000
"""A store that has lost the word of a desktop's end delays what that one wrote by so much at most."""


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
    rekeyed = None
    try:
        rekeyed = stamp_anew(database, store, prefix) if is_ahead(database) and clock_is_right(database) else None
        pushed, pulled = _once(database, store, prefix)
    except ReplicaCopied:
        rekeyed = part_from_copy(database, store, prefix)
        pushed, pulled = _once(database, store, prefix)
    return Exchanged(pushed=pushed, pulled=pulled, rekeyed=rekeyed, ahead=is_ahead(database))


def part_from_copy(database: Database, store: ObjectStore, prefix: str) -> Rekeyed:
    """After :class:`ReplicaCopied`: go on under another id, with whatever does not stand in the store."""
    from cloud_sync.journal.replicate import shared_through

    return rekey(database, "copied", shared=shared_through(store, StoreJournal(database), prefix, database.now_ms()))


def stamp_anew(database: Database, store: ObjectStore, prefix: str) -> Rekeyed:
    """This desktop's clock was years ahead, and is right now: what was written then goes out with other stamps.

    :raises ReplicaCopied: it has to take another id first.
    """
    from cloud_sync.journal.replicate import seal_standing

    seal_standing(store, StoreJournal(database), prefix)
    return rekey(database, "ahead")


def _once(database: Database, store: ObjectStore, prefix: str) -> tuple[PushReport, PullReport]:
    from cloud_sync.journal.replicate import pull, push
    from cloud_sync.journal.snapshot import take_snapshot

    journal, now_ms = StoreJournal(database), database.now_ms()
    pushed = push(store, journal, prefix)
    snapshots = StoreSnapshots(database)
    new = not journal.positions() and not snapshots.known_covered()
    if new and (taken := take_snapshot(store, snapshots, prefix, now_ms=database.now_ms)):
        snapshots.note_covered(taken.covered)
    everyone = not 0 <= now_ms - int(note_of(database, ASKED_EVERYONE) or 0) < ASK_EVERYONE_EVERY_MS
    pulled = pull(store, journal, prefix, everyone=everyone, now_ms=database.now_ms)
    if everyone:
        database.write(lambda writer: writer.note(ASKED_EVERYONE, str(now_ms)))
    return pushed, pulled


def keep_snapshot(database: Database, store: ObjectStore, prefix: str, every: int = SNAPSHOT_EVERY) -> bool:
    """Write a snapshot for desktops that are still to come, where ``every`` segments came since the last one of any
    desktop; whether one was written.
    """
    from cloud_sync.journal.snapshot import newest_covered, write_snapshot

    snapshots = StoreSnapshots(database)
    positions = snapshots.positions()
    due = sum(positions.values()) - every
    if snapshots.known_covered() > due:
        return False
    covered = newest_covered(store, prefix)
    written = covered <= due
    if written:
        covered = write_snapshot(store, snapshots, prefix, database.replica, positions).covered
    snapshots.note_covered(covered)
    return written
