"""Making a patch: what a box needs to turn a bundle that it has into the next one."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard

from edge_runtime.update.durable import file_digest, write_durably
from edge_runtime.update.patch import CHANGED, FOUND, MAX_PART_BYTES, MAX_PIECE_BYTES, Head, Piece, read_head

_CHANGES_LEVEL = 9
_FOUND_LEVEL = 12
_MOSTLY_OTHER = 0.5
"""Share of changed bytes from which on a piece seems to have come from elsewhere."""
_DEAR = 0.3
"""Share of a piece's bytes from which on the second way of sending it is tried too."""
_ANCHORS = 32
_ANCHOR_BYTES = 24
_ANCHOR_KINDS = 8
"""Different bytes that an anchor needs: a run of zeros is found everywhere."""
_AGREEING = 2

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch in a file."""

    path: Path
    sha256: str
    size: int
    base: str
    """sha256 of the file to start from."""
    whole: str
    """sha256 of the file that it makes."""


def make_patch(base: Path, whole: Path, path: Path) -> Patch:
    """Write to ``path`` what makes ``whole`` from ``base``; equal files give equal patches.

    :raises DiskFull: no room for it.
    :raises OSError, ValueError: one of the two cannot be read, or is empty.
    """
    with (
        base.open("rb") as base_file,
        whole.open("rb") as whole_file,
        mmap.mmap(base_file.fileno(), 0, access=mmap.ACCESS_READ) as start,
        mmap.mmap(whole_file.fileno(), 0, access=mmap.ACCESS_READ) as end,
    ):
        head = Head(file_digest(base), len(start), file_digest(whole), len(end))
        write_durably(path, _chunks(head, start, end))
    return read_patch(path)


def read_patch(path: Path) -> Patch:
    """One that :func:`make_patch` wrote before.

    :raises FileNotFoundError: it is not there.
    :raises PatchUnusable: it is none.
    """
    with path.open("rb") as file:
        head = read_head(file)
    return Patch(path, file_digest(path), path.stat().st_size, head.base, head.whole)


def _chunks(head: Head, base: mmap.mmap, whole: mmap.mmap) -> Iterator[bytes]:
    yield head.to_bytes()
    shift = 0
    for start in range(0, len(whole), MAX_PIECE_BYTES):
        body = whole[start : start + MAX_PIECE_BYTES]
        shift, chunk = _piece(base, body, start, last=shift, end=len(base) - len(whole))
        yield chunk


def _piece(base: mmap.mmap, body: bytes, start: int, *, last: int, end: int) -> tuple[int, bytes]:
    """How far its like was moved in the base, and the piece as it is written.

    :param last: how far the piece before it was.
    :param end: how far it was, where both files end alike.
    """
    shift, share = _best(base, body, start, dict.fromkeys((last, 0, end)))
    if share > _MOSTLY_OTHER and (found := _moved(base, body, start, near=shift)) is not None:
        other, other_share = _best(base, body, start, (found,))
        shift, share = (other, other_share) if other_share < share else (shift, share)
    chunk = _changed(base, body, start + shift) if share < 1 else None
    if chunk is None or len(chunk) > _DEAR * len(body):
        chunk = min(filter(None, (chunk, _found(base, body, start + shift))), key=len)
    return shift, chunk


def _best(base: mmap.mmap, body: bytes, start: int, shifts: dict[int, None] | tuple[int, ...]) -> tuple[int, float]:
    """Of these the one with the fewest changed bytes, and their share; 1 where none lies in the base."""
    here = np.frombuffer(body, np.uint8)
    best, least = 0, 1.0
    for shift in shifts:
        if 0 <= start + shift <= len(base) - len(body):
            share = np.count_nonzero(_part(base, start + shift, len(body)) != here) / len(body)
            if share < least:
                best, least = shift, share
    return best, least


def _moved(base: mmap.mmap, body: bytes, start: int, *, near: int) -> int | None:
    """How far most of the short runs of bytes that are looked for have moved; None where they do not agree."""
    middle = start + near
    low, high = max(0, middle - MAX_PART_BYTES), min(len(base), middle + len(body) + MAX_PART_BYTES)
    votes: Counter[int] = Counter()
    for at in range(0, len(body) - _ANCHOR_BYTES, max(1, len(body) // _ANCHORS)):
        anchor = body[at : at + _ANCHOR_BYTES]
        if len(set(anchor)) >= _ANCHOR_KINDS and (place := base.find(anchor, low, high)) >= 0:
            votes[place - start - at] += 1
    shift, agreeing = votes.most_common(1)[0] if votes else (0, 0)
    return shift if agreeing >= _AGREEING else None


def _changed(base: mmap.mmap, body: bytes, offset: int) -> bytes:
    difference = np.frombuffer(body, np.uint8) - _part(base, offset, len(body))
    changed = difference != 0
    compressor = zstandard.ZstdCompressor(level=_CHANGES_LEVEL)
    first = compressor.compress(np.packbits(changed).tobytes())
    second = compressor.compress(difference[changed].tobytes())
    return Piece(CHANGED, offset, len(body), len(body), len(first), len(second)).to_bytes() + first + second


def _found(base: mmap.mmap, body: bytes, offset: int) -> bytes:
    around = (MAX_PART_BYTES - len(body)) // 2
    low = max(0, min(offset - around, len(base) - MAX_PART_BYTES))
    part = base[low : low + MAX_PART_BYTES]
    known = zstandard.ZstdCompressionDict(part, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    # The window holds the dictionary and the piece: all of the part can be pointed at.
    window = max(zstandard.WINDOWLOG_MIN, (len(part) + len(body)).bit_length())
    how = zstandard.ZstdCompressionParameters.from_level(_FOUND_LEVEL, window_log=window, enable_ldm=True)
    frame = zstandard.ZstdCompressor(dict_data=known, compression_params=how).compress(body)
    return Piece(FOUND, low, len(part), len(body), len(frame), 0).to_bytes() + frame


def _part(base: mmap.mmap, offset: int, length: int) -> _Bytes:
    return np.frombuffer(base[offset : offset + length], np.uint8)
