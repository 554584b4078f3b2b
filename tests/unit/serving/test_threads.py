"""Threads that mostly wait, and the patience with what they wait for."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.serving.patience import Clock, Patience
from edge_runtime.serving.threads import DaemonThreads
from tests.waiting import wait_until


@settings(max_examples=25)
@given(most=st.integers(1, 4), number=st.integers(1, 12))
def test_as_many_threads_as_are_needed_and_no_more(most: int, number: int) -> None:
    threads = DaemonThreads(most, "test")
    gate, names = threading.Event(), set()

    def work(value: int) -> int:
        names.add(threading.current_thread().name)
        assert gate.wait(60)
        return value

    futures = [threads.submit(work, value) for value in range(number)]
    wait_until(lambda: len(names) == min(most, number), 10, "the threads to begin")
    gate.set()
    assert [future.result(60) for future in futures] == list(range(number))
    assert len(names) == min(most, number)


def test_an_idle_thread_is_used_again_and_errors_are_handed_over() -> None:
    threads = DaemonThreads(4, "test")
    names = set()
    for _ in range(10):
        names.add(threads.submit(lambda: threading.current_thread().name).result(60))
        wait_until(lambda: threads._unclaimed == 1, 10, "the thread to be idle again")
    assert names == {"test-1"}
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    assert threading.main_thread().daemon is False
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("test-"))


def test_what_takes_too_long_is_given_up_once() -> None:
    patience = Patience(-1, crowd=8, in_crowd_s=-1)
    given_up: list[str] = []
    with patience.watch(lambda: given_up.append("quick")):
        pass
    with patience.watch(lambda: given_up.append("late")):
        patience.look()
        patience.look()
    assert given_up == ["late"]
    assert not patience._waits


def test_in_a_crowd_the_oldest_are_given_up_first() -> None:
    patience = Patience(3600, crowd=2, in_crowd_s=-1)
    given_up: list[int] = []
    with ExitStack() as waits:
        for number in range(4):
            waits.enter_context(patience.watch(partial(given_up.append, number)))
        patience.look()
        assert given_up == [0, 1]
        patience.look()
        assert given_up == [0, 1]


def test_the_clock_goes_on_when_one_who_looks_fails(caplog: pytest.LogCaptureFixture) -> None:
    turns = threading.Semaphore(0)

    def fail() -> None:
        raise ZeroDivisionError

    clock = Clock([fail, turns.release], every_s=0.01)
    clock.start()
    try:
        for _ in range(2):
            assert turns.acquire(timeout=60)
    finally:
        clock.close()
        clock._thread.join(60)
    assert "ZeroDivisionError" in caplog.text
