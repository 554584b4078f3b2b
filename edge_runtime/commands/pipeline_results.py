"""Where ``lineside-edge pipeline`` keeps what was answered: a folder with a spool, and the results as JSON lines."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from edge_runtime.config import MAX_NUMBER, ClassLimits, SpoolLimits
from edge_runtime.contracts.errors import AlreadyExists, DiskFull, InputInvalid, LinesideError
from edge_runtime.contracts.rows import LossRow, Stream
from edge_runtime.service.spool import Spool
from edge_runtime.update.durable import lacks_room

NO_BOX = hashlib.sha256(b"lineside-edge pipeline").hexdigest()
"""Stands for the box in the rows: no identity is needed for this."""
KEEP_ALL = SpoolLimits(
    max_bytes=MAX_NUMBER, reserve_bytes=0, results=ClassLimits(max_bytes=MAX_NUMBER, max_age_days=36_500)
)
"""Nobody fetches the results here, so none of them may go to make room for later ones."""
_PAGE = 5_000


@contextmanager
def results_folder(wanted: Path | None, is_worth_keeping: Callable[[], bool]) -> Iterator[Path]:
    """A new folder; nothing is left of it where the run fails before there is anything worth keeping.

    :raises AlreadyExists, InputInvalid: the folder is not empty, or cannot be made.
    """
    folder = (wanted or Path(time.strftime("lineside-results-%Y%m%d-%H%M%S"))).absolute()
    if wanted is None and folder.exists():
        folder = folder.with_name(f"{folder.name}-{uuid.uuid4().hex[:6]}")
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputInvalid(f"The folder {folder} cannot be made: {error.strerror}.") from error
    if any(folder.iterdir()):
        raise AlreadyExists(f"{folder} is not empty.", hint="Name a new folder for the results.")
    try:
        yield folder
    except BaseException:
        # What a full disk made of the files is nothing.
        if is_worth_keeping() and any(path.is_file() and path.stat().st_size for path in folder.iterdir()):
            raise
        for path in list(folder.iterdir()):
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            (folder / "samples").rmdir()
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


def open_spool(folder: Path) -> Spool:
    """A spool that keeps every result."""
    return Spool(folder, box=NO_BOX, boot=uuid.uuid4().hex, limits=KEEP_ALL, now_ms=lambda: time.time_ns() // 1_000_000)


def check_kept(spool: Spool, path: Path) -> None:
    """:raises DiskFull, LinesideError: some of the results did not get into the spool."""
    while not (settled := spool.flush()) and spool.status().problem is None:
        continue  # the disk is slow, no more
    status = spool.status()
    losses = [msgspec.json.decode(row, type=LossRow) for row in rows(spool, "losses")]
    lost = sum(row.count for row in losses if row.stream == "results")
    if not settled or lost:
        why = f": {status.problem}" if status.problem else ""
        if not status.results:
            raise _unkept(path, f"{path.name} could not take any of the results{why}.", is_anything_kept=False)
        raise _unkept(path, f"{path.name} could not take all results{why}. It has {status.results:,} of them.")


def _unkept(path: Path, message: str, error: OSError | None = None, *, is_anything_kept: bool = True) -> LinesideError:
    full = lacks_room(error or OSError(), path)
    where = "Free some space, or name a folder on another disk with --out" if full else "Name another folder with --out"
    kept = f"; what was written is in {path.parent / 'spool.db'}" if is_anything_kept else ""
    hint = f"{where}, and run it again{kept}."
    return (DiskFull if full else LinesideError)(message, hint=hint)


def write_lines(spool: Spool, path: Path) -> None:
    """The results once more as JSON, one a line, for people and their tools.

    :raises DiskFull, LinesideError: the disk does not take them; no part of them is left.
    """
    try:
        with path.open("wb") as file:
            file.writelines(bytes(row) + b"\n" for row in rows(spool, "results"))
    except OSError as error:
        full = _unkept(path, f"{path.name} could not be written: {error.strerror}.", error)
        with suppress(OSError):
            path.unlink()
        raise full from error


def rows(spool: Spool, stream: Stream) -> Iterator[msgspec.Raw]:
    """All rows of a stream."""
    cursor, more = 0, True
    while more:
        page = spool.page(stream, cursor, _PAGE)
        yield from page.rows
        cursor, more = page.cursor, page.more
