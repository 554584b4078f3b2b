"""A process of ours that is waited for: a pause of everybody is no time that it took."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from edge_runtime.awake import AwakeClock
from edge_runtime.children import wait_for, within
from tests.waiting import wait_until

HOUR_S = 3600.0


class Monotonic:
    """A clock that leaps at its second reading, and goes on by so much at every one after it."""

    def __init__(self, step_s: float) -> None:
        self.readings, self._step_s = 0, step_s

    def __call__(self) -> float:
        self.readings += 1
        return HOUR_S * (self.readings > 2) + self._step_s * max(0, self.readings - 3)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Ends with status 7 when its input does."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_pause_is_not_held_against_a_child(child: subprocess.Popen[bytes]) -> None:
    monotonic, said = Monotonic(0.0), list[int]()
    waiting = threading.Thread(target=lambda: said.append(wait_for(child, 5.0, AwakeClock(monotonic))))
    waiting.start()
    wait_until(lambda: monotonic.readings > 5, 30, "the pause to be over")
    assert waiting.is_alive()
    assert child.stdin is not None
    child.stdin.close()
    waiting.join(30)
    assert said == [7]


def test_its_own_time_is(child: subprocess.Popen[bytes]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        wait_for(child, 5.0, AwakeClock(Monotonic(0.4)))


def test_nor_against_what_has_to_be_done_in_time() -> None:
    given_up, monotonic = threading.Event(), Monotonic(0.0)
    with within(5.0, given_up.set, AwakeClock(monotonic)):
        wait_until(lambda: monotonic.readings > 5, 30, "the pause to be over")
        assert not given_up.is_set()
    with within(5.0, given_up.set, AwakeClock(Monotonic(0.4))):
        assert given_up.wait(30)
