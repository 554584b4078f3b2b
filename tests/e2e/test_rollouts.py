"""Rollouts over real boxes: waves, pause and abort, decisions after a rollback, and what a rehearsal says."""

from __future__ import annotations

import io
import json
import socket
import time
from dataclasses import replace

import pytest

from app.__main__ import main
from app.store import boxes as box_store
from app.store import models as model_store
from app.usecases import boxes, rollout_decisions, rollouts
from app.usecases.rehearsal import rehearse
from app.usecases.rollout_runner import Runner, advance_rollout, follow_rollout
from app.usecases.rollout_words import outlook
from app.usecases.visits.recording import plan_visit
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import BundleBlacklisted, GateRefused, InputInvalid, NotFound, RolloutRefused
from edge_runtime.contracts.rows import AuditRow
from tests.fakes import models
from tests.fakes.rolling_site import SLOW, RollingSite
from tests.waiting import wait_until


def until(plant: RollingSite, rollout: str, **states: str) -> None:
    """Advance until the boxes are in these states."""
    with Runner(plant.ctx) as runner:

        def reached() -> bool:
            current = runner.step(rollout)
            now = plant.states(current)
            return all(now[name.replace("_", "-")] == state for name, state in states.items())

        wait_until(reached, 60, f"{states}")
        runner.settle()


def test_a_canary_then_waves_by_label_and_a_box_that_was_away_gets_its_turn(
    plant: RollingSite, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("press-1", "press-2", "press-3"):
        plant.add_box(name, labels=("press", "hall 2"))
    plant.release("1.0.0")
    plant.boxes["press-3"].kill()
    boxes.refresh(plant.ctx)
    waves = rollouts.plan_waves(plant.ctx, ["label:press"], canary=1, shares=[0.5, 1.0])
    assert [len(wave) for wave in waves] == [1, 1, 1]
    assert waves[2] == [boxes.get_box(plant.ctx, "press-3").box], "one that is off is no canary"
    started = rollouts.start_rollout(plant.ctx, "parts@1.0.0", waves=waves)
    until(plant, started.rollout, press_1="committed", press_2="committed")
    current = rollouts.get_rollout(plant.ctx, started.rollout)
    assert current.state == "running"
    seen = outlook(plant.ctx, current)
    assert seen.away == ("press-3",)
    assert "waiting for 1 box that is away: press-3" in (seen.words or "")
    plant.boxes["press-3"].start()
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    assert set(plant.states(started).values()) == {"committed"}
    plant.ctx.close()
    assert main(["--home", str(plant.ctx.home), "rollouts", "show", started.rollout[:8], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rollout"]["state"] == "done"
    assert [part["wave"] for part in shown["rollout"]["boxes"]] == [0, 1, 2]


def test_pause_resume_and_abort_do_what_they_say_and_are_refused_where_they_make_no_sense(plant: RollingSite) -> None:
    plant.add_box("press-1")
    plant.add_box("press-2", more=SLOW)
    plant.add_box("press-3")
    plant.release("1.0.0")
    rollouts_of = rollouts.start_rollout(
        plant.ctx, "1.0.0", waves=[["press-1"], ["press-2"], ["press-3"]], plan=Plan(max_failures=1)
    )
    name = rollouts_of.rollout
    assert rollouts.pause_rollout(plant.ctx, name).state == "paused"
    assert advance_rollout(plant.ctx, name).state == "paused"
    assert set(plant.states(rollouts_of).values()) == {"waiting"}
    for refused in (rollouts.pause_rollout, lambda ctx, one: rollouts.start_rollout(ctx, "1.0.0", waves=[["press-1"]])):
        with pytest.raises((RolloutRefused, InputInvalid)):
            refused(plant.ctx, name)
    rollouts.resume_rollout(plant.ctx, name)
    with pytest.raises(RolloutRefused, match="running cannot be resumed"):
        rollouts.resume_rollout(plant.ctx, name)
    until(plant, name, press_1="committed", press_2="trial")
    assert rollouts.abort_rollout(plant.ctx, name, "wrong lens").state == "aborted"
    assert follow_rollout(plant.ctx, name).state == "aborted"
    assert plant.states(rollouts_of) == {"press-1": "committed", "press-2": "withdrawn", "press-3": "withdrawn"}
    assert plant.runs("press-1") == "1.0.0"
    assert plant.runs("press-2") is None
    for refused in (rollouts.pause_rollout, rollouts.resume_rollout, rollouts.abort_rollout):
        with pytest.raises(RolloutRefused):
            refused(plant.ctx, name)
    # What was called back was not found wanting: it may come again at once, and nobody has to decide anything.
    again = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-2"]])
    until(plant, again.rollout, press_2="trial")
    kinds = {row.kind for row in _audits(plant, "press-2")}
    assert {"update.withdrawn", "update.forgotten"} <= kinds


def _audits(plant: RollingSite, name: str) -> list[AuditRow]:
    boxes.collect(plant.ctx, name)
    return list(boxes.page_audits(plant.ctx, name).rows)


def roll_back(plant: RollingSite, name: str, rollout: str) -> None:
    """The box has it on trial, and finds it wanting."""
    until(plant, rollout, **{name.replace("-", "_"): "trial"})
    boxes.roll_back(plant.ctx, name, "too slow")


def test_after_a_rollback_it_is_offered_again_held_or_blacklisted(
    plant: RollingSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.add_box("press-1", more=SLOW)
    plant.add_box("press-2")
    plant.release("1.0.0")
    first = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"], ["press-2"]])
    roll_back(plant, "press-1", first.rollout)
    stopped = follow_rollout(plant.ctx, first.rollout)
    assert stopped.state == "stopped"
    assert "press-1 rolled back: too slow" in (stopped.reason or "")
    with pytest.raises(RolloutRefused, match="the canary did not take it"):
        rollouts.resume_rollout(plant.ctx, first.rollout)

    rollout_decisions.decide(plant.ctx, "press-1", "1.0.0", "offer-again", "the belt stood")
    assert rollouts.get_rollout(plant.ctx, first.rollout).state == "running"
    roll_back(plant, "press-1", first.rollout)
    stopped = follow_rollout(plant.ctx, first.rollout)
    assert stopped.state == "stopped", "one decision is good for one more try"
    assert rollout_decisions.list_decisions(plant.ctx)[0].choice == "offered"

    # A new rollout is refused by the box itself, until somebody decides.
    second = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    stopped = follow_rollout(plant.ctx, second.rollout)
    assert stopped.state == "stopped"
    assert "was rolled back on this box before: too slow" in (stopped.reason or "")

    rollout_decisions.decide(plant.ctx, "press-1", "1.0.0", "hold")
    third = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"], ["press-2"]])
    assert plant.states(third) == {"press-1": "held", "press-2": "waiting"}
    assert follow_rollout(plant.ctx, third.rollout).state == "done"
    assert plant.runs("press-2") == "1.0.0"
    assert plant.runs("press-1") is None

    boxes.refresh(plant.ctx)
    with pytest.raises(InputInvalid, match=r"press-2 runs parts 1\.0\.0"):
        rollout_decisions.decide(plant.ctx, "press-2", "1.0.0", "hold")
    with pytest.raises(InputInvalid, match="Say why"):
        rollout_decisions.decide(plant.ctx, "press-1", "1.0.0", "hold", " ")
    fourth = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-2"], ["press-1"]])
    blacklist = ["rollouts", "decide", "press-1", "1.0.0", "blacklist", "--reason", "melts lenses"]
    there = ["--home", str(plant.ctx.home), "--json"]
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main([*blacklist, *there]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "input.invalid"
    assert "It runs on press-2" in error["message"]
    assert rollouts.get_rollout(plant.ctx, fourth.rollout).state == "running", "nothing was decided"
    assert main([*blacklist, "--yes", *there]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs_on"] == [boxes.get_box(plant.ctx, "press-2").box]
    need = next(plan for plan in plan_visit(plant.ctx).boxes if plan.name == "press-2").needs
    assert "blacklisted" in [one.kind for one in need]
    assert rollouts.get_rollout(plant.ctx, fourth.rollout).state == "aborted"
    for again in (
        lambda: rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-2"]]),
        lambda: rollout_decisions.decide(plant.ctx, "press-2", "1.0.0", "offer-again"),
        lambda: rollouts.shadow(plant.ctx, "press-2", "1.0.0"),
    ):
        with pytest.raises(BundleBlacklisted, match="melts lenses"):
            again()
    assert [one.kind for one in rehearse(plant.ctx, "1.0.0", waves=[["press-2"]]).boxes[0].refusals] == ["blacklist"]


def test_one_box_that_hangs_does_not_hold_up_the_others(plant: RollingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("press-1", "press-2", "press-3"):
        plant.add_box(name)
    model = plant.release("1.0.0")
    # The second takes connections, and nothing ever comes back: whoever waits for it waits for the rest of the test.
    monkeypatch.setattr("app.fleet.client.ANSWER_TIMEOUT_S", 600.0)
    with Runner(plant.ctx) as runner, socket.create_server(("127.0.0.1", 0)) as silent:
        second = boxes.get_box(plant.ctx, "press-2")
        box_store.set_status(plant.ctx.database, second.box, address=f"127.0.0.1:{silent.getsockname()[1]}")
        started = rollouts.start_rollout(plant.ctx, model.model, waves=[["press-1"], ["press-2", "press-3"]])
        wait_until(
            lambda: plant.states(runner.step(started.rollout))["press-3"] == "committed",
            60,
            "the third, while the second keeps its thread waiting",
        )
        assert plant.states(started)["press-2"] == "waiting"
        assert boxes.get_box(plant.ctx, "press-2").problem is None, "it is still being waited for"


def test_a_rehearsal_changes_nothing_and_says_what_would_happen(
    plant: RollingSite, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.add_box("press-1")
    plant.add_box("press-2", more=SLOW)
    old = plant.release("1.0.0", padding=300_000)
    new = plant.release("1.1.0", padding=400_000)
    gone = plant.add_box("press-3")
    gone.kill()
    before = _files(plant, "press-1")
    found = rehearse(plant.ctx, "1.0.0", waves=[["press-1"], ["press-2", "press-3"]])
    assert _files(plant, "press-1") == before
    first, second, third = found.boxes
    assert (first.bytes, second.bytes, third.bytes) == (old.size, 0, old.size)
    assert (first.way, second.way) == ("whole", "neighbour"), "the first one hands it on"
    assert (found.bytes, found.most_bytes) == (2 * old.size, 3 * old.size)
    assert found.minutes is None, "the third one was never measured"
    assert first.measured == "now"
    assert first.bytes_per_s is not None
    assert first.minutes == pytest.approx(old.size / first.bytes_per_s / 60)
    assert first.peak_disk_bytes == 2 * old.size
    assert first.free_disk_bytes
    assert third.problem is not None
    assert (third.measured, third.minutes) == ("never", None)
    assert found.refused == 0
    capped = rehearse(plant.ctx, "1.0.0", waves=[["press-1", "press-2"]], plan=Plan(cap_bytes_per_s=1000))
    assert [box.minutes for box in capped.boxes] == [pytest.approx(2 * old.size / 1000 / 60)] * 2
    assert capped.minutes == pytest.approx(2 * old.size / 1000 / 60), "the cap is for both together"
    wrong: list[list[list[str]]] = [[], [[]], [["press-1"], ["press-1"]]]
    for waves in wrong:
        with pytest.raises(InputInvalid):
            rehearse(plant.ctx, "1.0.0", waves=waves)

    # What was committed is there; what is older is refused; what is on trial is waited for.
    assert follow_rollout(plant.ctx, rollouts.start_rollout(plant.ctx, "1.1.0", waves=[["press-1"]]).rollout).state
    assert rehearse(plant.ctx, "1.1.0", waves=[["press-1"]]).boxes[0].bytes == 0
    older = rehearse(plant.ctx, "1.0.0", waves=[["press-1"]]).boxes[0]
    assert [refusal.kind for refusal in older.refusals] == ["floor"]
    trial = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-2"]])
    until(plant, trial.rollout, press_2="trial")
    kinds = [one.kind for one in rehearse(plant.ctx, new.model, waves=[["press-2"]]).boxes[0].refusals]
    assert kinds == ["other-rollout", "on-trial"]
    plant.ctx.close()
    assert main(["--home", str(plant.ctx.home), "rollouts", "rehearse", "1.0.0", "--to", "press-1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["rehearsal"]
    assert shown["boxes"][0]["refusals"][0]["kind"] == "floor"
    assert "Once it has committed" in shown["point_of_no_return"]


def _files(plant: RollingSite, name: str) -> set[tuple[str, int]]:
    home = plant.boxes[name].home
    wanted = ("inbox", "slots")
    return {(str(path), path.stat().st_size) for part in wanted for path in (home / part).rglob("*") if path.is_file()}


def test_what_cannot_be_rolled_out_is_refused(plant: RollingSite) -> None:
    plant.add_box("press-1", labels=("press",))
    model = plant.release("1.0.0")
    for waves in ([], [["press-1"], ["press-1"]], [["label:press", "press-1"], ["label:press"]]):
        with pytest.raises(InputInvalid):
            rollouts.start_rollout(plant.ctx, model.model, waves=waves)
    with pytest.raises(NotFound, match="No box has the label"):
        rollouts.start_rollout(plant.ctx, model.model, waves=[["label:weld"]])
    unsigned = replace(model, model="f" * 64, version="9.0.0", state="gated")
    model_store.put_model(plant.ctx.database, unsigned)
    with pytest.raises(GateRefused):
        rollouts.start_rollout(plant.ctx, unsigned.model, waves=[["press-1"]])
    assert rollouts.list_rollouts(plant.ctx) == []


def test_the_cap_is_kept(plant: RollingSite) -> None:
    plant.add_box("press-1")
    model = plant.release("1.0.0", padding=9_000_000)
    started = rollouts.start_rollout(plant.ctx, model.model, waves=[["press-1"]], plan=Plan(cap_bytes_per_s=4_000_000))
    began = time.monotonic()
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    # Two chunks of 4 MiB have to be paid for before the last piece goes.
    assert time.monotonic() - began >= 2.0


def test_frames_are_answered_all_the_while(plant: RollingSite) -> None:
    box = plant.add_box("press-1")
    for version, threshold in (("1.0.0", 128.0), ("1.1.0", 60.0)):
        plant.release(version, threshold=threshold)
        started = rollouts.start_rollout(plant.ctx, version, waves=[["press-1"]])
        (box.frames / f"{version}.png").write_bytes(models.frame(100))
        assert follow_rollout(plant.ctx, started.rollout).state == "done"
    assert plant.runs("press-1") == "1.1.0"
