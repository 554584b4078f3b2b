"""A configuration's rollout when a desktop dies in it and another one goes on, and a box whose power is cut."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from app.context import open_context
from app.store import rollouts as rollout_store
from app.store.objects import add_object
from app.usecases import box_config, boxes, rollout_starts, rollouts, trust
from app.usecases.rollout_conflicts import list_conflicts, mend_records
from app.usecases.rollout_runner import Runner, follow_rollout
from app.usecases.subjects.sealing import require_sealed
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import TrustRefused
from tests.fakes.rolling_site import RollingSite
from tests.faults.test_rollouts import EVERY_MOMENT, follow

CHANGE = "[drift]\nthin = {}\n"


def in_force(plant: RollingSite, name: str) -> str:
    return box_config.read_config(plant.ctx, name).toml


@pytest.mark.parametrize("step", range(1, 7) if EVERY_MOMENT else (1, 2, 3))
@pytest.mark.parametrize("moment", ("before", "after") if EVERY_MOMENT else ("after",))
def test_another_desktop_goes_on_when_the_first_one_died(plant: RollingSite, step: int, moment: str) -> None:
    for name in ("press-1", "press-2"):
        plant.add_box(name)
    started = rollout_starts.start_configuration(plant.ctx, CHANGE.format(3), waves=[["press-1"], ["press-2"]])
    second = plant.second_desktop()
    assert rollouts.get_rollout(second, started.rollout) == rollouts.get_rollout(plant.ctx, started.rollout)
    died = follow(plant.ctx.home, started.rollout, step, moment)
    assert died.returncode == -signal.SIGKILL, died.stderr
    # The first one is gone with what it had not told. The second one has the text, and asks the boxes.
    assert follow_rollout(second, started.rollout).state == "done"
    assert plant.states(started, second) == {"press-1": "committed", "press-2": "committed"}
    plant.exchange(second)
    with open_context(plant.ctx.home) as again:
        assert rollouts.get_rollout(again, started.rollout).state == "done"
        assert plant.states(started, again) == {"press-1": "committed", "press-2": "committed"}
    for name in ("press-1", "press-2"):
        assert "thin = 3" in in_force(plant, name)
        assert len(box_config.read_config(plant.ctx, name).versions) == 2, "it was tried once"


def test_two_desktops_that_rolled_out_different_configurations_apart(plant: RollingSite) -> None:
    plant.add_box("press-1")
    second = plant.second_desktop()
    first = rollout_starts.start_configuration(plant.ctx, CHANGE.format(3), waves=[["press-1"]])
    assert follow_rollout(plant.ctx, first.rollout).state == "done"
    other = rollout_starts.start_configuration(second, CHANGE.format(5), waves=[["press-1"]])
    assert follow_rollout(second, other.rollout).state == "done"
    plant.exchange(second)
    for ctx in (plant.ctx, second):
        boxes.refresh(ctx)
        mend_records(ctx)
        assert plant.states(other, ctx) == {"press-1": "committed"}
    assert "thin = 5" in in_force(plant, "press-1")
    assert list_conflicts(plant.ctx) == [], "the first one was at its end when the second began"


def test_a_rollout_that_only_the_object_store_knows_of_goes_nowhere(plant: RollingSite) -> None:
    """Whoever can write there can make rows and files, but no signature of a desktop."""
    plant.add_box("press-1")
    second = plant.second_desktop()
    started = rollout_starts.start_configuration(plant.ctx, CHANGE.format(3), waves=[["press-1"]])
    body = CHANGE.format(9).encode()
    digest = plant.ctx.blobs.put(body)
    plant.ctx.database.write(lambda writer: add_object(writer, digest, len(body), "bundle"))
    other = "00000000-0000-4000-8000-00000000000{}"
    for wrong in (
        replace(started, rollout=other.format(1)),
        replace(started, rollout=other.format(2), signature=None),
        replace(started, rollout=other.format(3), signature="0" * 128),
        # The very one that a desktop started, with another file.
        replace(started, model=digest, object=digest, size=len(body)),
    ):
        rollout_store.put_rollout(plant.ctx.database, wrong)
        plant.exchange(second)
        stopped = follow_rollout(second, wrong.rollout)
        assert stopped.state == "stopped"
        assert "No desktop that the site lists has started this rollout" in (stopped.reason or "")
    assert "thin" not in in_force(plant, "press-1")


def test_whoever_is_struck_off_has_his_rollout_stopped_where_it_is_under_way(plant: RollingSite) -> None:
    for name in ("press-1", "press-2"):
        plant.add_box(name)
    second = plant.second_desktop()
    plan = Plan(pause_minutes=60)
    started = rollout_starts.start_configuration(second, CHANGE.format(3), waves=[["press-1"], ["press-2"]], plan=plan)
    plant.exchange(second)
    with Runner(plant.ctx) as runner:
        while plant.states(started)["press-1"] != "committed":
            assert runner.step(started.rollout).state == "running"
            runner.settle()
        trust.strike_off(plant.ctx, "night shift", root_key=plant.ctx.places.root_key, passphrase="correct horse")
        runner.step(started.rollout)
    stopped = rollouts.get_rollout(plant.ctx, started.rollout)
    assert stopped.state == "stopped"
    assert "No desktop that the site lists has started this rollout" in (stopped.reason or "")
    assert plant.states(started) == {"press-1": "committed", "press-2": "waiting"}


def test_rows_alone_bring_a_rollout_to_no_box_that_its_desktop_did_not_name(plant: RollingSite) -> None:
    """Neither to one more, nor to another one once it was aborted, nor earlier than its wave."""
    plant.add_box("bench-1")
    plant.add_box("line-1")
    second = plant.second_desktop()
    plant.boxes["bench-1"].kill()
    boxes.refresh(plant.ctx)
    started = rollout_starts.start_configuration(plant.ctx, CHANGE.format(3), waves=[["bench-1"]])
    rollouts.abort_rollout(plant.ctx, started.rollout, "it blinds the line")
    plant.exchange(second)
    (aborted,) = rollouts.list_rollouts(second)
    line = next(box.box for box in boxes.list_boxes(second) if box.name == "line-1")
    again = replace(aborted.boxes[0], box=line, state="waiting", reason=None, base=None)
    rollout_store.put_rollout(
        plant.ctx.database, replace(aborted, state="running", reason=None, finished_ms=None, boxes=(again,))
    )
    plant.exchange(second)
    stopped = follow_rollout(second, started.rollout)
    assert stopped.state == "stopped"
    assert "No desktop that the site lists has started this rollout for this box" in (stopped.reason or "")
    assert "thin" not in in_force(plant, "line-1")


def test_what_a_desktop_signed_of_a_box_is_its_wave_its_base_and_the_plan(plant: RollingSite) -> None:
    plant.add_box("press-1")
    plant.boxes["press-1"].kill()
    started = rollout_starts.start_configuration(plant.ctx, CHANGE.format(3), waves=[["press-1"]])
    (part,) = started.boxes
    require_sealed(plant.ctx, started, replace(part, state="failed", reason="no", mark=7, updated_ms=9))
    for rollout, wrong in (
        (started, replace(part, wave=1)),
        (started, replace(part, base=(part.base or 0) + 1)),
        (started, replace(part, box="0" * 64)),
        (started, replace(part, signature=None)),
        (started, replace(part, signature=started.signature)),
        (replace(started, plan=Plan(max_failures=9)), part),
    ):
        with pytest.raises(TrustRefused):
            require_sealed(plant.ctx, rollout, wrong)
