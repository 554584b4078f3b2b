"""Local files that appear whole or not at all, and their failures in plain words."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from edge_runtime.contracts.errors import DiskFull, InputInvalid, LinesideError, NotFound

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def fresh_file(path: Path, *, beside: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write that becomes ``path`` when the block ends well, whole and flushed, and leaves nothing otherwise.

    :param beside: folder for the file until then, on the same file system; the one of ``path`` by default.
    :raises OSError: as the system says it.
    """
    temporary = (beside or path.parent) / f".{secrets.token_hex(12)}.part"
    try:
        with temporary.open("xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make names that were added to the folder, or taken away, survive a power cut."""
    if os.name == "nt":  # Windows has no handle of a folder to flush
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot flush a folder; the rename itself has been done.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextmanager
def open_local(path: Path) -> Iterator[IO[bytes]]:
    """A local file to read.

    :raises NotFound: it is not there.
    :raises InputInvalid: it may not be read.
    """
    try:
        source = path.open("rb")
    except OSError as error:
        raise local_error(error, path) from error
    with source:
        yield source


def write_local(path: Path, chunks: Iterable[bytes]) -> None:
    """Write what ``chunks`` gives; its own errors pass through.

    :raises NotFound: the folder is not there.
    :raises DiskFull: no room.
    :raises InputInvalid: it may not be written.
    """
    try:
        with fresh_file(path) as target:
            for chunk in chunks:
                target.write(chunk)
    except OSError as error:
        raise local_error(error, path) from error


def local_error(error: OSError, path: Path) -> LinesideError:
    """The error of ours for a local file's."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in FULL:
        return DiskFull(f"There is no room for {path} ({reason}).")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"There is no {path}.")
    return InputInvalid(f"The file {path} cannot be used: {reason}.", hint="Check who may use it; nothing was changed.")
