"""On a real box one thing is tried at a time: a configuration, a model or a drill; what comes second is told so."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.usecases import box_config, boxes, rollouts
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.contracts.drill import DrillRequest
from edge_runtime.contracts.errors import BoxBusy, ConfigInvalid, DrillRefused
from tests.fakes.drilled_site import put_model, running_line
from tests.fakes.rolling_site import RollingSite
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until


@pytest.fixture
def box(plant: RollingSite) -> Iterator[RunningBox]:
    box = plant.add_box("press-1")
    put_model(plant, "press-1")
    with running_line(box.frames):
        yield box


def drill() -> DrillRequest:
    return DrillRequest(drill=uuid.uuid4().hex, kind="clock", seconds=3)


def test_while_a_configuration_is_on_trial_no_drill_begins_and_a_model_gets_its_turn_later(
    plant: RollingSite, box: RunningBox, tmp_path: Path
) -> None:
    plant.release("2.0.0")
    text = (box.home / "edge.toml").read_text()
    wait_until(lambda: _frames(plant) > 3, 60, "the line to be at work")
    # The line was at work, so this one is tried for a good while, and then given up.
    begun = box_config.begin_set(plant.ctx, "press-1", text.replace(str(box.frames), str(tmp_path / "nothing-comes")))
    with boxes.connect(plant.ctx, boxes.get_box(plant.ctx, "press-1")) as client:
        with pytest.raises(DrillRefused, match="A configuration is on trial"):
            client.begin_drill(drill())
        with pytest.raises(BoxBusy, match="A configuration is on trial") as refused:
            client.install("whatever.bundle")
        assert refused.value.code == "box.busy"
        with pytest.raises(BoxBusy, match="Another configuration is on trial"):
            box_config.begin_set(plant.ctx, "press-1", text.replace("= 0.3", "= 0.2"))
        assert [slot.state for slot in client.status().slots if slot.bundle] == ["COMMITTED"]
        assert client.drill().report == ""
    started = rollouts.start_rollout(plant.ctx, "2.0.0", waves=[["press-1"]])
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    assert plant.runs("press-1") == "2.0.0"
    returned = box_config.read_config(plant.ctx, "press-1").versions[-1]
    trial = begun.history.in_state("trial")
    assert trial is not None
    assert (returned.number, returned.state) == (trial.number, "returned")


def test_while_a_drill_is_under_way_no_configuration_is_tried(plant: RollingSite, box: RunningBox) -> None:
    text = (box.home / "edge.toml").read_text()
    known = boxes.get_box(plant.ctx, "press-1")
    with boxes.connect(plant.ctx, known) as client:
        client.begin_drill(drill())
        with pytest.raises(BoxBusy, match="A drill is under way"):
            box_config.begin_set(plant.ctx, "press-1", text.replace("= 0.3", "= 0.2"))
        # A mistake is told of all the same.
        with pytest.raises(ConfigInvalid):
            box_config.begin_set(plant.ctx, "press-1", text + "keep_most = 0.5\n")
        wait_until(lambda: json.loads(client.drill().report)["phase"] == "done", 90, "the end of the drill")
        assert json.loads(client.drill().report)["outcome"] == "recovered"
    assert box_config.set_config(plant.ctx, "press-1", text.replace("= 0.3", "= 0.2")).changed


def _frames(plant: RollingSite) -> int:
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    return status.pipelines[0].frames if status else 0
