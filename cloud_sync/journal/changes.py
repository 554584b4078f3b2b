"""Changes, and the segments in which they travel: JSON lines under zstd, opened as coming from a stranger.

The first line says whose segment it is, its number and how many changes follow; the others are one change each. Of a
row that may change format 2 says what its writer had seen, and which columns are whose; format 1 has the row alone. See
:mod:`cloud_sync.journal.rows`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import zstandard
from msgspec import Meta

from cloud_sync.journal.clock import check_not_ahead, parse_stamp
from cloud_sync.journal.rows import Dot, Lost, RowState, whole
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
    """The row's columns; None, where ``seen`` is None, too: the row was deleted."""
    clock: str
    """Stamp of the replica's hybrid clock; it never gives the same one twice."""
    replica: str
    seen: Mapping[str, str] | None = None
    """As :class:`cloud_sync.journal.rows.RowState` has them; None: a fact, or a change of before they were kept."""
    stamps: Mapping[str, Dot] = field(default_factory=dict)
    lost: tuple[Lost, ...] = ()
    gone: bool = False

    @property
    def row(self) -> RowState:
        """What its writer had of the row after it."""
        dot = (self.clock, self.replica)
        if self.seen is None:
            return whole(dot, self.body)
        return RowState(dot, self.body or {}, self.gone, self.seen, self.stamps, self.lost)


def change_of(table: str, key: str, row: RowState) -> Change:
    """The change after which its writer had this of a row that may change."""
    clock, replica = row.dot
    body = dict(row.values) or None
    return Change(table, key, body, clock, replica, row.seen, row.stamps, row.lost, row.gone)


_Clock = Annotated[str, Meta(max_length=32)]
_Column = Annotated[str, Meta(max_length=64)]
_Replica = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_*-]{1,128}\Z")]
ReplicaId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\Z")]
TableName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z")]

_Stamps = Annotated[
    list[tuple[_Clock, ReplicaId, Annotated[list[_Column], Meta(max_length=256)]]], Meta(max_length=256)
]
_LostValues = Annotated[list[tuple[_Column, _Clock, ReplicaId, Any]], Meta(max_length=1000)]


@dataclass(frozen=True, slots=True)
class _Header:
    replica: ReplicaId
    seq: Annotated[int, Meta(ge=1)]
    count: Annotated[int, Meta(ge=1, le=MAX_CHANGES)]
    format: Literal[1, 2]


@dataclass(frozen=True, slots=True)
class _Line:
    table: TableName
    key: Annotated[str, Meta(min_length=1, max_length=1000)]
    body: Annotated[dict[_Column, Any], Meta(max_length=256)] | None
    clock: str
    seen: Annotated[dict[_Replica, _Clock], Meta(max_length=1000)] | None = None
    stamps: _Stamps = field(default_factory=list)
    lost: _LostValues = field(default_factory=list)
    gone: bool = False
    replica: ReplicaId | None = None
    """Whose change it is, where not of whoever wrote the file: in snapshots, and of a desktop by its id of before."""


def encode_change(change: Change, by: str | None = None) -> bytes:
    """The change's line in a segment; equal changes have equal lines.

    :param by: whoever writes the file: of others' changes it says whose they are. None: whose it is does not matter.
    """
    line: dict[str, Any] = {"table": change.table, "key": change.key, "body": change.body, "clock": change.clock}
    if by is not None and change.replica != by:
        line["replica"] = change.replica
    if change.seen is not None:
        line["seen"] = change.seen
        line |= {"stamps": grouped(change.stamps)} if change.stamps else {}
        line |= {"lost": plain(change.lost)} if change.lost else {}
        line |= {"gone": True} if change.gone else {}
    return wire.encode(line)


def decode_change(line: bytes, *, by: str, now_ms: int | None) -> Change:
    """A line as :func:`encode_change` made it, once it proved sound.

    :param by: whoever wrote the file.
    :param now_ms: as in :func:`decode_segment`.
    :raises InputInvalid: it is not sound.
    """
    found = wire.decode(line, _Line, what="segment's change")
    clocks = [found.clock, *(found.seen or {}).values()]
    clocks += [clock for clock, _replica, _columns in found.stamps]
    clocks += [clock for _column, clock, _replica, _value in found.lost]
    for clock in clocks:
        parse_stamp(clock)
        if now_ms is not None:
            check_not_ahead(clock, now_ms)
    return Change(
        table=found.table,
        key=found.key,
        body=found.body,
        clock=found.clock,
        replica=found.replica or by,
        seen=found.seen,
        stamps=ungrouped(found.stamps),
        lost=tuple(Lost(*one) for one in found.lost),
        gone=found.gone,
    )


def grouped(stamps: Mapping[str, Dot]) -> list[tuple[str, str, list[str]]]:
    """Which columns stand under which dot, sorted, each dot once."""
    columns: dict[Dot, list[str]] = {}
    for column, dot in sorted(stamps.items()):
        columns.setdefault(dot, []).append(column)
    return [(*dot, names) for dot, names in sorted(columns.items())]


def ungrouped(groups: Sequence[tuple[str, str, Sequence[str]]]) -> dict[str, Dot]:
    """What :func:`grouped` was made of."""
    return {column: (clock, replica) for clock, replica, columns in groups for column in columns}


def plain(lost: Sequence[Lost]) -> list[tuple[str, str, str, Any]]:
    """Lost values without names, as they are kept and sent."""
    return [(one.field, one.clock, one.replica, one.value) for one in lost]


def encode_segment(replica: str, seq: int, changes: Sequence[Change]) -> bytes:
    """Pack a replica's own changes as its segment ``seq``.

    :raises InputInvalid: a reader would refuse it; better here, where it can be mended.
    """
    header = wire.encode(_Header(replica, seq, len(changes), 2))
    packed = pack_lines([header, *(encode_change(change, replica) for change in changes)])
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
    first, *lines = unpack_lines(packed)
    header = wire.decode(first, _Header, what="segment's first line")
    if (header.replica, header.seq) != (replica, seq):
        raise InputInvalid(f"it says that it is segment {header.seq} of desktop {header.replica[:12]}.")
    if len(lines) != header.count:
        raise InputInvalid(f"it has {len(lines)} changes where {header.count} were sent.")
    return [decode_change(line, by=replica, now_ms=now_ms) for line in lines]


def pack_lines(lines: Sequence[bytes]) -> bytes:
    """Lines under zstd."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(b"\n".join(lines))


def unpack_lines(packed: bytes) -> list[bytes]:
    """What :func:`pack_lines` was given, from whoever made it.

    :raises InputInvalid: damaged, or too large.
    """
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
    return body.split(b"\n")
