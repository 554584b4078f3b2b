"""The hybrid clock: always forwards, sorted as text, not led astray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.journal.clock import FIRST_STAMP, MAX_AHEAD_MS, HybridClock, format_stamp, parse_stamp
from edge_runtime.contracts.errors import InputInvalid

MOMENTS = st.integers(min_value=-(10**6), max_value=10**14)


@given(st.lists(MOMENTS, min_size=2, max_size=50))
def test_stamps_grow_whatever_the_wall_clock_does(moments: list[int]) -> None:
    clock = HybridClock()
    stamps = [clock.tick(now_ms) for now_ms in moments]
    assert stamps == sorted(set(stamps))


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**6 - 1), st.integers(0, 10**15 - 1), st.integers(0, 10**6 - 1))
def test_texts_sort_as_stamps_do(ms: int, counter: int, other_ms: int, other_counter: int) -> None:
    one, other = format_stamp(ms, counter), format_stamp(other_ms, other_counter)
    assert (one < other) == ((ms, counter) < (other_ms, other_counter))
    assert parse_stamp(one) == (ms, counter)


@given(MOMENTS, MOMENTS, st.integers(0, 10**6 - 1))
def test_what_was_received_lies_before_what_comes_next(now_ms: int, ms: int, counter: int) -> None:
    received = format_stamp(max(min(ms, now_ms + MAX_AHEAD_MS), 0), counter)
    clock = HybridClock()
    if parse_stamp(received)[0] - now_ms <= MAX_AHEAD_MS:
        clock.receive(received, now_ms)
        assert clock.tick(now_ms) > received


def test_a_clock_goes_on_where_it_was_kept() -> None:
    clock = HybridClock()
    first = clock.tick(1000)
    assert HybridClock(clock.last).tick(0) > first
    assert HybridClock().last == FIRST_STAMP


def test_a_full_counter_borrows_from_time() -> None:
    assert HybridClock(format_stamp(5, 999_999)).tick(5) == format_stamp(6, 0)


def test_stamps_years_ahead_are_refused_and_change_nothing() -> None:
    clock = HybridClock()
    before = clock.tick(1_000_000)
    with pytest.raises(InputInvalid, match="3 years ahead"):
        clock.receive(format_stamp(1_000_000 + 3 * 365 * 86_400_000, 0), 1_000_000)
    assert clock.last == before


@pytest.mark.parametrize(
    "text", ["", "1.1", "000000000000001.00000", "\u0661" * 15 + ".000000", "-00000000000001.000000", "x"]
)
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(InputInvalid):
        parse_stamp(text)
