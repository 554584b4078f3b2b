"""Files by their sha256: samples, bundles, dataset lists."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid, NotFound, ObjectCorrupt
from edge_runtime.update.durable import sync_folder, write_durably

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 2**20


class Blobs:
    """``folder/ab/abcdef…``, written once and never changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the object lies, whether or not it is there.

        :raises InputInvalid: not a digest.
        """
        if not _DIGEST.fullmatch(sha256):
            raise InputInvalid(f"{sha256[:80]!r} is not a sha256 in hex.")
        return self.folder / sha256[:2] / sha256

    def reserve(self, sha256: str) -> Path:
        """As :meth:`path`, with the folder made, for a writer that renames a verified file into place."""
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def lacks_damaged(self, sha256: str) -> bool:
        """Whether it is not here because its file was found damaged and set aside."""
        return not self.has(sha256) and self._set_aside(sha256).is_file()

    def put(self, content: bytes) -> str:
        """Store bytes durably and return their sha256; storing them again costs nothing.

        :raises DiskFull: no room.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        if not path.is_file():
            write_durably(path, [content])
        return sha256

    def put_file(self, source: Path, sha256: str) -> Path:
        """Move a file of this file system into the store.

        :raises ObjectCorrupt: its content has another sha256; the file is left where it is.
        """
        digest = hashlib.sha256()
        with source.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
            os.fsync(stream.fileno())
        if digest.hexdigest() != sha256:
            raise ObjectCorrupt(f"{source.name} is not the object {sha256[:12]} that it should be.")
        target = self.reserve(sha256)
        source.replace(target)
        sync_folder(target.parent)
        return target

    def checked(self, sha256: str) -> Path:
        """The object's file, once its content was found to be right; errors as :meth:`get`."""
        self.get(sha256)
        return self.path(sha256)

    def missing(self, objects: Iterable[str]) -> list[str]:
        """Which of these are not here."""
        return [sha256 for sha256 in objects if not self.has(sha256)]

    def get(self, sha256: str) -> bytes:
        """The object's bytes, checked against its name.

        :raises NotFound: it is not on this desktop.
        :raises ObjectCorrupt: the file was changed or damaged; it is set aside, so that a sync can fetch it anew.
        """
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(
                f"The object {sha256[:12]} is not on this desktop.",
                hint="Collect from the box or sync with the object store, then try again.",
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            self.path(sha256).replace(self._set_aside(sha256))
            raise ObjectCorrupt(
                f"The file of object {sha256[:12]} on this desktop is damaged.",
                hint="It was set aside. Sync to fetch it again from the object store, then try again.",
            )
        return content

    def _set_aside(self, sha256: str) -> Path:
        return self.path(sha256).with_name(f".{sha256}.damaged")
