"""The configuration of real boxes from a desktop: tried, followed where it moves, gone back to, on several boxes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from app.__main__ import main
from app.usecases import activity, box_config, boxes
from app.usecases.labels import label_box
from edge_runtime.contracts.config_errors import ConfigMoved
from edge_runtime.contracts.configuring import ConfigVersion
from edge_runtime.contracts.errors import AlreadyExists, BoxRefused, ConfigInvalid, NotFound
from edge_runtime.enrolment import create_home
from tests.fakes.drilled_site import running_line
from tests.fakes.rolling_site import RollingSite, free_port
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until


@pytest.fixture
def box(plant: RollingSite) -> RunningBox:
    return plant.add_box("press-1", more="")


def test_the_desktop_follows_a_box_whose_listener_moves(plant: RollingSite, box: RunningBox) -> None:
    before = boxes.get_box(plant.ctx, "press-1").address
    port = free_port()
    text = box.edge_toml.replace(before, f"127.0.0.1:{port}")
    with running_line(box.frames):
        outcome = box_config.set_config(plant.ctx, "press-1", text)
        assert (outcome.version.state, outcome.address) == ("in-force", f"127.0.0.1:{port}")
        assert boxes.get_box(plant.ctx, "press-1").address == f"127.0.0.1:{port}"
        assert box.edge_toml == text
        back = box_config.go_back(plant.ctx, "press-1")
    assert (back.version.origin, back.version.of, back.address) == ("returned-to", 1, before)
    assert boxes.refresh(plant.ctx, "press-1")[0].problem is None
    told = {one.what for one in activity.page_activity(plant.ctx).rows}
    assert {box_config.SET, "box.moved"} <= told


def test_what_changes_for_programs_is_opened_anew(plant: RollingSite, box: RunningBox) -> None:
    port = free_port()
    box_config.set_config(plant.ctx, "press-1", box.edge_toml.replace('http = ""', f'http = "127.0.0.1:{port}"'))
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    assert status.inference == {"http": f"127.0.0.1:{port}"}
    box_config.go_back(plant.ctx, "press-1")
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    assert status.inference == {}
    assert status.config is not None
    assert (status.config.in_force, status.config.trial) == (3, None)


def test_an_address_for_programs_that_is_taken_is_refused_at_once(plant: RollingSite, box: RunningBox) -> None:
    text = box.edge_toml
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = text.splitlines().index('http = ""') + 1
        with pytest.raises(ConfigInvalid, match=f"line {line}, inference.http: the box cannot listen"):
            box_config.begin_set(plant.ctx, "press-1", text.replace('http = ""', f'http = "{address}"'))
    assert [one.state for one in box_config.read_config(plant.ctx, "press-1").versions] == ["in-force"]


def test_nothing_is_overwritten_that_nobody_has_seen(plant: RollingSite, box: RunningBox) -> None:
    seen = box_config.read_config(plant.ctx, "press-1")
    by_hand = box.edge_toml + "keep_random = 0.25\n"
    (box.home / "edge.toml").write_text(by_hand)
    with pytest.raises(ConfigMoved, match="is not the one that was changed"):
        box_config.set_config(plant.ctx, "press-1", seen.toml + "keep_random = 0.5\n", base=seen.digest)
    wait_until(lambda: box_config.read_config(plant.ctx, "press-1").in_state("waiting"), 30, "the edit to be noticed")
    with pytest.raises(ConfigMoved, match="was edited on press-1 and does not run yet"):
        box_config.set_config(plant.ctx, "press-1", seen.toml + "keep_random = 0.5\n")
    assert box.edge_toml == by_hand
    # Seen, and replaced on purpose; what was edited is kept as a version.
    now = box_config.read_config(plant.ctx, "press-1")
    box_config.set_config(plant.ctx, "press-1", seen.toml + "keep_random = 0.5\n", base=now.digest[:12])
    edited = next(one for one in box_config.read_config(plant.ctx, "press-1").versions if one.origin == "edited")
    assert edited.state == "replaced"
    assert box_config.read_config(plant.ctx, "press-1", edited.number).toml == by_hand
    assert box_config.go_back(plant.ctx, "press-1", edited.number).version.state == "in-force"
    assert box.edge_toml == by_hand
    with pytest.raises(NotFound):
        box_config.go_back(plant.ctx, "press-1", 99)


def test_a_way_back_loses_no_edit_of_a_moment_ago(plant: RollingSite, box: RunningBox) -> None:
    first = box.edge_toml
    box_config.set_config(plant.ctx, "press-1", first + "keep_random = 0.5\n")
    by_hand = first + "keep_random = 0.25\n"
    (box.home / "edge.toml").write_text(by_hand)
    with pytest.raises(ConfigMoved, match="was edited on press-1 and does not run yet"):
        box_config.go_back(plant.ctx, "press-1")
    assert box.edge_toml == by_hand
    # Before the box looks for edits by itself.
    (box.home / "edge.toml").write_text(by_hand + "# once more\n")
    base = box_config.read_config(plant.ctx, "press-1").digest
    outcome = box_config.go_back(plant.ctx, "press-1", base=base)
    assert (outcome.version.of, box.edge_toml) == (1, first)
    last = [one for one in box_config.read_config(plant.ctx, "press-1").versions if one.origin == "edited"][-1]
    assert last.state == "replaced"
    assert box_config.read_config(plant.ctx, "press-1", last.number).toml == by_hand + "# once more\n"


def test_an_edit_that_cannot_be_used_does_not_keep_a_box_from_starting(plant: RollingSite, box: RunningBox) -> None:
    broken = box.edge_toml + "keep_most = 1\n"
    box.stop()
    (box.home / "edge.toml").write_text(broken)
    # As the service does before each start.
    assert create_home(box.home, name="other").name == "press-1"
    for _ in range(2):
        box.start()
        with running_line(box.frames):
            wait_until(lambda: _frames(plant) > 3, 60, "frames")
        found = wait_until(lambda: _waiting(plant), 30, "the edit to be noticed")
        assert [one.number for one in found] == [2]
        assert "keep_most: there is no such field" in found[0].reason
        box.stop()
    assert box.edge_toml == broken


def _waiting(plant: RollingSite) -> list[ConfigVersion]:
    return [one for one in box_config.read_config(plant.ctx, "press-1").versions if one.state == "waiting"]


def _frames(plant: RollingSite) -> int:
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    return status.pipelines[0].frames if status else 0


def test_a_second_change_waits_for_the_first(plant: RollingSite, box: RunningBox) -> None:
    text = box.edge_toml
    begun = box_config.begin_set(plant.ctx, "press-1", text + "keep_random = 0.5\n")
    with pytest.raises(BoxRefused, match="on trial"):
        box_config.begin_set(plant.ctx, "press-1", text + "keep_random = 0.25\n")
    assert box_config.follow(plant.ctx, begun).changed
    again = box_config.set_config(plant.ctx, "press-1", text + "keep_random = 0.5\n")
    assert (again.changed, again.version.number) == (False, 2)


def test_several_boxes_from_the_command_line_end_at_the_first_that_fails(
    plant: RollingSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(plant.ctx.home)]
    pair = [RunningBox(plant.folder, name) for name in ("press-2", "press-3")]
    for box in pair:
        plant.stack.callback(box.kill)
        box.start()
        boxes.enrol_local(plant.ctx, box.home)
        label_box(plant.ctx, box.home.name, add=["hall 2"])
    text = tmp_path / "edge.toml"
    text.write_text(pair[0].edge_toml + "keep_random = 0.5\n")
    assert main(["boxes", "config", "label:hall 2", "--set", str(text), "--json", *home]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["version"]["state"]) for one in answer["configs"]] == [
        ("press-2", "in-force"),
        ("press-3", "in-force"),
    ]
    # The same for both, but for the name.
    assert pair[1].edge_toml == pair[0].edge_toml.replace('"press-2"', '"press-3"')

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text.write_text(pair[0].edge_toml.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
        assert main(["boxes", "config", "label:hall 2", "--set", str(text), "--json", *home]) == 1
    assert "config.invalid" in capsys.readouterr().out
    for box in pair:
        assert [one.state for one in box_config.read_config(plant.ctx, box.home.name).versions][-1] == "in-force"


def test_the_command_line_shows_sets_and_goes_back(
    plant: RollingSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(plant.ctx.home)]
    plant.add_box("press-1", more="# rtsp://admin:hunter2@10.0.0.7/\n")
    assert main(["boxes", "config", "press-1", *home]) == 0
    shown = capsys.readouterr().out
    assert "rtsp://…@10.0.0.7/" in shown
    text = tmp_path / "edge.toml"
    text.write_text(shown + "keep_random = 0.5\n")
    assert main(["boxes", "config", "press-1", "--set", str(text), *home]) == 0
    assert "in-force" in capsys.readouterr().out
    assert "admin:hunter2@" in plant.boxes["press-1"].edge_toml
    assert main(["boxes", "config", "press-1", "--history", "--json", *home]) == 0
    versions = json.loads(capsys.readouterr().out)["versions"]
    assert [(one["number"], one["state"]) for one in versions] == [(2, "in-force"), (1, "replaced")]
    assert main(["boxes", "config", "press-1", "--roll-back", "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["version"]["of"] == 1
    assert main(["boxes", "config", "press-1", "--version", "2", "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["toml"] == text.read_text()
    text.write_text(shown + "keep_most = 0.5\n")
    assert main(["boxes", "config", "press-1", "--set", str(text), *home]) == 1
    assert "keep_most: there is no such field" in capsys.readouterr().err
    assert main(["boxes", "config", "press-1", "press-2", *home]) == 1


def test_a_file_that_cannot_be_used_reaches_no_box(plant: RollingSite, box: RunningBox) -> None:
    with pytest.raises(ConfigInvalid):
        box_config.set_configs(plant.ctx, ["press-1"], "\n")
    with pytest.raises((AlreadyExists, ConfigInvalid)):
        taken = boxes.get_box(plant.ctx, "press-1").address.replace("127.0.0.1", "192.0.2.1")
        text = box.edge_toml.replace(boxes.get_box(plant.ctx, "press-1").address, taken)
        box_config.set_config(plant.ctx, "press-1", text)
