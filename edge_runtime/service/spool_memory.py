"""Rows on their way to the disk: in memory, bounded, the least precious given up first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import EARLIEST_MS, LATEST_MS, LossRow, Row, SampleRow, Stream
from edge_runtime.service.spool_limits import CLASSES, TINY, SpoolClass, class_of, merge_losses

_Key = tuple[str, str, int]
"""Stream, reason and edition of losses that are one row."""
ROW_OVERHEAD = 400
"""Bytes that a waiting row takes in memory besides its body."""
MOST_SEALED = 1_000
"""Entries of the ledger that wait, from which on they get coarser instead of more."""


class Entry(NamedTuple):
    """A row as it will be stored."""

    ticket: int
    stream: Stream
    kind: SpoolClass
    at_ms: int
    body: bytes
    sample: str = ""
    size: int = 0
    """Bytes of the sample's file."""

    @property
    def weight(self) -> int:
        return len(self.body) + ROW_OVERHEAD


@dataclass(frozen=True, slots=True)
class Gone:
    """What had to leave a stream before a desktop had it."""

    stream: str
    count: int
    bytes: int
    first_ms: int
    last_ms: int

    @staticmethod
    def summed(stream: str, lost: Collection[tuple[int, int]]) -> Gone:
        """Of (bytes, milliseconds since 1970) of each row; there must be one."""
        # The ledger must say what went also where its time is at fault.
        times = [min(max(at_ms, EARLIEST_MS), LATEST_MS) for _, at_ms in lost]
        return Gone(stream, len(lost), sum(size for size, _ in lost), min(times), max(times))


@dataclass(frozen=True, slots=True)
class Batch:
    """What is being written now; it stays in memory until it has landed."""

    rows: tuple[Entry, ...]
    losses: tuple[LossRow, ...]
    sealed: tuple[LossRow, ...]
    """Losses that a desktop may have: they stay as they are."""


class Waiting:
    """Not safe by itself: the spool's lock is held around every call.

    :param room: bytes that rows may take.
    :param ledger: makes of what went a row of the ledger, with a key of its own.
    :param discard: removes the files of samples that went.
    """

    def __init__(
        self, room: int, *, ledger: Callable[[Gone, str], LossRow], discard: Callable[[Iterable[str]], None]
    ) -> None:
        self.room = room
        """May be changed at any time; what is too much then goes with the next row."""
        self._ledger, self._discard = ledger, discard
        self._queues: dict[SpoolClass, deque[Entry]] = {kind: deque() for kind in CLASSES}
        self._losses: dict[_Key, tuple[int, LossRow]] = {}
        self._edition = 0
        """Losses of an earlier one are sealed."""
        self.cause = "disk.full"
        """Why the disk takes no rows at the moment, as the ledger says it."""
        self._weight = 0
        self._ticket = 0
        self._flying: tuple[Entry, ...] = ()
        self._flying_losses: dict[_Key, tuple[int, LossRow]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) + len(self._flying) + len(self._losses) + len(self._flying_losses)

    @property
    def ticket(self) -> int:
        """Number of the newest row."""
        return self._ticket

    def settled(self, ticket: int) -> bool:
        """Whether nothing up to this number waits any more."""
        heads = [queue[0].ticket for queue in self._queues.values() if queue]
        losses = [number for number, _ in (*self._losses.values(), *self._flying_losses.values())]
        return min([*heads, *losses, *(entry.ticket for entry in self._flying[:1])], default=ticket + 1) > ticket

    def add(self, stream: Stream, row: Row) -> None:
        """Take a row that is no loss."""
        self._ticket += 1
        sample, size = (row.sample, row.size) if isinstance(row, SampleRow) else ("", 0)
        entry = Entry(self._ticket, stream, class_of(stream, row), row.at_ms, wire.encode(row), sample, size)
        self._queues[entry.kind].append(entry)
        self._weight += entry.weight
        if self._weight > self.room:
            self._shed()

    def add_loss(self, row: LossRow) -> None:
        """Take an entry of the ledger; those of one kind are one row until it is written."""
        self._ticket += 1
        self._note(self._key(row), self._ticket, row)

    def _key(self, row: LossRow) -> _Key:
        return row.stream, row.reason, self._edition

    def _note(self, key: _Key, ticket: int, row: LossRow) -> None:
        first, before = self._losses.get(key, (ticket, None))
        self._losses[key] = min(first, ticket), merge_losses(before, row) if before else row

    def take(self, *, tiny: bool = False, most: int | None = None) -> Batch:
        """Everything as a batch, the most precious first; only the ledger and the tiny classes, or only so many rows.

        Exactly one of :meth:`landed` and :meth:`put_back` must follow.
        """
        rows: list[Entry] = []
        for kind in CLASSES:
            queue = self._queues[kind]
            while queue and (not tiny or kind in TINY) and (most is None or len(rows) < most):
                rows.append(queue.popleft())
        # In order of their numbers: settled() looks at the first only, and a desktop reads them as they happened.
        self._flying = tuple(sorted(rows))
        self._flying_losses, self._losses = self._losses, {}
        growing = tuple(row for key, (_, row) in self._flying_losses.items() if not self._is_sealed(key))
        return Batch(self._flying, growing, self._sealed())

    def peek(self, stream: Stream) -> tuple[bytes, ...]:
        """Rows of a stream that wait, oldest first; they wait on, and no longer change."""
        if stream != "losses":
            waiting = (entry for entries in (self._flying, *self._queues.values()) for entry in entries)
            return tuple(entry.body for entry in sorted(entry for entry in waiting if entry.stream == stream))
        # What is being written now is merged with what came meanwhile if the disk does not take it.
        if not self._flying_losses and len(self._losses) < MOST_SEALED:
            self._edition += 1
        return tuple(map(wire.encode, self._sealed()))

    def _is_sealed(self, key: _Key) -> bool:
        return key[2] < self._edition

    def _sealed(self) -> tuple[LossRow, ...]:
        losses = (*self._flying_losses.items(), *self._losses.items())
        return tuple(row for key, (_, row) in losses if self._is_sealed(key))

    def landed(self) -> None:
        """The batch is on the disk."""
        self._weight -= sum(entry.weight for entry in self._flying)
        self._flying, self._flying_losses = (), {}

    def put_back(self) -> None:
        """The disk did not take the batch."""
        for entry in reversed(self._flying):
            self._queues[entry.kind].appendleft(entry)
        newer, self._losses = self._losses, self._flying_losses
        for key, (ticket, row) in newer.items():
            self._note(key, ticket, row)
        self._flying, self._flying_losses = (), {}
        if self._weight > self.room:
            self._shed()

    def give_up(self, reason: str) -> None:
        """The batch itself cannot be written, whatever the disk says: count it as gone."""
        rows = self._flying
        if rows:
            # Hardly the ledger's fault; where nothing but the ledger is left, it is.
            self._weight -= sum(entry.weight for entry in rows)
            self._flying = ()
            self.put_back()
        self.landed()
        self._lose(rows, reason)

    def _shed(self) -> None:
        """Let the least precious rows go, oldest first, until a sixteenth of the room is free again."""
        goal = self.room - self.room // 16
        shed: list[Entry] = []
        for kind in reversed(CLASSES):
            queue = self._queues[kind]
            while queue and self._weight > goal:
                shed.append(queue.popleft())
                self._weight -= shed[-1].weight
        self._lose(shed, self.cause)

    def _lose(self, rows: Collection[Entry], reason: str) -> None:
        self._discard(entry.sample for entry in rows if entry.sample)
        for stream in dict.fromkeys(entry.stream for entry in rows):
            lost = [entry for entry in rows if entry.stream == stream]
            gone = Gone.summed(stream, [(entry.size or len(entry.body), entry.at_ms) for entry in lost])
            # Under the number of the first of them: until the ledger tells of them they are not settled.
            row = self._ledger(gone, reason)
            self._note(self._key(row), min(entry.ticket for entry in lost), row)
