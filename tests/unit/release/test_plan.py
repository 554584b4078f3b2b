"""The staged rollout."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.records import RolloutBoxState
from cloud_sync.release.plan import FAILED, BoxProgress, BoxState, Decision, next_boxes


def boxes(*progress: tuple[int, BoxState]) -> list[BoxProgress]:
    return [BoxProgress(box=f"box-{i}", wave=wave, state=state) for i, (wave, state) in enumerate(progress)]


@pytest.mark.parametrize(
    ("progress", "decision"),
    [
        ((), Decision(finished=True)),
        (((0, "waiting"), (1, "waiting")), Decision(start=("box-0",))),
        (((0, "trial"), (1, "waiting")), Decision()),
        (((0, "committed"), (0, "installing"), (1, "waiting")), Decision()),
        (((0, "committed"), (1, "waiting"), (1, "waiting")), Decision(start=("box-1", "box-2"))),
        (((0, "committed"), (3, "waiting"), (7, "waiting")), Decision(start=("box-1",))),
        (((0, "committed"), (1, "committed")), Decision(finished=True)),
    ],
)
def test_waves_follow_each_other(progress: tuple[tuple[int, BoxState], ...], decision: Decision) -> None:
    assert next_boxes(boxes(*progress)) == decision


def test_a_failure_stops_the_rollout_and_says_whose() -> None:
    canary = BoxProgress(box="line-2", wave=0, state="rolled-back", reason="95 % of frames took up to 300 ms")
    decision = next_boxes([canary, *boxes((1, "waiting"))])
    assert decision.start == ()
    assert not decision.finished
    assert decision.stopped == (
        "1 of 2 boxes did not take the model (line-2 rolled back: 95 % of frames took up to 300 ms)"
    )


def test_a_tolerated_failure_does_not_hold_the_next_wave() -> None:
    progress = boxes((0, "failed"), (0, "committed"), (1, "waiting"))
    assert next_boxes(progress, max_failures=1) == Decision(start=("box-2",))


PROGRESS = st.lists(
    st.builds(
        BoxProgress,
        box=st.uuids().map(str),
        wave=st.integers(0, 3),
        state=st.sampled_from(get_args(BoxState)),
        reason=st.none(),
    ),
    max_size=8,
)


@given(PROGRESS, st.integers(0, 3))
def test_no_box_begins_before_the_waves_before_it_ended(progress: list[BoxProgress], max_failures: int) -> None:
    decision = next_boxes(progress, max_failures=max_failures)
    failures = sum(box.state in FAILED for box in progress)
    assert (decision.stopped is not None) == (failures > max_failures)
    assert not (decision.stopped and (decision.start or decision.finished))
    waves = {box.box: box.wave for box in progress}
    for started in decision.start:
        assert all(box.state in ("committed", *FAILED) for box in progress if box.wave < waves[started])
        assert next(box for box in progress if box.box == started).state == "waiting"


@given(PROGRESS.map(lambda progress: [BoxProgress(box=b.box, wave=b.wave, state="waiting") for b in progress]))
def test_it_always_comes_to_an_end(progress: list[BoxProgress]) -> None:
    states: dict[str, BoxState] = {box.box: "waiting" for box in progress}
    for _ in range(len(progress) + 1):
        now = [BoxProgress(box=box.box, wave=box.wave, state=states[box.box]) for box in progress]
        decision = next_boxes(now)
        if decision.finished:
            break
        assert decision.start
        for box in decision.start:
            states[box] = "committed"
    assert set(states.values()) <= {"committed"}


def test_the_desktops_words_are_the_same() -> None:
    assert get_args(BoxState) == get_args(RolloutBoxState)
