"""What boxes leave again after they committed it, and what is tried once more: on real boxes, with configurations."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from app.store import rollouts as rollout_store
from app.store.records import RolloutBoxState
from app.usecases import box_config, boxes, rollout_decisions, rollout_starts, rollouts
from app.usecases.rollout_conflicts import list_conflicts, mend_records
from app.usecases.rollout_runner import Runner, follow_rollout
from cloud_sync.release.plan import Plan
from edge_runtime.contracts import wire
from edge_runtime.contracts.config_errors import ConfigReturned
from edge_runtime.service.crash_trace import TRACE_BYTES
from edge_runtime.service.crashes import NOTE_BYTES, RETURNS_AFTER, Life
from tests.fakes.drilled_site import running_line
from tests.fakes.rolling_site import QUICK, RollingSite
from tests.waiting import wait_until

CHANGE = "[drift]\nthin = 3\n"
BAD = "[[pipeline]]\nname = 'camera'\nsource = 'folder:/nowhere/at/all'\n"


def crash(plant: RollingSite, name: str) -> None:
    """The box has crashed for the last time that it takes, and starts."""
    box = plant.boxes[name]
    box.stop()
    note = box.home / "life.note"
    life = wire.decode(note.read_bytes().rstrip(b"\0 "), Life, what=note.name)
    note.write_bytes(wire.encode(replace(life, running=True, crashes=RETURNS_AFTER - 1)).ljust(NOTE_BYTES))
    trace = b"Fatal Python error: Floating point exception\n"
    (box.home / "crash.trace").write_bytes(trace.ljust(TRACE_BYTES, b"\0"))
    (box.home / "run" / "address.json").unlink(missing_ok=True)
    box.start()


def test_a_canary_that_leaves_a_configuration_stops_the_next_wave(plant: RollingSite) -> None:
    plant.add_box("press-1")
    plant.add_box("press-2")
    started = rollout_starts.start_configuration(
        plant.ctx, CHANGE, waves=[["press-1"], ["press-2"]], plan=Plan(pause_minutes=1)
    )
    with Runner(plant.ctx) as runner:

        def step() -> str:
            runner.step_all()
            runner.settle()
            return rollouts.get_rollout(plant.ctx, started.rollout).state

        wait_until(lambda: step() and plant.states(started)["press-1"] == "committed", 60, "the canary")
        crash(plant, "press-1")
        assert "thin" not in plant.boxes["press-1"].edge_toml
        wait_until(lambda: step() != "running", 150, "the end of the rollout")
    assert plant.states(started) == {"press-1": "rolled-back", "press-2": "waiting"}
    assert rollouts.get_rollout(plant.ctx, started.rollout).state == "stopped"


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_done_rollout_stops_once_a_box_has_left_its_configuration(plant: RollingSite, by_hand: bool) -> None:
    plant.add_box("press-1")
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    with Runner(plant.ctx) as runner:

        def state() -> str:
            boxes.refresh(plant.ctx, "press-1")
            runner.step_all()
            runner.settle()
            return rollouts.get_rollout(plant.ctx, started.rollout).state

        wait_until(lambda: state() == "done", 60, "the end of the rollout")
        if by_hand:
            box_config.go_back(plant.ctx, "press-1")
        else:
            crash(plant, "press-1")
        wait_until(lambda: state() == "stopped", 60, "the return to be noticed")
        assert plant.states(started) == {"press-1": "rolled-back"}
        assert "version 1 of its configuration is in force again" in (
            rollouts.get_rollout(plant.ctx, started.rollout).boxes[0].reason or ""
        )
        if by_hand:
            # Back to the one that was rolled out: whoever rolls it out again finds it there, and it stays committed.
            box_config.go_back(plant.ctx, "press-1", 2)
            again = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
            assert follow_rollout(plant.ctx, again.rollout).state == "done"
            boxes.refresh(plant.ctx, "press-1")
            mend_records(plant.ctx)
            assert plant.states(again) == {"press-1": "committed"}


def test_a_box_that_was_being_sent_to_when_the_rollout_stopped_waits(plant: RollingSite) -> None:
    plant.add_box("press-1")
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    box = boxes.get_box(plant.ctx, "press-1").box
    plant.ctx.database.write(
        lambda writer: rollout_store.move_box(writer, started.rollout, box, "sending", None, out_of=["waiting"])
    )
    plant.ctx.database.write(
        lambda writer: rollout_store.move_rollout(
            writer, started.rollout, "stopped", out_of=["running"], reason="no", finished_ms=writer.now_ms
        )
    )
    follow_rollout(plant.ctx, started.rollout)
    assert plant.states(started) == {"press-1": "waiting"}


def test_what_was_returned_with_other_fields_stands_against_none_of_its_own(plant: RollingSite) -> None:
    first = plant.add_box("press-1", more=f"{QUICK}[drift]\nthin = 5\n")
    with running_line(first.frames):
        plant.wait_for_frames("press-1")
        # One that fails has the field as it was for long, and as it is to become.
        for thin in (5, 3):
            text = plant.boxes["press-1"].edge_toml.replace("thin = 5", f"thin = {thin}")
            with pytest.raises(ConfigReturned):
                box_config.set_config(
                    plant.ctx, "press-1", text.replace(f"folder:{first.frames}", "folder:/nowhere/at/all")
                )
        started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
        done = follow_rollout(plant.ctx, started.rollout)
        assert (done.state, done.reason) == ("done", None)
        both = rollout_starts.start_configuration(plant.ctx, CHANGE + BAD, waves=[["press-1"]])
        # As a whole it is what was returned from.
        assert "was rolled back on this box before" in (follow_rollout(plant.ctx, both.rollout).reason or "")


ENDS_AT = """
import os, signal, sys
import app.usecases.subjects.configuration as subject
from app.__main__ import main

bring = subject.ConfigurationSubject.bring
def ends(self, *args, **more):
    begin = bring(self, *args, **more)
    def end():
        if sys.argv[1] == "after":
            begin()
        os.kill(os.getpid(), signal.SIGKILL)
    return end
subject.ConfigurationSubject.bring = ends
main(["rollouts", "follow", sys.argv[2], "--home", sys.argv[3]])
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_one_more_try_is_one_where_the_desktop_dies(plant: RollingSite, moment: str) -> None:
    first = plant.add_box("press-1")

    def returned() -> int:
        versions = box_config.read_config(plant.ctx, "press-1").versions
        return sum(one.state == "returned" for one in versions)

    with running_line(first.frames):
        plant.wait_for_frames("press-1")
        started = rollout_starts.start_configuration(plant.ctx, BAD, waves=[["press-1"]])
        assert follow_rollout(plant.ctx, started.rollout).state == "stopped"
        rollout_decisions.decide(plant.ctx, "press-1", started.model[:12], "offer-again")
        command = [sys.executable, "-c", ENDS_AT, moment, started.rollout, str(plant.ctx.home)]
        killed = subprocess.run(command, timeout=120, check=False, env={**os.environ, "PYTHONWARNINGS": "error"})
        assert killed.returncode == -signal.SIGKILL
        if moment == "after":
            wait_until(lambda: returned() == 2, 120, "the end of the one try")
        assert follow_rollout(plant.ctx, started.rollout).state == "stopped"
        assert (plant.states(started), returned()) == ({"press-1": "rolled-back"}, 2)


def test_changes_of_two_desktops_that_go_together_do_not_overtake_each_other(plant: RollingSite) -> None:
    plant.add_box("press-1")
    second = plant.second_desktop()
    other = "[[pipeline]]\nname = 'camera'\nkeep_random = 0.25\n"
    one = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    two = rollout_starts.start_configuration(second, other, waves=[["press-1"]])
    assert follow_rollout(plant.ctx, one.rollout).state == "done"
    follow_rollout(second, two.rollout)
    rollout_decisions.decide(second, "press-1", two.model, "offer-again")
    assert follow_rollout(second, two.rollout).state == "done"
    plant.exchange(second)
    for ctx in (plant.ctx, second):
        boxes.refresh(ctx)
        mend_records(ctx)
        assert (plant.states(one, ctx), plant.states(two, ctx)) == ({"press-1": "committed"},) * 2
        assert list_conflicts(ctx) == []
    text = plant.boxes["press-1"].edge_toml
    assert "thin = 3" in text
    assert "keep_random = 0.25" in text


def test_a_rollout_of_another_kind_overtakes_nothing(plant: RollingSite) -> None:
    """As a desktop writes it that knows of models alone, before a box was reached and after it had committed."""
    plant.add_box("press-1")
    second = plant.second_desktop()
    plant.boxes["press-1"].kill()
    boxes.refresh(plant.ctx)
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    plant.release("1.0.0", ctx=second)
    model = rollouts.start_rollout(second, "1.0.0", waves=[["press-1"]])
    box = boxes.get_box(plant.ctx, "press-1").box

    def overtaken(state: RolloutBoxState) -> None:
        plant.ctx.database.write(
            lambda writer: rollout_store.move_box(
                writer, started.rollout, box, "overtaken", f"In rollout {model.rollout}.", out_of=[state]
            )
        )

    plant.exchange(second)
    overtaken("waiting")
    # It had come to an end there.
    plant.ctx.database.write(
        lambda writer: rollout_store.move_rollout(
            writer, started.rollout, "done", out_of=["running"], reason=None, finished_ms=writer.now_ms
        )
    )
    mend_records(plant.ctx)
    assert plant.states(started) == {"press-1": "waiting"}
    assert rollouts.get_rollout(plant.ctx, started.rollout).state == "running"
    overtaken("waiting")
    plant.boxes["press-1"].start()
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    assert plant.states(started) == {"press-1": "committed"}
    assert follow_rollout(second, model.rollout).state == "done"
    # What it said last here may be of before its trial had ended.
    boxes.refresh(plant.ctx, "press-1")
    overtaken("committed")
    mend_records(plant.ctx)
    assert plant.states(started) == {"press-1": "committed"}
    assert rollouts.get_rollout(plant.ctx, started.rollout).state == "done"
