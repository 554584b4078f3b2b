"""Sync: this desktop's database and files with the site's object store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.store import journal as journal_store
from app.store import metric_files
from app.store import objects as object_store
from app.store.journal import StoreJournal
from app.store.records import SyncProblem, SyncStatus
from app.store.rekey import Rekeyed, rekey
from app.usecases import boxes, roots
from app.usecases.exchange import exchange, keep_snapshot, stamp_anew
from app.usecases.metrics.syncing import sync_figures
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stored import fetch_files
from edge_runtime.contracts.errors import LinesideError, StoreUnreachable
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import Credentials, ObjectStore, StoreReport
    from cloud_sync.transfer import TransferReport

KEEP_EVERY = 100
"""Objects that are marked as sent in one transaction."""
AHEAD = (
    "What was written here is stamped more than a day ahead of this computer's clock: other desktops do not take it."
    " Set the clock; if it is right by now, run `lineside sync rekey --ahead`."
)
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
    figures_sent: int
    """Rows of figures that were written to the bucket."""


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
        ctx.database.write(metric_files.forget_all)
        ctx.database.write(lambda w: w.activity("sync.store-set", resolved, f"The site's object store is {resolved}."))
    return report


def sync_now(
    ctx: Context, *, patient: bool = False, progress: Progress = silent, cancel: CancelToken | None = None
) -> SyncReport:
    """Send what is new here, fetch what is new there. Run again after any cut, it goes on where it stopped.

    Objects go before the journal that names them, so that no desktop ever reads of a sample that is not there. Figures
    go last.

    :param patient: nobody asked for it: figures wait until there are enough of them for a file.
    """
    token = cancel or CancelToken()
    try:
        report = _sync(ctx, progress, token, patient=patient)
    except LinesideError as error:
        if error.code != "task.cancelled":
            # Whoever is away now may be there the next time: the wish stays.
            queued = isinstance(error, StoreUnreachable)
            journal_store.set_last_sync(ctx.database, at_ms=None, problem=str(error), queued=queued)
        raise
    problem = (
        f"Files of other desktops that are not in the store: {report.objects_missing}."
        if report.objects_missing
        else None
    )
    journal_store.set_last_sync(ctx.database, at_ms=boxes.now_ms(), problem=problem)
    return report


def _sync(ctx: Context, progress: Progress, cancel: CancelToken, *, patient: bool) -> SyncReport:
    prefix = f"sites/{ctx.site.site}"
    with ctx.open_store() as store:
        sent = _send_objects(ctx, store, progress, cancel)
        cancel.check()
        progress(ProgressEvent(step="journal", message="Sending and fetching changes"))
        exchanged = exchange(ctx.database, store, prefix)
        problems = [
            SyncProblem(replica=one.replica, message=f"{one.error.message} {one.error.hint}")
            for one in exchanged.pulled.problems
        ]
        if exchanged.ahead:
            problems.append(SyncProblem(replica=ctx.database.replica, message=AHEAD))
        journal_store.set_problems(ctx.database, problems)
        if not exchanged.pulled.problems and not exchanged.ahead:
            keep_snapshot(ctx.database, store, prefix)
        received, missing = _fetch_objects(ctx, store, progress, cancel)
        roots.level_with_store(ctx, store, prefix)
        figures = sync_figures(ctx, store, patient=patient, progress=progress, cancel=cancel)
    if refused := exchanged.pulled.problems:
        # What could be taken over was; a segment that is not what it should be needs a person.
        raise refused[0].error
    return SyncReport(
        objects_sent=sent.sent,
        bytes_sent=sent.bytes,
        changes_sent=exchanged.pushed.changes,
        changes_received=exchanged.pulled.changes,
        objects_received=received,
        objects_missing=missing,
        figures_sent=figures.rows,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was found to be missing, and what becomes of it."""

    segments: int
    """Of this desktop, looked at in the store."""
    bytes_sent_again: int
    """Of segments that the store had lost."""
    objects: int
    """Files of this desktop, looked at here and in the store."""
    lost_here: int
    """They come again: at the next sync, and samples when somebody opens them."""
    lost_there: int
    """They go out again at the next sync."""


def verify(ctx: Context, *, progress: Progress = silent) -> VerifyReport:
    """Look whether everything that this desktop has sent is in the object store, and every file that it has is here.

    :raises ReplicaCopied: another desktop writes under this one's id; a sync puts that right.
    """
    from cloud_sync.journal.replicate import mend_every

    with ctx.open_store() as store:
        progress(ProgressEvent(step="verify", message="Segments of this desktop"))
        segments, again = mend_every(store, StoreJournal(ctx.database), f"sites/{ctx.site.site}")
        progress(ProgressEvent(step="verify", message="Files here"))
        present = object_store.all_present(ctx.database)
        lost_here = look_for_lost(ctx, present)
        progress(ProgressEvent(step="verify", message="Files in the object store"))
        there = {info.key.rsplit("/", 1)[-1] for info in store.list("objects")}
        lost_there = [sha256 for sha256 in set(present) - set(lost_here) if sha256 not in there]
        object_store.mark_unsent(ctx.database, *lost_there)
    words = f"Verified {counted(len(present), 'file', 'files')} and {counted(segments, 'segment', 'segments')}: "
    words += f"lost here: {len(lost_here)}; lost in the store: {len(lost_there)}, and {again} bytes of segments."
    ctx.database.write(lambda w: w.activity("sync.verified", "", words))
    return VerifyReport(
        segments=segments,
        bytes_sent_again=again,
        objects=len(present),
        lost_here=len(lost_here),
        lost_there=len(lost_there),
    )


def take_new_id(ctx: Context, *, ahead: bool = False) -> Rekeyed:
    """Let this desktop go on under another id in the journal: as one whose folder was copied.

    :param ahead: what was written while its clock was years ahead is stamped anew: the clock is right now.
    """
    if not ahead:
        return rekey(ctx.database, "asked")
    with ctx.open_store() as store:
        return stamp_anew(ctx.database, store, f"sites/{ctx.site.site}")


def sync_status(ctx: Context) -> SyncStatus:
    """Last sync and what waits; answered from the local database alone."""
    return journal_store.status(ctx.database, ctx.settings.store)
