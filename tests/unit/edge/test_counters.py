"""What a line's figures say of fast and slow lines, by a clock that is set."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edge_runtime.contracts import wire
from edge_runtime.contracts.status import PipelineState, PipelineStatus
from edge_runtime.inference.counters import LONGEST_ERROR, SILENCE_S, PipelineCounters


class Bench:
    """Counters whose clock stands wherever it is put."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.counters = PipelineCounters(lambda: self.now)

    def frames(self, at_s: Iterable[float]) -> None:
        for self.now in at_s:
            self.counters.frame()

    def status(self, at_s: float, *, fps: float | None = None, problem: str | None = None) -> PipelineStatus:
        self.now = at_s
        every_s = 1 / fps if fps else 0.0
        return self.counters.status("line", "folder:/f", has_model=True, every_s=every_s, problem=problem)


def test_a_fast_lines_rate_is_that_of_the_last_seconds_and_ends_with_it() -> None:
    bench = Bench()
    bench.frames(1000 + number / 10 for number in range(100))
    assert bench.status(1010.0).frames_per_s == pytest.approx(10, rel=0.2)
    assert bench.status(1009.9 + SILENCE_S).state == "running"
    stopped = bench.status(1010.1 + SILENCE_S)
    assert (stopped.state, stopped.frames_per_s) == ("no-input", 0.0)


@pytest.mark.parametrize("every_s", [6.0, 60.0])
def test_a_slow_line_has_its_rate_at_any_moment_and_is_no_silent_one(every_s: float) -> None:
    bench = Bench()
    for number in range(2, 9):
        bench = Bench()
        bench.frames(1000 + every_s * each for each in range(number))
        last = bench.now
        for part in (0.0, 0.3, 0.6, 0.99):
            status = bench.status(last + part * every_s)
            assert status.frames_per_s == pytest.approx(1 / every_s, rel=0.35), (number, part)
            assert status.state == "running"
        ended = bench.status(last + 4 * every_s)
        assert (ended.state, ended.frames_per_s) == ("no-input", 0.0)


def test_a_single_frame_is_a_rate_that_falls_until_another_comes() -> None:
    bench = Bench()
    bench.frames([1000.0])
    # A program that has just begun on a line with a frame a minute does as well as the one before.
    assert bench.status(1059.0).frames_per_s >= 1 / 60
    assert bench.status(4600.0).frames_per_s < 0.001


@pytest.mark.parametrize(
    ("fps", "silent_s", "state"),
    [(0.1, 29.0, "running"), (0.1, 31.0, "no-input"), (0.2, 14.0, "running"), (None, 6.0, "no-input")],
)
def test_how_long_a_silence_is_one_follows_the_configured_rate(
    fps: float | None, silent_s: float, state: PipelineState
) -> None:
    bench = Bench()
    bench.frames([1000.0])
    assert bench.status(1000 + silent_s, fps=fps).state == state


def test_where_the_source_says_what_is_amiss_the_pace_of_before_is_no_excuse() -> None:
    bench = Bench()
    bench.frames([1000.0, 1030.0, 1060.0])
    assert bench.status(1060 + SILENCE_S + 0.1).state == "running"
    assert bench.status(1060 + SILENCE_S + 0.1, problem="the folder is away").state == "no-input"


def test_a_long_pause_does_not_make_a_fast_line_slow() -> None:
    bench = Bench()
    bench.frames(1000 + number / 10 for number in range(100))
    bench.frames(5000 + number / 10 for number in range(60))
    assert bench.status(5006.0).frames_per_s == pytest.approx(10, rel=0.2)
    assert bench.status(5006.0 + SILENCE_S).state == "no-input"


def test_what_is_amiss_is_told_in_few_words_however_long_the_address_in_it() -> None:
    counters, words = PipelineCounters(), "x" * 20_000
    for problem, stopped in ((words, None), (None, words)):
        told = counters.status("camera", "folder:/f", has_model=True, problem=problem, stopped=stopped)
        assert wire.decode(wire.encode(told), PipelineStatus).last_error == "x" * LONGEST_ERROR
