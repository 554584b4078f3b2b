"""Rows that wait in memory: bounded, in order, counted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, RollupRow, Row, SampleRow, Stream
from edge_runtime.service.spool_limits import CLASSES, class_of
from edge_runtime.service.spool_memory import Gone, Waiting

BOX, MODEL = "ab" * 32, "cd" * 32
ROOM = 12_000


def alert(seq: int) -> AlertRow:
    return AlertRow(box=BOX, boot="b", seq=seq, at_ms=seq, kind="k", message="m")


def result(seq: int) -> ResultRow:
    return ResultRow(
        box=BOX,
        boot="b",
        seq=seq,
        at_ms=seq,
        pipeline="p",
        frame="f",
        sample=MODEL,
        model=MODEL,
        label="l",
        confidence=1.0,
        margin=1.0,
        latency_us=1,
    )


def rollup(seq: int) -> RollupRow:
    return RollupRow(
        box=BOX,
        boot="b",
        seq=seq,
        at_ms=seq,
        span_ms=1,
        pipeline="p",
        model=MODEL,
        frames=1,
        errors=0,
        kept=0,
        confidence_mean=1.0,
        latency_us_p50=1,
        latency_us_p99=1,
    )


def sample(seq: int) -> SampleRow:
    return SampleRow(
        box=BOX,
        boot="b",
        seq=seq,
        at_ms=seq,
        pipeline="p",
        frame="f",
        sample=f"{seq:064x}",
        media="image/png",
        size=1000,
        reason="hard" if seq % 2 else "random",
    )


MAKERS: dict[Stream, Callable[[int], Row]] = {
    "alerts": alert,
    "samples": sample,
    "rollups": rollup,
    "results": result,
}


def loss(seq: int, gone: Gone, reason: str) -> LossRow:
    return LossRow(box=BOX, boot="b", seq=seq, at_ms=seq, reason=reason, **dataclasses.asdict(gone))


class Machine(RuleBasedStateMachine):
    """Puts, writes that land or do not, and overflow, in any order: every row is written once or counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = 0
        self.waiting = Waiting(ROOM, ledger=self.ledger, discard=self.discard)
        self.put: Counter[str] = Counter()
        self.written: dict[str, list[int]] = {stream: [] for stream in MAKERS}
        self.lost: Counter[str] = Counter()
        self.discarded: list[str] = []
        self.flying = False
        self.told: dict[int, bytes] = {}
        self.flying_told: set[int] = set()
        self.batch: tuple[list[tuple[str, int]], Counter[str]] = ([], Counter())

    def ledger(self, gone: Gone, reason: str) -> LossRow:
        self.seq += 1
        return loss(self.seq, gone, reason)

    def discard(self, samples: Iterable[str]) -> None:
        self.discarded += samples

    @rule(stream=st.sampled_from(sorted(MAKERS)), count=st.integers(1, 12))
    def add(self, stream: Stream, count: int) -> None:
        for _ in range(count):
            self.seq += 1
            self.put[stream] += 1
            self.waiting.add(stream, MAKERS[stream](self.seq))

    @precondition(lambda self: not self.flying)
    @rule(tiny=st.booleans(), most=st.none() | st.integers(1, 10))
    def take(self, tiny: bool, most: int | None) -> None:
        batch = self.waiting.take(tiny=tiny, most=most)
        self.flying = True
        assert most is None or len(batch.rows) <= most
        assert not tiny or {entry.kind for entry in batch.rows} <= {"audits", "alerts"}
        lost: Counter[str] = Counter()
        for row in (*batch.losses, *batch.sealed):
            lost[row.stream] += row.count
        # What a desktop was told is written as it was told, and apart from what may still grow.
        assert {row.seq: wire.encode(row) for row in batch.sealed} == self.told
        self.flying_told = set(self.told)
        self.batch = [(entry.stream, entry.at_ms) for entry in batch.rows], lost

    @rule()
    def peek(self) -> None:
        """A desktop reads the ledger in memory."""
        rows = self.waiting.peek("losses")
        read = {wire.decode(row, LossRow).seq: row for row in rows}
        assert len(read) == len(rows)
        assert self.told.items() <= read.items(), "a row that was told changed or went"
        self.told = read

    @precondition(lambda self: self.flying)
    @rule(lands=st.sampled_from(["landed", "put back", "given up"]))
    def end(self, lands: str) -> None:
        self.flying = False
        rows, lost = self.batch
        if lands == "landed":
            self.waiting.landed()
            for stream, seq in rows:
                self.written[stream].append(seq)
            self.lost += lost
            self.told = {seq: row for seq, row in self.told.items() if seq not in self.flying_told}
        elif lands == "put back" or not rows:
            self.waiting.put_back()
        else:
            self.waiting.give_up("spool.fault")

    @invariant()
    def memory_is_bounded(self) -> None:
        if not self.flying:
            weights = [entry.weight for queue in self.waiting._queues.values() for entry in queue]
            assert sum(weights) == self.waiting._weight <= ROOM

    def teardown(self) -> None:
        if self.flying:
            self.end("put back")
        ticket = self.waiting.ticket
        nothing = not any(self.waiting._queues.values()) and not self.waiting._losses
        assert self.waiting.settled(ticket) == nothing
        self.take(False, None)
        self.end("landed")
        assert self.waiting.settled(self.waiting.ticket)
        assert len(self.waiting) == 0
        for stream in MAKERS:
            assert len(self.written[stream]) + self.lost[stream] == self.put[stream]
            # In order, but that a sample of a cheaper class waits behind one of a dearer.
            assert stream == "samples" or self.written[stream] == sorted(self.written[stream])
        assert len(self.discarded) == self.lost["samples"]


TestWaiting = Machine.TestCase
TestWaiting.settings = settings(max_examples=60, stateful_step_count=20)


@given(st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=60))
def test_the_cheapest_goes_first_when_memory_is_short(streams: list[Stream]) -> None:
    lost: list[Gone] = []

    def ledger(gone: Gone, reason: str) -> LossRow:
        lost.append(gone)
        return loss(0, gone, reason)

    waiting = Waiting(ROOM, ledger=ledger, discard=lambda _samples: None)
    rows = [MAKERS[stream](seq) for seq, stream in enumerate(streams)]
    for stream, row in zip(streams, rows, strict=True):
        before, kept = len(lost), {entry.kind for queue in waiting._queues.values() for entry in queue}
        kept.add(class_of(stream, row))
        waiting.add(stream, row)
        if len(lost) > before:
            left = {entry.kind for queue in waiting._queues.values() for entry in queue}
            gone = kept - left
            # Whole classes that are no more are cheaper than every class that still has something.
            assert all(CLASSES.index(cheap) > CLASSES.index(dear) for cheap in gone for dear in left)


def test_a_row_that_was_dropped_is_settled_only_with_its_loss() -> None:
    waiting = Waiting(2_000, ledger=lambda gone, reason: loss(0, gone, reason), discard=lambda _samples: None)
    for seq in range(5):
        waiting.add("results", result(seq))
    assert not waiting.settled(1), "the ledger has not told of it yet"
    waiting.take(tiny=True)
    waiting.landed()
    assert waiting.settled(1)
    assert not waiting.settled(5)
