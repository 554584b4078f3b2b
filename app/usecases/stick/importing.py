"""From a stick: everything on it is hostile until it is checked; what is not sound is named and passed by."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.store import objects as object_store
from app.store.objects import Stored
from app.store.stick import StickJournal, StickSnapshots, said
from app.usecases import roots
from app.usecases.exchange import part_from_copy
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stick.exporting import Damage, batches
from app.usecases.stick.opening import Stick, alone, opened, require_signed
from edge_runtime.contracts.errors import (
    DiskFull,
    InputInvalid,
    ObjectCorrupt,
    ObjectMissing,
    ReplicaCopied,
    StoreUnreachable,
    TrustRefused,
)
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.journal.carried import Taken
    from cloud_sync.release.site_roots import SiteRoots
    from cloud_sync.stick.pieces import StickFiles

SPARE_BYTES = 64 * 2**20
"""Of this computer's disk, that an import leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What one import took over; each file of it was checked."""

    folder: str
    changes: int
    """That came as other desktops wrote them."""
    rows: int
    """That came as somebody had them, of snapshots."""
    files: int
    bytes: int
    missing: int
    """Files that are spoken of, and are neither here nor on the stick."""
    problems: tuple[Damage, ...]
    """What was passed by."""
    root: int = 0
    """The newest of the site's roots that were taken over; 0: none was."""
    admitted: tuple[str, ...] = ()
    """Desktops that may act at this site from now on, by those roots."""
    struck_off: tuple[str, ...] = ()
    """Desktops that may not any more."""


def import_from(
    ctx: Context,
    folder: Path,
    *,
    passphrase: str | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ImportReport:
    """Take over what other desktops of the site exported; twice is the same as once.

    :raises StickMissing, StickForeign, StickTooNew, StickDamaged: nothing was taken over.
    :raises StickUnsigned, StickPassphrase: likewise.
    :raises DiskFull: no room here for the files; the changes were taken over.
    :raises StoreUnreachable: it was pulled out; what was taken over stays.
    """
    token = cancel or CancelToken()
    with alone(ctx), opened(ctx, folder, new=False, passphrase=passphrase) as stick:
        before = ctx.roots()
        report = _with_keys(_Import(ctx, stick, progress, token).run(), before, ctx.roots())
        words = f"Imported from a stick: {counted(report.files, 'file', 'files')}, {report.bytes / 1e6:.1f} MB; "
        words += f"passed by: {len(report.problems)}."
        ctx.database.write(lambda writer: writer.activity("sync.imported", str(folder), words))
        return report


def _with_keys(report: ImportReport, before: SiteRoots, after: SiteRoots) -> ImportReport:
    """What became of the keys, for people."""
    if after.version == before.version:
        return report
    old, new = before.desktops(), after.desktops()
    return replace(
        report,
        root=after.version,
        admitted=tuple(sorted(one.name for key, one in new.items() if key not in old)),
        struck_off=tuple(sorted(one.name for key, one in old.items() if key not in new)),
    )


class _Import:
    def __init__(self, ctx: Context, stick: Stick, progress: Progress, cancel: CancelToken) -> None:
        self._ctx = ctx
        self._stick = stick
        self._progress = progress
        self._cancel = cancel
        self._done = 0
        self._expected = 0
        self._problems: list[Damage] = []

    def run(self) -> ImportReport:
        from cloud_sync.stick.pieces import StickFiles

        ctx, stick = self._ctx, self._stick
        self._progress(ProgressEvent(step="changes"))
        # A desktop that joined after this one last heard of the others is listed by a root that lies on the stick. None
        # is taken over before it is known to follow from those here, nor from somebody whom it does not list.
        newer = None
        try:
            newer = roots.newer_in_store(ctx, stick.store, stick.prefix)
        except (TrustRefused, InputInvalid) as error:
            self._problems.append(Damage(what="roots", why=error.message))
        if stick.header is not None:
            require_signed(newer.newest if newer is not None else ctx.roots().facts, stick.header)
        if newer is not None:
            roots.adopt_from_store(ctx, newer)
        taken = self._journal()
        self._problems += [Damage(what=one.what, why=one.why) for one in taken.problems]
        self._cancel.check()
        files = StickFiles(stick.store)
        wanted = object_store.by_rank(ctx.database, present=False)
        there = [one for one in wanted if files.has(one.sha256, one.size)]
        self._require_room(there)
        self._expected = sum(one.size for one in there)
        came = size = 0
        for batch in batches(there):
            here = [one for one in batch if self._take(files, one)]
            object_store.mark_here(ctx.database, [one.sha256 for one in here])
            came, size = came + len(here), size + sum(one.size for one in here)
        return ImportReport(
            folder=str(stick.folder),
            changes=taken.changes,
            rows=taken.rows,
            files=came,
            bytes=size,
            missing=len(wanted) - came,
            problems=tuple(self._problems),
        )

    def _journal(self) -> Taken:
        from cloud_sync.journal.carried import take_journal

        database, store, prefix = self._ctx.database, self._stick.store, self._stick.prefix
        snapshots = StickSnapshots(database)

        def take() -> Taken:
            return take_journal(store, StickJournal(database), snapshots, prefix, digest=said, now_ms=database.now_ms)

        try:
            return take()
        except ReplicaCopied:
            part_from_copy(database, store, prefix)
            return take()

    def _require_room(self, files: Sequence[Stored]) -> None:
        needed = sum(one.size for one in files)
        free = shutil.disk_usage(self._ctx.home).free - SPARE_BYTES
        if needed > free and files:
            raise DiskFull(
                f"The changes were taken over. {counted(len(files), 'file needs', 'files need')} {needed / 1e6:.1f} MB "
                f"on this computer: {(needed - free) / 1e6:.1f} MB are missing.",
                hint="Free some space, then import once more: it goes on where it stopped.",
            )

    def _take(self, files: StickFiles, one: Stored) -> bool:
        from cloud_sync.objects.files import write_local

        path = self._ctx.blobs.reserve(one.sha256)

        def checked() -> Iterator[bytes]:
            for body in files.read(one.sha256, one.size):
                self._between(len(body))
                yield body

        try:
            write_local(path, checked())
        except (ObjectMissing, ObjectCorrupt) as error:
            self._problems.append(Damage(what=f"{one.kind} {one.sha256[:12]}", why=error.message))
            return False
        except StoreUnreachable as error:
            # One place of the stick that cannot be read, or all of it?
            self._stick.store.folders("")
            self._problems.append(Damage(what=f"{one.kind} {one.sha256[:12]}", why=error.message))
            return False
        return True

    def _between(self, size: int) -> None:
        self._cancel.check()
        self._done += size
        words = f"{self._done / 1e6:.1f} / {self._expected / 1e6:.1f} MB"
        fraction = min(self._done / self._expected, 1.0) if self._expected else None
        self._progress(ProgressEvent(step="import", message=words, fraction=fraction))
