from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.bursts.machine import ENDED, OUT, WAITING, Event, State, Transition, next_state

STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)

# Written out by hand, a row a state: what is not here must change nothing.
EXPECTED: dict[str, dict[str, str]] = {
    "DRAFT": {"quoted": "QUOTED", "exhausted": "FAILED", "cancel": "CANCELLED"},
    "QUOTED": {"queued": "QUEUED_OFFLINE", "staged": "STAGED", "exhausted": "FAILED", "cancel": "CANCELLED"},
    "QUEUED_OFFLINE": {"quoted": "QUOTED", "staged": "STAGED", "exhausted": "FAILED", "cancel": "CANCELLED"},
    "STAGED": {"launch": "LAUNCHING+launch", "exhausted": "FAILED", "cancel": "CANCELLED"},
    "CAPACITY_WAIT": {"launch": "LAUNCHING+launch", "exhausted": "FAILED", "cancel": "CANCELLED"},
    "PREEMPTED": {
        "launch": "LAUNCHING+launch",
        "finished": "FINISHING",
        "failed": "FAILED",
        "exhausted": "FAILED",
        "cancel": "CANCELLED",
    },
    "LAUNCHING": {
        "launched": "BOOTING",
        "no-capacity": "CAPACITY_WAIT",
        "launch-refused": "FAILED+stop",
        "gone": "LAUNCHING+launch",
        "alive": "RUNNING",
        "finished": "FINISHING+stop",
        "failed": "FAILED+stop",
        "exhausted": "FAILED+stop",
        "cancel": "CANCELLING+stop",
    },
    "BOOTING": {
        "alive": "RUNNING",
        "gone": "PREEMPTED",
        "unreachable": "UNKNOWN",
        "finished": "FINISHING+stop",
        "failed": "FAILED+stop",
        "exhausted": "FAILED+stop",
        "cancel": "CANCELLING+stop",
    },
    "RUNNING": {
        "gone": "PREEMPTED",
        "unreachable": "UNKNOWN",
        "finished": "FINISHING+stop",
        "failed": "FAILED+stop",
        "exhausted": "FAILED+stop",
        "cancel": "CANCELLING+stop",
    },
    "UNKNOWN": {
        "launched": "BOOTING",
        "alive": "RUNNING",
        "gone": "PREEMPTED",
        "finished": "FINISHING+stop",
        "failed": "FAILED+stop",
        "exhausted": "FAILED+stop",
        "cancel": "CANCELLING+stop",
    },
    "CANCELLING": {"alive": "CANCELLING+stop", "gone": "CANCELLED"},
    "FINISHING": {
        "alive": "FINISHING+stop",
        "imported": "IMPORTED",
        "failed": "FAILED",
        "cancel": "CANCELLED+stop",
    },
    "IMPORTED": {"alive": "IMPORTED+stop", "gated": "GATED", "failed": "FAILED"},
    "GATED": {"alive": "GATED+stop", "closed": "CLOSED"},
    "CLOSED": {"alive": "CLOSED+stop"},
    "CANCELLED": {"alive": "CANCELLED+stop"},
    "FAILED": {"alive": "FAILED+stop"},
}


@pytest.mark.parametrize("state", STATES)
def test_every_pair(state: State) -> None:
    for event in EVENTS:
        transition = next_state(state, event)
        said = "+".join([transition.state, *transition.effects])
        assert said == EXPECTED[state].get(event, state), f"{event} in {state}"


def test_expected_names_every_state_and_only_real_events() -> None:
    assert set(EXPECTED) == set(STATES)
    assert {event for row in EXPECTED.values() for event in row} <= set(EVENTS)


def test_every_state_can_be_reached_and_left_unless_it_is_an_end() -> None:
    reached: set[State] = {"DRAFT"}
    edge: list[State] = ["DRAFT"]
    while edge:
        state = edge.pop()
        for event in EVENTS:
            after = next_state(state, event).state
            if after not in reached:
                reached.add(after)
                edge.append(after)
    assert reached == set(STATES)
    for state in STATES:
        leaves = any(next_state(state, event).state != state for event in EVENTS)
        assert leaves == (state not in ENDED), state


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_whatever_happens_nothing_is_left_running_and_no_end_is_left(events: list[Event]) -> None:
    state: State = "DRAFT"
    running = False
    for event in events:
        before, transition = state, next_state(state, event)
        state = transition.state
        # Observations contradict the world in some of these runs; what must hold is what the effects do about it.
        if event == "gone":
            running = False
        for effect in transition.effects:
            assert not (effect == "launch" and before not in WAITING | {"LAUNCHING"})
            running = effect == "launch"
        if before in ENDED:
            assert state == before
        if state in ENDED and before in OUT:
            assert not running, f"{before} -{event}-> {state}"


@given(st.sampled_from(STATES))
def test_a_late_heartbeat_never_revives(state: State) -> None:
    after = next_state(state, "alive")
    assert after.state == "RUNNING" if state in OUT else after.state == state
    if state in ENDED:
        assert after == Transition(state, ("stop",))
