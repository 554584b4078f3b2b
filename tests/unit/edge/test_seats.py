"""Nobody can fill the room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.service.seats import Seats


def test_the_one_with_the_most_gives_way_the_oldest_first() -> None:
    seats = Seats[int](total=4, each=3)
    assert [seats.take("crowd", number) for number in range(3)] == [[], [], []]
    assert seats.take("crowd", 3) == [0], "no more than three each"
    assert seats.take("guest", 10) == []
    assert seats.take("other", 20) == [1]
    seats.leave(10)
    seats.leave(10)
    assert seats.take("guest", 11) == []


def test_who_has_work_in_hand_goes_last() -> None:
    busy = {0, 1}
    seats = Seats[int](total=9, each=3, busy=lambda seat: seat in busy)
    for number in range(3):
        seats.take("one", number)
    assert seats.take("one", 3) == [2]
    busy.add(3)
    assert seats.take("one", 4) == [0], "where all are busy, the oldest"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_a_newcomer_always_finds_a_seat_and_only_the_largest_crowd_loses_one(moves: list[tuple[str, bool]]) -> None:
    seats = Seats[int](total=6, each=4)
    held: dict[int, str] = {}
    for number, (guest, stays) in enumerate(moves):
        gone = seats.take(guest, number)
        for leaving in gone:
            most = max(list(held.values()).count(other) for other in held.values())
            assert held[leaving] == guest or list(held.values()).count(held[leaving]) == most
            del held[leaving]
        held[number] = guest
        assert len(seats) == len(held) <= 6
        if not stays:
            seats.leave(number)
            del held[number]
