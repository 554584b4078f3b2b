"""The journal on a stick: the same segments and snapshots as in the site's store, put there and taken over from there.

A stick may hold segments of some desktops and lack those of others. What a desktop knows beyond its own segments goes
along as a snapshot, where the stick does not have it yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from cloud_sync.journal.changes import MAX_PACKED_BYTES, Change, decode_segment, encode_segment
from cloud_sync.journal.ends import REPLICA
from cloud_sync.journal.replicate import (
    LocalJournal,
    check_own,
    pull_from_stick,
    seal,
    seal_standing,
    segment_key,
    stands,
)
from cloud_sync.journal.snapshot import (
    Manifest,
    SnapshotJournal,
    chunk_key,
    found_snapshots,
    merge_snapshot,
    read_chunk,
    read_manifest,
    write_snapshot,
)
from cloud_sync.objects.base import ObjectStore
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing, ReplicaCopied, SegmentRefused, StoreRefused
from edge_runtime.contracts.stick_errors import StickDamaged

_UNSOUND = (InputInvalid, ObjectMissing, SegmentRefused, StoreRefused)


class Snapshots(SnapshotJournal, Protocol):
    def positions(self) -> dict[str, int]:
        """The last segment of every desktop, this one included, of which everything is here."""


class Reader(LocalJournal, Protocol):
    """The desktop's database before one stick."""

    begin: dict[str, int]
    """Replica → the segment after which this stick is to be read."""

    def last_read(self, replica: str) -> tuple[int, str]:
        """The last segment of a desktop that was read from any stick, and a digest of its changes; (0, "") at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What was written, and read back."""

    segments: int
    bytes: int
    snapshot: bool


def put_journal(store: ObjectStore, journal: LocalJournal, snapshots: Snapshots, prefix: str) -> Put:
    """Bring everything that is known here onto the stick, and look whether it stands there.

    :raises ReplicaCopied: under this desktop's id lies there what it never wrote; nothing was overwritten.
    :raises StickDamaged: it does not keep what it is given.
    """
    seal_standing(store, journal, prefix, sent=False)
    check_own(store, journal, prefix)
    seal(journal)
    segments = size = 0
    for seq in range(1, journal.sealed_through()[0] + 1):
        digest, rows = journal.digest_of(seq), journal.sealed(seq)
        # Of before digests were noted: they go along in the snapshot.
        if digest is None or not rows or stands(store, journal, prefix, seq, digest):
            continue
        body = encode_segment(journal.replica, seq, rows)
        store.put(segment_key(prefix, journal.replica, seq), body)
        if not stands(store, journal, prefix, seq, hashlib.sha256(body).hexdigest()):
            raise _faulty(store)
        segments, size = segments + 1, size + len(body)
    lacks = _lacks(store, snapshots, prefix)
    if lacks:
        _clear_unsound(store, f"{prefix}/snapshots/{journal.replica}")
        written = write_snapshot(store, snapshots, prefix, journal.replica, snapshots.positions())
        size += sum(chunk.size for chunk in written.chunks)
        if _lacks(store, snapshots, prefix):
            raise _faulty(store)
    return Put(segments=segments, bytes=size, snapshot=lacks)


def covered(store: ObjectStore, prefix: str) -> dict[str, int]:
    """Replica → the last segment of which a reader of this stick gets everything; what cannot be read counts for
    nothing.
    """
    reached: dict[str, int] = {}
    for _covered, folder, key in found_snapshots(store, prefix):
        try:
            manifest = read_manifest(store, key)
        except _UNSOUND:
            continue
        new = any(reached.get(replica, 0) < seq for replica, seq in manifest.positions.items())
        if new and _is_sound(store, folder, manifest):
            reached = {
                name: max(reached.get(name, 0), manifest.positions.get(name, 0))
                for name in reached.keys() | manifest.positions.keys()
            }
    for replica in store.folders(f"{prefix}/journal"):
        seq = reached.get(replica, 0)
        while _reads(store, prefix, replica, seq + 1):
            seq += 1
        if seq:
            reached[replica] = seq
    return reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsound:
    """Something on the stick that was passed by."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken over."""

    segments: int
    changes: int
    rows: int
    """Of snapshots."""
    problems: tuple[Unsound, ...]


def take_journal(
    store: ObjectStore,
    journal: Reader,
    snapshots: Snapshots,
    prefix: str,
    *,
    digest: Callable[[Sequence[Change]], str],
    now_ms: Callable[[], int],
) -> Taken:
    """Take over what other desktops wrote, as far as it is sound; twice is the same as once.

    :param digest: of a segment's changes, as :meth:`Reader.last_read` has it.
    :raises ReplicaCopied: under this desktop's id lies there what it never wrote.
    """
    seal_standing(store, journal, prefix, sent=False)
    _check_last(store, journal, prefix)
    problems: dict[str, Unsound] = {}
    rows, reached = _take_snapshots(store, journal, snapshots, prefix, now_ms, problems)
    before = snapshots.positions()
    for replica in store.folders(f"{prefix}/journal"):
        journal.begin[replica] = _begin(store, journal, prefix, replica, before.get(replica, 0), digest)
    pulled = pull_from_stick(store, journal, prefix, now_ms=now_ms)
    for one in pulled.problems:
        name = f"segment {one.seq} of desktop {one.replica[:12]}"
        problems[name] = Unsound(what=name, why=one.error.message)
    for replica in store.folders(f"{prefix}/journal"):
        numbers = set(_numbers(store, prefix, replica))
        known = max(reached.get(replica, 0), before.get(replica, 0))
        lacking = next((seq for seq in range(known + 1, max(numbers, default=0)) if seq not in numbers), None)
        if lacking is not None and replica != journal.replica and REPLICA.fullmatch(replica):
            name = f"segment {lacking} of desktop {replica[:12]}"
            problems[name] = Unsound(what=name, why="It is not on the stick; what comes after it waits for it.")
    return Taken(segments=pulled.segments, changes=pulled.changes, rows=rows, problems=tuple(problems.values()))


def _begin(
    store: ObjectStore,
    journal: Reader,
    prefix: str,
    replica: str,
    known: int,
    digest: Callable[[Sequence[Change]], str],
) -> int:
    """After which of a desktop's segments this stick is to be read: the last one that was read, if it is the same one
    here; else all of them, but for those that are known and are not here.
    """
    numbers = _numbers(store, prefix, replica)
    seq, read = journal.last_read(replica)
    if seq in numbers:
        with suppress(*_UNSOUND):
            packed = store.get(segment_key(prefix, replica, seq), max_bytes=MAX_PACKED_BYTES)
            if digest(decode_segment(packed, replica=replica, seq=seq, now_ms=None)) == read:
                return seq
    first = min(numbers, default=1)
    return first - 1 if known >= first - 1 else 0


def _take_snapshots(
    store: ObjectStore,
    journal: LocalJournal,
    snapshots: Snapshots,
    prefix: str,
    now_ms: Callable[[], int],
    problems: dict[str, Unsound],
) -> tuple[int, dict[str, int]]:
    """(rows, replica → the last segment that went into a snapshot on the stick)."""
    rows, reached = 0, dict[str, int]()
    for _covered, folder, key in found_snapshots(store, prefix):
        try:
            manifest = read_manifest(store, key)
            if manifest.positions.get(journal.replica, 0) > journal.sealed_through()[0]:
                raise ReplicaCopied("Another desktop knows more of this one's segments than were made here.")
            here = snapshots.positions()
            if any(here.get(replica, 0) < seq for replica, seq in manifest.positions.items()):
                rows += merge_snapshot(store, snapshots, folder, manifest, now_ms)[0]
            for replica, seq in manifest.positions.items():
                reached[replica] = max(seq, reached.get(replica, 0))
        except _UNSOUND as error:
            name = f"snapshot {key.removeprefix(f'{prefix}/')}"
            problems[name] = Unsound(what=name, why=error.message)
    return rows, reached


def _check_last(store: ObjectStore, journal: LocalJournal, prefix: str) -> None:
    """Whether this desktop's last segment on the stick is its own; later ones :func:`pull_from_stick` looks for."""
    last = min(max(_numbers(store, prefix, journal.replica), default=0), journal.sealed_through()[0])
    digest = journal.digest_of(last) if last else None
    if digest is not None:
        stands(store, journal, prefix, last, digest)


def _numbers(store: ObjectStore, prefix: str, replica: str) -> list[int]:
    names = (info.key.rsplit("/", 1)[-1].split(".", 1)[0] for info in store.list(f"{prefix}/journal/{replica}"))
    return [int(name) for name in names if name.isdecimal() and len(name) == 10]


def _lacks(store: ObjectStore, snapshots: Snapshots, prefix: str) -> bool:
    there = covered(store, prefix)
    return any(there.get(replica, 0) < seq for replica, seq in snapshots.positions().items())


def _is_sound(store: ObjectStore, folder: str, manifest: Manifest) -> bool:
    try:
        for chunk in manifest.chunks:
            read_chunk(store, folder, chunk, None)
    except _UNSOUND:
        return False
    return True


def _reads(store: ObjectStore, prefix: str, replica: str, seq: int) -> bool:
    try:
        packed = store.get(segment_key(prefix, replica, seq), max_bytes=MAX_PACKED_BYTES)
        decode_segment(packed, replica=replica, seq=seq, now_ms=None)
    except _UNSOUND:
        return False
    return True


def _clear_unsound(store: ObjectStore, folder: str) -> None:
    """Own chunks that are not what their names say would be taken for written."""
    for info in list(store.list(f"{folder}/chunks")):
        sha256 = info.key.rsplit("/", 1)[-1].split(".", 1)[0]
        body = store.get(info.key, max_bytes=MAX_PACKED_BYTES) if info.size <= MAX_PACKED_BYTES else b""
        if hashlib.sha256(body).hexdigest() != sha256 or info.key != chunk_key(folder, sha256):
            store.delete(info.key)


def _faulty(store: ObjectStore) -> StickDamaged:
    return StickDamaged(
        f"{store.address} does not give back what was written to it.", hint="Use another stick; nothing is lost here."
    )
