"""Which version runs at a start, and when a new one has shown that it is sound: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from edge_runtime.contracts.status import PipelineStatus, TrialReport
from edge_runtime.runtime.trial import (
    GRACE_S,
    POWER_CUT,
    Begun,
    Handover,
    Look,
    Watch,
    at_start,
    complaints,
    handed_over,
)
from edge_runtime.update import slots as machine
from edge_runtime.update.slots import Accepted, SlotTable

BUNDLE = "a" * 64
BEGUN = Begun(kernel_boot="boot-1", began_s=100.0, limit_s=105)
STAGED = machine.stage(SlotTable(), target="t", name="lineside-edge", version="1.1.0", bundle=BUNDLE, release=7)
VERIFIED = machine.verify(STAGED, file=BUNDLE, bundle=BUNDLE, release=7, trust=Accepted(root=1, signed={}))
PROBED = machine.prove(VERIFIED, None)
TRIAL = machine.begin_trial(PROBED)
LINE = PipelineStatus(name="camera", source="folder:/f", state="running", frames=50, frames_per_s=20.0)


def start(table: SlotTable, *, kernel_boot: str = "boot-1", now_s: float = 103.0) -> SlotTable:
    return at_start(table, begun=BEGUN, kernel_boot=kernel_boot, now_s=now_s)


@pytest.mark.parametrize("table", [STAGED, VERIFIED, PROBED])
def test_what_was_not_on_trial_yet_may_come_again(table: SlotTable) -> None:
    found = start(table)
    assert found.candidate is None
    assert found.a.state == "REJECTED"
    assert found.why_refused(BUNDLE) is None


@pytest.mark.parametrize(
    ("kernel_boot", "now_s", "reason", "refused"),
    [
        ("boot-1", 103.0, "it ended by itself 3 s after its start", True),
        ("boot-1", 300.0, "it was not found healthy within 105 s", True),
        ("boot-2", 5.0, POWER_CUT, False),
    ],
)
def test_a_trial_that_is_found_unfinished_is_over(kernel_boot: str, now_s: float, reason: str, refused: bool) -> None:
    found = start(TRIAL, kernel_boot=kernel_boot, now_s=now_s)
    assert (found.a.state, found.a.reason) == ("ROLLED_BACK", reason)
    assert found.active is None
    assert (found.why_refused(BUNDLE) == reason) == refused


def test_without_a_note_of_its_beginning_it_is_not_held_against_the_version() -> None:
    found = at_start(TRIAL, begun=None, kernel_boot="boot-1", now_s=1.0)
    assert (found.a.state, found.refused) == ("ROLLED_BACK", ())


def test_what_was_committed_runs_on() -> None:
    committed = machine.commit(TRIAL, TrialReport(frames=1, errors=0, latency_ms_p95=0.0))
    assert start(committed) is committed
    assert committed.floors == {"lineside-edge": 7}


def look(at_s: float = 0.0, line: PipelineStatus | None = LINE) -> Look:
    return Look(at_s=at_s, listening=True, desktops="none", lines={"camera": line} if line else {})


@pytest.mark.parametrize(
    ("seen", "amiss"),
    [
        (look(), ""),
        (replace(look(), desktops="served"), ""),
        (replace(look(), listening=False), "no desktop can reach it"),
        (replace(look(), desktops="failed"), "got no answer"),
        (look(line=None), "delivers nothing"),
        (look(line=replace(LINE, frames=4, errors=4)), "delivers nothing"),
        (look(line=replace(LINE, state="failing", last_error="no camera")), "no camera"),
        (look(line=replace(LINE, frames_per_s=9.0)), "it had 20"),
        (look(line=replace(LINE, frames_per_s=10.0)), ""),
    ],
)
def test_what_is_not_as_it_was_before(seen: Look, amiss: str) -> None:
    found = complaints(seen, Handover(lines={"camera": 20.0}))
    assert bool(found) == bool(amiss)
    assert amiss in " ".join(found)


def test_a_line_without_frames_before_needs_none() -> None:
    assert not complaints(look(line=None), Handover())


def watching(lines: dict[str, float]) -> Watch:
    handover = Handover(lines=lines, healthy_s=10.0)
    return Watch(handover, began_s=0.0, limit_s=handover.limit_s)


def slow(watch: Watch, came_s: Sequence[float], until_s: int) -> bool | None:
    """What becomes of it where frames of a line come at these seconds; its window of five seconds is a moment."""
    for at_s in range(1, until_s):
        count = sum(1 for one in came_s if one <= at_s)
        recent = sum(1 for one in came_s if at_s - 5 < one <= at_s) / 5
        line = replace(LINE, frames=count, frames_per_s=recent, state="running" if recent else "no-input")
        if (decided := watch.see(look(float(at_s), line))) is not None:
            return decided
    return None


def test_a_slow_line_is_judged_by_its_own_pace() -> None:
    six = {"camera": 1 / 6}
    assert slow(watching(six), range(4, 200, 6), 60) is True
    # Now and then one is late.
    assert slow(watching(six), [3, 9, 17, 23, 27, 34], 60) is True
    late = watching(six)
    assert slow(late, [3, 9], 200) is False
    assert "has had no frame for" in late.last[0]
    fewer = watching(six)
    assert slow(fewer, range(3, 200, 18), 200) is False
    assert "frames a second; it had 0.17" in fewer.last[0]


def test_it_is_given_the_time_that_a_slow_line_takes() -> None:
    minute = watching({"camera": 1 / 60, "other": 10.0})
    assert minute.limit_s == 180 + GRACE_S
    other = replace(LINE, name="other")
    for at_s in range(1, 200):
        line = replace(LINE, frames=at_s // 60 + 1, frames_per_s=0.0)
        found = minute.see(replace(look(float(at_s)), lines={"camera": line, "other": other}))
        assert found is (True if at_s == 181 else None)
        if found:
            break
    # One that comes a few times a day is not waited for, and named.
    assert handed_over({"camera": 20.0, "hourly": 1 / 3600}, 10.0) == Handover(
        lines={"camera": 20.0}, healthy_s=10.0, unjudged=("hourly",)
    )


def test_it_has_to_do_well_for_long_enough_on_end() -> None:
    watch = watching({"camera": 20.0})
    assert watch.see(look(1.0)) is None
    assert watch.see(look(10.9)) is None
    assert watch.see(look(10.95, line=None)) is None
    assert watch.see(look(12.0)) is None
    assert watch.see(look(21.9)) is None
    assert watch.see(look(22.0)) is True


def test_it_gives_way_before_the_kernel_ends_it() -> None:
    watch = watching({"camera": 20.0})
    assert watch.see(look(10.0 + GRACE_S - 6, line=None)) is None
    assert watch.see(look(10.0 + GRACE_S - 5, line=None)) is False
    assert "delivers nothing" in watch.last[0]


def test_time_in_which_the_machine_slept_is_not_held_against_a_trial() -> None:
    begun = replace(BEGUN, slept_s=50.0)
    found = at_start(TRIAL, begun=begun, kernel_boot="boot-1", now_s=103.0 + 3600, slept_s=50.0 + 3600)
    assert found.a.reason == "it ended by itself 3 s after its start"
    longer = at_start(TRIAL, begun=begun, kernel_boot="boot-1", now_s=300.0 + 3600, slept_s=50.0 + 3600)
    assert longer.a.reason == "it was not found healthy within 105 s"
    # Written by a version that did not say how long the machine had slept.
    assert at_start(TRIAL, begun=BEGUN, kernel_boot="boot-1", now_s=103.0, slept_s=9000.0).a.reason == (
        "it ended by itself 3 s after its start"
    )
