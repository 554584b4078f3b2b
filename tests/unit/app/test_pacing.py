"""How fast deliveries go, on a clock of the test's own."""

from __future__ import annotations

import threading

import pytest

from app.fleet.pacing import FIRST_PIECE_BYTES, MAX_PIECE_BYTES, MIN_PIECE_BYTES, Pace, RateCap
from edge_runtime.contracts.errors import Cancelled, InputInvalid


class Clock:
    """Stands still but for whoever waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def cap(clock: Clock, bytes_per_s: int) -> RateCap:
    return RateCap(bytes_per_s, now_s=clock, wait=clock.wait)


def send_all(pace: Pace, size: int) -> None:
    while size > 0:
        piece = bytes(min(pace.size, size))
        pace.send(piece, lambda: None)
        size -= len(piece)


@pytest.mark.parametrize("rate", [1, 1000, 100_000, 10_000_000])
def test_a_cap_holds_over_any_time(clock: Clock, rate: int) -> None:
    size = 20 * max(rate, MIN_PIECE_BYTES)
    send_all(Pace([cap(clock, rate)], now_s=clock), size)
    # The last piece needs no time after it.
    assert size / rate - MAX_PIECE_BYTES / rate <= clock.now_s <= size / rate


def test_the_lowest_of_several_caps_counts(clock: Clock) -> None:
    send_all(Pace([cap(clock, 1_000_000), cap(clock, 50_000)], now_s=clock), 1_000_000)
    assert clock.now_s == pytest.approx(20, abs=1)


def test_deliveries_that_share_a_cap_send_no_more_than_one() -> None:
    clock, lock, sent = Clock(), threading.Lock(), []

    def wait(seconds: float) -> None:
        with lock:
            sent.append(seconds)

    shared = RateCap(100_000, now_s=clock, wait=wait)
    threads = [threading.Thread(target=send_all, args=(Pace([shared], now_s=clock), 200_000)) for _number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The clock stood still: the last piece was told to wait until all that came before it had had its time.
    assert max(sent) == pytest.approx(10, abs=0.5)


def test_idle_time_is_not_saved_up(clock: Clock) -> None:
    limited = cap(clock, 1000)
    limited.take(1000)
    clock.now_s = 3600
    limited.take(1000)
    assert clock.now_s == 3600
    limited.take(1000)
    assert clock.now_s == 3601


def test_whoever_waits_can_be_stopped(clock: Clock) -> None:
    def stopped(_seconds: float) -> None:
        raise Cancelled("stopped")

    limited = RateCap(10, now_s=clock, wait=stopped)
    limited.take(100)
    with pytest.raises(Cancelled):
        limited.take(1)


@pytest.mark.parametrize("rate", [0, -1])
def test_no_cap_is_not_a_cap_of_nothing(rate: int) -> None:
    with pytest.raises(InputInvalid):
        RateCap(rate)


def test_pieces_grow_on_a_good_link_and_shrink_on_a_bad_one(clock: Clock) -> None:
    pace = Pace(now_s=clock)
    assert pace.size == FIRST_PIECE_BYTES
    for _ in range(10):
        pace.send(bytes(pace.size), lambda: clock.wait(0.1))
    assert pace.size == MAX_PIECE_BYTES
    pace.send(bytes(pace.size), lambda: clock.wait(1.0))
    assert pace.size == MAX_PIECE_BYTES, "about a second is right"
    for _ in range(20):
        pace.send(bytes(pace.size), lambda: clock.wait(5.0))
    assert pace.size == MIN_PIECE_BYTES


def test_a_short_last_piece_says_nothing_of_the_link(clock: Clock) -> None:
    pace = Pace(now_s=clock)
    pace.send(b"x", lambda: clock.wait(0.0))
    assert pace.size == FIRST_PIECE_BYTES
