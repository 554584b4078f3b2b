"""Snapshots: everything that stood on one desktop at one time, so that a new one need not read a year of segments.

A snapshot is rows as the journal has them, each with whatever is known of who wrote it, in chunks named by their
digest, and a manifest, written last, that says which segments of whom are in it. Taking it over is merging: rows that
are here already, or that come again in a later segment, are the same in the end. The same rows make the same chunks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from cloud_sync.journal.changes import (
    MAX_CHANGES,
    MAX_PACKED_BYTES,
    Change,
    ReplicaId,
    decode_change,
    encode_change,
    pack_lines,
    unpack_lines,
)
from cloud_sync.objects.base import ObjectStore
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing, SegmentRefused
from edge_runtime.contracts.rows import Digest

CHUNK_BYTES = 4 * 2**20
"""A chunk ends before it would hold more than this, unpacked."""
KEPT = 2
"""Snapshots of one desktop that stay, for whoever reads the older one just now."""
_MAX_MANIFEST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    sha256: Digest
    size: Annotated[int, Meta(ge=1, le=MAX_PACKED_BYTES)]
    rows: Annotated[int, Meta(ge=1, le=MAX_CHANGES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a snapshot consists of."""

    format: Literal[1]
    positions: Annotated[dict[ReplicaId, Annotated[int, Meta(ge=0, lt=10**10)]], Meta(max_length=10_000)]
    """Replica → the last of its segments that went into it."""
    chunks: Annotated[list[Chunk], Meta(max_length=100_000)]

    @property
    def covered(self) -> int:
        """How many segments went into it."""
        return sum(self.positions.values())


class SnapshotJournal(Protocol):
    """The desktop's database, as far as snapshots go."""

    def standing(self) -> Iterator[Change]:
        """Every row that desktops have in common, sorted; read while others may write."""

    def merge(self, changes: Sequence[Change]) -> None:
        """Take rows over, whole or not at all.

        :raises InputInvalid: a row cannot be kept; none was.
        """

    def covers(self, positions: Mapping[str, int]) -> None:
        """What went into these segments is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of a snapshot."""

    rows: int
    bytes: int
    covered: int


def write_snapshot(
    store: ObjectStore, journal: SnapshotJournal, prefix: str, replica: str, positions: Mapping[str, int]
) -> Manifest:
    """Put what stands here into the store, under this desktop's own prefix, and clear its older ones away.

    :param positions: what went into the rows for certain: read before they are.
    """
    folder = _folder(prefix, replica)
    known = {info.key for info in store.list(f"{folder}/chunks")}
    chunks = []
    for lines in _chunked(encode_change(change, "") for change in journal.standing()):
        body = pack_lines(lines)
        chunk = Chunk(sha256=hashlib.sha256(body).hexdigest(), size=len(body), rows=len(lines))
        if chunk_key(folder, chunk.sha256) not in known:
            store.put(chunk_key(folder, chunk.sha256), body)
        chunks.append(chunk)
    manifest = Manifest(format=1, positions=dict(positions), chunks=chunks)
    store.put(_manifest_key(folder, manifest.covered), wire.encode(manifest))
    _clear(store, folder)
    return manifest


def newest_covered(store: ObjectStore, prefix: str) -> int:
    """How many segments went into the newest snapshot; 0 where there is none."""
    found = found_snapshots(store, prefix)
    return found[0][0] if found else 0


def take_snapshot(
    store: ObjectStore, journal: SnapshotJournal, prefix: str, *, now_ms: Callable[[], int]
) -> Taken | None:
    """Take over the newest snapshot that is sound; None where there is none.

    Of one that proves unsound half-way the rows before that stay: each was checked. Its segments still count as not
    taken over.
    """
    for covered, folder, key in found_snapshots(store, prefix):
        try:
            rows, size = merge_snapshot(store, journal, folder, read_manifest(store, key), now_ms)
        except (InputInvalid, ObjectMissing, SegmentRefused):
            continue
        return Taken(rows=rows, bytes=size, covered=covered)
    return None


def merge_snapshot(
    store: ObjectStore, journal: SnapshotJournal, folder: str, manifest: Manifest, now_ms: Callable[[], int]
) -> tuple[int, int]:
    """Take one over: (rows, bytes). Its segments count as taken over when all of it was.

    :raises InputInvalid, ObjectMissing, SegmentRefused: a chunk is not what it should be.
    """
    rows = size = 0
    for chunk in manifest.chunks:
        changes = read_chunk(store, folder, chunk, now_ms())
        journal.merge(changes)
        rows, size = rows + len(changes), size + chunk.size
    journal.covers(manifest.positions)
    return rows, size


def read_manifest(store: ObjectStore, key: str) -> Manifest:
    """:raises InputInvalid, ObjectMissing: it is not one."""
    return wire.decode(store.get(key, max_bytes=_MAX_MANIFEST_BYTES), Manifest, what="snapshot")


def read_chunk(store: ObjectStore, folder: str, chunk: Chunk, now_ms: int | None) -> list[Change]:
    """A chunk's rows; ``now_ms`` None: their stamps are not judged.

    :raises InputInvalid, ObjectMissing: it is not the one that it should be.
    """
    body = store.get(chunk_key(folder, chunk.sha256), max_bytes=chunk.size)
    if hashlib.sha256(body).hexdigest() != chunk.sha256:
        raise InputInvalid("A chunk of the snapshot is not the one that it should be.")
    lines = unpack_lines(body)
    if len(lines) != chunk.rows:
        raise InputInvalid(f"A chunk of the snapshot has {len(lines)} rows where {chunk.rows} were written.")
    return [decode_change(line, by="", now_ms=now_ms) for line in lines]


def found_snapshots(store: ObjectStore, prefix: str) -> list[tuple[int, str, str]]:
    """(segments covered, folder, key of the manifest) of every snapshot, the newest first."""
    found = []
    for replica in store.folders(f"{prefix}/snapshots"):
        folder = _folder(prefix, replica)
        for info in store.list(f"{folder}/manifests"):
            name = info.key.rsplit("/", 1)[-1].removesuffix(".json")
            if name.isdecimal() and len(name) < 20:
                found.append((int(name), folder, info.key))
    return sorted(found, reverse=True)


def _clear(store: ObjectStore, folder: str) -> None:
    keys = sorted(info.key for info in store.list(f"{folder}/manifests"))
    for key in keys[:-KEPT]:
        store.delete(key)
    wanted = set()
    for key in keys[-KEPT:]:
        try:
            manifest = read_manifest(store, key)
        except (InputInvalid, ObjectMissing):
            store.delete(key)
            continue
        wanted |= {chunk_key(folder, chunk.sha256) for chunk in manifest.chunks}
    for info in list(store.list(f"{folder}/chunks")):
        if info.key not in wanted:
            store.delete(info.key)


def _chunked(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and (size + len(line) > CHUNK_BYTES or len(chunk) == MAX_CHANGES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line) + 1
    if chunk:
        yield chunk


def _folder(prefix: str, replica: str) -> str:
    return f"{prefix}/snapshots/{replica}"


def _manifest_key(folder: str, covered: int) -> str:
    return f"{folder}/manifests/{covered:012d}.json"


def chunk_key(folder: str, sha256: str) -> str:
    """Where a chunk of a desktop's snapshots lies."""
    return f"{folder}/chunks/{sha256}.jsonl.zst"
