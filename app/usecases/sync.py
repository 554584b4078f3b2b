"""Sync: this desktop's database and files with the site's object store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.store import journal as journal_store
from app.store import metric_files
from app.store import objects as object_store
from app.store.journal import StoreJournal
from app.store.records import SyncProblem, SyncStatus, WaitReason
from app.store.rekey import Rekeyed, rekey
from app.usecases import boxes, roots
from app.usecases.carrying import carrying
from app.usecases.exchange import exchange, keep_snapshot, stamp_anew
from app.usecases.metrics.exporting import ExportReport
from app.usecases.metrics.syncing import sync_figures
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.traffic import Hold, hold_now
from edge_runtime.contracts.errors import LinesideError, StoreUnreachable
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import Credentials, ObjectStore, StoreReport

PUSH_EVERY_S = 5.0
"""How long what is written here waits at most while files are on their way."""
PULL_EVERY_S = 60.0
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
    """Files that other desktops wrote of and that are not in the store yet, or not whole; asked for again at the next
    sync.
    """
    figures_sent: int
    """Rows of figures that were written to the bucket."""
    held: Hold | None = None
    """Why files did not go, or not all of them: the link is metered, or it is not their time."""


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

    The journal goes first, and again while files are on their way; then models and datasets, figures, and samples last.
    So a desktop may read of a file that is still to come: it asks for it again.

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
    journal_store.set_last_sync(ctx.database, at_ms=boxes.now_ms(), problem=None)
    return report


def _sync(ctx: Context, progress: Progress, cancel: CancelToken, *, patient: bool) -> SyncReport:
    prefix = f"sites/{ctx.site.site}"
    with ctx.open_store() as store:
        progress(ProgressEvent(step="journal", message="Sending and fetching changes"))
        journal = Journaling(ctx, store, prefix)
        journal.exchange()
        if journal.sound:
            keep_snapshot(ctx.database, store, prefix)
        roots.level_with_store(ctx, store, prefix)
        cancel.check()
        # What a disk or a person has lost here is fetched again: a few files are looked at in each sync, all in a
        # verify().
        look_for_lost(ctx, object_store.some_present(ctx.database, CHECKED_EVERY_TIME))
        figures = ExportReport()
        with carrying(ctx, store, progress, cancel, journal.again) as carrier:
            carrier.look()
            files = object_store.unsynced(ctx.database)
            carrier.send([one for one in files if one.kind != "sample"])
            carrier.fetch(object_store.wanted(ctx.database))
            figures = sync_figures(ctx, store, patient=patient, progress=progress, cancel=cancel)
            carrier.send([one for one in files if one.kind == "sample"])
            carrier.clean_up()
        # Written meanwhile.
        journal.exchange_new()
    carrier.check()
    if journal.refused:
        # What could be taken over was; a segment that is not what it should be needs a person.
        raise journal.refused
    return SyncReport(
        objects_sent=carrier.sent,
        bytes_sent=carrier.bytes_sent,
        changes_sent=journal.changes_sent,
        changes_received=journal.changes_received,
        objects_received=carrier.received,
        objects_missing=carrier.missing,
        figures_sent=figures.rows,
        held=carrier.held,
    )


class Journaling:
    """The exchanges of changes of one sync: one at its beginning, and more while files are on their way."""

    def __init__(self, ctx: Context, store: ObjectStore, prefix: str) -> None:
        self._ctx = ctx
        self._store = store
        self._prefix = prefix
        self._last = time.monotonic()
        self.refused: LinesideError | None = None
        self.sound = True
        """Everything came, and what is written here will be taken."""
        self.changes_sent = 0
        self.changes_received = 0

    def exchange(self) -> None:
        """Send what was changed here, take over what was changed elsewhere, and remember whose changes do not come."""
        done = exchange(self._ctx.database, self._store, self._prefix)
        self._last = time.monotonic()
        self.changes_sent += done.pushed.changes
        self.changes_received += done.pulled.changes
        refused = done.pulled.problems
        problems = [
            SyncProblem(replica=one.replica, message=f"{one.error.message} {one.error.hint}") for one in refused
        ]
        if done.ahead:
            problems.append(SyncProblem(replica=self._ctx.database.replica, message=AHEAD))
        journal_store.set_problems(self._ctx.database, problems)
        self.refused = refused[0].error if refused else None
        self.sound = not problems

    def again(self) -> None:
        """Between files: what was written here since then does not wait for them, nor what others wrote for long."""
        since = time.monotonic() - self._last
        if since >= PULL_EVERY_S or (since >= PUSH_EVERY_S and StoreJournal(self._ctx.database).unsealed(1)):
            self.exchange()

    def exchange_new(self) -> None:
        """As :meth:`exchange`, where something was written here since."""
        if StoreJournal(self._ctx.database).unsealed(1):
            self.exchange()


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
        there = {info.key.rsplit("/", 1)[-1]: info.size for info in store.list("objects")}
        lost_there = [
            one.sha256
            for one in object_store.sized(ctx.database, sorted(set(present) - set(lost_here)))
            if there.get(one.sha256) != one.size
        ]
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
    """Last sync, what waits and why; answered from the local database alone."""
    status = journal_store.status(ctx.database, ctx.settings.store)
    waiting = tuple(replace(one, reason=_reason(ctx, status, one.kind)) for one in status.waiting)
    return replace(status, waiting=waiting)


def _reason(ctx: Context, status: SyncStatus, kind: str) -> WaitReason:
    if status.store is None:
        return "no-store"
    if status.problem is not None:
        return "store-away" if status.queued else "refused"
    held = None if kind == "journal" else hold_now(ctx)
    return held or ("under-way" if status.moving is not None else "next-sync")
