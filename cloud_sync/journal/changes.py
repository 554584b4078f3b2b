"""Changes, and the segments in which they travel: JSON lines under zstd, opened as coming from a stranger.

The first line says whose segment it is, its number and how many changes follow; the others are one change each.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import zstandard
from msgspec import Meta

from cloud_sync.journal.clock import check_not_ahead, parse_stamp
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, SegmentRefused

MAX_PACKED_BYTES = 16 * 2**20
"""Largest segment that is fetched."""
MAX_OPEN_BYTES = 64 * 2**20
"""Largest segment once unpacked."""
MAX_CHANGES = 20_000

_LEVEL = 9
_MAX_WINDOW_BYTES = 2**27


@dataclass(frozen=True, slots=True)
class Change:
    """One row as one replica wrote it."""

    table: str
    key: str
    body: dict[str, Any] | None
    """The row's columns; None: the row was deleted."""
    clock: str
    """Stamp of the replica's hybrid clock; it never gives the same one twice."""
    replica: str


ReplicaId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\Z")]


@dataclass(frozen=True, slots=True)
class _Header:
    replica: ReplicaId
    seq: Annotated[int, Meta(ge=1)]
    count: Annotated[int, Meta(ge=1, le=MAX_CHANGES)]
    format: Literal[1]


@dataclass(frozen=True, slots=True)
class _Line:
    table: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z")]
    key: Annotated[str, Meta(min_length=1, max_length=1000)]
    body: Annotated[dict[Annotated[str, Meta(max_length=64)], Any], Meta(max_length=256)] | None
    clock: str


def encode_change(change: Change) -> bytes:
    """The change's line in a segment; equal changes have equal lines."""
    return wire.encode(_Line(change.table, change.key, change.body, change.clock))


def encode_segment(replica: str, seq: int, changes: Sequence[Change]) -> bytes:
    """Pack a replica's own changes as its segment ``seq``.

    :raises InputInvalid: a reader would refuse it; better here, where it can be mended.
    """
    header = wire.encode(_Header(replica, seq, len(changes), 1))
    body = b"\n".join([header, *map(encode_change, changes)])
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(body)
    _decode(packed, replica, seq, None)
    return packed


def decode_segment(packed: bytes, *, replica: str, seq: int, now_ms: int | None) -> list[Change]:
    """The changes of a segment, once all of it proved sound.

    :param now_ms: this computer's time, milliseconds since 1970; None: own segments, whose stamps are not judged.
    :raises SegmentRefused: damaged, too large, another replica's or number's, or stamped in the future.
    """
    try:
        return _decode(packed, replica, seq, now_ms)
    except InputInvalid as error:
        raise refused(replica, seq, error) from error


def refused(replica: str, seq: int, reason: InputInvalid) -> SegmentRefused:
    """The error for a segment, whatever is wrong with it."""
    own_hint = reason.hint if reason.hint != InputInvalid.default_hint else None
    return SegmentRefused(f"Segment {seq} of desktop {replica[:12]}: {reason.message}", hint=own_hint)


def _decode(packed: bytes, replica: str, seq: int, now_ms: int | None) -> list[Change]:
    first, *lines = _unpack(packed).split(b"\n")
    header = wire.decode(first, _Header, what="segment's first line")
    if (header.replica, header.seq) != (replica, seq):
        raise InputInvalid(f"it says that it is segment {header.seq} of desktop {header.replica[:12]}.")
    if len(lines) != header.count:
        raise InputInvalid(f"it has {len(lines)} changes where {header.count} were sent.")
    changes = []
    for line in lines:
        found = wire.decode(line, _Line, what="segment's change")
        parse_stamp(found.clock)
        if now_ms is not None:
            check_not_ahead(found.clock, now_ms)
        changes.append(Change(found.table, found.key, found.body, found.clock, replica))
    return changes


def _unpack(packed: bytes) -> bytes:
    if len(packed) > MAX_PACKED_BYTES:
        raise InputInvalid(f"it has {len(packed)} bytes; at most {MAX_PACKED_BYTES} are read.")
    opener = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    try:
        # Read as a stream: what the frame says of its own size is not believed.
        with opener.stream_reader(io.BytesIO(packed)) as stream:
            body = stream.read(MAX_OPEN_BYTES + 1)
    except zstandard.ZstdError as error:
        raise InputInvalid("it is damaged and cannot be unpacked.") from error
    if len(body) > MAX_OPEN_BYTES:
        raise InputInvalid(f"it unpacks to more than the {MAX_OPEN_BYTES} bytes that are read.")
    return body
