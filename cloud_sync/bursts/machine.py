"""The states of a burst and what moves it from one to the next: a pure table.

Events are observations ("the agent is alive") or decisions ("cancel"). One that means nothing in a state, such
as a late heartbeat of a closed burst, leaves it as it is: observations may come late, twice or in any order.
The controller saves the new state before it carries out the effects, and repeats the effects of a state
that it finds after a crash: all of them are idempotent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "DRAFT",
    "QUOTED",
    "QUEUED_OFFLINE",
    "STAGED",
    "LAUNCHING",
    "BOOTING",
    "RUNNING",
    "FINISHING",
    "IMPORTED",
    "GATED",
    "CLOSED",
    "CAPACITY_WAIT",
    "PREEMPTED",
    "CANCELLING",
    "CANCELLED",
    "FAILED",
    "UNKNOWN",
]
Event = Literal[
    "quoted",  # a price is known
    "queued",  # wanted, but the store does not answer
    "staged",  # spec and inputs are in the store
    "launch",  # decided to make the next attempt
    "launched",  # the host took the attempt
    "no-capacity",  # the host has no machine now
    "launch-refused",  # the host will never take it
    "alive",  # the host has the attempt and it has sent a heartbeat
    "unreachable",  # nobody can say
    "gone",  # the host is sure that no attempt is there
    "finished",  # DONE says finished
    "failed",  # DONE says failed or past its deadline; or the result is unusable
    "exhausted",  # money, time or attempts are used up
    "cancel",  # somebody asked to stop
    "imported",  # the desktop has the artifacts
    "gated",  # the gate has judged
    "closed",  # nothing is left to do
]
Effect = Literal["launch", "stop"]

WAITING: frozenset[State] = frozenset({"STAGED", "CAPACITY_WAIT", "PREEMPTED"})
"""Nothing runs and the next attempt may be launched."""
OUT: frozenset[State] = frozenset({"LAUNCHING", "BOOTING", "RUNNING", "UNKNOWN"})
"""An attempt may be out there, working and costing."""
ENDED: frozenset[State] = frozenset({"CLOSED", "CANCELLED", "FAILED"})


@dataclass(frozen=True, slots=True)
class Transition:
    """The state to save, then what to do."""

    state: State
    effects: tuple[Effect, ...] = ()


def _table() -> dict[tuple[State, Event], Transition]:
    table: dict[tuple[State, Event], Transition] = {
        ("DRAFT", "quoted"): Transition("QUOTED"),
        ("QUOTED", "queued"): Transition("QUEUED_OFFLINE"),
        ("QUOTED", "staged"): Transition("STAGED"),
        ("QUEUED_OFFLINE", "staged"): Transition("STAGED"),
        # Asked again: the price changed while it waited.
        ("QUEUED_OFFLINE", "quoted"): Transition("QUOTED"),
        ("LAUNCHING", "launched"): Transition("BOOTING"),
        ("LAUNCHING", "no-capacity"): Transition("CAPACITY_WAIT"),
        ("LAUNCHING", "launch-refused"): Transition("FAILED", ("stop",)),
        # The call may not have arrived: the same request again, which the host takes only once.
        ("LAUNCHING", "gone"): Transition("LAUNCHING", ("launch",)),
        ("BOOTING", "gone"): Transition("PREEMPTED"),
        ("RUNNING", "gone"): Transition("PREEMPTED"),
        ("UNKNOWN", "gone"): Transition("PREEMPTED"),
        ("UNKNOWN", "launched"): Transition("BOOTING"),
        ("BOOTING", "unreachable"): Transition("UNKNOWN"),
        ("RUNNING", "unreachable"): Transition("UNKNOWN"),
        # The last word arrived after the host had let go of the attempt.
        ("PREEMPTED", "finished"): Transition("FINISHING"),
        ("PREEMPTED", "failed"): Transition("FAILED"),
        ("CANCELLING", "gone"): Transition("CANCELLED"),
        ("FINISHING", "imported"): Transition("IMPORTED"),
        ("FINISHING", "failed"): Transition("FAILED"),
        ("FINISHING", "cancel"): Transition("CANCELLED", ("stop",)),
        ("IMPORTED", "gated"): Transition("GATED"),
        ("IMPORTED", "failed"): Transition("FAILED"),
        ("GATED", "closed"): Transition("CLOSED"),
    }
    for state in ("DRAFT", "QUOTED", "QUEUED_OFFLINE", "STAGED", "CAPACITY_WAIT", "PREEMPTED"):
        table[state, "cancel"] = Transition("CANCELLED")
        table[state, "exhausted"] = Transition("FAILED")
    for state in WAITING:
        table[state, "launch"] = Transition("LAUNCHING", ("launch",))
    for state in OUT:
        table[state, "alive"] = Transition("RUNNING")
        table[state, "finished"] = Transition("FINISHING", ("stop",))
        table[state, "failed"] = Transition("FAILED", ("stop",))
        table[state, "exhausted"] = Transition("FAILED", ("stop",))
        table[state, "cancel"] = Transition("CANCELLING", ("stop",))
    # Whatever still lives after the end, or is asked to stop once more, is stopped again.
    for state in ("CANCELLING", "FINISHING", "IMPORTED", "GATED", *sorted(ENDED)):
        table[state, "alive"] = Transition(state, ("stop",))
    return table


_TABLE = _table()


def next_state(state: State, event: Event) -> Transition:
    """What ``event`` makes of a burst in ``state``; the state itself, without effects, where it means nothing."""
    return _TABLE.get((state, event), Transition(state))
