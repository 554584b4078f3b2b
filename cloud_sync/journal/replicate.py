"""Push what this desktop changed, pull what the others did.

Each replica writes numbered segments under its own prefix and nowhere else; a segment that was written is never
changed. So nothing depends on conditional writes, on the order of lists or on anybody's clock, and after a cut at any
point the same call is simply made again. Whom to ask for more is told by :mod:`cloud_sync.journal.ends`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud_sync.journal.changes import (
    MAX_PACKED_BYTES,
    Change,
    decode_segment,
    encode_change,
    encode_segment,
    refused,
)
from cloud_sync.journal.ends import REPLICA, mend_end, read_ends, tell_end
from cloud_sync.objects.base import ObjectStore
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing, ReplicaCopied, SegmentRefused

SEGMENT_CHANGES = 2000
SEGMENT_BYTES = 4 * 2**20
"""A segment ends before it would hold more than this, unpacked; a single larger change has one to itself."""

Numbered = tuple[int, Change]


class LocalJournal(Protocol):
    """The desktop's database, as far as the journal goes. Every method is one transaction, durable when it returns."""

    @property
    def replica(self) -> str:
        """This desktop's id: letters, digits, ``_`` and ``-``."""

    def unsealed(self, limit: int) -> list[Numbered]:
        """Changes made here that no segment holds for certain, oldest first, each with its ever-growing number."""

    def sealed_through(self) -> tuple[int, int]:
        """(number of the last segment that was sealed, number of the last change in it); (0, 0) at first."""

    def plan_segment(self, seq: int, through: int) -> int:
        """Remember that segment ``seq`` ends with change ``through``, unless an end of it is remembered already;
        the end that stands. For a segment that is sealed already: the number of the last change sealed.

        Called before a segment is sent: whatever becomes of that, and whichever of two processes sends it, segment
        ``seq`` never has another content.
        """

    def mark_sealed(self, seq: int, through: int, digest: str, *, sent: bool = True) -> None:
        """Segment ``seq`` ends with change ``through``, for ever. Nothing where it was sealed already.

        :param digest: sha256 of the segment.
        :param sent: it stands in the site's store; else it was made for a stick, and is still to go there.
        """

    def unsent(self) -> int | None:
        """The first segment that was sealed and is still to go to the site's store; None: all stand there."""

    def mark_sent(self, seq: int) -> None:
        """It and those before it stand in the site's store."""

    def unseal(self, seq: int) -> None:
        """Something else stands where ``seq`` was sent: its changes, and those after it, are to be sent again."""

    def sealed(self, seq: int) -> list[Change]:
        """The changes of a segment that was sealed, and whose digest was noted; none where they are not here."""

    def digest_of(self, seq: int) -> str | None:
        """sha256 of a segment that was sealed; None where nobody noted it."""

    def void(self) -> frozenset[str]:
        """Digests of segments that count for nothing: what was in them went out again, as their writer says."""

    def positions(self) -> dict[str, int]:
        """The last segment taken over from each other replica."""

    def apply(self, replica: str, seq: int, changes: Sequence[Change]) -> None:
        """Take over a segment, and the position with it, whole or not at all; nothing where it was taken over.

        :raises InputInvalid: a change cannot be kept; nothing was.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What :func:`push` made certain to stand in the store."""

    segments: int
    changes: int
    bytes: int
    """That were sent; less than the segments have where some stood there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaProblem:
    """Why another replica's changes were not taken over from ``seq`` on."""

    replica: str
    seq: int
    error: SegmentRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What :func:`pull` took over."""

    segments: int
    changes: int
    bytes: int
    problems: tuple[ReplicaProblem, ...]
    """At most one for each replica; show them. The other replicas' changes were taken over."""


def segment_key(prefix: str, replica: str, seq: int) -> str:
    """Where a replica's segment lies."""
    return f"{prefix}/journal/{replica}/{seq:010d}.jsonl.zst"


def push(store: ObjectStore, journal: LocalJournal, prefix: str) -> PushReport:
    """Bring every change made here into the store. Costs nothing where there is none.

    :param prefix: the site's folder in the store.
    :raises ReplicaCopied: under this replica's name stands what this database never wrote; nothing was overwritten.
    :raises StoreUnreachable: or another error of the store: what was marked stands, the rest waits.
    """
    segments, changes, size = _send_sealed(store, journal, prefix)
    while True:
        # In this order: another process may seal a segment at any time, and what is read later is never older.
        last_seq, last_number = journal.sealed_through()
        waiting = journal.unsealed(SEGMENT_CHANGES)
        if not waiting:
            if segments:
                tell_end(store, prefix, journal.replica, last_seq)
            return PushReport(segments=segments, changes=changes, bytes=size)
        if segments == 0:
            size += mend_sealed(store, journal, prefix, last_seq)
        seq = last_seq + 1
        key = segment_key(prefix, journal.replica, seq)
        standing = _standing(store, key, journal, seq)
        if standing is None:
            rows, body = _planned(journal, seq, last_number, waiting)
            if rows:
                store.put(key, body)
                size += len(body)
                digest = hashlib.sha256(body).hexdigest()
        else:
            rows, digest = standing
        if rows:  # else another process has sealed it meanwhile
            journal.mark_sealed(seq, rows[-1][0], digest)
            segments += 1
            changes += len(rows)


def _send_sealed(store: ObjectStore, journal: LocalJournal, prefix: str) -> tuple[int, int, int]:
    """Segments that so far went to sticks alone, in their order: (segments, changes, bytes sent)."""
    segments = changes = size = 0
    while (seq := journal.unsent()) is not None:
        digest, rows = journal.digest_of(seq), journal.sealed(seq)
        if digest is not None and rows and not stands(store, journal, prefix, seq, digest):
            body = encode_segment(journal.replica, seq, rows)
            store.put(segment_key(prefix, journal.replica, seq), body)
            size += len(body)
        journal.mark_sent(seq)
        segments, changes = segments + 1, changes + len(rows)
    return segments, changes, size


def seal(journal: LocalJournal) -> None:
    """Make segments of every change made here without a store to send them to: whichever store or stick gets them, and
    in whatever order, they are the same ones.
    """
    while True:
        last_seq, last_number = journal.sealed_through()
        waiting = journal.unsealed(SEGMENT_CHANGES)
        if not waiting:
            return
        rows, body = _planned(journal, last_seq + 1, last_number, waiting)
        if rows:  # else another process has sealed it meanwhile
            journal.mark_sealed(last_seq + 1, rows[-1][0], hashlib.sha256(body).hexdigest(), sent=False)


def _planned(
    journal: LocalJournal, seq: int, last_number: int, waiting: Sequence[Numbered]
) -> tuple[list[Numbered], bytes]:
    """The changes of the next segment, and the segment; nothing where another process has sealed it just now."""
    through = journal.plan_segment(seq, waiting[_fitting(waiting) - 1][0])
    # Planned by an earlier run, the segment may hold more than was asked for.
    rows = [row for row in journal.unsealed(max(through - last_number, 0)) if row[0] <= through]
    return rows, encode_segment(journal.replica, seq, [change for _number, change in rows]) if rows else b""


def pull(
    store: ObjectStore,
    journal: LocalJournal,
    prefix: str,
    *,
    everyone: bool = False,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> PullReport:
    """Take over what every other replica has put into the store since the last time.

    A segment that is refused holds up its own replica only, and is tried again next time.

    :param prefix: the site's folder in the store.
    :param everyone: ask every replica, whatever is told of its end: to be done once in a while.
    :param now_ms: this computer's time, milliseconds since 1970.
    :raises ReplicaCopied: as :func:`check_own`.
    :raises StoreUnreachable: or another error of the store: what was taken over so far is kept.
    """
    ends = read_ends(store, prefix)
    told, sealed = ends.pop(journal.replica, set()), journal.sealed_through()[0]
    if everyone or max(told, default=0) > sealed:
        check_own(store, journal, prefix)
    unsent = journal.unsent()
    mend_end(store, prefix, journal.replica, sealed if unsent is None else unsent - 1, told)
    return _take_over(
        store,
        journal,
        prefix,
        {replica: None if everyone or not of_it else max(of_it) for replica, of_it in ends.items()},
        now_ms,
    )


def pull_from_stick(store: ObjectStore, journal: LocalJournal, prefix: str, *, now_ms: Callable[[], int]) -> PullReport:
    """As :func:`pull`, where nobody tells an end, and nothing is written.

    :raises ReplicaCopied: as :func:`check_own`.
    :raises StoreUnreachable: or another error of the store: what was taken over so far is kept.
    """
    check_own(store, journal, prefix)
    names = store.folders(f"{prefix}/journal")
    others = {name: None for name in names if name != journal.replica and REPLICA.fullmatch(name)}
    return _take_over(store, journal, prefix, others, now_ms)


def _take_over(
    store: ObjectStore,
    journal: LocalJournal,
    prefix: str,
    ends: Mapping[str, int | None],
    now_ms: Callable[[], int],
) -> PullReport:
    """:param ends: replica → its last segment, as far as is told; None: nobody told it."""
    segments = changes = size = 0
    problems = []
    positions = journal.positions()
    for replica, end in ends.items():
        seq = positions.get(replica, 0) + 1
        try:
            while (end is None or seq <= end) and (body := _fetch(store, prefix, replica, seq)) is not None:
                found = _opened(body, journal, replica, seq, now_ms())
                _apply(journal, replica, seq, found)
                segments, changes, size, seq = segments + 1, changes + len(found), size + len(body), seq + 1
        except SegmentRefused as error:
            problems.append(ReplicaProblem(replica=replica, seq=seq, error=error))
    return PullReport(segments=segments, changes=changes, bytes=size, problems=tuple(problems))


def check_own(store: ObjectStore, journal: LocalJournal, prefix: str) -> None:
    """Look whether somebody else writes under this replica's id: a copy of this database, or this one before it was
    put back from a backup.

    :raises ReplicaCopied: the segment that this database would write next stands already.
    """
    seq = journal.sealed_through()[0] + 1
    if journal.unsealed(1) or _fetch(store, prefix, journal.replica, seq) is None:
        return
    # Another process of this desktop may have written something, and sent it, just now.
    if journal.sealed_through()[0] < seq and not journal.unsealed(1):
        raise _copied(store, seq)


def seal_standing(store: ObjectStore, journal: LocalJournal, prefix: str, *, sent: bool = True) -> None:
    """Mark what was sent, and stands, before a cut kept anybody from noting it.

    :param sent: this is the site's store, and no stick.
    :raises ReplicaCopied: something else stands there.
    """
    while journal.unsealed(1):
        seq = journal.sealed_through()[0] + 1
        standing = _standing(store, segment_key(prefix, journal.replica, seq), journal, seq)
        if standing is None:
            return
        rows, digest = standing
        if rows:
            journal.mark_sealed(seq, rows[-1][0], digest, sent=sent)


def shared_through(store: ObjectStore, journal: LocalJournal, prefix: str, now_ms: int) -> int:
    """After :class:`ReplicaCopied`: the number of the last change of this database that stands in the store, for others
    to take over. A copy of it begins with what waited in both of them.
    """
    last_seq, number = journal.sealed_through()
    try:
        packed = store.get(segment_key(prefix, journal.replica, last_seq + 1), max_bytes=MAX_PACKED_BYTES)
        standing = decode_segment(packed, replica=journal.replica, seq=last_seq + 1, now_ms=now_ms)
    except (ObjectMissing, SegmentRefused, InputInvalid):
        return number
    for (own, change), theirs in zip(journal.unsealed(len(standing)), standing, strict=False):
        if encode_change(change) != encode_change(theirs):
            break
        number = own
    return number


def mend_sealed(store: ObjectStore, journal: LocalJournal, prefix: str, seq: int) -> int:
    """Look whether the segment ``seq`` is in the store as it was sent, and if not, send it again, and look at the one
    before; the bytes that were sent. A store may lose what it acknowledged, and a copy of this desktop that sent at the
    same moment may have written over it.

    :raises ReplicaCopied: another one stands there.
    """
    size = 0
    while (digest := journal.digest_of(seq)) is not None and not stands(store, journal, prefix, seq, digest):
        changes = journal.sealed(seq)
        if not changes:
            break
        body = encode_segment(journal.replica, seq, changes)
        store.put(segment_key(prefix, journal.replica, seq), body)
        size, seq = size + len(body), seq - 1
    return size


def mend_every(store: ObjectStore, journal: LocalJournal, prefix: str) -> tuple[int, int]:
    """:func:`mend_sealed` for every segment that was sealed: (how many were looked at, the bytes that were sent)."""
    size, looked = 0, 0
    for seq in range(journal.sealed_through()[0], 0, -1):
        if journal.digest_of(seq) is not None:
            size, looked = size + mend_sealed(store, journal, prefix, seq), looked + 1
    return looked, size


def stands(store: ObjectStore, journal: LocalJournal, prefix: str, seq: int, digest: str) -> bool:
    """Whether a segment of this desktop is in the store as it was sealed.

    :raises ReplicaCopied: another one stands there.
    """
    try:
        packed = store.get(segment_key(prefix, journal.replica, seq), max_bytes=MAX_PACKED_BYTES)
        if hashlib.sha256(packed).hexdigest() == digest:
            return True
        standing = decode_segment(packed, replica=journal.replica, seq=seq, now_ms=None)
    except (ObjectMissing, SegmentRefused, InputInvalid):
        return False
    if [encode_change(change) for change in standing] == [encode_change(change) for change in journal.sealed(seq)]:
        return True  # packed by another version
    journal.unseal(seq)
    raise _copied(store, seq)


def _copied(store: ObjectStore, seq: int) -> ReplicaCopied:
    return ReplicaCopied(f"Segment {seq} of this desktop in {store.address} holds changes that were not made here.")


def _standing(store: ObjectStore, key: str, journal: LocalJournal, seq: int) -> tuple[list[Numbered], str] | None:
    """The changes of the segment if it stands in the store already: sent before a cut, or to a store that was in use
    before; with its digest. Empty: another process has sealed it just now. None: it does not stand, or nobody could
    read it.
    """
    try:
        packed = store.get(key, max_bytes=MAX_PACKED_BYTES)
        standing = decode_segment(packed, replica=journal.replica, seq=seq, now_ms=None)
    except (ObjectMissing, SegmentRefused, InputInvalid):
        return None
    rows = journal.unsealed(len(standing))
    if [encode_change(change) for _number, change in rows] != [encode_change(change) for change in standing]:
        if journal.sealed_through()[0] >= seq:
            return [], ""
        raise _copied(store, seq)
    return rows, hashlib.sha256(packed).hexdigest()


def _fitting(waiting: Sequence[Numbered]) -> int:
    """How many of the changes make a segment; at least one."""
    size = 0
    for count, (_number, change) in enumerate(waiting):
        size += len(encode_change(change))
        if size > SEGMENT_BYTES:
            return max(count, 1)
    return len(waiting)


def _fetch(store: ObjectStore, prefix: str, replica: str, seq: int) -> bytes | None:
    try:
        return store.get(segment_key(prefix, replica, seq), max_bytes=MAX_PACKED_BYTES)
    except ObjectMissing:
        return None
    except InputInvalid as error:
        raise refused(replica, seq, error) from error


def _opened(body: bytes, journal: LocalJournal, replica: str, seq: int, now_ms: int) -> list[Change]:
    if hashlib.sha256(body).hexdigest() in journal.void():
        return []
    return decode_segment(body, replica=replica, seq=seq, now_ms=now_ms)


def _apply(journal: LocalJournal, replica: str, seq: int, changes: Sequence[Change]) -> None:
    try:
        journal.apply(replica, seq, changes)
    except InputInvalid as error:
        raise refused(replica, seq, error) from error
