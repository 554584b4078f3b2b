"""The course of a drill, whatever the box does meanwhile."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.drill import DRILL_KINDS, DrillKind, DrillReport
from edge_runtime.drills import machine
from edge_runtime.drills.ballast import EDGE_BYTES, SYSTEM_BYTES, goal_bytes
from edge_runtime.drills.machine import AFTER_S, BEFORE_S, RECOVER_S, Drill, Effect, LineSeen, Seen

BUNDLE = "a" * 64


def report(kind: DrillKind = "cut", seconds: int = 5) -> DrillReport:
    return DrillReport(drill="0" * 32, kind=kind, box="b" * 64, who="c" * 64, seconds=seconds, begun_ms=0)


def seen(
    now_s: float, frames: int = 0, *, busy: bool = False, bundle: str = BUNDLE, problems: tuple[str, ...] = ()
) -> Seen:
    line = LineSeen(frames=frames, first_s=1.0 if frames else None, last_s=now_s if frames else None, longest_s=0.25)
    return Seen(now_s=now_s, lines={"camera": line}, bundle=bundle, slot="a", busy=busy, problems=problems)


def until_done(drill: Drill, looks: list[Seen]) -> tuple[Drill, list[Effect]]:
    effects: list[Effect] = []
    for look in looks:
        drill, effect = machine.step(drill, look)
        if effect:
            effects.append(effect)
        if drill.report.phase == "done":
            break
    return drill, effects


def test_the_usual_course() -> None:
    drill = machine.begin(report(), seen(0.0, 10))
    drill, effects = until_done(drill, [seen(number / 4, 10 + number) for number in range(1, 60)])
    assert effects == ["inject", "heal", "finish"]
    told = drill.report
    assert (told.outcome, told.problems, told.longest_gap_ms) == ("recovered", (), 250.0)
    assert (told.before.frames, told.during.frames, told.after.frames) == (8, 20, 8)
    assert (told.bundle_after, told.slot_after) == (BUNDLE, "a")


def test_a_line_that_stays_dark_is_told_of() -> None:
    drill = machine.begin(report(), seen(0.0, 10))
    looks = [seen(number / 4, 10 + min(number, 8)) for number in range(1, 400)]
    drill, _ = until_done(drill, looks)
    assert drill.report.outcome == "not-recovered"
    assert drill.report.problems == ("No line has dealt with a frame since.",)
    assert drill.report.after.seconds >= RECOVER_S


def test_another_model_or_a_disk_in_trouble_is_told_of() -> None:
    drill = machine.begin(report(), seen(0.0, 10))
    bad = partial(seen, bundle="d" * 64, problems=("The disk takes no rows: full.",))
    looks = [(bad if number > 40 else seen)(number / 4, 10 + number) for number in range(1, 28)]
    looks += [bad(7 + number, 100 + number) for number in range(1, 80)]
    drill, _ = until_done(drill, looks)
    assert drill.report.problems == ("The disk takes no rows: full.", "Another model answers than before.")


def test_a_line_that_stood_still_says_nothing_of_gaps() -> None:
    drill = machine.begin(report(), seen(0.0, 10))
    drill, _ = until_done(drill, [seen(number / 4, 10) for number in range(1, 60)])
    assert (drill.report.outcome, drill.report.longest_gap_ms) == ("recovered", None)


def test_a_trial_that_began_meanwhile_keeps_the_fault_away() -> None:
    drill = machine.begin(report(), seen(0.0, 10))
    drill, effects = until_done(drill, [seen(BEFORE_S, 12, busy=True)])
    assert (effects, drill.report.outcome) == (["finish"], "given-up")


def test_a_killed_box_counts_its_gap_across_the_start() -> None:
    drill = machine.begin(report("kill"), seen(0.0, 10))
    drill, effects = until_done(drill, [seen(BEFORE_S, 12)])
    assert effects == ["inject"]
    drill = machine.resume(drill, 6.0, same_system=True)
    assert (drill.report.phase, drill.report.restarted, drill.since_s) == ("after", True, BEFORE_S)
    line = LineSeen(frames=3, first_s=7.5, last_s=8.0, longest_s=0.1)
    drill, effects = until_done(drill, [replace(seen(8.0), lines={"camera": line})])
    assert (effects, drill.report.longest_gap_ms) == (["finish"], 5500.0)


@given(
    kind=st.sampled_from(DRILL_KINDS),
    waits=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=80),
    died=st.sets(st.integers(0, 79)),
    busy=st.sets(st.integers(0, 79)),
    frames=st.lists(st.integers(0, 5), min_size=80, max_size=80),
    same=st.booleans(),
)
def test_every_fault_is_made_once_at_most_and_taken_back(
    kind: DrillKind, waits: list[float], died: set[int], busy: set[int], frames: list[int], same: bool
) -> None:
    now, total, in_fault, made = 0.0, 10, False, 0
    drill = machine.begin(report(kind), seen(now, total))
    for number, wait in enumerate(waits):
        now += wait
        if number in died:
            # The fault ends with the process.
            in_fault, total = False, 0
            drill = machine.resume(drill, now if same else 0.0, same_system=same)
            now = now if same else 0.0
        total += frames[number]
        drill, effect = machine.step(drill, seen(now, total, busy=number in busy))
        if effect == "inject":
            in_fault, made = True, made + 1
        elif effect is not None:
            in_fault = False
        assert in_fault == (drill.report.phase == "fault")
        assert (drill.report.phase == "done") == (drill.report.outcome != "running")
        assert drill.report.before.frames >= 0
    assert made <= 1
    if drill.report.phase != "done":
        # Whatever came before, time alone ends it.
        for _ in range(4):
            now += RECOVER_S + AFTER_S
            drill, _effect = machine.step(drill, seen(now, total))
        assert drill.report.phase == "done"


@given(free=st.integers(0, 2**44), reserve=st.integers(0, 2**40))
def test_the_disk_is_filled_a_little_into_the_reserve_and_never_beyond(free: int, reserve: int) -> None:
    goal = goal_bytes(free=free, reserve=reserve)
    if goal is not None:
        assert free > reserve > goal >= SYSTEM_BYTES
        assert reserve - goal == EDGE_BYTES
