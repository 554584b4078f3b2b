"""What must leave the spool, decided without a disk: never the precious before the cheap, never more than it takes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import ClassLimits, SpoolLimits
from edge_runtime.contracts.rows import LossRow
from edge_runtime.service.spool_limits import (
    CLASSES,
    DAY_MS,
    LONGEST_PAUSE_MS,
    SLICES,
    TINY,
    SpoolClass,
    choose_cuts,
    has_room,
    may_merge,
    merge_losses,
    oldest_age_ms,
    resumed_age_ms,
)

BOX = "ab" * 32
sizes = st.integers(0, 10_000)
stores = st.fixed_dictionaries(dict.fromkeys(CLASSES, sizes))


@st.composite
def all_limits(draw: st.DrawFn) -> SpoolLimits:
    classes = {kind: ClassLimits(max_bytes=draw(sizes)) for kind in CLASSES if kind != "fetched_samples"}
    whole = SpoolLimits(max_bytes=draw(st.integers(0, 60_000)), reserve_bytes=draw(st.integers(0, 60_000)))
    return msgspec.structs.replace(whole, **classes)


def limit_of(kind: SpoolClass, limits: SpoolLimits) -> int:
    return limits.max_bytes if kind == "fetched_samples" else limits.of(kind).max_bytes


@given(stores, all_limits(), st.integers(0, 60_000))
def test_cuts_are_enough_and_no_more_and_take_the_cheapest_first(
    stored: dict[SpoolClass, int], limits: SpoolLimits, free: int
) -> None:
    cuts = choose_cuts(stored, limits, free_bytes=free)
    assert all(cut.size > 0 for cut in cuts)
    left = dict(stored)
    for number, cut in enumerate(cuts):
        before = dict(left)
        left[cut.kind] -= cut.size
        assert left[cut.kind] >= 0
        if cut.reason == "limit.bytes":
            limit = limit_of(cut.kind, limits)
            assert before[cut.kind] > limit
            assert left[cut.kind] >= limit - limit // SLICES, "more than it takes"
            continue
        # All together are too much: whatever is cheaper has given everything before.
        cheaper = CLASSES[CLASSES.index(cut.kind) + 1 :]
        given_up = {kind for kind in cheaper if left[kind] == 0}
        assert set(cheaper) <= given_up | (TINY if cut.reason == "disk.reserve" else set())
        if cut.reason == "limit.total":
            assert sum(left.values()) >= limits.max_bytes - limits.max_bytes // SLICES, "more than it takes"
        else:
            assert cut.kind not in TINY
            others = sum(other.size for other in cuts[:number])
            assert free + others < limits.reserve_bytes, "the reserve was whole already"
            assert free + others + cut.size <= limits.reserve_bytes, "more than it takes"
    assert all(left[kind] <= limit_of(kind, limits) for kind in CLASSES)
    assert sum(left.values()) <= limits.max_bytes
    freed = sum(cut.size for cut in cuts)
    assert free + freed >= limits.reserve_bytes or all(left[kind] == 0 for kind in set(CLASSES) - TINY)


@given(stores, all_limits(), st.integers(0, 60_000))
def test_what_fits_stays(stored: dict[SpoolClass, int], limits: SpoolLimits, free: int) -> None:
    fits = all(stored[kind] <= limit_of(kind, limits) for kind in CLASSES) and sum(stored.values()) <= limits.max_bytes
    if fits and free >= limits.reserve_bytes:
        assert choose_cuts(stored, limits, free_bytes=free) == ()


@given(stores, all_limits(), st.integers(0, 60_000), st.sampled_from(CLASSES[:-1]), st.integers(1, 10_000))
def test_there_is_room_for_a_sample_where_cheaper_things_can_give_way(
    stored: dict[SpoolClass, int], limits: SpoolLimits, free: int, kind: SpoolClass, size: int
) -> None:
    room = has_room(kind, size, stored=stored, limits=limits, free_bytes=free)
    cheaper = sum(stored[other] for other in CLASSES[CLASSES.index(kind) + 1 :])
    # Once it is written and all that is cheaper has gone, the reserve is whole.
    assert room == (free - size + cheaper >= limits.reserve_bytes)


def test_a_clock_that_lies_neither_expires_everything_nor_keeps_anything_for_ever() -> None:
    now, in_1970, in_2100 = 1_700_000_000_000, 5_000, 4_102_444_800_000
    used = 40 * DAY_MS
    assert resumed_age_ms(used, stopped_ms=now, now_ms=now + DAY_MS) == used + DAY_MS
    assert resumed_age_ms(used, stopped_ms=now, now_ms=in_1970) == used
    assert resumed_age_ms(used, stopped_ms=in_1970, now_ms=now) == used
    assert resumed_age_ms(used, stopped_ms=now, now_ms=in_2100) == used
    assert resumed_age_ms(used, stopped_ms=in_2100, now_ms=now) == used


@given(st.integers(0, 2**50), st.integers(-(2**50), 2**50), st.integers(-(2**50), 2**50))
def test_the_spool_never_gets_younger_nor_much_older_by_a_pause(age: int, stopped: int, now: int) -> None:
    assert age <= resumed_age_ms(age, stopped_ms=stopped, now_ms=now) <= age + LONGEST_PAUSE_MS


def test_every_class_has_an_age_of_its_own() -> None:
    limits = SpoolLimits(results=ClassLimits(max_age_days=0.5))
    assert oldest_age_ms("results", limits, age_ms=2 * DAY_MS) == DAY_MS * 3 // 2
    assert oldest_age_ms("audits", limits, age_ms=2 * DAY_MS) < 0


def loss(at_ms: int, count: int, size: int, first_ms: int, last_ms: int) -> LossRow:
    return LossRow(
        box=BOX,
        boot="boot",
        seq=at_ms,
        at_ms=at_ms,
        stream="results",
        count=count,
        bytes=size,
        first_ms=first_ms,
        last_ms=last_ms,
        reason="limit.age",
    )


losses = st.builds(loss, *[st.integers(0, 2**40) for _ in range(5)])


@given(losses, losses, losses)
def test_merged_losses_tell_the_same_in_whatever_order(one: LossRow, two: LossRow, three: LossRow) -> None:
    left = merge_losses(merge_losses(one, two), three)
    assert left == merge_losses(one, merge_losses(two, three)) == merge_losses(merge_losses(one, three), two)
    assert (left.count, left.bytes) == (one.count + two.count + three.count, one.bytes + two.bytes + three.bytes)
    assert (left.box, left.boot, left.seq) == (one.box, one.boot, one.seq)


def test_a_long_ledger_gets_coarser() -> None:
    first = loss(0, 1, 1, 0, 0)
    minute_later, hour_later = loss(59_000, 1, 1, 0, 0), loss(3_000_000, 1, 1, 0, 0)
    assert may_merge(first, minute_later, rows=1)
    assert not may_merge(first, hour_later, rows=1)
    assert may_merge(first, hour_later, rows=1_000)
    assert not may_merge(first, loss(DAY_MS - 1, 1, 1, 0, 0), rows=9_999)
    assert may_merge(first, loss(DAY_MS - 1, 1, 1, 0, 0), rows=10_000)
