"""An object store in a folder: a NAS, a USB stick, or the disk at hand."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cloud_sync.objects.base import (
    BLOCK_BYTES,
    MAX_GET_BYTES,
    Children,
    ObjectInfo,
    Pace,
    Part,
    Write,
    check_key,
    check_prefix,
    is_key,
    too_large,
)
from cloud_sync.objects.files import FULL, fresh_file, fsync_folder, open_local, write_local
from edge_runtime.contracts.errors import (
    DiskFull,
    InputInvalid,
    LinesideError,
    ObjectMissing,
    StoreRefused,
    StoreUnreachable,
)

# No key can name it, as no segment of a key begins with a dot. On the same file system, so that a rename moves files.
INCOMING = ".incoming"
INCOMING_AGE_S = 24 * 3600.0
"""Files of interrupted writes are cleared away after this time."""

_CHUNK_BYTES = 2**20
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_NOTED_PART = re.compile(r"^([1-9]\d{0,5}) (\d{1,18})\n", re.MULTILINE)
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP}


class FolderStore:
    """Objects as files under ``root``, written by temp + fsync + rename + fsync of the folder.

    Symbolic links under ``root`` are never followed. A folder that goes away, or that another one takes the place
    of (a stick pulled from under its mount point), is unreachable rather than quietly made anew.

    :raises StoreUnreachable: neither the folder nor the one above it is there.
    :raises StoreRefused: it is no folder, or may not be used.
    """

    def __init__(self, root: Path) -> None:
        self.address = f"folder:{root.absolute()}"
        self._shown = root.absolute()
        with self._errors("open"):
            if root.parent.is_dir():
                root.mkdir(exist_ok=True)
            self._root = root.resolve(strict=True)
            if not self._root.is_dir():
                raise StoreRefused(f"{self._shown} is not a folder.")
            with os.scandir(self._root) as found:  # a folder that may not be read is refused at once
                next(found, None)
            self._identity = _identity(self._root)
            self._clear_incoming()

    def __repr__(self) -> str:
        return f"FolderStore({str(self._shown)!r})"

    def put(self, key: str, data: bytes) -> None:
        self._write(key, lambda target: target.write(data))

    def put_file(self, key: str, path: Path) -> None:
        check_key(key)
        with open_local(path) as source:
            self._write(key, lambda target: shutil.copyfileobj(source, target, _CHUNK_BYTES))

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        body = bytearray()
        for chunk in self._chunks(key):
            body += chunk
            if len(body) > max_bytes:
                raise too_large(key, max_bytes)
        return bytes(body)

    def get_file(self, key: str, path: Path) -> None:
        write_local(path, self._chunks(key))

    def head(self, key: str) -> ObjectInfo | None:
        with self._errors(key):
            found = self._stat(self._locate(key))
        return None if found is None else _info(key, found)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix)
        with self._errors(folder or "list"):
            self._check_present()
            start = self._locate(folder) if folder else self._root
            yield from self._walk(start, f"{folder}/" if folder else "")

    def children(self, prefix: str) -> Children:
        folder = check_prefix(prefix)
        with self._errors(folder or "list"):
            self._check_present()
            entries = _entries(self._locate(folder) if folder else self._root)
            folders = sorted(entry.name for entry in entries if _is_folder(entry))
            objects = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        return Children(tuple(folders), tuple(objects))

    def folders(self, prefix: str) -> tuple[str, ...]:
        return self.children(prefix).folders

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._check_present()
            path = self._locate(key)
            if self._stat(path) is not None:
                path.unlink(missing_ok=True)
                fsync_folder(path.parent)

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        left = length
        with self._errors(key), self._opened(key) as source:
            source.seek(start)
            while left and (block := source.read(min(BLOCK_BYTES, left))):
                left -= len(block)
                write(block)
                pace(len(block))
        if left:
            raise StoreUnreachable(f"{key} in {self._shown} ends before byte {start + length}.")

    def start_upload(self, key: str) -> str:
        upload = secrets.token_hex(16)
        with self._errors(key):
            self._check_present()
            self._locate(key)
            (self._root / INCOMING).mkdir(exist_ok=True)
            self._upload_file(upload).touch(exist_ok=False)
        return upload

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        with self._errors(key):
            with self._upload(key, upload) as target:
                target.seek(start)
                for first in range(0, len(data), BLOCK_BYTES):
                    block = data[first : first + BLOCK_BYTES]
                    pace(len(block))
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            with self._parts_file(upload).open("a") as noted:
                noted.write(f"{number} {len(data)}\n")

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        with self._errors(key):
            self._upload(key, upload).close()
            try:
                noted = self._parts_file(upload).read_text("ascii", "replace")
            except FileNotFoundError:
                noted = ""
        return {int(found[1]): Part(int(found[2]), "") for found in _NOTED_PART.finditer(noted)}

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        with self._errors(key):
            path = self._locate(key)
            with self._upload(key, upload) as target:
                if os.fstat(target.fileno()).st_size != sum(part.size for part in parts.values()):
                    raise ObjectMissing(f"The upload of {key} in {self._shown} has lost a part.")
            self._make_folders(path.parent)
            self._upload_file(upload).replace(path)
            fsync_folder(path.parent)
            self._parts_file(upload).unlink(missing_ok=True)

    def abort_upload(self, key: str, upload: str) -> None:
        with self._errors(key):
            self._drop(self._upload_file(upload))

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        """Of the whole store: its files do not say under which key they were to be."""
        check_prefix(prefix)
        with self._errors(prefix):
            old = [
                path
                for path in (self._root / INCOMING).glob("*.upload")
                if path.lstat().st_mtime_ns // 1_000_000 < before_ms
            ]
            for path in old:
                self._drop(path)
        return len(old)

    def close(self) -> None:
        """Nothing is held between calls."""

    def _locate(self, key: str) -> Path:
        """The file of a key. Its folders are real ones: a link among them is refused."""
        path = self._root / check_key(key)
        if Path(os.path.realpath(path.parent)) != path.parent:
            raise StoreRefused(f"A link lies on the way to {key} in {self._shown}; links are not followed.")
        return path

    def _stat(self, path: Path) -> os.stat_result | None:
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self._check_present()
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._errors(key), self._opened(key) as source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk

    def _opened(self, key: str) -> IO[bytes]:
        path = self._locate(key)
        if self._stat(path) is None:
            raise ObjectMissing(f"There is no object {key} in {self._shown}.")
        # A link that was put there since then fails to open.
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")

    def _upload(self, key: str, upload: str) -> IO[bytes]:
        self._check_present()
        try:
            handle = os.open(self._upload_file(upload), os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError as error:
            raise ObjectMissing(f"There is no upload of {key} in {self._shown} any more.") from error
        return os.fdopen(handle, "r+b")

    def _drop(self, upload: Path) -> None:
        upload.unlink(missing_ok=True)
        upload.with_suffix(".parts").unlink(missing_ok=True)

    def _parts_file(self, upload: str) -> Path:
        return self._upload_file(upload).with_suffix(".parts")

    def _upload_file(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise InputInvalid(f"{upload[:80]!r} is not the name of an upload.")
        return self._root / INCOMING / f"{upload}.upload"

    def _write(self, key: str, fill: Callable[[IO[bytes]], object]) -> None:
        with self._errors(key):
            self._check_present()
            path = self._locate(key)
            self._make_folders(path.parent)
            incoming = self._root / INCOMING
            incoming.mkdir(exist_ok=True)
            with fresh_file(path, beside=incoming) as target:
                fill(target)
                _settle(target)

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while folder != self._root and not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for name in reversed(missing):
            name.mkdir(exist_ok=True)
            fsync_folder(name.parent)

    def _walk(self, folder: Path, prefix: str) -> Iterator[ObjectInfo]:
        for entry in _entries(folder):
            key = prefix + entry.name
            if not is_key(key):
                continue
            if _is_folder(entry):
                yield from self._walk(folder / entry.name, f"{key}/")
            # A file may be replaced or deleted while we list; then it is not in the list.
            elif (found := self._stat(folder / entry.name)) is not None:
                yield _info(key, found)

    def _check_present(self) -> None:
        if _identity(self._root) != self._identity:
            raise StoreUnreachable(f"The folder {self._shown} is gone; another one is in its place.")

    def _clear_incoming(self) -> None:
        oldest = time.time() - INCOMING_AGE_S
        with suppress(OSError):
            for entry in (self._root / INCOMING).iterdir():
                if entry.lstat().st_mtime < oldest:
                    entry.unlink(missing_ok=True)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except LinesideError:
            raise
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            if not self._shown.is_dir():
                raise StoreRefused(f"{self._shown} is not a folder.") from error
            raise InputInvalid(
                f"{what} cannot be used in {self._shown}: a folder and an object share a name."
            ) from error
        except OSError as error:
            raise self._explained(error, what) from error

    def _explained(self, error: OSError, what: str) -> LinesideError:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        if error.errno in FULL:
            return DiskFull(f"There is no room for {what} ({self._shown}: {reason}).")
        if error.errno in _REFUSED:
            return StoreRefused(
                f"The folder {self._shown} cannot be used for {what}: {reason}.",
                hint="Check who may write to the folder and whether it is mounted read-only; everything waits locally.",
            )
        return StoreUnreachable(
            f"The folder {self._shown} does not answer: {reason}.",
            hint="Check that the stick is plugged in or the share is mounted; everything waits locally.",
        )


def _settle(target: IO[bytes]) -> None:
    """Whoever reads it back is to see what the stick has, not what the system remembers."""
    target.flush()
    os.fsync(target.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """In the order of the keys that they begin: a folder counts with the slash behind its name."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if is_key(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entries, key=lambda entry: f"{entry.name}/" if _is_folder(entry) else entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key=key, size=found.st_size, modified_ms=found.st_mtime_ns // 1_000_000)
