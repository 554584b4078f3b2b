"""A new configuration is judged by what its lines and listeners do, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_runtime.config import EdgeConfig, parse_config
from edge_runtime.configuring.trial import (
    LEAST_S,
    LONGEST_S,
    MOST_S,
    RETURN_S,
    Expected,
    LineNow,
    Seen,
    Trial,
    Verdict,
    counterparts,
    judge,
    live,
    to_judge,
)

EXPECTED = Trial(began_s=100.0, lines={"camera": Expected(base=50, errors=2, within_s=MOST_S)})


def config(*lines: tuple[str, str], more: str = "") -> EdgeConfig:
    sections = "".join(f'[[pipeline]]\nname = "{name}"\nsource = "{source}"\n' for name, source in lines)
    return parse_config(f'name = "line-2"\n{more}\n{sections}')


def at(seconds: float, *, frames: int = 50, errors: int = 2) -> Seen:
    return Seen(now_s=100.0 + seconds, lines={"camera": LineNow(frames=50, fresh=frames, errors=errors)})


def test_it_is_committed_once_the_line_delivers_and_not_before_its_time() -> None:
    assert judge(EXPECTED, at(1, frames=60)) is None
    assert judge(EXPECTED, at(LEAST_S, frames=51)) == Verdict()
    assert judge(EXPECTED, at(LEAST_S)) is None
    assert judge(EXPECTED, at(MOST_S - 1)) is None


def test_it_goes_back_when_a_line_that_was_at_work_does_not_deliver() -> None:
    nothing = judge(EXPECTED, at(MOST_S))
    assert nothing is not None
    assert "The line camera was at work before, and in 20 s no frame came." in nothing.against
    failing = judge(EXPECTED, at(MOST_S, errors=9))
    assert failing is not None
    assert "none of 7 frames could be answered" in failing.against
    gone = judge(EXPECTED, Seen(now_s=100 + MOST_S))
    assert gone is not None
    assert gone.against


def test_a_frame_that_the_line_before_had_in_hand_commits_nothing() -> None:
    seen = Seen(now_s=100.0 + LEAST_S, lines={"camera": LineNow(frames=51, fresh=50, errors=2)})
    assert judge(EXPECTED, seen) is None


def test_a_line_that_runs_on_must_not_starve() -> None:
    trial = Trial(began_s=100.0, lines={"camera": Expected(base=50, errors=2, within_s=MOST_S, pace=10.0)})
    assert judge(trial, at(LEAST_S, frames=75)) == Verdict()
    assert judge(trial, at(LEAST_S, frames=74)) is None
    starved = judge(trial, at(MOST_S, frames=100))
    assert starved is not None
    assert starved.against == (
        "The line camera, which was not changed, is starved: it had 10 frames a second before, and has 2.5."
    )
    silent = judge(trial, at(MOST_S))
    assert silent is not None
    assert "no frame came" in silent.against


def test_its_pace_is_the_lower_one_of_late_and_always() -> None:
    assert LineNow(frames=101, per_s=2.0, first_s=0.0, last_s=10.0).pace == 2.0
    assert LineNow(frames=11, per_s=2.0, first_s=0.0, last_s=100.0).pace == 0.1
    assert LineNow(frames=11, first_s=0.0, last_s=100.0).pace == 0.1
    assert LineNow(frames=1, first_s=5.0, last_s=5.0).pace == 0.0


def test_every_line_at_work_is_judged() -> None:
    before = config(("a", "folder:/x"), ("b", "push:b"), ("c", "folder:/c"))
    after = config(("a", "folder:/y"), ("b", "push:b"), ("d", "folder:/c"))
    at_work = {"a": 20.0, "b": 20.0, "c": 20.0}
    assert to_judge(before, after, at_work) == {"a": ("a", False), "b": ("b", True), "d": ("c", False)}
    assert to_judge(before, after, {"c": 20.0}) == {"d": ("c", False)}


def test_a_listener_for_programs_has_to_open() -> None:
    trial = Trial(began_s=0.0, listeners=True)
    seen = Seen(now_s=MOST_S - 1, missing=("grpc",))
    assert judge(trial, seen) is None
    verdict = judge(trial, replace(seen, now_s=MOST_S))
    assert verdict is not None
    assert "over grpc" in verdict.against
    assert judge(trial, Seen(now_s=LEAST_S)) == Verdict()
    # What could not be opened before either is not its fault.
    assert judge(Trial(began_s=0.0), replace(seen, now_s=LEAST_S)) == Verdict()


def test_a_box_that_nobody_finds_any_more_goes_back() -> None:
    trial = Trial(began_s=0.0, moved=True)
    assert judge(trial, Seen(now_s=RETURN_S - 1, reached=False)) is None
    assert judge(trial, Seen(now_s=RETURN_S - 1, reached=True)) == Verdict()
    verdict = judge(trial, Seen(now_s=RETURN_S, reached=False))
    assert verdict is not None
    assert "No desktop came back for 60 s" in verdict.against
    assert judge(Trial(began_s=0.0), Seen(now_s=LEAST_S, reached=False)) == Verdict()


def test_a_line_is_at_work_by_its_own_pace() -> None:
    quick = LineNow(frames=100, first_s=0.0, last_s=99.0)
    slow = LineNow(frames=5, first_s=0.0, last_s=400.0)
    lines = {
        "quick": quick,
        "slow": slow,
        "never": LineNow(frames=0, errors=3, first_s=0.0, last_s=99.0),
        "new": LineNow(frames=0),
    }
    assert live(lines, 100.0) == {"quick": MOST_S, "slow": 500.0}
    assert live(lines, 120.0) == {"slow": 500.0}
    assert live({"once": LineNow(frames=2, first_s=0.0, last_s=5000.0)}, 5001.0) == {"once": LONGEST_S}


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (config(("a", "folder:/x"), ("b", "push:b")), {}),
        (config(("a", "folder:/y"), ("b", "push:b")), {"a": "a"}),
        (config(("c", "folder:/x"), ("b", "push:b")), {"a": "c"}),
        (config(("b", "push:b")), {}),
        (config(("a", "folder:/x"), ("b", "push:b"), more="[drift]\nthin = 2"), {"a": "a", "b": "b"}),
        (config(("a", "folder:/x"), ("b", "push:b"), more='[inference]\nhttp = "127.0.0.1:8001"'), {"b": "b"}),
        (config(("a", "folder:/x"), ("b", "push:b"), more='[management]\nlisten = "[::]:1"'), {}),
    ],
    ids=["same", "source", "renamed", "taken away", "drift", "pushed where none listens", "management"],
)
def test_only_lines_that_begin_anew_have_to_show_something(after: EdgeConfig, wanted: dict[str, str]) -> None:
    assert counterparts(config(("a", "folder:/x"), ("b", "push:b")), after) == wanted
