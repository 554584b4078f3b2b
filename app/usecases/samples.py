"""Samples: bringing images in, looking at them, labelling them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.store import boxes as box_store
from app.store import samples as sample_store
from app.store.records import Page, Sample
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.stored import bring
from edge_runtime.contracts.errors import FrameUnreadable, InputInvalid, NotFound
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from app.store.writer import Writer

MAX_LABEL = 200
_BATCH = 100
_READERS = 8
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that was not imported, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did."""

    files: int
    """Looked at."""
    imported: int
    known: int
    """Here before, by content."""
    labelled: int
    skipped: tuple[SkippedFile, ...]
    bytes: int
    """Of the imported ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCounts:
    """How many samples there are."""

    total: int
    labelled: int
    unlabelled: int
    by_label: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Found:
    sample: str
    frame: str
    at_ms: int
    media: str
    size: int
    label: str | None


def import_folder(
    ctx: Context, folder: Path, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> ImportReport:
    """Import every image under ``folder``; the name of the sub-folder it lies in is its label.

    Images directly in ``folder`` stay unlabelled. Samples are known by content, so importing again changes
    nothing. What cannot be read is named in the report and left out; hidden files are passed by.

    :raises NotFound: there is no such folder.
    :raises Cancelled: what was imported so far stays.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", hint="Check the path.")
    token = cancel or CancelToken()
    files = sorted(_files(folder))
    skipped: list[SkippedFile] = []
    imported: list[_Found] = []
    labelled = 0
    try:
        # Threads, because every file waits for the disk to have it.
        with ThreadPoolExecutor(_READERS) as pool:
            for start in range(0, len(files), _BATCH):
                told = f"{start} of {len(files)} files"
                progress(ProgressEvent(step="import", message=told, fraction=start / len(files)))
                token.check()
                read = list(pool.map(partial(_read, ctx, folder), files[start : start + _BATCH]))
                skipped += [found for found in read if isinstance(found, SkippedFile)]
                batch = [found for found in read if isinstance(found, _Found)]
                new, events = ctx.database.write(partial(_keep, batch=batch))
                imported += new
                labelled += events
    finally:
        if imported or labelled:
            words = f"Imported {counted(len(imported), 'sample', 'samples')} from {folder}, "
            words += f"{counted(labelled, 'label', 'labels')}; files left out: {len(skipped)}."
            ctx.database.write(lambda writer: writer.activity("samples.imported", str(folder), words))
    progress(ProgressEvent(step="import", message=f"{len(files)} of {len(files)} files", fraction=1.0))
    return ImportReport(
        files=len(files),
        imported=len(imported),
        known=len(files) - len(imported) - len(skipped),
        labelled=labelled,
        skipped=tuple(skipped),
        bytes=sum(found.size for found in imported),
    )


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent) / name for name in names if not name.startswith("."))


def _read(ctx: Context, folder: Path, file: Path) -> _Found | SkippedFile:
    frame = file.relative_to(folder).as_posix()
    label = file.parent.name if file.parent != folder else None
    try:
        if label is not None:
            check_label(label)
        details = file.stat()
        content = _image(file, details)
    except (OSError, InputInvalid, FrameUnreadable) as error:
        return SkippedFile(path=frame, reason=getattr(error, "message", "") or f"It cannot be read: {error}")
    return _Found(
        sample=ctx.blobs.put(content),
        frame=frame,
        at_ms=details.st_mtime_ns // 1_000_000,
        media=_media(content),
        size=len(content),
        label=label,
    )


def _image(file: Path, details: os.stat_result) -> bytes:
    from edge_runtime.contracts.manifest import ImageInput
    from edge_runtime.inference.preprocess import MAX_FRAME_BYTES, decode_image

    if not stat.S_ISREG(details.st_mode):
        raise InputInvalid("It is not a regular file.")
    if details.st_size > MAX_FRAME_BYTES:
        raise FrameUnreadable(f"The file is {details.st_size} bytes; at most {MAX_FRAME_BYTES} are read.")
    content = file.read_bytes()
    # Small, so that a large JPEG is decoded at an eighth: the question is only whether it can be.
    decode_image(content, ImageInput(name="import", width=32, height=32, colour="GRAY"))
    return content


def _media(content: bytes) -> str:
    return next((media for start, media in _SIGNATURES if content.startswith(start)), "application/octet-stream")


def _keep(writer: Writer, batch: list[_Found]) -> tuple[list[_Found], int]:
    new = [
        found
        for found in batch
        if sample_store.put_import(
            writer, sample=found.sample, frame=found.frame, at_ms=found.at_ms, media=found.media, size=found.size
        )
    ]
    labels = {found.sample: found.label for found in batch if found.label is not None}
    return new, sample_store.add_labels(writer, labels)


def check_label(label: str) -> None:
    """:raises InputInvalid: no text that can be a label."""
    if not 1 <= len(label) <= MAX_LABEL or not label.isprintable() or label != label.strip():
        raise InputInvalid(f"A label has between 1 and {MAX_LABEL} printable characters; {label[:80]!r} does not.")


def page_samples(
    ctx: Context,
    *,
    cursor: str | None = None,
    limit: int = 100,
    labelled: bool | None = None,
    box: str | None = None,
    reason: str | None = None,
) -> Page[Sample]:
    """Samples, newest first; the first page says how many there are.

    :param labelled: only those with, or without, a label.
    :param box: only those of this box, by name or id.
    :param reason: only those kept for it: ``hard``, ``random``, ``unlabelled``, ``import``.
    """
    of_box = box_store.get_box(ctx.database, box).box if box else None
    return sample_store.page_samples(
        ctx.database, cursor=cursor, limit=limit, labelled=labelled, box=of_box, reason=reason
    )


def get_sample(ctx: Context, sample: str) -> Sample:
    """A sample by the beginning of its id."""
    return sample_store.get_sample(ctx.database, sample)


def sample_bytes(ctx: Context, sample: str) -> bytes:
    """The sample's own bytes, checked against its id; ``sample`` is the whole id. Where they lie in the object store
    alone they are brought here first.

    :raises NotFound: they are nowhere.
    :raises StoreUnreachable: or another error of the store.
    """
    if not ctx.blobs.has(sample):
        bring(ctx, [sample])
    return ctx.blobs.get(sample)


def sample_bytes_here(ctx: Context, sample: str) -> bytes:
    """As :func:`sample_bytes`, but of what is on this desktop.

    :raises NotFound: they are not.
    """
    return ctx.blobs.get(sample)


def label_samples(ctx: Context, labels: Mapping[str, str | None]) -> int:
    """Give samples their labels, or take them away with None; returns how many changed. All or none.

    :param labels: whole sample ids and labels.
    :raises NotFound: a sample is not known.
    :raises InputInvalid: a label cannot be one.
    """
    for label in labels.values():
        if label is not None:
            check_label(label)

    def work(writer: Writer) -> int:
        changed = sample_store.add_labels(writer, labels)
        if changed:
            different = sorted({label or "(none)" for label in labels.values()})
            subject = next(iter(labels)) if len(labels) == 1 else ""
            words = ", ".join(different[:10]) + ("…" if len(different) > 10 else "")
            writer.activity("samples.labelled", subject, f"Labelled {counted(changed, 'sample', 'samples')}: {words}.")
        return changed

    return ctx.database.write(work)


def counts(ctx: Context) -> SampleCounts:
    """How many samples there are, and under which labels."""
    by_label = sample_store.label_counts(ctx.database)
    total, labelled = sample_store.count_samples(ctx.database), sum(by_label.values())
    return SampleCounts(total=total, labelled=labelled, unlabelled=total - labelled, by_label=by_label)
