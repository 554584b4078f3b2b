"""Rollouts of models that turn out bad, each in its own way, on a line that never stops.

The box ends with a committed model that was verified, no frame is missing but one that crashed it twice, and the reason
stands in the record. How long the line stood still is logged (``--log-cli-level=INFO``).
"""

from __future__ import annotations

import logging
import platform
import shutil
import subprocess
from collections.abc import Mapping

import pytest

from app.store.records import Model, Rollout
from app.usecases import boxes, rollout_decisions, rollouts
from app.usecases.rollout_conflicts import mend_records
from app.usecases.rollout_runner import Runner, follow_rollout
from cloud_sync.release.plan import Plan
from edge_runtime.enrolment import address_file
from edge_runtime.processes import python_command
from edge_runtime.service.crashes import RETURNS_AFTER
from tests.fakes import models, small_disk
from tests.fakes.fed_line import Account, FedLine, account, fed
from tests.fakes.prepared_site import in_library
from tests.fakes.rolling_site import RollingSite, free_port
from tests.fakes.running_box import RunningBox
from tests.fakes.small_disk import SmallDisk
from tests.waiting import wait_until

JUDGED_BY_FRAMES = "[update]\ntrial_frames = 12\ntrial_seconds = 120.0\n"
_log = logging.getLogger(__name__)
divides = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors divide without complaint"
)


def press(plant: RollingSite) -> tuple[RunningBox, Model]:
    """A box with 1.0.0 committed."""
    box = plant.add_box("press-1", more=JUDGED_BY_FRAMES)
    good = plant.release("1.0.0")
    with fed(box.frames):
        assert plant.roll_out(good).state == "done"
    return box, good


def patient(plant: RollingSite, version: str, weights: bytes) -> Model:
    """A model that no trial finds too slow, however busy this machine is."""
    return in_library(plant.ctx, plant.folder, version, weights, budget_ms=60_000.0)


def seen(plant: RollingSite) -> Account:
    with boxes.connect(plant.ctx, boxes.get_box(plant.ctx, "press-1")) as client:
        return account(client)


def all_answered(plant: RollingSite, line: FedLine) -> Account:
    """Once the line has caught up."""
    line.stop()
    wait_until(lambda: not seen(plant).missing(line.put), 60, "every frame to be answered")
    return seen(plant)


def goes_on(plant: RollingSite) -> None:
    """Once there is another answer than those that there are now."""
    before = len(seen(plant).answers)
    wait_until(lambda: len(seen(plant).answers) > before, 60, "the line to go on")


def check_reason(plant: RollingSite, stopped: Rollout, state: str, words: str) -> None:
    """It stands in the rollout, in the box's slot, and a committed model answers that is what was installed."""
    mended = rollouts.get_rollout(plant.ctx, stopped.rollout)
    assert mended.state == "stopped"
    assert words in (mended.reason or "")
    assert [(part.state, words in (part.reason or "")) for part in mended.boxes] == [(state, True)]
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    (bad,) = [slot for slot in status.slots if slot.bundle == mended.model]
    assert words in (bad.reason or "")
    assert plant.runs("press-1") == "1.0.0"


@pytest.mark.parametrize("how", ["slow", "inaccurate"])
def test_a_model_that_is_slow_or_wrong_costs_no_frame(plant: RollingSite, how: str) -> None:
    """The slow one is so on the line's frames alone, and the golden cases say nothing of it."""
    box, _ = press(plant)
    weights = models.trapped_model(rounds=300_000.0) if how == "slow" else models.brightness_model(threshold=10.0)
    bad = in_library(plant.ctx, plant.folder, "1.1.0", weights, budget_ms=40.0 if how == "slow" else None)
    with fed(box.frames) as line:
        line.level = 255
        stopped = plant.roll_out(bad)
        told = all_answered(plant, line)
    if how == "slow":
        check_reason(plant, stopped, "rolled-back", "95 % of frames took up to")
        assert any(row.model == bad.model for row in told.answers), "it was on the line"
    else:
        check_reason(plant, stopped, "failed", "golden cases came out as they should")
        assert not any(row.model == bad.model for row in told.answers), "it never came near the line"
    assert told.twice == []


def crash_again(plant: RollingSite, box: RunningBox) -> None:
    """As its supervisor does: started again whenever it ends, until it has returned to the model before."""

    def returned() -> bool:
        if box.process is not None and box.process.poll() is not None:
            assert box.process.returncode < 0, "it crashed"
            box.process = None
            address_file(box.home).unlink(missing_ok=True)
            box.run()
        return address_file(box.home).exists() and plant.runs("press-1") == "1.0.0"

    wait_until(returned, 120, "the box to return")


@divides
def test_a_model_that_crashes_the_box_long_after_its_commit_is_taken_off(plant: RollingSite) -> None:
    box, good = press(plant)
    bad = patient(plant, "1.1.0", models.brittle_model())
    with fed(box.frames) as line:
        done = plant.roll_out(bad)
        assert (done.state, plant.runs("press-1")) == ("done", "1.1.0")
        # The light changes, and stays so.
        line.level = 255
        crash_again(plant, box)
        wait_until(
            lambda: any(row.model == good.model for row in seen(plant).answers[-5:]), 60, "the old one's answers"
        )
        mend_records(plant.ctx)
        line.stop()
        wait_until(lambda: len(seen(plant).missing(line.put)) <= 1, 60, "the line to catch up")
        told = seen(plant)
    _log.info("three crashes, from the bad model to the good one: %d ms", told.gap_around_ms(bad.model, good.model))
    check_reason(plant, done, "rolled-back", f"the box crashed {RETURNS_AFTER} times while it was on the line")
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    assert bad.model in status.refused
    boxes.collect(plant.ctx, "press-1")
    alerts = {alert.kind: alert.message for alert in boxes.page_alerts(plant.ctx, "press-1").rows}
    assert "parts 1.1.0 was taken off the line: the box crashed" in alerts["update.rolled-back"]
    audits = [row.kind for row in boxes.page_audits(plant.ctx, "press-1").rows]
    assert audits.count("box.crashed") == RETURNS_AFTER
    # It is decided about like any other that went back.
    rollout_decisions.decide(plant.ctx, "press-1", "1.1.0", "hold")
    assert plant.states(done) == {"press-1": "held"}
    assert box.process is not None
    assert box.process.poll() is None


@divides
def test_the_next_wave_waits_for_nothing_from_a_canary_that_crashes_after_its_commit(plant: RollingSite) -> None:
    box, _ = press(plant)
    plant.add_box("press-2", more=JUDGED_BY_FRAMES)
    bad = patient(plant, "1.1.0", models.brittle_model())
    with fed(box.frames) as line:
        started = rollouts.start_rollout(
            plant.ctx, bad.model, waves=[["press-1"], ["press-2"]], plan=Plan(pause_minutes=60, max_failures=1)
        )
        with Runner(plant.ctx) as runner:
            wait_until(
                lambda: plant.states(runner.step(started.rollout))["press-1"] == "committed", 60, "the canary's commit"
            )
            runner.settle()
        line.level = 255
        crash_again(plant, box)
        stopped = follow_rollout(plant.ctx, started.rollout)
    assert stopped.state == "stopped"
    assert "the canary did not take it (press-1 rolled back: It had committed it, and went back" in (
        stopped.reason or ""
    )
    assert plant.states(started) == {"press-1": "rolled-back", "press-2": "waiting"}


def test_power_cuts_are_not_held_against_the_model(plant: RollingSite) -> None:
    box, _ = press(plant)
    new = patient(plant, "1.1.0", models.brightness_model(threshold=90.0))
    with fed(box.frames) as line:
        assert plant.roll_out(new).state == "done"
        for _ in range(RETURNS_AFTER + 1):
            box.kill()
            box.start()
            goes_on(plant)
        told = all_answered(plant, line)
    _log.info("longest gap over %d restarts: %d ms", RETURNS_AFTER + 1, told.longest_gap_ms)
    assert plant.runs("press-1") == "1.1.0"


def test_a_swap_leaves_no_frame_without_an_answer(plant: RollingSite) -> None:
    box, good = press(plant)
    new = patient(plant, "1.1.0", models.brightness_model(threshold=90.0))
    with fed(box.frames) as line:
        assert plant.roll_out(new).state == "done"
        told = all_answered(plant, line)
    answered = [row for row in told.answers if row.frame in set(line.put)]
    _log.info("a swap: %d ms", told.gap_around_ms(good.model, new.model))
    assert (told.missing(line.put), told.twice) == ([], [])
    assert {row.model for row in answered} == {good.model, new.model}


class BoxOnSmallDisk(RunningBox):
    """Its home lies on a disk that only its own processes see."""

    def __init__(self, disk: SmallDisk, plant: RollingSite) -> None:
        port = free_port()
        super().__init__(plant.folder, "press-1", port=port, more=JUDGED_BY_FRAMES)
        boxes.enrol_local(plant.ctx, self.home, address=f"127.0.0.1:{port}")
        shutil.copytree(self.home, disk.view / "press-1")
        self._disk, self.home = disk, disk.view / "press-1"
        plant.boxes["press-1"] = self

    def run(self, environment: Mapping[str, str] | None = None) -> None:
        command = python_command("edge_runtime", "run", "--home", str(self._disk.folder / "press-1"))
        self.process = subprocess.Popen([*self._disk.inside, *command])


def answered(plant: RollingSite) -> int:
    """Frames, by the box's own count: what it keeps of each is let go where the disk runs short."""
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    return status.pipelines[0].frames


class TestDisk:
    pytestmark = small_disk.needed

    def test_a_model_that_fills_the_disk_is_refused_and_the_line_goes_on(
        self, plant: RollingSite, disk: SmallDisk
    ) -> None:
        box = BoxOnSmallDisk(disk, plant)
        try:
            box.start()
            with fed(box.frames) as line:
                assert plant.roll_out(plant.release("1.0.0")).state == "done"
                stopped = plant.roll_out(plant.release("1.1.0", padding=small_disk.DISK_BYTES // 2))
                line.stop()
                wait_until(lambda: answered(plant) >= len(line.put), 60, "every frame to be answered")
            assert stopped.state == "stopped"
            assert "no space left" in (stopped.reason or "")
            assert plant.runs("press-1") == "1.0.0"
            # Nothing of it stays in the way of the next one.
            with fed(box.frames):
                assert plant.roll_out(patient(plant, "1.2.0", models.brightness_model(threshold=90.0))).state == "done"
            assert plant.runs("press-1") == "1.2.0"
        finally:
            box.kill()
