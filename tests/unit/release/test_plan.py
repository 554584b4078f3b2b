"""The staged rollout: a canary, then waves."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.release.plan import (
    BEGUN,
    FAILED,
    MINUTE_MS,
    ON_BOX,
    OPEN,
    BoxProgress,
    BoxState,
    Decision,
    Plan,
    assign_waves,
    next_boxes,
)
from edge_runtime.contracts.errors import InputInvalid

NOW = 1_780_000_000_000
Row = tuple[int, BoxState] | tuple[int, BoxState, bool]


def boxes(*rows: Row) -> list[BoxProgress]:
    """(wave, state, away) of box-0, box-1 and so on; what was committed was so a day ago."""
    return [
        BoxProgress(
            box=f"box-{i}", wave=row[0], state=row[1], away=len(row) > 2 and bool(row[2]), updated_ms=NOW - 86_400_000
        )
        for i, row in enumerate(rows)
    ]


def started(*rows: Row, plan: Plan | None = None) -> tuple[str, ...]:
    return next_boxes(plan or Plan(), boxes(*rows), NOW).start


@pytest.mark.parametrize(
    ("rows", "start"),
    [
        (((0, "waiting"), (1, "waiting")), ("box-0",)),
        (((0, "trial"), (1, "waiting")), ()),
        (((0, "committed"), (0, "installing"), (1, "waiting")), ()),
        (((0, "committed"), (1, "waiting"), (1, "waiting")), ("box-1", "box-2")),
        (((0, "committed"), (3, "waiting"), (7, "waiting")), ("box-1",)),
        # A box that is away holds nothing up, and gets its turn.
        (((0, "committed"), (0, "waiting", True), (1, "waiting")), ("box-1", "box-2")),
        (((0, "committed"), (1, "committed"), (1, "waiting", True), (2, "waiting")), ("box-2", "box-3")),
        (((0, "committed"), (1, "committed"), (1, "sending", True), (2, "waiting")), ("box-3",)),
        (((0, "committed"), (1, "committed"), (1, "trial", True), (2, "waiting")), ("box-3",)),
        # But a wave of which nobody answers shows nothing.
        (((0, "waiting", True), (1, "waiting")), ("box-0",)),
        (((0, "committed"), (1, "waiting", True), (2, "waiting")), ("box-1",)),
        # A canary that fell silent with the model in hand holds everything up.
        (((0, "committed"), (0, "trial", True), (1, "waiting")), ()),
        # Whoever was taken out of the rollout is not waited for.
        (((0, "held"), (1, "waiting")), ("box-1",)),
        (((0, "overtaken"), (0, "withdrawn"), (1, "waiting")), ("box-2",)),
        # A wave that has begun does not close again.
        (((0, "trial"), (1, "committed"), (1, "waiting")), ("box-2",)),
        (((0, "committed"), (1, "sending"), (2, "committed"), (2, "waiting")), ("box-3",)),
    ],
)
def test_whose_turn_it_is(rows: tuple[Row, ...], start: tuple[str, ...]) -> None:
    assert started(*rows) == start


@pytest.mark.parametrize(
    ("rows", "decision"),
    [
        ((), Decision(finished=True)),
        (((0, "committed"), (1, "committed")), Decision(finished=True)),
        (((0, "committed"), (1, "held"), (1, "withdrawn"), (2, "overtaken")), Decision(finished=True)),
        (((0, "committed"), (1, "waiting", True)), Decision(start=("box-1",), away=("box-1",))),
        (
            ((0, "committed"), (1, "waiting", True), (2, "waiting")),
            Decision(start=("box-1",), awaited=("box-1",), away=("box-1",)),
        ),
        (((0, "trial"), (1, "waiting")), Decision(awaited=("box-0",))),
    ],
)
def test_the_whole_decision(rows: tuple[Row, ...], decision: Decision) -> None:
    assert next_boxes(Plan(), boxes(*rows), NOW) == decision


def test_a_wave_rests_after_its_last_commit() -> None:
    first, second, third = boxes((0, "committed"), (0, "committed"), (1, "waiting"))
    rows = [replace(first, updated_ms=NOW - 50 * MINUTE_MS), replace(second, updated_ms=NOW - 20 * MINUTE_MS), third]
    plan = Plan(pause_minutes=30)
    assert next_boxes(plan, rows, NOW) == Decision(rests_until_ms=NOW + 10 * MINUTE_MS)
    assert next_boxes(plan, rows, NOW + 10 * MINUTE_MS - 1).start == ()
    assert next_boxes(plan, rows, NOW + 10 * MINUTE_MS).start == ("box-2",)


def test_a_box_that_comes_back_late_neither_closes_nor_delays_what_has_begun() -> None:
    late, begun, waiting = boxes((0, "committed"), (1, "committed"), (1, "waiting"))
    rows = [boxes((0, "committed"))[0], replace(late, box="late", updated_ms=NOW), begun, waiting]
    assert next_boxes(Plan(pause_minutes=60), rows, NOW).start == ("box-2",)


def test_a_failed_canary_stops_it_whatever_is_tolerated_and_says_why() -> None:
    canary = BoxProgress(box="f" * 64, name="line-2", wave=0, state="rolled-back", reason="95 % took up to 300 ms")
    decision = next_boxes(Plan(max_failures=5), [canary, *boxes((0, "committed"), (1, "waiting"))], NOW)
    assert decision == Decision(stopped="the canary did not take it (line-2 rolled back: 95 % took up to 300 ms)")


def test_a_clock_that_is_ahead_somewhere_holds_no_wave_up() -> None:
    day_ms = 24 * 60 * MINUTE_MS
    rows = [replace(box, updated_ms=NOW + day_ms) for box in boxes((0, "committed"), (1, "waiting"))]
    assert next_boxes(Plan(), rows, NOW).start == ("box-1",)
    resting = next_boxes(Plan(pause_minutes=5), rows, NOW)
    assert (resting.start, resting.rests_until_ms) == ((), NOW + 5 * MINUTE_MS)


def test_more_failures_than_allowed_stop_it() -> None:
    rows = boxes((0, "committed"), (1, "failed"), (1, "committed"), (2, "waiting"))
    assert next_boxes(Plan(), rows, NOW).stopped == "1 of 4 boxes did not take it (box-1 failed: no reason given)"
    assert next_boxes(Plan(max_failures=1), rows, NOW).start == ("box-3",)


def test_a_wave_that_nobody_took_stops_it_even_where_failures_are_allowed() -> None:
    rows = boxes((0, "committed"), (1, "failed"), (1, "held"), (2, "waiting"))
    assert "no box of the wave took it" in (next_boxes(Plan(max_failures=3), rows, NOW).stopped or "")


PROGRESS = st.lists(
    st.builds(
        BoxProgress,
        box=st.uuids().map(str),
        wave=st.integers(0, 3),
        state=st.sampled_from(get_args(BoxState)),
        updated_ms=st.integers(NOW - 3 * MINUTE_MS, NOW),
        away=st.booleans(),
    ),
    max_size=9,
)
PLANS = st.builds(Plan, pause_minutes=st.integers(0, 3), max_failures=st.integers(0, 3))


@given(PLANS, PROGRESS)
def test_no_wave_begins_before_the_one_before_it_showed_that_it_works(plan: Plan, progress: list[BoxProgress]) -> None:
    decision = next_boxes(plan, progress, NOW)
    failures = [box for box in progress if box.state in FAILED]
    first = min((box.wave for box in progress), default=0)
    if len(failures) > plan.max_failures or any(box.wave == first for box in failures):
        assert decision.stopped
    if decision.stopped:
        assert failures
        assert not decision.start
        assert not decision.finished
    if decision.finished:
        assert not [box for box in progress if box.state in OPEN]
    by_id = {box.box: box for box in progress}
    for box in map(by_id.__getitem__, decision.start):
        assert box.state == "waiting"
        if any(other.state in BEGUN for other in progress if other.wave >= box.wave):
            continue
        before = [other for other in progress if other.wave < box.wave]
        for wave in {other.wave for other in before}:
            members = [other for other in before if other.wave == wave]
            if any(other.state in BEGUN for other in before if other.wave > wave):
                continue
            assert all(other.away for other in members if other.state in OPEN)
            if wave == first:
                assert not [other for other in members if other.state in ON_BOX]
            commits = [other.updated_ms for other in members if other.state == "committed"]
            assert commits or not [other for other in members if other.state in OPEN or other.state in FAILED]
            assert all(NOW - at >= plan.pause_minutes * MINUTE_MS for at in commits)


@given(PLANS, PROGRESS)
def test_a_box_that_answers_never_waits_for_one_that_does_not_once_its_wave_has_begun(
    plan: Plan, progress: list[BoxProgress]
) -> None:
    decision = next_boxes(plan, progress, NOW)
    if decision.stopped or decision.finished:
        return
    begun = max((box.wave for box in progress if box.state in BEGUN), default=-1)
    due = {box.box for box in progress if box.state == "waiting" and box.wave <= begun}
    assert due <= set(decision.start)


@given(PLANS, PROGRESS, st.randoms(use_true_random=False))
def test_it_always_comes_to_an_end_when_every_box_answers_and_commits(
    plan: Plan, progress: list[BoxProgress], order: object
) -> None:
    rows = {box.box: replace(box, state="waiting", away=False) for box in progress}
    now = NOW
    for _ in range(2 * len(rows) + 2):
        decision = next_boxes(plan, list(rows.values()), now)
        if decision.finished:
            break
        assert decision.start or decision.rests_until_ms
        for box in decision.start:
            rows[box] = replace(rows[box], state="committed", updated_ms=now)
        now = max(now, decision.rests_until_ms or 0)
    assert {box.state for box in rows.values()} <= {"committed"}
    assert next_boxes(plan, list(rows.values()), now).finished


@given(PLANS, PROGRESS)
def test_the_same_rows_in_another_order_decide_the_same(plan: Plan, progress: list[BoxProgress]) -> None:
    one, other = next_boxes(plan, progress, NOW), next_boxes(plan, progress[::-1], NOW)
    assert set(one.start) == set(other.start)
    assert (one.finished, one.stopped is None, one.rests_until_ms) == (
        other.finished,
        other.stopped is None,
        other.rests_until_ms,
    )


NAMES = st.integers(1, 40).map(lambda count: [f"box-{number}" for number in range(count)])
SHARES = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(
    lambda found: [share / 100 for share in sorted(found)]
)


@given(NAMES, SHARES, st.data())
def test_every_box_is_in_one_wave_and_the_canary_comes_first(
    names: list[str], shares: list[float], data: st.DataObject
) -> None:
    canary = data.draw(st.integers(1, len(names)))
    waves = assign_waves(names, canary=canary, shares=shares)
    assert [name for wave in waves for name in wave] == names
    assert waves[0] == names[:canary]
    assert all(waves)
    assert len(waves) <= len(shares) + 1


def test_shares_count_what_is_through() -> None:
    names = [str(number) for number in range(101)]
    assert [len(wave) for wave in assign_waves(names, canary=1, shares=[0.1, 0.5, 1.0])] == [1, 10, 40, 50]


@pytest.mark.parametrize(
    ("canary", "shares"), [(0, [1.0]), (4, [1.0]), (1, [0.5, 0.5, 1.0]), (1, [0.5, 0.2]), (1, [0.0, 1.0]), (1, [1.5])]
)
def test_waves_that_cannot_be_are_refused(canary: int, shares: list[float]) -> None:
    with pytest.raises(InputInvalid):
        assign_waves(["a", "b", "c"], canary=canary, shares=shares)
