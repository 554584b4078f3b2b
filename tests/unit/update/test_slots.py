"""The slot machine: whatever happens in whatever order, a committed model answers."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_runtime.contracts import wire
from edge_runtime.contracts.status import ProbeReport, TrialReport
from edge_runtime.update import slots
from edge_runtime.update.slots import (
    IN_FLIGHT,
    MAX_REMEMBERED,
    MAX_SIGNERS,
    Accepted,
    SlotRule,
    SlotTable,
    TrustFloor,
)

TRIAL = TrialReport(frames=10, errors=0, latency_ms_p95=1.0)


def digest(number: int) -> str:
    return f"{number:064x}"


def report(number: int, *, passed: bool = True) -> ProbeReport:
    return ProbeReport(
        bundle=digest(number),
        passed=passed,
        golden_total=1,
        golden_agreed=int(passed),
        confidence_delta_p95=0.0,
        latency_ms_p50=1.0,
        latency_ms_p95=1.0,
        load_ms=1.0,
        memory_bytes=1,
        runtime="1.22.0",
        reasons=() if passed else ("no",),
    )


KEYS = tuple(digest(9000 + number) for number in range(3))


def counting(*keys: str) -> dict[str, frozenset[str]]:
    """Signers as a root lists them."""
    return dict.fromkeys(("timestamp", "snapshot", "targets"), frozenset(keys))


def on_trial(table: SlotTable, number: int) -> SlotTable:
    """An installation as far as TRIAL."""
    staged = slots.stage(table, target=f"parts/{number}", name="parts", version=f"1.0.{number}")
    verified = slots.verify(
        staged,
        file=digest(1000 + number),
        bundle=digest(number),
        release=number,
        trust=Accepted(root=1, signed={KEYS[0]: TrustFloor(timestamp=number)}),
    )
    return slots.begin_trial(slots.prove(verified, report(number)))


class SlotMachine(RuleBasedStateMachine):
    """Any order of events that callers may try, with the power cut in between."""

    def __init__(self) -> None:
        super().__init__()
        self.table = SlotTable()
        self.count = 0

    def attempt(self, event: object) -> None:
        """An event that does not fit is refused and leaves everything as it was."""
        assert callable(event)
        before = self.table
        try:
            after = event(before)
        except SlotRule:
            return
        assert isinstance(after, SlotTable)
        for name, floor in before.floors.items():
            assert after.floors[name] >= floor
        assert after.trust.root >= before.trust.root
        for keys in (KEYS, KEYS[:1], KEYS[1:], ()):
            now, was = after.floor(counting(*keys)), before.floor(counting(*keys))
            assert (now.timestamp, now.snapshot, now.targets) >= (was.timestamp, was.snapshot, was.targets)
            assert now.timestamp >= was.timestamp
        self.table = after

    @rule()
    def stage(self) -> None:
        self.count += 1
        answering = self.table.active
        self.attempt(lambda table: slots.stage(table, target=f"t{self.count}", name="parts", version="1.0.0"))
        assert self.table.active == answering

    @rule(release=st.integers(0, 9), trust=st.integers(0, 9), key=st.sampled_from(KEYS))
    def verify(self, release: int, trust: int, key: str) -> None:
        floor = Accepted(root=trust, signed={key: TrustFloor(timestamp=trust)})
        number = self.count
        self.attempt(
            lambda table: slots.verify(table, file=digest(number), bundle=digest(number), release=release, trust=floor)
        )

    @rule()
    def prove(self) -> None:
        self.attempt(lambda table: slots.prove(table, report(self.count)))

    @rule()
    def begin_trial(self) -> None:
        self.attempt(slots.begin_trial)

    @rule()
    def commit(self) -> None:
        candidate = self.table.candidate
        trial = self.table.active == candidate
        self.attempt(lambda table: slots.commit(table, TRIAL))
        if candidate and trial:
            assert self.table.committed == candidate

    @rule()
    def reject(self) -> None:
        committed = self.table.committed
        self.attempt(lambda table: slots.reject(table, "no good"))
        assert self.table.committed == committed

    @rule()
    def roll_back(self) -> None:
        committed = self.table.committed
        self.attempt(lambda table: slots.roll_back(table, "bad", TRIAL))
        assert self.table.committed == committed

    @rule()
    def withdraw(self) -> None:
        committed, refused = self.table.committed, self.table.refused
        self.attempt(lambda table: slots.withdraw(table, "called back", TRIAL))
        assert (self.table.committed, self.table.refused) == (committed, refused)

    @rule(number=st.integers(0, 12))
    def forget(self, number: int) -> None:
        before = self.table
        self.attempt(lambda table: slots.forget(table, digest(number)))
        assert (self.table.active, self.table.candidate) == (before.active, before.candidate)
        assert self.table.why_refused(digest(number)) is None
        assert not [
            slot
            for slot in (self.table.a, self.table.b)
            if slot.bundle == digest(number) and slot.state in ("REJECTED", "ROLLED_BACK")
        ]

    @rule()
    def revert(self) -> None:
        self.attempt(lambda table: slots.revert(table, "by hand"))

    @rule()
    def lose_a_file(self) -> None:
        self.attempt(lambda table: slots.discard_committed(table, "damaged"))

    @rule()
    def cut_the_power(self) -> None:
        before = self.table
        self.attempt(slots.recover)
        assert self.table.candidate is None
        assert self.table.committed == before.committed
        assert slots.recover(self.table) is self.table

    @precondition(lambda self: self.table.committed is not None)
    @invariant()
    def what_is_committed_is_whole(self) -> None:
        assert self.table.committed is not None
        assert self.table.slot(self.table.committed).state == "COMMITTED"

    @invariant()
    def one_installation_at_a_time(self) -> None:
        assert sum(slot.state in IN_FLIGHT for slot in (self.table.a, self.table.b)) <= 1

    @invariant()
    def an_installation_never_sits_in_the_committed_slot(self) -> None:
        assert self.table.candidate is None or self.table.candidate != self.table.committed

    @invariant()
    def one_model_answers_and_is_fit_to(self) -> None:
        active = [slot for slot in self.table.status() if slot.active]
        assert len(active) <= 1
        assert all(slot.state in ("TRIAL", "COMMITTED") and slot.bundle for slot in active)

    @invariant()
    def it_travels(self) -> None:
        assert wire.decode(wire.encode(self.table), SlotTable) == self.table


SlotMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_slot_machine = SlotMachine.TestCase


def test_the_way_of_a_good_model() -> None:
    first = slots.commit(on_trial(SlotTable(), 1), TRIAL)
    assert (first.committed, first.active, first.floors) == ("a", "a", {"parts": 1})
    second = on_trial(first, 2)
    assert (second.committed, second.active, second.candidate) == ("a", "b", "b")
    done = slots.commit(second, TRIAL)
    assert (done.committed, done.active, done.floors, done.a.state) == ("b", "b", {"parts": 2}, "COMMITTED")


def test_a_rolled_back_model_is_remembered() -> None:
    table = slots.roll_back(on_trial(slots.commit(on_trial(SlotTable(), 1), TRIAL), 2), "slow", TRIAL)
    assert (table.active, table.b.state, table.b.reason) == ("a", "ROLLED_BACK", "slow")
    assert table.why_refused(digest(2)) == "slow"
    assert table.why_refused(digest(1)) is None
    assert table.floors == {"parts": 1}, "a model that never committed raises no floor"


def test_what_was_called_back_is_not_held_against_the_model() -> None:
    table = slots.withdraw(on_trial(slots.commit(on_trial(SlotTable(), 1), TRIAL), 2), "the rollout was aborted", TRIAL)
    assert (table.active, table.b.state, table.b.reason) == ("a", "ROLLED_BACK", "the rollout was aborted")
    assert table.refused == ()
    with pytest.raises(SlotRule):
        slots.withdraw(table, "once more")


def test_what_was_refused_may_come_again_when_a_person_says_so() -> None:
    table = slots.roll_back(on_trial(slots.commit(on_trial(SlotTable(), 1), TRIAL), 2), "slow", TRIAL)
    again = slots.forget(table, digest(2))
    assert (again.refused, again.b.state, again.active, again.floors) == ((), "EMPTY", "a", {"parts": 1})
    assert slots.forget(again, digest(2)) == again
    assert slots.forget(table, digest(1)) == table, "what is committed is not touched"
    rejected = slots.reject(slots.stage(table, target="t", bundle=digest(3)), "no")
    assert slots.forget(rejected, digest(3)).slot("b").state == "EMPTY"


def test_a_power_cut_during_trial_goes_back() -> None:
    table = slots.recover(on_trial(slots.commit(on_trial(SlotTable(), 1), TRIAL), 2))
    assert (table.active, table.b.state, table.b.reason) == ("a", "ROLLED_BACK", "power cut during trial")


def test_what_a_key_pushed_too_far_counts_as_long_as_the_root_lists_the_key() -> None:
    honest, lost, fresh = KEYS
    table = slots.raise_trust(SlotTable(floors={"parts": 7}), Accepted(root=1, signed={honest: versions(100)}))
    table = slots.raise_trust(table, Accepted(root=1, signed={lost: versions(2**62)}))
    assert table.floor(counting(honest, lost)).timestamp == 2**62
    struck_off = table.floor(counting(honest, fresh))
    assert (struck_off.timestamp, struck_off.snapshot, struck_off.targets) == (100, 100, 100)
    assert table.floor(counting(fresh)) == TrustFloor(root=1)
    assert table.floors == {"parts": 7}, "no model's floor depends on a key"
    # Admitted again, the key counts again.
    assert table.floor(counting(honest, lost)).snapshot == 2**62


def test_a_role_counts_for_the_keys_that_signed_it() -> None:
    one, other, _ = KEYS
    mixed = Accepted(root=3, signed={one: TrustFloor(timestamp=9), other: TrustFloor(snapshot=8, targets=7)})
    table = slots.raise_trust(SlotTable(), mixed)
    assert table.floor(counting(one)) == TrustFloor(root=3, timestamp=9)
    assert table.floor(counting(other)) == TrustFloor(root=3, snapshot=8, targets=7)
    assert table.floor(counting()) == TrustFloor(root=3)


def test_a_table_of_before_counts_until_none_of_those_who_may_have_signed_it_is_left() -> None:
    before = SlotTable(trust=TrustFloor(root=2, timestamp=50, snapshot=40, targets=30))
    assert before.floor(counting()) == before.trust
    told = slots.attribute(before, KEYS[:2])
    assert told.floor(counting(KEYS[0])) == told.floor(counting(KEYS[1])) == before.trust
    assert told.floor(counting(KEYS[2])) == TrustFloor(root=2)
    assert slots.attribute(told, KEYS) is told


def test_signers_have_an_end_and_those_that_signed_last_stay() -> None:
    table = SlotTable()
    for number in range(MAX_SIGNERS + 5):
        for key in (KEYS[0], digest(number)):
            table = slots.raise_trust(table, Accepted(root=1, signed={key: versions(number)}))
    assert len(table.signed) == MAX_SIGNERS
    assert table.floor(counting(KEYS[0])).timestamp == MAX_SIGNERS + 4
    assert table.floor(counting(digest(0))).timestamp == 0


def versions(number: int) -> TrustFloor:
    return TrustFloor(timestamp=number, snapshot=number, targets=number)


def test_reverting_needs_a_model_before() -> None:
    one = slots.commit(on_trial(SlotTable(), 1), TRIAL)
    with pytest.raises(SlotRule):
        slots.revert(one, "by hand")
    two = slots.commit(on_trial(one, 2), TRIAL)
    back = slots.revert(two, "by hand")
    assert (back.active, back.b.state, back.floors) == ("a", "ROLLED_BACK", {"parts": 2})


def test_the_memory_has_an_end() -> None:
    table = SlotTable()
    for number in range(MAX_REMEMBERED + 10):
        table = slots.roll_back(on_trial(table, number), f"reason {number}")
    assert len(table.refused) == MAX_REMEMBERED
    assert table.why_refused(digest(0)) is None
    assert table.why_refused(digest(MAX_REMEMBERED + 9)) == f"reason {MAX_REMEMBERED + 9}"
