"""Merging: any order, any number of times, the same result."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.journal.changes import Change
from cloud_sync.journal.clock import format_stamp
from tests.unit.sync.last_writer import fold, wins

CHANGES = st.lists(
    st.builds(
        Change,
        table=st.sampled_from(["facts", "rows"]),
        key=st.sampled_from("xyz"),
        body=st.none() | st.dictionaries(st.sampled_from("pq"), st.integers(0, 3), max_size=2),
        clock=st.builds(format_stamp, st.integers(0, 3), st.integers(0, 1)),
        replica=st.sampled_from("abc"),
    ),
    max_size=30,
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(changes: list[Change], shuffler: random.Random) -> None:
    expected = fold(changes, {"facts"})
    shuffled = changes * 2
    shuffler.shuffle(shuffled)
    assert fold(shuffled, {"facts"}) == expected
    assert fold([*expected.values(), *shuffled], {"facts"}) == expected


def test_the_later_clock_wins_and_of_equal_ones_the_greater_replica() -> None:
    early, late = format_stamp(1, 0), format_stamp(1, 1)
    assert wins((late, "a"), (early, "b"))
    assert wins((early, "b"), (early, "a"))
    assert not wins((early, "a"), (early, "a"))


def test_deletions_win_by_the_same_rule_but_never_of_facts() -> None:
    written = [Change(table, "k", {"v": 1}, format_stamp(1, 0), "a") for table in ("rows", "facts")]
    deleted = [Change(table, "k", None, format_stamp(2, 0), "b") for table in ("rows", "facts")]
    again = [Change(table, "k", {"v": 3}, format_stamp(3, 0), "c") for table in ("rows", "facts")]
    state = fold(written + deleted, {"facts"})
    assert state[("rows", "k")].body is None
    assert state[("facts", "k")].body == {"v": 1}
    state = fold(again + deleted + written, {"facts"})
    assert state[("rows", "k")].body == {"v": 3}
    assert state[("facts", "k")].body == {"v": 1}
