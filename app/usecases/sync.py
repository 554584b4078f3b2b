"""Sync: this desktop's database and files with the site's object store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.store import journal as journal_store
from app.store import objects as object_store
from app.store.records import SyncStatus
from app.usecases import boxes, roots
from app.usecases.exchange import exchange, keep_snapshot
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stored import fetch_files
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import Credentials, ObjectStore, StoreReport
    from cloud_sync.transfer import TransferReport

KEEP_EVERY = 100
"""Objects that are marked as sent in one transaction."""
CHECKED_EVERY_TIME = 500
"""Files of this desktop that a sync looks at, by turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one sync moved."""

    objects_sent: int
    bytes_sent: int
    changes_sent: int
    changes_received: int
    objects_received: int
    objects_missing: int
    """Files that other desktops wrote of and that the store does not give whole; asked for again at the next sync."""


def setup_store(
    ctx: Context, address: str, *, endpoint_url: str | None = None, credentials: Credentials | None = None
) -> StoreReport:
    """Try an object store (write, read, list, delete) and, where that works, make it the site's.

    :param address: ``s3://BUCKET/PREFIX`` or a folder.
    :param credentials: kept in the OS keyring; without them those that were kept for this address are used, else
        the usual AWS variables or profile.
    :raises StoreRefused, StoreUnreachable, StoreCredentialsMissing: nothing was changed.
    """
    from cloud_sync.objects import open_store, probe_store

    known = credentials or ctx.secrets.store_credentials(address)
    store = open_store(address, endpoint_url=endpoint_url, credentials=known)
    try:
        report = probe_store(store)
        resolved = store.address
    finally:
        store.close()
    if credentials is not None:
        ctx.secrets.save_store_credentials(resolved, credentials)
    moved = resolved != ctx.settings.store
    ctx.change_settings(replace(ctx.settings, store=resolved, endpoint_url=endpoint_url))
    if moved:
        journal_store.forget_store(ctx.database)
        ctx.database.write(lambda w: w.activity("sync.store-set", resolved, f"The site's object store is {resolved}."))
    return report


def sync_now(ctx: Context, *, progress: Progress = silent, cancel: CancelToken | None = None) -> SyncReport:
    """Send what is new here, fetch what is new there. Run again after any cut, it goes on where it stopped.

    Objects go before the journal that names them, so that no desktop ever reads of a sample that is not there.
    """
    token = cancel or CancelToken()
    try:
        report = _sync(ctx, progress, token)
    except LinesideError as error:
        if error.code != "task.cancelled":
            journal_store.set_last_sync(ctx.database, at_ms=None, problem=str(error))
        raise
    problem = (
        f"{report.objects_missing} files of other desktops are not in the store." if report.objects_missing else None
    )
    journal_store.set_last_sync(ctx.database, at_ms=boxes.now_ms(), problem=problem)
    return report


def _sync(ctx: Context, progress: Progress, cancel: CancelToken) -> SyncReport:
    prefix = f"sites/{ctx.site.site}"
    with ctx.open_store() as store:
        sent = _send_objects(ctx, store, progress, cancel)
        cancel.check()
        progress(ProgressEvent(step="journal", message="Sending and fetching changes"))
        exchanged = exchange(ctx.database, store, prefix)
        if not exchanged.pulled.problems and not exchanged.ahead:
            keep_snapshot(ctx.database, store, prefix)
        received, missing = _fetch_objects(ctx, store, progress, cancel)
        roots.level_with_store(ctx, store, prefix)
    if problems := exchanged.pulled.problems:
        # What could be taken over was; a segment that is not what it should be needs a person.
        raise problems[0].error
    return SyncReport(
        objects_sent=sent.sent,
        bytes_sent=sent.bytes,
        changes_sent=exchanged.pushed.changes,
        changes_received=exchanged.pulled.changes,
        objects_received=received,
        objects_missing=missing,
    )


def _send_objects(ctx: Context, store: ObjectStore, progress: Progress, cancel: CancelToken) -> TransferReport:
    from cloud_sync.transfer import Transferred, put_many

    waiting = object_store.unsynced(ctx.database)
    arrived: list[Transferred] = []
    done = 0

    def keep() -> None:
        object_store.mark_synced(ctx.database, [(item.sha256, item.size) for item in arrived])
        arrived.clear()

    def one_more(item: Transferred) -> None:
        nonlocal done
        done += 1
        arrived.append(item)
        if len(arrived) >= KEEP_EVERY:
            keep()
        progress(ProgressEvent(step="objects", message=f"{done} of {len(waiting)}", fraction=done / len(waiting)))
        cancel.check()

    try:
        report = put_many(store, ((sha256, ctx.blobs.path(sha256)) for sha256, _size in waiting), progress=one_more)
    finally:
        keep()
    if report.problems:
        raise next(iter(report.problems.values()))
    return report


def _fetch_objects(ctx: Context, store: ObjectStore, progress: Progress, cancel: CancelToken) -> tuple[int, int]:
    # What a disk or a person has lost here is fetched again: a few files are looked at in each sync, all in a verify().
    look_for_lost(ctx, object_store.some_present(ctx.database, CHECKED_EVERY_TIME))
    wanted = object_store.wanted(ctx.database)
    received = fetch_files(ctx, store, wanted, progress, cancel)
    return received, len(wanted) - received


def look_for_lost(ctx: Context, objects: Sequence[str]) -> list[str]:
    """Which of these files, that should be here, are not: they are noted as lying in the object store."""
    if lost := ctx.blobs.missing(objects):
        object_store.mark_missing(ctx.database, *lost)
    return lost


def sync_status(ctx: Context) -> SyncStatus:
    """Last sync and what waits; answered from the local database alone."""
    return journal_store.status(ctx.database, ctx.settings.store)
