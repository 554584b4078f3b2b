"""How fast bytes may go, and how often a store is asked again."""

from __future__ import annotations

import pytest

from cloud_sync.pacing import TRIES, Persistence, TokenBucket
from edge_runtime.contracts.errors import StoreRefused, StoreUnreachable


class Clock:
    """Time that passes where somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_go_no_faster_than_they_may() -> None:
    clock = Clock()
    bucket = TokenBucket(lambda: 1_000_000, clock.wait, clock=lambda: clock.now)
    for _block in range(100):
        bucket.take(500_000)
    assert clock.now - 1000.0 == pytest.approx(50.0, rel=0.01)


def test_what_was_not_used_is_not_saved_up() -> None:
    clock = Clock()
    bucket = TokenBucket(lambda: 1_000_000, clock.wait, clock=lambda: clock.now)
    bucket.take(1000)
    clock.wait(3600)
    before = clock.now
    bucket.take(10_000_000)
    assert clock.now - before >= 9.5


def test_another_limit_counts_from_the_next_block_on() -> None:
    clock, rate = Clock(), [1_000_000]
    bucket = TokenBucket(lambda: rate[0] or None, clock.wait, clock=lambda: clock.now)
    bucket.take(1_000_000)
    rate[0] = 0
    before = clock.now
    bucket.take(10**9)
    assert clock.now == before


def test_what_could_not_be_done_is_tried_again_and_what_was_refused_is_not() -> None:
    clock, calls = Clock(), list[int]()

    def sometimes() -> str:
        calls.append(1)
        if len(calls) < TRIES:
            raise StoreUnreachable("503 SlowDown")
        return "done"

    assert Persistence(clock.wait)(sometimes) == "done"
    assert clock.now - 1000.0 > 1.0, "each pause is longer"

    def refuse() -> None:
        calls.append(1)
        raise StoreRefused("AccessDenied")

    calls.clear()
    with pytest.raises(StoreRefused):
        Persistence(clock.wait)(refuse)
    assert len(calls) == 1


def test_where_one_has_given_up_the_others_do_not_begin_to_wait() -> None:
    clock, calls = Clock(), list[int]()

    def away() -> None:
        calls.append(1)
        raise StoreUnreachable("away")

    persist = Persistence(clock.wait)
    with pytest.raises(StoreUnreachable):
        persist(away)
    assert len(calls) == TRIES
    with pytest.raises(StoreUnreachable):
        persist(away)
    assert len(calls) == TRIES + 1
