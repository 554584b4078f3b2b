"""To a stick: everything that this desktop has of the site and the stick lacks, written, and read back.

Killed, or the stick pulled, it is simply done again: what stands is kept. Files of which nobody knows whether they were
read back stand in a list on the stick until somebody did.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.store import objects as object_store
from app.store.journal import StoreJournal
from app.store.objects import Stored
from app.store.stick import StickSnapshots
from app.usecases import roots
from app.usecases.exchange import part_from_copy
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stick.opening import Stick, alone, opened, put_header
from edge_runtime.contracts.errors import NotFound, ObjectCorrupt, ReplicaCopied
from edge_runtime.contracts.stick_errors import StickDamaged, StickFull
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.journal.carried import Put
    from cloud_sync.stick.pieces import StickFiles

BATCH_FILES = 64
BATCH_BYTES = 64 * 2**20
SPARE_BYTES = 2**20
"""For folders and lists."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What did not travel, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What one export put onto the stick. Everything that is told as written was read back."""

    folder: str
    segments: int
    snapshot: bool
    """What other desktops wrote, as far as it is known here, went along."""
    files: int
    bytes: int
    there: int
    """Files that the stick had already."""
    left_out: int
    """Samples that were not to go."""
    problems: tuple[Damage, ...]


def export_to(
    ctx: Context,
    folder: Path,
    *,
    samples: bool = True,
    passphrase: str | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ExportReport:
    """Bring everything that is here onto a stick: changes first, then models and datasets, samples last.

    :param samples: False: the bytes of samples stay here; what is known of them goes along.
    :param passphrase: of a stick that is encrypted, or that is new and is to be.
    :raises StickPassphrase: it is another one.
    :raises StickForeign, StickTooNew, StickDamaged: not this site's, or not to be trusted with anything.
    :raises StickFull: the files do not fit; the changes are on it.
    :raises StoreUnreachable: it was pulled out; what was written stays.
    """
    token = cancel or CancelToken()
    with alone(ctx), opened(ctx, folder, new=True, passphrase=passphrase) as stick:
        report = _Export(ctx, stick, progress, token).run(samples=samples)
        words = f"Exported to a stick: {counted(report.files, 'file', 'files')}, {report.bytes / 1e6:.1f} MB."
        ctx.database.write(lambda writer: writer.activity("sync.exported", str(folder), words))
        return report


class _Export:
    def __init__(self, ctx: Context, stick: Stick, progress: Progress, cancel: CancelToken) -> None:
        self._ctx = ctx
        self._stick = stick
        self._progress = progress
        self._cancel = cancel
        self._list_key = f"unread/{ctx.database.replica}"
        self._done = 0
        self._expected = 0
        self._problems: list[Damage] = []

    def run(self, *, samples: bool) -> ExportReport:
        from cloud_sync.stick.pieces import StickFiles

        ctx, store = self._ctx, self._stick.store
        self._progress(ProgressEvent(step="changes"))
        put_header(ctx, self._stick)
        journal = self._journal()
        roots.level_with_store(ctx, store, self._stick.prefix)
        self._cancel.check()
        files = StickFiles(store)
        self._look_at_unread(files)
        known = object_store.by_rank(ctx.database, present=True)
        wanted = [one for one in known if samples or one.kind != "sample"]
        lacking = [one for one in wanted if not files.has(one.sha256, one.size)]
        self._require_room(files, lacking)
        # Written, and read back.
        self._expected = 2 * sum(one.size for one in lacking)
        written, size = 0, journal.bytes
        for batch in batches(lacking):
            count, more = self._carry(files, batch)
            written, size = written + count, size + more
        return ExportReport(
            folder=str(self._stick.folder),
            segments=journal.segments,
            snapshot=journal.snapshot,
            files=written,
            bytes=size,
            there=len(wanted) - len(lacking),
            left_out=len(known) - len(wanted),
            problems=tuple(self._problems),
        )

    def _journal(self) -> Put:
        from cloud_sync.journal.carried import put_journal

        database, store, prefix = self._ctx.database, self._stick.store, self._stick.prefix
        journal, snapshots = StoreJournal(database), StickSnapshots(database)
        try:
            return put_journal(store, journal, snapshots, prefix)
        except ReplicaCopied:
            part_from_copy(database, store, prefix)
            return put_journal(store, journal, snapshots, prefix)

    def _look_at_unread(self, files: StickFiles) -> None:
        """What an export that was cut short wrote, whoever's it was: what is not right is written again."""
        from cloud_sync.stick.pieces import read_back

        store = self._stick.store
        for info in list(store.list("unread")):
            listed = set(_DIGEST.findall(store.get(info.key, max_bytes=2**16).decode("ascii", "replace")))
            for sha256, size in files.sizes(listed).items():
                if not read_back(files, sha256, size, self._between):
                    files.drop(sha256)
            store.delete(info.key)

    def _require_room(self, files: StickFiles, lacking: Sequence[Stored]) -> None:
        block = self._stick.block_bytes

        def room(some: Sequence[Stored]) -> int:
            pieces = (piece for one in some for piece in files.lacking(one.sha256, one.size))
            return sum(-(-max(piece.length, 1) // block) * block for piece in pieces) + (SPARE_BYTES if some else 0)

        free, needed = shutil.disk_usage(self._stick.folder).free, room(lacking)
        if needed <= free:
            return
        samples = [one for one in lacking if one.kind == "sample"]
        others = [one for one in lacking if one.kind != "sample"]
        words = (
            f"{counted(len(lacking), 'file needs', 'files need')} {_mb(needed)}, and {_mb(free)} are free: "
            f"{_mb(needed - free)} are missing."
        )
        if samples:
            words += (
                f" Samples would be left out first: {counted(len(samples), 'file', 'files')}, {_mb(room(samples))}."
            )
        without = room(others)
        hint = None
        if samples and without <= free:
            hint = "Without samples it fits: `--without-samples`. Or use a larger stick. The changes are on it already."
        elif samples:
            words += f" Even without samples {_mb(without - free)} are missing."
        raise StickFull(words, hint=hint)

    def _carry(self, files: StickFiles, batch: Sequence[Stored]) -> tuple[int, int]:
        """Write some files and read them back: how many, and their bytes."""
        from cloud_sync.stick.pieces import read_back

        store, size, written = self._stick.store, 0, []
        store.put(self._list_key, "\n".join(one.sha256 for one in batch).encode())
        for one in batch:
            try:
                size += files.put(one.sha256, one.size, self._ctx.blobs.path(one.sha256), self._between)
                written.append(one)
            except (ObjectCorrupt, NotFound) as error:
                self._problems.append(Damage(what=f"{one.kind} {one.sha256[:12]}", why=error.message))
        for one in written:
            if not read_back(files, one.sha256, one.size, self._between):
                files.drop(one.sha256)
                raise StickDamaged(
                    f"{self._stick.folder} does not give back what was written to it ({one.sha256[:12]}…).",
                    hint="Use another stick; nothing is lost here.",
                )
        store.delete(self._list_key)
        return len(written), size

    def _between(self, size: int) -> None:
        self._cancel.check()
        self._done += size
        fraction = min(self._done / self._expected, 1.0) if self._expected else None
        words = f"{self._done / 1e6:.1f} / {self._expected / 1e6:.1f} MB"
        self._progress(ProgressEvent(step="export", message=words, fraction=fraction))


def batches(files: Sequence[Stored]) -> Iterator[list[Stored]]:
    """In their order, each of few files and few bytes, or of one file."""
    batch: list[Stored] = []
    size = 0
    for one in files:
        if batch and (len(batch) == BATCH_FILES or size + one.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
