"""Minutes added up: the same in whatever order, exact in every count, and quantiles as near as is said."""

from __future__ import annotations

import math
import random
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.metrics import rollup
from cloud_sync.metrics.rollup import MOST_IN_A_MINUTE, MOST_LABELS, OTHERS, SPANS, Sums
from edge_runtime.contracts import latency_buckets
from edge_runtime.contracts.latency_buckets import MOST_BUCKETS, RELATIVE_ERROR, Counts
from edge_runtime.contracts.rows import RollupRow

LATENCIES = st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 100_000), max_size=60)
LABELS = st.dictionaries(st.sampled_from(["ok", "dent", "stain"]), st.integers(1, 50))


@st.composite
def minutes(draw: st.DrawFn) -> RollupRow:
    latencies = latency_buckets.count(draw(LATENCIES))
    return RollupRow(
        box="a" * 64,
        boot="boot",
        seq=draw(st.integers(0, 1000)),
        at_ms=draw(st.integers(-10_000_000_000, 2_000_000_000_000)),
        span_ms=60_000,
        pipeline="camera",
        model="b" * 64,
        frames=latencies.total,
        errors=draw(st.integers(0, 9)),
        kept=draw(st.integers(0, 9)),
        confidence_mean=draw(st.floats(0, 1)),
        latency_us_p50=0,
        latency_us_p99=0,
        latency_first=latencies.first,
        latency_counts=latencies.counts,
        labels=draw(LABELS),
        value_mean=draw(st.none() | st.floats(-1e6, 1e6)),
        shadow_frames=draw(st.integers(0, 9)),
    )


def exact(sums: Sums) -> tuple[object, ...]:
    """What must not depend on any order; sums of floats do, in their last places."""
    whole = (sums.minutes, sums.frames, sums.errors, sums.kept, sums.value_frames, sums.shadow_frames)
    return (*whole, sums.shadow_agreed, sums.latencies, dict(sums.labels))


@given(st.lists(minutes(), max_size=12), st.randoms(use_true_random=False))
def test_the_order_in_which_minutes_come_does_not_matter(rows: list[RollupRow], chance: random.Random) -> None:
    parts = [rollup.of_minute(row) for row in rows]
    one_by_one = reduce(rollup.add, parts, Sums())
    chance.shuffle(parts)
    cut = chance.randint(0, len(parts))
    halves = [reduce(rollup.add, half, Sums()) for half in (parts[:cut], parts[cut:])]
    together = rollup.add(*halves)
    assert exact(together) == exact(one_by_one)
    assert together.confidence == pytest.approx(one_by_one.confidence)
    assert together.value == pytest.approx(one_by_one.value, abs=1e-3)
    assert 0 <= together.confidence_mean <= 1


@given(st.lists(minutes(), max_size=8), minutes())
def test_what_was_added_can_be_taken_away(rows: list[RollupRow], one: RollupRow) -> None:
    before = reduce(rollup.add, map(rollup.of_minute, rows), Sums())
    after = rollup.take_away(rollup.add(before, rollup.of_minute(one)), rollup.of_minute(one))
    assert exact(after) == exact(before)


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=300), st.floats(0.01, 1))
def test_quantiles_are_as_near_as_is_said(latencies: list[int], share: float) -> None:
    parts = [latency_buckets.count(latencies[at::3]) for at in range(3)]
    counted = reduce(latency_buckets.add, parts)
    assert counted == latency_buckets.count(latencies)
    true = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    # Microseconds are whole: half of one comes on top.
    assert abs(latency_buckets.quantile(counted, share) - true) <= RELATIVE_ERROR * true + 0.5


@given(st.integers(0, 2**80))
def test_every_latency_has_its_bucket(latency_us: int) -> None:
    bucket = latency_buckets.bucket_of(latency_us)
    assert 0 <= bucket < MOST_BUCKETS
    if 1 < latency_us < 2**50:
        assert 2 ** ((bucket - 1) / 16) < latency_us * (1 + 1e-9)
        assert latency_us <= 2 ** (bucket / 16) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("first", "counts"), [(-1, [1]), (MOST_BUCKETS, [1]), (0, [1, -1]), (5, [0, 0]), (MOST_BUCKETS - 1, [1, 1])]
)
def test_counts_that_cannot_be_any_count_nothing(first: int, counts: list[int]) -> None:
    assert latency_buckets.read(first, counts) == latency_buckets.NONE


def test_nothing_counted_has_no_quantile() -> None:
    assert latency_buckets.quantile(latency_buckets.NONE, 0.99) == 0
    assert latency_buckets.count([]) == Counts()


def test_labels_beyond_the_most_are_counted_together_and_taken_away_from_there() -> None:
    many = Sums(labels={f"label {number}": 1 for number in range(MOST_LABELS)})
    more = Sums(labels={"one more": 3, "label 0": 1})
    together = rollup.add(many, more)
    assert together.labels[OTHERS] == 3
    assert together.labels["label 0"] == 2
    assert rollup.take_away(together, more).labels == many.labels


def test_a_box_that_lies_spoils_no_sum() -> None:
    row = RollupRow(
        box="a" * 64,
        boot="boot",
        seq=1,
        at_ms=0,
        span_ms=0,
        pipeline="camera",
        model="b" * 64,
        frames=2**200,
        errors=2**200,
        kept=2**200,
        confidence_mean=1.0,
        latency_us_p50=0,
        latency_us_p99=0,
        latency_first=MOST_BUCKETS - 1,
        latency_counts=(2**200, 2**200),
        labels={"ok": 2**200},
    )
    sums = rollup.of_minute(row)
    assert sums.frames == sums.errors == sums.kept == sums.labels["ok"] == MOST_IN_A_MINUTE
    assert sums.latencies == latency_buckets.NONE


@given(st.integers(-(10**13), 10**13))
def test_an_hour_begins_where_it_does(at_ms: int) -> None:
    for span, length_ms in SPANS.items():
        begin_ms = rollup.begin_of(span, at_ms)
        assert begin_ms % length_ms == 0
        assert begin_ms <= at_ms < begin_ms + length_ms
