"""A file made from another one and what is different in it, piece by piece, so that memory stays small.

A patch is a head and then pieces in the order of the file that they make. Each piece names a part of the base, and is
one of two kinds:

- *changed*: as long as its part of the base. Two zstd frames: one bit for each byte (most significant first) that says
  whether it changed, then for each changed byte what to add to the base's (modulo 256).
- *found*: one zstd frame for which the part of the base is the dictionary (raw content); nothing need be in its place.

A patch is as hostile as anything else that arrives: what it claims is checked before memory is taken for it. Whether
the right file came out is for the caller to check, by its digest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import PatchUnusable
from edge_runtime.update.bundle import MAX_BUNDLE_BYTES

MAGIC: Final = b"lineside-patch-1"
HEAD: Final = struct.Struct("<16s32s32sQQ")
PIECE: Final = struct.Struct("<BQIIII")
CHANGED: Final = 1
FOUND: Final = 2
MAX_PIECE_BYTES: Final = 2**19
MAX_PART_BYTES: Final = 2**21
"""Of the base, for one piece."""
MAX_FRAME_BYTES: Final = MAX_PIECE_BYTES + 2**16
"""What does not become smaller is little larger."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a patch says of itself."""

    base: str
    """sha256 of the file to start from."""
    base_size: int
    whole: str
    """sha256 of the file that comes out."""
    whole_size: int

    def to_bytes(self) -> bytes:
        return HEAD.pack(MAGIC, bytes.fromhex(self.base), bytes.fromhex(self.whole), self.base_size, self.whole_size)


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands before a piece's frames."""

    kind: int
    base_offset: int
    base_length: int
    length: int
    """Bytes of the file that it makes."""
    first: int
    """Bytes of the first frame."""
    second: int
    """Bytes of the second; 0 where there is one only."""

    def to_bytes(self) -> bytes:
        return PIECE.pack(self.kind, self.base_offset, self.base_length, self.length, self.first, self.second)


def read_head(patch: BinaryIO) -> Head:
    """The head of a patch that is read from its beginning.

    :raises PatchUnusable: it is no patch, or one for a file that no box would take.
    """
    magic, base, whole, base_size, whole_size = HEAD.unpack(_exactly(patch, HEAD.size))
    if magic != MAGIC:
        raise PatchUnusable("This is not a patch of a kind that is known here.")
    if not (0 < base_size <= MAX_BUNDLE_BYTES and 0 < whole_size <= MAX_BUNDLE_BYTES):
        raise PatchUnusable(
            f"The patch makes {whole_size} bytes from {base_size}; at most {MAX_BUNDLE_BYTES} are made."
        )
    return Head(base.hex(), base_size, whole.hex(), whole_size)


def apply_patch(base: BinaryIO, patch: BinaryIO, head: Head) -> Iterator[bytes]:
    """The bytes of the whole, a piece at a time; both files are open in binary, and the patch stands behind its head.

    Holds at most a piece and its part of the base: less than 16 MiB.

    :raises PatchUnusable: damaged, or made to do harm.
    """
    made = 0
    while made < head.whole_size:
        piece = Piece(*PIECE.unpack(_exactly(patch, PIECE.size)))
        _check(piece, head, left=head.whole_size - made)
        base.seek(piece.base_offset)
        part = _exactly(base, piece.base_length)
        first, second = _exactly(patch, piece.first), _exactly(patch, piece.second)
        yield _changed(piece, part, first, second) if piece.kind == CHANGED else _found(piece, part, first)
        made += piece.length
    if patch.read(1):
        raise PatchUnusable("The patch goes on behind its end.")


def _check(piece: Piece, head: Head, *, left: int) -> None:
    sound = (
        piece.kind in (CHANGED, FOUND)
        and 0 < piece.length <= min(left, MAX_PIECE_BYTES)
        and piece.base_length <= MAX_PART_BYTES
        and piece.base_offset + piece.base_length <= head.base_size
        and piece.first <= MAX_FRAME_BYTES
        and piece.second <= MAX_FRAME_BYTES
        and (piece.base_length == piece.length if piece.kind == CHANGED else piece.second == 0)
    )
    if not sound:
        raise PatchUnusable("A piece of the patch claims what no real one does.")


def _changed(piece: Piece, part: bytes, first: bytes, second: bytes) -> bytes:
    packed = np.frombuffer(_unpack(first, (piece.length + 7) // 8), np.uint8)
    mask: npt.NDArray[np.bool_] = np.unpackbits(packed, count=piece.length).view(np.bool_)
    whole = np.frombuffer(part, np.uint8).copy()
    whole[mask] += np.frombuffer(_unpack(second, int(mask.sum())), np.uint8)
    return whole.tobytes()


def _found(piece: Piece, part: bytes, frame: bytes) -> bytes:
    return _unpack(frame, piece.length, part)


def _unpack(frame: bytes, size: int, dictionary: bytes = b"") -> bytes:
    """A zstd frame of exactly ``size`` bytes; it is asked for its size before anything is unpacked."""
    # Only now: most boxes start, run for months and never see a patch.
    import zstandard

    try:
        if zstandard.get_frame_parameters(frame).content_size != size:
            raise PatchUnusable("A piece of the patch has another size than it claims.")
        known = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        opener = zstandard.ZstdDecompressor(dict_data=known if dictionary else None)
        body: bytes = opener.decompress(frame, max_output_size=size, allow_extra_data=False) if size else b""
    except (zstandard.ZstdError, ValueError) as error:
        raise PatchUnusable(f"A piece of the patch cannot be unpacked: {error}.") from error
    if len(body) != size:
        raise PatchUnusable("A piece of the patch has another size than it claims.")
    return body


def _exactly(file: BinaryIO, size: int) -> bytes:
    body = file.read(size)
    if len(body) != size:
        raise PatchUnusable("The patch or the file that it starts from ends too early.")
    return body
