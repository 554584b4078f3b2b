"""Skew out of round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import text
from app.fleet.clock import MATTERS_MS, RoundTrip, Skew, accuses_desktop, best_of


@given(
    offset_ms=st.floats(-3e12, 3e12),
    ways=st.lists(st.tuples(st.floats(0, 5_000), st.floats(0, 5_000)), min_size=1, max_size=8),
)
def test_the_truth_is_never_further_away_than_it_says(offset_ms: float, ways: list[tuple[float, float]]) -> None:
    sent_ms, trips = 1_800_000_000_000.0, []
    for there, back in ways:
        box_ms = int((sent_ms + there + offset_ms) // 1)
        trips.append(RoundTrip(sent_ms=sent_ms, took_ms=there + back, box_ms=box_ms))
        sent_ms += there + back
    skew = best_of(trips)
    assert abs(skew.ms - offset_ms) <= skew.error_ms + 0.01
    assert skew.error_ms == pytest.approx(min(there + back for there, back in ways) / 2 + 0.5)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    # The answer was under way for all of twelve seconds, and the clock is right.
    trip = RoundTrip(sent_ms=1000.0, took_ms=12_000.0, box_ms=1000)
    assert abs(trip.skew.ms) > MATTERS_MS
    assert not trip.skew.matters
    assert RoundTrip(sent_ms=1000.0, took_ms=2.0, box_ms=9000).skew.matters


def test_where_all_are_off_by_the_same_it_is_rather_this_desktop() -> None:
    def off(*seconds: float) -> list[Skew]:
        return [Skew(ms=1000 * one, error_ms=2.0) for one in seconds]

    assert accuses_desktop(off(-3600, -3601, -3599))
    assert not accuses_desktop(off(-3600))
    assert not accuses_desktop(off(-3600, -3600, 0))
    assert not accuses_desktop(off(-3600, 3600))
    assert not accuses_desktop([])


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-0.4, "0.4 ms behind"),
        (12_345.0, "12.3 s ahead"),
        (-600_000.0, "10.0 min behind"),
        (-10_800_000.0, "3.0 h behind"),
        (1.8e12, "20,833.3 days ahead"),
    ],
)
def test_words(ms: float, words: str) -> None:
    assert text.skew(ms) == words
