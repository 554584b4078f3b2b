"""A visit with real boxes and two desktops: plan, pack, take over, roll out, record, report, verify."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.context import Context
from app.usecases import boxes, rollout_runner, rollouts, sites
from tests.fakes import models
from tests.fakes.prepared_site import PASSPHRASE, admitted, release
from tests.fakes.running_box import RunningBox


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The desktop that made the site; edge bundles of this machine's user are not its."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return stack.enter_context(sites.create_site(tmp_path / "office", "North plant", PASSPHRASE))


@pytest.fixture
def box(tmp_path: Path, stack: ExitStack) -> RunningBox:
    running = RunningBox(tmp_path, "press-4")
    running.start()
    stack.callback(running.stop)
    return running


def command(home: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """What ``lineside visit … --json`` says."""
    argv = [sys.executable, "-m", "app", "--home", str(home), "visit", *words, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def feed(box: RunningBox, count: int) -> None:
    for number in range(count):
        part = box.frames / f"{number}.part"
        part.write_bytes(models.frame(40 if number % 2 else 210))
        part.rename(box.frames / f"{number}.png")


def test_an_engineer_comes_prepared_and_leaves_with_proof(
    office: Context, box: RunningBox, tmp_path: Path, stack: ExitStack
) -> None:
    boxes.enrol_local(office, box.home)
    second = admitted(office, tmp_path, stack)
    boxes.refresh(office)
    model = release(office, tmp_path)
    rollouts.start_rollout(office, model.model, waves=[["press-4"]])

    # At the office: what is to be brought.
    plan = command(office.home, "plan")["plan"]
    needs = {need["kind"]: need for need in plan["boxes"][0]["needs"]}
    assert needs["model"]["bytes"] == model.size
    assert [(item["name"], item["here"]) for item in plan["items"]] == [("parts 1.0.0", True)]
    stick = tmp_path / "stick"
    packed = command(office.home, "pack", str(stick))["pack"]
    assert packed["missing"] == []
    assert packed["written"] == packed["bytes"] > model.size

    # On the way, another laptop takes it, which has never been near the object store.
    assert not second.blobs.has(model.sha256)
    begun = command(second.home, "record", "begin", "--title", "Spring service", "--pack", str(stick))["visit"]
    assert begun["begun"]["pack"] == packed["digest"]
    assert second.blobs.has(model.sha256)
    assert begun["begun"]["before"][0]["problem"] == ""
    assert begun["begun"]["before"][0]["slots"][0]["state"] == "EMPTY"

    # At the line: the usual rollout, from what was in the pack.
    feed(box, 400)
    rollout = rollouts.start_rollout(second, "parts@1.0.0", waves=[["press-4"]])
    done = rollout_runner.follow_rollout(second, rollout.rollout)
    assert [part.state for part in done.boxes] == ["committed"], done
    command(second.home, "record", "note", "Cleaned the lens.", "--box", "press-4")
    ended = command(second.home, "record", "end")["visit"]
    (receipt,) = [said for _entry, said in ended["receipts"]]
    assert [slot["bundle"] for slot in receipt["slots"] if slot["active"]] == [model.model]
    assert receipt["chain_entry"] > 0
    assert {row["kind"] for row in ended["ended"]["audits"][0]["rows"]} & {"update.installed", "update.committed"}
    assert any(row["what"] == "rollout.started" for row in ended["ended"]["done"])

    # Home again: the report, and anybody may check it.
    visit = ended["visit"]
    for name in ("report.html", "report.pdf"):
        report = tmp_path / name
        command(second.home, "report", visit, "--out", str(report))
        for home, own in ((second.home, True), (office.home, True), (tmp_path / "nobody", False)):
            proof = command(home, "verify", str(report))["proof"]
            assert (proof["own_site"], proof["desktop_name"], proof["digest"]) == (own, "second", ended["digest"])
