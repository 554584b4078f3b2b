"""The spool's files: the bytes of samples as ``samples/ab/SHA``, and a piece of disk that is kept for bad times."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge_runtime.contracts.errors import NotFound
from edge_runtime.inference.preprocess import MAX_FRAME_BYTES
from edge_runtime.sources.base import media_type

BALLAST_BYTES = 2**20
_REASONS = {
    errno.ENOSPC: "disk.full",
    errno.EDQUOT: "disk.full",
    errno.EROFS: "disk.read-only",
    errno.EACCES: "disk.denied",
    errno.EPERM: "disk.denied",
}


def why_lost(error: BaseException) -> str:
    """What the ledger says of that which the disk did not take, by the system's own word for it."""
    return _REASONS.get(error.errno or 0, "disk.error") if isinstance(error, OSError) else "disk.error"


class Found(NamedTuple):
    """A sample of which there is nothing but its file."""

    at_ms: int
    """When it was written, by the clock of then."""
    sample: str
    media: str
    size: int


class SampleFiles:
    """The folder of samples' bytes, each under the sha256 of its content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rowless: set[str] = set()
        """Samples whose rows are not on the disk yet."""

    def path(self, sample: str) -> Path:
        return self._folder / sample[:2] / sample

    def has(self, sample: str) -> bool:
        try:
            return self.path(sample).exists()
        except OSError:
            return False

    def write(self, sample: str, data: bytes) -> None:
        """Keep a sample's bytes. Not synced: after a power cut a file without its row goes, and the ledger says so.

        :raises OSError: no room, or a broken disk.
        """
        self._rowless.add(sample)
        path = self.path(sample)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self._rowless.discard(sample)
            raise

    def read(self, sample: str) -> bytes | None:
        """The bytes; None where they are not what the name says.

        :raises NotFound: there are none.
        """
        try:
            data = self.path(sample).read_bytes()
        except OSError as error:
            raise NotFound(f"The sample {sample[:12]}… is not on this box.") from error
        return data if hashlib.sha256(data).hexdigest() == sample else None

    def remove(self, samples: Iterable[str]) -> None:
        for sample in samples:
            # What cannot be removed now goes at the next start.
            with suppress(OSError):
                self.path(sample).unlink(missing_ok=True)
            self._rowless.discard(sample)

    def have_rows(self, samples: Iterable[str]) -> None:
        """The rows of these are on the disk."""
        self._rowless.difference_update(samples)

    def intact(self) -> list[Found]:
        """Files that are what their names say, oldest first; each is read for that. Whose rows wait are left out."""
        found = []
        for path in self._folder.glob("*/*"):
            if path.name in self._rowless:
                continue
            with suppress(OSError):
                state = path.lstat()
                if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_FRAME_BYTES:
                    continue
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == path.name:
                    found.append(Found(state.st_mtime_ns // 1_000_000, path.name, media_type(data), len(data)))
        return sorted(found)

    def reconcile(self, known: set[str]) -> tuple[set[str], int, int]:
        """Remove files that no row knows and none will.

        :returns: rows without a file; how many files went, and their bytes.
        :raises OSError: the folder is neither there nor can be made, or cannot be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        # A glob takes a folder that it may not read for an empty one, and every row would be without a file.
        next(self._folder.iterdir(), None)
        found = list(self._folder.glob("*/*"))
        # Only now: a file that is newer than the listing is not in it, and one that is older is named here.
        rowless = self._rowless.copy()
        here: set[str] = set()
        count = size = 0
        for path in found:
            # An unfinished file bears the sample's name, too.
            sample = path.name.removeprefix(".")[:64]
            if path.name in known or sample in rowless:
                here.add(sample)
                continue
            with suppress(OSError):
                size += path.stat().st_size
                path.unlink()
                count += not path.name.startswith(".")
        return known - here, count, size


class Ballast:
    """A file that only takes room. Where the disk is full it goes, and the ledger and the alerts have a place."""

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path, self._size = path, size

    def lay(self) -> bool:
        """Put it there; False where there is hardly more room than it takes."""
        if self._path.exists():
            return True
        if shutil.disk_usage(self._path.parent).free < 3 * self._size:
            return False
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            # A file system that cannot promise room goes without.
            return error.errno in (errno.EOPNOTSUPP, errno.EINVAL)
        return True

    def drop(self) -> bool:
        """Make room; False where it was not there."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
