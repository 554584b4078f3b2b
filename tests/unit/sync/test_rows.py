"""Merging rows column by column: any order, any number of times, the same; nothing beaten unseen is forgotten."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.journal.changes import Change, change_of, decode_change, encode_change
from cloud_sync.journal.clock import format_stamp
from cloud_sync.journal.rows import (
    PRESENCE,
    Dot,
    Lost,
    RowState,
    contested,
    deleted,
    dots,
    merge,
    renamed,
    settled,
    whole,
    written,
)

COLUMNS = ("name", "address")


@dataclass
class Site:
    """Three desktops that write one row, and tell each other now and then."""

    rows: dict[str, RowState | None] = field(default_factory=lambda: dict.fromkeys("abc"))
    said: list[RowState] = field(default_factory=list)
    time: int = 0

    def dot(self, who: str) -> Dot:
        self.time += 1
        return format_stamp(self.time, 0), who

    def say(self, who: str, row: RowState) -> RowState:
        self.rows[who] = row
        self.said.append(row)
        return row

    def write(self, who: str, **columns: Any) -> RowState:
        before = self.rows[who]
        if before is None or before.gone:
            columns = dict.fromkeys(COLUMNS, "") | columns
        return self.say(who, written(before, columns, self.dot(who)))

    def delete(self, who: str) -> None:
        before = self.rows[who]
        if before is not None and not before.gone:
            self.say(who, deleted(before, self.dot(who)))

    def settle(self, who: str) -> None:
        before = self.rows[who]
        if before is not None and before.lost:
            one = before.lost[0]
            self.say(who, settled(before, one.field, one.value, self.dot(who)))

    def hear(self, who: str, row: RowState) -> None:
        mine = self.rows[who]
        self.rows[who] = row if mine is None else merge(mine, row)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abc"), st.sampled_from(COLUMNS), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.sampled_from("abc")),
        st.tuples(st.just("settle"), st.sampled_from("abc")),
        st.tuples(st.just("hear"), st.sampled_from("abc"), st.integers(0, 30)),
    ),
    max_size=25,
)


def played(steps: list[tuple[Any, ...]]) -> Site:
    site = Site()
    for step in steps:
        match step:
            case ("write", who, column, value):
                site.write(who, **{column: value})
            case ("delete", who):
                site.delete(who)
            case ("settle", who):
                site.settle(who)
            case ("hear", who, number) if site.said:
                site.hear(who, site.said[number % len(site.said)])
    return site


def together(rows: list[RowState]) -> RowState:
    result = rows[0]
    for row in rows[1:]:
        result = merge(result, row)
    return result


@given(STEPS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(steps: list[tuple[Any, ...]], shuffler: random.Random) -> None:
    said = played(steps).said
    if not said:
        return
    expected = together(said)
    shuffled = said * 2
    shuffler.shuffle(shuffled)
    assert together(shuffled) == expected
    half = len(shuffled) // 2
    assert merge(together(shuffled[:half]), together(shuffled[half:])) == expected
    for row in said:
        assert merge(row, row) == row
        assert merge(expected, row) == expected == merge(row, expected)


@given(STEPS)
def test_what_nobody_wrote_over_having_seen_it_stands_or_is_kept(steps: list[tuple[Any, ...]]) -> None:
    said = played(steps).said
    if not said:
        return
    end = together(said)
    for column in (*COLUMNS, PRESENCE):
        found = {dot: value for row in said for dot, value in row.siblings(column).items()}
        kept = {
            dot: value
            for dot, value in found.items()
            if not any(row.saw(dot) and dot not in row.siblings(column) for row in said)
        }
        assert end.siblings(column) == kept
        assert max(kept) == max(end.siblings(column))


@given(STEPS)
def test_what_is_sent_is_what_arrives(steps: list[tuple[Any, ...]]) -> None:
    for row in played(steps).said:
        change = change_of("boxes", "k", row)
        assert decode_change(encode_change(change), by=row.dot[1], now_ms=None).row == row
        assert decode_change(encode_change(change, "other"), by="other", now_ms=None).row == row


@given(STEPS)
def test_new_names_change_nothing_else(steps: list[tuple[Any, ...]]) -> None:
    for row in played(steps).said:
        names = {dot: (dot[0], "new") for dot in dots(row) if dot[1] == "a"}
        after = renamed(row, names, lambda who, clock: "" if who == "a" else clock)
        assert (after.values, after.gone) == (row.values, row.gone)
        assert all(replica != "a" for _clock, replica in dots(after))
        assert [one.value for one in contested(after)] == [one.value for one in contested(row)]
        assert not after.saw((format_stamp(0, 1), "a"))
        assert all(after.saw(dot) for dot in dots(after))


def test_different_columns_of_one_row_both_stand() -> None:
    site = Site()
    first = site.write("a", name="line", address="x")
    site.hear("b", first)
    mine, theirs = site.write("a", name="line 1"), site.write("b", address="y")
    both = merge(mine, theirs)
    assert both.values == {"name": "line 1", "address": "y"}
    assert contested(both) == ()


def test_one_column_written_twice_unseen_is_kept_until_somebody_decides() -> None:
    site = Site()
    first = site.write("a", name="line", address="x")
    site.hear("b", first)
    mine, theirs = site.write("a", name="mine"), site.write("b", name="theirs")
    both = merge(mine, theirs)
    assert both.values["name"] == "theirs"
    assert contested(both) == (Lost("name", *mine.dot, "mine"),)
    site.rows["a"] = both
    other = site.write("a", address="z")
    assert contested(other) == contested(both)
    decided = settled(other, "name", "mine", site.dot("a"))
    for row in (decided, merge(decided, both), merge(theirs, decided), merge(merge(theirs, mine), decided)):
        assert row.values == {"name": "mine", "address": "z"}
        assert contested(row) == ()


def test_a_row_deleted_while_it_was_changed_elsewhere_is_told() -> None:
    site = Site()
    first = site.write("a", name="line", address="x")
    site.hear("b", first)
    gone = site.say("a", deleted(first, site.dot("a")))
    changed = site.write("b", name="new")
    both = merge(gone, changed)
    assert (both.gone, dict(both.values)) == (False, {"name": "new", "address": "x"})
    assert [(one.field, one.value) for one in contested(both)] == [(PRESENCE, 0)]
    site.rows["b"] = both
    assert [one.field for one in contested(site.write("b", address="y"))] == [PRESENCE]
    assert contested(settled(both, PRESENCE, 1, site.dot("b"))) == ()
    again = settled(both, PRESENCE, 0, site.dot("b"))
    assert merge(both, again).gone
    late = site.say("c", deleted(changed, site.dot("c")))
    assert merge(late, changed).gone
    assert contested(merge(late, changed)) == ()


def test_quiet_columns_have_the_last_value_alone() -> None:
    site = Site()
    mine, theirs = site.write("a", name="mine"), site.write("b", name="theirs")
    both = merge(mine, theirs, {"name", "address", PRESENCE})
    assert (both.values["name"], both.lost) == ("theirs", ())


def test_rows_of_before_are_won_whole() -> None:
    old, new = whole((format_stamp(1, 0), "a"), {"name": "old"}), whole((format_stamp(2, 0), "b"), {"name": "new"})
    assert merge(old, new).values == merge(new, old).values == {"name": "new"}
    assert merge(old, new).lost == merge(new, old).lost == ()
    gone = whole((format_stamp(3, 0), "a"), None)
    assert merge(new, gone).gone
    after = written(merge(old, new), {"name": "later"}, (format_stamp(4, 0), "c"))
    assert contested(merge(after, gone)) == (Lost(PRESENCE, *gone.dot, 0),)
    assert merge(whole((format_stamp(5, 0), "a"), {"name": "x"}), after).values == {"name": "x"}


def test_of_two_values_under_one_dot_every_desktop_takes_the_same() -> None:
    dot = (format_stamp(1, 0), "a")
    one, other = RowState(dot, {"name": "x"}), RowState(dot, {"name": "y"})
    assert merge(one, other) == merge(other, one)


def test_a_change_without_what_was_seen_is_of_before() -> None:
    change = Change("boxes", "k", {"name": "x"}, format_stamp(1, 0), "a")
    assert change.row == whole((format_stamp(1, 0), "a"), {"name": "x"})
