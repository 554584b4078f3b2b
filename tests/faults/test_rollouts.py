"""Rollouts when desktops die, links drop, two desktops know nothing of each other, and boxes come back late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store import boxes as box_store
from app.usecases import boxes, rollouts, sync, trust
from app.usecases.labels import label_box, list_labels
from app.usecases.rollout_conflicts import list_conflicts, mend_records
from app.usecases.rollout_decisions import decide
from app.usecases.rollout_runner import Runner, follow_rollout
from edge_runtime.contracts.status import BoxStatus
from tests.fakes.poor_link import poor_link
from tests.fakes.prepared_site import PASSPHRASE
from tests.fakes.rolling_site import SLOW, RollingSite
from tests.fakes.wall_clock import Clock, needs_compiler
from tests.waiting import wait_until

CUT = "tests.fakes.rollout_power_cut"
CUTS = [(1, "after"), (2, "middle"), (5, "after"), (6, "before"), (6, "after")]
"""Rows of the slot table and the bundle's file: STAGED, the file, VERIFIED, PROBED, TRIAL, COMMITTED."""
EVERY_MOMENT = "LINESIDE_FAULT_ROUNDS" in os.environ
if EVERY_MOMENT:
    CUTS = [(step, moment) for step in range(1, 7) for moment in ("before", "after")] + [(2, "middle")]
MONTH_S = 31 * 24 * 3600


def follow(home: Path, rollout: str, step: int, moment: str) -> subprocess.CompletedProcess[str]:
    """In a process that dies at this step."""
    command = [sys.executable, "-m", CUT, str(home), rollout, str(step), moment]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_desktop_is_killed_at_each_persisted_step_and_goes_on(plant: RollingSite) -> None:
    for name in ("press-1", "press-2"):
        plant.add_box(name)
    waves = [["press-1"], ["press-2"]]
    plant.release("1.0.0")
    first = rollouts.start_rollout(plant.ctx, "1.0.0", waves=waves)
    whole = follow(plant.ctx.home, first.rollout, 0, "after")
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stderr.splitlines()[-1])
    assert steps >= 7, "sending, installing, committed for each, and the end"
    for number in range(1, steps + 1):
        for moment in ("before", "after") if EVERY_MOMENT else (("before", "after")[number % 2],):
            version = f"1.{number}.{int(moment == 'after')}"
            plant.release(version)
            started = rollouts.start_rollout(plant.ctx, version, waves=waves)
            died = follow(plant.ctx.home, started.rollout, number, moment)
            # A trial that is over before anybody looked has a step less.
            assert died.returncode in (-signal.SIGKILL, 0), died.stderr
            done = follow_rollout(plant.ctx, started.rollout)
            assert (done.state, done.reason) == ("done", None), (number, moment)
            assert {part.state for part in done.boxes} == {"committed"}
            assert [plant.runs(name) for name in ("press-1", "press-2")] == [version, version]


@pytest.mark.parametrize(("step", "moment"), CUTS)
def test_the_power_of_a_box_is_cut_at_a_step_of_the_update(plant: RollingSite, step: int, moment: str) -> None:
    """Until its trial it is offered again by itself; after that a person decides, and it goes on."""
    box = plant.add_box("press-1")
    plant.release("1.0.0")
    first = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    assert follow_rollout(plant.ctx, first.rollout).state == "done"
    box.kill()
    plant.release("1.1.0")
    box.start_to_die(step, moment)
    assert box.process is not None
    started = rollouts.start_rollout(plant.ctx, "1.1.0", waves=[["press-1"]])
    process = box.process

    def died() -> bool:
        with Runner(plant.ctx) as runner:
            runner.step(started.rollout)
            runner.settle()
        return process.poll() is not None

    wait_until(died, 60, "the cut")
    assert process.returncode == -signal.SIGKILL
    box.kill()
    box.start()
    assert plant.runs("press-1") in ("1.0.0", "1.1.0"), "a committed model answers"
    done = follow_rollout(plant.ctx, started.rollout)
    if done.state == "stopped":
        assert "power cut during trial" in (done.reason or "")
        decide(plant.ctx, "press-1", "1.1.0", "offer-again")
        done = follow_rollout(plant.ctx, started.rollout)
    assert (done.state, done.reason) == ("done", None)
    assert plant.runs("press-1") == "1.1.0"


def test_another_desktop_goes_on_when_the_first_one_died(plant: RollingSite) -> None:
    for name in ("press-1", "press-2"):
        plant.add_box(name)
    plant.release("1.0.0")
    started = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"], ["press-2"]])
    second = plant.second_desktop()
    assert rollouts.get_rollout(second, started.rollout) == rollouts.get_rollout(plant.ctx, started.rollout)
    died = follow(plant.ctx.home, started.rollout, 2, "after")
    assert died.returncode == -signal.SIGKILL
    # The first one is gone with what it had not told. The second one asks the boxes.
    done = follow_rollout(second, started.rollout)
    assert done.state == "done"
    assert plant.states(started, second) == {"press-1": "committed", "press-2": "committed"}
    plant.exchange(second)
    with open_context(plant.ctx.home) as again:
        assert rollouts.get_rollout(again, started.rollout).state == "done"
        assert plant.states(started, again) == {"press-1": "committed", "press-2": "committed"}


def apart(plant: RollingSite) -> Context:
    """A second desktop, which has no model that the first one releases from now on, and the other way round."""
    second = plant.second_desktop()
    assert [box.name for box in boxes.list_boxes(second)] == ["press-1"]
    return second


def settle_all(plant: RollingSite, second: Context) -> None:
    """Both go on with what they know until nothing is to be done any more, and tell each other."""
    for _ in range(2):
        plant.exchange(second)
        for ctx in (plant.ctx, second):
            for one in rollouts.list_rollouts(ctx):
                if one.state == "running":
                    follow_rollout(ctx, one.rollout)
    plant.exchange(second)
    for ctx in (plant.ctx, second):
        boxes.refresh(ctx)
        mend_records(ctx)
    plant.exchange(second)


def test_of_two_desktops_that_promised_one_box_different_bundles_the_later_one_stands(plant: RollingSite) -> None:
    plant.add_box("press-1")
    second = apart(plant)
    plant.boxes["press-1"].kill()
    plant.release("1.0.0")
    plant.release("2.0.0", ctx=second)
    early = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    late = rollouts.start_rollout(second, "2.0.0", waves=[["press-1"]])
    assert late.stamp > early.stamp
    plant.exchange(second)
    plant.boxes["press-1"].start()
    for ctx in (second, plant.ctx):
        boxes.refresh(ctx)
    settle_all(plant, second)
    for ctx in (plant.ctx, second):
        assert plant.states(early, ctx) == {"press-1": "overtaken"}
        assert plant.states(late, ctx) == {"press-1": "committed"}
        (conflict,) = list_conflicts(ctx)
        assert (conflict.name, conflict.rollout, conflict.model) == ("press-1", early.rollout, "parts 1.0.0")
        assert "night shift" in conflict.reason
        assert late.rollout[:12] in conflict.reason
        assert "parts 2.0.0" in conflict.reason
    assert plant.runs("press-1") == "2.0.0"


def test_where_both_reached_the_box_the_record_says_what_the_box_runs(plant: RollingSite) -> None:
    """Its floor decides: the bundle with the later release counter stays, whoever came last."""
    plant.add_box("press-1")
    second = apart(plant)
    plant.release("1.0.0")
    early = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    plant.release("2.0.0", ctx=second)
    late = rollouts.start_rollout(second, "2.0.0", waves=[["press-1"]])
    assert follow_rollout(second, late.rollout).state == "done"
    assert follow_rollout(plant.ctx, early.rollout).state in ("done", "stopped")
    running = plant.runs("press-1")
    settle_all(plant, second)
    assert plant.runs("press-1") == running
    winner, loser = (late, early) if running == "2.0.0" else (early, late)
    for ctx in (plant.ctx, second):
        assert plant.states(winner, ctx) == {"press-1": "committed"}
        assert plant.states(loser, ctx)["press-1"] in ("overtaken", "failed")


def test_a_link_that_drops_again_and_again_brings_it_there_in_the_end(plant: RollingSite) -> None:
    box = plant.add_box("press-1")
    plant.add_box("press-2")
    model = plant.release("1.0.0", padding=20_000_000)
    known = boxes.get_box(plant.ctx, "press-1")
    with poor_link(("127.0.0.1", int(known.address.split(":")[1])), bytes_per_s=6e6, drops_every_s=2.5) as link:
        box_store.set_status(plant.ctx.database, known.box, address=f"127.0.0.1:{link.port}")
        started = rollouts.start_rollout(plant.ctx, model.model, waves=[["press-1"], ["press-2"]])
        assert follow_rollout(plant.ctx, started.rollout).state == "done"
        assert link.drops >= 1
    assert plant.states(started) == {"press-1": "committed", "press-2": "committed"}
    assert box.process is not None


@needs_compiler
@pytest.mark.parametrize("clock_s", [-MONTH_S, -40 * 365 * 24 * 3600, MONTH_S])
def test_a_box_that_answers_for_the_first_time_after_a_month(
    plant: RollingSite, tmp_path: Path, shim: Path, clock_s: int
) -> None:
    """Meanwhile the keys changed twice and three releases were made; its clock stood still, was lost, or ran on."""
    late = plant.add_box("press-1")
    plant.add_box("press-2")
    plant.release("1.0.0")
    first = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1", "press-2"]])
    assert follow_rollout(plant.ctx, first.rollout).state == "done"
    late.kill()
    second = plant.second_desktop()
    trust.strike_off(plant.ctx, "night shift", root_key=plant.ctx.places.root_key, passphrase=PASSPHRASE)
    plant.release("1.1.0")
    plant.release("1.2.0")
    boxes.refresh(plant.ctx)
    started = rollouts.start_rollout(plant.ctx, "1.2.0", waves=[["press-2"], ["press-1"]])

    def others() -> bool:
        with Runner(plant.ctx) as runner:
            current = runner.step(started.rollout)
            runner.settle()
        return plant.states(current)["press-2"] == "committed"

    wait_until(others, 30, "the box that is there")
    assert rollouts.get_rollout(plant.ctx, started.rollout).state == "running"
    clock = Clock(tmp_path, shim)
    clock.leap_s(clock_s)
    late.start(clock.preload)
    done = follow_rollout(plant.ctx, started.rollout)
    assert (done.state, done.reason) == ("done", None)
    assert plant.runs("press-1") == "1.2.0"
    status = boxes.get_box(plant.ctx, "press-1").status
    assert isinstance(status, BoxStatus)
    assert status.root == plant.ctx.roots().version == 3
    assert boxes.refresh(second)[0].problem is not None


def test_an_aborted_box_that_was_away_is_told_when_it_is_seen(plant: RollingSite) -> None:
    box = plant.add_box("press-1", more=SLOW)
    plant.release("1.0.0")
    started = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    known = boxes.get_box(plant.ctx, "press-1")

    def states() -> str:
        with Runner(plant.ctx) as runner:
            current = runner.step(started.rollout)
            runner.settle()
        return plant.states(current)["press-1"]

    wait_until(lambda: states() == "trial", 30, "the trial")
    box_store.set_status(plant.ctx.database, known.box, address="127.0.0.1:9")
    boxes.refresh(plant.ctx)
    assert rollouts.abort_rollout(plant.ctx, started.rollout).state == "aborted"
    assert follow_rollout(plant.ctx, started.rollout).state == "aborted"
    assert plant.states(started) == {"press-1": "trial"}
    box_store.set_status(plant.ctx.database, known.box, address=known.address)
    boxes.refresh(plant.ctx)
    assert follow_rollout(plant.ctx, started.rollout).state == "aborted"
    assert plant.states(started) == {"press-1": "withdrawn"}
    assert plant.runs("press-1") is None
    assert box.process is not None


def test_pause_and_decisions_of_one_desktop_hold_on_the_other(plant: RollingSite) -> None:
    plant.add_box("press-1")
    model = plant.release("1.0.0")
    started = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    second = plant.second_desktop()
    rollouts.pause_rollout(second, started.rollout)
    plant.exchange(second)
    assert follow_rollout(plant.ctx, started.rollout).state == "paused"
    assert plant.states(started) == {"press-1": "waiting"}
    decide(second, "press-1", model.model, "blacklist", "smokes")
    label_box(second, "press-1", add=["press"])
    plant.exchange(second)
    assert rollouts.get_rollout(plant.ctx, started.rollout).state == "aborted"
    assert list_labels(plant.ctx) == {"press": 1}
    label_box(plant.ctx, "press-1", remove=["press"])
    plant.exchange(second)
    assert list_labels(second) == {}
    sync.sync_now(second)
