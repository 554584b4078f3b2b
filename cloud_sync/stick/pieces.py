"""Files on a stick: each lies in pieces that every file system takes, and that are written whole or not at all."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloud_sync.objects.base import ObjectStore
from cloud_sync.objects.files import open_local
from cloud_sync.transfer import object_key
from edge_runtime.contracts.errors import InputInvalid, ObjectCorrupt, ObjectMissing, StoreRefused

PIECE_BYTES = 16 * 2**20
"""A file of no more has one piece, under the key that it has in every store. FAT32 takes no file of 4 GiB, and what a
pulled stick costs is one piece.
"""

Piecewise = Callable[[int], None]
"""Told of bytes as they go or come; what it raises ends the work."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a file: where it lies on the stick, and in the file."""

    key: str
    start: int
    length: int


def pieces(sha256: str, size: int) -> list[Piece]:
    """The pieces of a file, in order; one, empty, of an empty one."""
    if size <= PIECE_BYTES:
        return [Piece(object_key(sha256), 0, size)]
    starts = range(0, size, PIECE_BYTES)
    return [
        Piece(f"{object_key(sha256)}.pieces/{number:06d}", start, min(PIECE_BYTES, size - start))
        for number, start in enumerate(starts)
    ]


class StickFiles:
    """What a stick has of the site's files, by one look at its lists."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._sizes = {info.key: info.size for info in store.list("objects")}

    def has(self, sha256: str, size: int) -> bool:
        """Whether all pieces are there and as long as they should be; nobody looked into them."""
        return all(self._has(piece) for piece in pieces(sha256, size))

    def lacking(self, sha256: str, size: int) -> list[Piece]:
        return [piece for piece in pieces(sha256, size) if not self._has(piece)]

    def put(self, sha256: str, size: int, path: Path, between: Piecewise) -> int:
        """Bring a local file onto the stick, piece by piece, those that are there already left out; the bytes written.

        :raises ObjectCorrupt: the local file is not what its name says; nothing was written.
        :raises NotFound: it is not here.
        """
        digest = hashlib.sha256()
        with open_local(path) as source:
            while block := source.read(2**20):
                digest.update(block)
                between(0)
            if digest.hexdigest() != sha256 or source.tell() != size:
                raise ObjectCorrupt(f"The bytes of {sha256[:12]}… at this computer are not the ones of that digest.")
            written = 0
            for piece in self.lacking(sha256, size):
                source.seek(piece.start)
                self._store.put(piece.key, source.read(piece.length))
                self._sizes[piece.key] = piece.length
                written += piece.length
                between(piece.length)
        return written

    def read(self, sha256: str, size: int) -> Iterator[bytes]:
        """The file, piece by piece, as it comes: the last step tells whether it was the one.

        :raises ObjectMissing, ObjectCorrupt: it was not; what came is worth nothing.
        """
        digest = hashlib.sha256()
        for piece in pieces(sha256, size):
            body = _piece(self._store, piece, sha256)
            digest.update(body)
            yield body
        if digest.hexdigest() != sha256:
            raise ObjectCorrupt(f"The bytes of {sha256[:12]}… on the stick are not the ones of that digest.")

    def drop(self, sha256: str) -> None:
        """Nothing of the file is on the stick any more."""
        key = object_key(sha256)
        for found in [one for one in self._sizes if one == key or one.startswith(f"{key}.pieces/")]:
            self._store.delete(found)
            del self._sizes[found]

    def sizes(self, files: set[str]) -> dict[str, int]:
        """How large these files would be by what lies on the stick of them."""
        found: defaultdict[str, int] = defaultdict(int)
        for key, size in self._sizes.items():
            sha256 = key.removeprefix("objects/")[3:].split(".", 1)[0]
            if sha256 in files:
                found[sha256] += size
        return dict(found)

    def _has(self, piece: Piece) -> bool:
        return self._sizes.get(piece.key) == piece.length


def _piece(store: ObjectStore, piece: Piece, sha256: str) -> bytes:
    try:
        body = store.get(piece.key, max_bytes=PIECE_BYTES)
    except (InputInvalid, StoreRefused) as error:
        raise ObjectCorrupt(f"{sha256[:12]}… on the stick cannot be read: {error.message}") from error
    if len(body) != piece.length:
        raise ObjectCorrupt(f"A piece of {sha256[:12]}… on the stick has {len(body)} bytes, not {piece.length}.")
    return body


def read_back(store: StickFiles, sha256: str, size: int, between: Piecewise) -> bool:
    """Whether the file on the stick is the one of this digest, by reading all of it."""
    try:
        for body in store.read(sha256, size):
            between(len(body))
    except (ObjectMissing, ObjectCorrupt):
        return False
    return True
