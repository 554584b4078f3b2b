"""A configuration and a program on their staged way over real boxes, in the same machinery as a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.__main__ import main
from app.fleet.config_change import with_change
from app.usecases import box_config, boxes, rollout_decisions, rollout_starts, rollouts
from app.usecases.rollout_runner import Runner, follow_rollout
from app.usecases.subjects.finding import change_of
from app.usecases.visits import recording
from app.usecases.visits.view import box_table
from edge_runtime.contracts.errors import BundleBlacklisted, ConfigInvalid, InputInvalid
from tests.fakes.drilled_site import running_line
from tests.fakes.rolling_site import QUICK, SLOW, RollingSite
from tests.waiting import wait_until

CHANGE = "[drift]\nthin = 3\n[[pipeline]]\nname = 'camera'\nkeep_random = 0.25\n"


def test_a_configuration_goes_to_a_canary_and_then_to_the_others(
    plant: RollingSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("press-1", "press-2", "press-3"):
        plant.add_box(name, labels=("press",))
    before = {name: plant.boxes[name].edge_toml for name in plant.boxes}
    plant.boxes["press-3"].kill()
    boxes.refresh(plant.ctx)
    there = ["--home", str(plant.ctx.home), "--json"]
    (tmp_path / "change.toml").write_text(f"# the camera's password is hunter2\n{CHANGE}")
    start = ["rollouts", "start", "--configuration", str(tmp_path / "change.toml"), "--to", "label:press"]
    assert main([*start, "--waves", "50%,100%", *there]) == 0
    started = json.loads(capsys.readouterr().out)["rollout"]
    assert (started["subject"], [one["wave"] for one in started["boxes"]]) == ("configuration", [0, 1, 2])
    rollout = rollouts.get_rollout(plant.ctx, started["rollout"])
    assert change_of(plant.ctx, rollout) == CHANGE
    with Runner(plant.ctx) as runner:
        wait_until(
            lambda: (
                runner.step(rollout.rollout)
                and plant.states(rollout)
                == {
                    "press-1": "committed",
                    "press-2": "committed",
                    "press-3": "waiting",
                }
            ),
            60,
            "those that answer",
        )
        runner.settle()
    assert plant.boxes["press-3"].edge_toml == before["press-3"]
    plant.boxes["press-3"].start()
    done = follow_rollout(plant.ctx, rollout.rollout)
    assert (done.state, set(plant.states(done).values())) == ("done", {"committed"})
    for name, was in before.items():
        now = plant.boxes[name].edge_toml
        assert "keep_random = 0.25" in now
        assert box_config.read_config(plant.ctx, name).in_state("in-force") is not None
        assert "hunter2" not in now
        # What the change does not name is each box's own.
        assert set(was.splitlines()) - set(now.splitlines()) <= {"keep_random = 1.0"}
    # Boxes that have it are not asked to try it again.
    numbers = [len(box_config.read_config(plant.ctx, name).versions) for name in plant.boxes]
    again = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[list(plant.boxes)])
    assert follow_rollout(plant.ctx, again.rollout).state == "done"
    assert [len(box_config.read_config(plant.ctx, name).versions) for name in plant.boxes] == numbers


def test_a_configuration_that_the_canary_returns_from_stops_and_is_decided_about(plant: RollingSite) -> None:
    first = plant.add_box("press-1")
    plant.add_box("press-2")
    before = plant.boxes["press-1"].edge_toml
    bad = "[[pipeline]]\nname = 'camera'\nsource = 'folder:/nowhere/at/all'\n"
    with running_line(first.frames):
        plant.wait_for_frames("press-1")
        started = rollout_starts.start_configuration(plant.ctx, bad, waves=[["press-1"], ["press-2"]])
        stopped = follow_rollout(plant.ctx, started.rollout)
        assert stopped.state == "stopped"
        assert plant.states(started) == {"press-1": "rolled-back", "press-2": "waiting"}
        assert "the canary did not take it (press-1 rolled back: " in (stopped.reason or "")
        assert plant.boxes["press-1"].edge_toml == before
        # A new rollout of the same is refused for what the box said, until somebody decides.
        second = rollout_starts.start_configuration(plant.ctx, bad, waves=[["press-1"]])
        assert "was rolled back on this box before" in (follow_rollout(plant.ctx, second.rollout).reason or "")
        decided = rollout_decisions.decide(plant.ctx, "press-1", started.model[:12], "offer-again")
        assert (decided.subject, decided.bundle) == ("configuration", started.model)
    rollout_decisions.decide(plant.ctx, "press-1", started.model[:12], "blacklist", "no such folder")
    with pytest.raises(BundleBlacklisted, match="no such folder"):
        rollout_starts.start_configuration(plant.ctx, bad, waves=[["press-2"]])


def test_a_box_whose_configuration_moved_is_left_alone_and_told(plant: RollingSite) -> None:
    plant.add_box("press-1")
    plant.add_box("press-2")
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"], ["press-2"]])
    mine = plant.boxes["press-2"].edge_toml + "# mine\n"
    box_config.set_config(plant.ctx, "press-2", mine)
    stopped = follow_rollout(plant.ctx, started.rollout)
    assert (stopped.state, plant.states(started)) == ("stopped", {"press-1": "committed", "press-2": "failed"})
    assert "when the rollout began it was version 1" in (stopped.reason or "")
    assert plant.boxes["press-2"].edge_toml == mine
    rollout_decisions.decide(plant.ctx, "press-2", started.model, "offer-again")
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    assert "# mine\n" in plant.boxes["press-2"].edge_toml


def test_what_is_tried_on_a_box_is_waited_for_and_each_kind_has_one_rollout(plant: RollingSite) -> None:
    plant.add_box("press-1", more=SLOW)
    plant.release("1.0.0")
    model = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    with Runner(plant.ctx) as runner:
        wait_until(
            lambda: plant.states(runner.step(model.rollout)) == {"press-1": "trial"}, 60, "the trial of the model"
        )
        configuration = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])

        def reason() -> str | None:
            runner.step_all()
            runner.settle()
            return rollouts.get_rollout(plant.ctx, configuration.rollout).boxes[0].reason

        wait_until(lambda: reason() == "parts 1.0.0 is on trial there.", 60, "the configuration to wait")
        assert plant.states(configuration) == {"press-1": "waiting"}
        with pytest.raises(InputInvalid, match="is part of a rollout that is still running"):
            rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
        rollouts.abort_rollout(plant.ctx, model.rollout)
        wait_until(lambda: reason() is None and plant.states(configuration) == {"press-1": "committed"}, 60, "its turn")
    assert plant.states(model) == {"press-1": "withdrawn"}


def test_what_a_box_has_is_named_before_it_is_blacklisted_and_stays_blacklisted_in_other_words(
    plant: RollingSite, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.add_box("press-1")
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    with pytest.raises(InputInvalid, match="press-1 runs configuration") as refused:
        rollout_decisions.decide(plant.ctx, "press-1", started.model, "hold")
    assert "boxes config press-1 --roll-back" in refused.value.hint
    decide = ["rollouts", "decide", "press-1", started.model[:12], "blacklist", "--home", str(plant.ctx.home)]
    capsys.readouterr()
    assert main(decide) != 0
    assert "It runs on press-1" in capsys.readouterr().err
    assert main([*decide, "--yes"]) == 0
    said = capsys.readouterr().out
    assert "It runs on press-1" in said
    assert "`lineside boxes config BOX --roll-back`" in said
    with pytest.raises(BundleBlacklisted) as never:
        rollout_starts.start_configuration(plant.ctx, f"# quiet\n\n{CHANGE.rstrip()}", waves=[["press-1"]])
    assert "model" not in never.value.hint


def test_a_visit_tells_which_configuration_it_found_and_left(plant: RollingSite) -> None:
    plant.add_box("press-1")
    recording.begin_visit(plant.ctx, title="Spring service")
    started = rollout_starts.start_configuration(plant.ctx, CHANGE, waves=[["press-1"]])
    assert follow_rollout(plant.ctx, started.rollout).state == "done"
    visit = recording.end_visit(plant.ctx)
    (row,) = [one for one in box_table("en", visit, started.boxes[0].box) if one.label.startswith("Configuration")]
    assert (row.before, row.after, row.changed) == ("1", "2", True)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("name = 'press'\n", ConfigInvalid),
        ("[management]\nlisten = '[::]:7443'\n", ConfigInvalid),
        ("[update]\ntrial_frams = 3\n", ConfigInvalid),
        ("[[pipeline]]\nname = 'camera'\nsource = 'stream:rtsp://user:secret@10.0.0.1/live'\n", InputInvalid),
    ],
)
def test_what_can_be_for_no_box_is_refused_before_any_is_asked(
    plant: RollingSite, change: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        rollout_starts.start_configuration(plant.ctx, change, waves=[["press-1"]])
    assert rollouts.list_rollouts(plant.ctx) == []


def test_a_change_of_a_pipeline_that_a_box_has_not_fails_there(plant: RollingSite) -> None:
    plant.add_box("press-1", more=QUICK)
    change = "[[pipeline]]\nname = 'oven'\nkeep_random = 0.5\n"
    started = rollout_starts.start_configuration(plant.ctx, change, waves=[["press-1"]])
    assert "This box has no pipeline called 'oven'" in (follow_rollout(plant.ctx, started.rollout).reason or "")


def test_a_rehearsal_of_a_configuration_changes_nothing_and_says_what_stands_against_it(
    plant: RollingSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("press-1", "press-2", "press-3", "press-4"):
        plant.add_box(name)
    before = {name: plant.boxes[name].edge_toml for name in plant.boxes}
    plant.boxes["press-3"].kill()
    box_config.set_config(plant.ctx, "press-4", with_change(before["press-4"], CHANGE))
    before["press-4"] = plant.boxes["press-4"].edge_toml
    rollout_starts.start_configuration(plant.ctx, "[drift]\nthin = 9\n", waves=[["press-2"]])
    (tmp_path / "change.toml").write_text(CHANGE)
    rehearse = ["rollouts", "rehearse", "--configuration", str(tmp_path / "change.toml")]
    assert main([*rehearse, "--wave", ",".join(plant.boxes), "--home", str(plant.ctx.home), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rehearsal"]
    told = {box["name"]: box for box in found["boxes"]}
    assert {name: [one["kind"] for one in box["refusals"]] for name, box in told.items()} == {
        "press-1": [],
        "press-2": ["other-rollout"],
        "press-3": [],
        "press-4": [],
    }
    assert told["press-1"]["bytes"] == len(with_change(before["press-1"], CHANGE).encode())
    assert told["press-3"]["problem"]
    assert (told["press-4"]["way"], told["press-4"]["bytes"]) == ("there", 0)
    assert {name: plant.boxes[name].edge_toml for name in plant.boxes} == before
