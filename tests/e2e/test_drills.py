"""Drills on real boxes with a line that runs: every fault ends by itself, and what it did is measured and signed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.fleet.client import BoxClient
from app.usecases import boxes, drills, rollouts
from app.usecases.activity import verify_activity
from app.usecases.progress import CancelToken, ProgressEvent
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.contracts.drill import DrillReport, DrillRequest
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, Cancelled, DrillNotRecovered, DrillRefused
from edge_runtime.identity import create_identity
from edge_runtime.processes import python_command
from tests.fakes.drilled_site import put_model, running_line, supervised
from tests.fakes.rolling_site import SLOW, RollingSite
from tests.fakes.running_box import RunningBox
from tests.waiting import wait_until


@pytest.fixture
def box(plant: RollingSite) -> Iterator[RunningBox]:
    box = plant.add_box("press-1")
    put_model(plant, "press-1")
    with running_line(box.frames):
        yield box


def check_sound(proof: drills.DrillProof) -> None:
    report = proof.report
    assert (report.outcome, report.phase, report.problems) == ("recovered", "done", ())
    assert report.bundle == report.bundle_after != ""
    assert report.slot == report.slot_after != ""
    assert report.verified is True
    assert report.before.frames > 0
    assert report.after.frames > 0
    assert proof.lost == {}


def test_a_cut_reaches_nobody_while_the_line_goes_on(plant: RollingSite, box: RunningBox) -> None:
    boxes.collect(plant.ctx, "press-1")
    proof = drills.drill_box(plant.ctx, "press-1", "cut", seconds=3)
    check_sound(proof)
    assert proof.away_s is not None
    assert proof.away_s > 1
    assert proof.report.during.frames > 0
    assert not proof.report.restarted
    before = boxes.collect(plant.ctx, "press-1")
    assert before.results >= proof.report.during.frames, "what was seen meanwhile waited"
    kinds = [row.kind for row in boxes.page_audits(plant.ctx, "press-1").rows]
    assert kinds.count("drill.begun") == kinds.count("drill.ended") == 1
    assert drills.list_drills(plant.ctx)[0].proof == proof
    assert verify_activity(plant.ctx).intact


def test_a_clock_is_put_off_and_back(plant: RollingSite, box: RunningBox) -> None:
    proof = drills.drill_box(plant.ctx, "press-1", "clock", seconds=3)
    check_sound(proof)
    status = boxes.refresh(plant.ctx, "press-1")[0].status
    assert status is not None
    assert abs(status.at_ms - boxes.now_ms()) < 60_000
    boxes.collect(plant.ctx, "press-1")
    stamps = [row.at_ms for row in boxes.page_audits(plant.ctx, "press-1").rows if row.kind.startswith("drill.")]
    assert len(stamps) == 2
    assert all(abs(stamp - boxes.now_ms()) < 120_000 for stamp in stamps), "begun before, and ended after"


def test_a_killed_box_comes_back_by_its_supervisor(plant: RollingSite, box: RunningBox) -> None:
    with pytest.raises(DrillRefused, match="Nothing would start"):
        drills.drill_box(plant.ctx, "press-1", "kill")
    with supervised(box):
        proof = drills.drill_box(plant.ctx, "press-1", "kill")
    check_sound(proof)
    assert proof.report.restarted
    assert proof.report.longest_gap_ms is not None
    assert proof.report.longest_gap_ms > 1000, "the supervisor waits before it starts it again"


def test_one_at_a_time_and_twice_is_once(plant: RollingSite, box: RunningBox) -> None:
    known = boxes.get_box(plant.ctx, "press-1")
    request = DrillRequest(drill=uuid.uuid4().hex, kind="clock", seconds=3)
    with boxes.connect(plant.ctx, known) as client:
        assert request.drill in client.begin_drill(request).report
        again = json.loads(client.begin_drill(request).report)
        assert (again["drill"], again["outcome"]) == (request.drill, "running")
        with pytest.raises(DrillRefused, match="under way"):
            client.begin_drill(DrillRequest(drill=uuid.uuid4().hex, kind="cut", seconds=3))
        wait_until(lambda: json.loads(client.drill().report)["phase"] == "done", 30, "its end")
        assert json.loads(client.begin_drill(request).report)["phase"] == "done", "the same one is not held again"
    boxes.collect(plant.ctx, "press-1")
    kinds = [row.kind for row in boxes.page_audits(plant.ctx, "press-1").rows]
    assert kinds.count("drill.begun") == 1


def test_not_while_a_model_is_on_trial(plant: RollingSite) -> None:
    plant.add_box("press-1", more=SLOW)
    plant.release("1.0.0")
    started = rollouts.start_rollout(plant.ctx, "1.0.0", waves=[["press-1"]])
    stop = CancelToken()

    def follow() -> None:
        with pytest.raises(Cancelled):
            follow_rollout(plant.ctx, started.rollout, cancel=stop)

    following = threading.Thread(target=follow)
    following.start()
    try:

        def on_trial() -> bool:
            status = boxes.refresh(plant.ctx, "press-1")[0].status
            return status is not None and any(slot.state == "TRIAL" for slot in status.slots)

        wait_until(on_trial, 30, "the trial")
        with pytest.raises(DrillRefused, match="on trial"):
            drills.drill_box(plant.ctx, "press-1", "cut", seconds=3)
    finally:
        stop.cancel()
        following.join()


def test_a_stranger_or_one_that_was_struck_off_drills_nothing(
    plant: RollingSite, box: RunningBox, tmp_path: Path
) -> None:
    known = boxes.get_box(plant.ctx, "press-1")
    stranger = create_identity(tmp_path / "stranger", "stranger")
    with BoxClient(known.address, known.certificate, stranger) as client, pytest.raises((BoxRefused, BoxUnreachable)):
        client.begin_drill(DrillRequest(drill=uuid.uuid4().hex, kind="cut", seconds=3))
    with boxes.connect(plant.ctx, known) as client:
        assert client.drill().report == ""


def test_a_desktop_that_looks_away_finds_the_proof_later(plant: RollingSite, box: RunningBox) -> None:
    """As when it is killed in the middle: nothing of it is needed for the fault's end."""
    cancel = CancelToken()

    def stop_in_the_fault(event: ProgressEvent) -> None:
        if "away" in event.message:
            cancel.cancel()

    with pytest.raises(Cancelled):
        drills.drill_box(plant.ctx, "press-1", "cut", seconds=3, progress=stop_in_the_fault, cancel=cancel)
    proof = wait_until(lambda: drills.list_drills(plant.ctx)[0].proof, 40, "the proof")
    check_sound(proof)
    assert proof.away_s is None


def test_a_desktop_that_is_killed_in_the_middle_is_not_needed(plant: RollingSite, box: RunningBox) -> None:
    command = ["boxes", "drill", "press-1", "cut", "--seconds", "5", "--yes", "--home", str(plant.ctx.home)]
    desktop = subprocess.Popen(python_command("app", *command), stderr=subprocess.DEVNULL)
    kept = box.home / "drill.json"
    try:
        wait_until(lambda: kept.exists() and b'"phase":"fault"' in kept.read_bytes(), 30, "the fault")
    finally:
        desktop.kill()
        desktop.wait()
    (open_one,) = drills.known_drills(plant.ctx)
    assert open_one.proof is None
    proof = wait_until(lambda: drills.list_drills(plant.ctx)[0].proof, 60, "the proof")
    check_sound(proof)
    assert proof.report.during.frames > 0
    assert verify_activity(plant.ctx).intact


def test_what_did_not_recover_is_an_error() -> None:
    report = DrillReport(
        drill="0" * 32,
        kind="fill",
        box="b" * 64,
        who="c" * 64,
        seconds=5,
        begun_ms=0,
        phase="done",
        outcome="not-recovered",
        problems=("No line has dealt with a frame since.",),
    )
    proof = drills.DrillProof(box="b" * 64, name="press-1", report=report, signed="", signature="")
    with pytest.raises(DrillNotRecovered, match="No line"):
        drills.require_recovered(proof)
    given_up = dataclasses.replace(proof, report=dataclasses.replace(report, outcome="given-up"))
    with pytest.raises(DrillRefused, match="press-1"):
        drills.require_recovered(given_up)


def test_a_report_of_another_key_is_not_believed(plant: RollingSite, box: RunningBox, tmp_path: Path) -> None:
    drills.drill_box(plant.ctx, "press-1", "clock", seconds=3)
    known = boxes.get_box(plant.ctx, "press-1")
    with boxes.connect(plant.ctx, known) as client:
        answer = client.drill()
    assert drills.read_report(answer, known) is not None
    forged = dataclasses.replace(answer, report=answer.report.replace("recovered", "unhurried"))
    with pytest.raises(BoxRefused, match="signed"):
        drills.read_report(forged, known)


def test_the_command_line(plant: RollingSite, box: RunningBox, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(plant.ctx.home)]
    assert main(["boxes", "drill", "press-1", "clock", "--seconds", "3", *home]) == 1
    assert "--yes" in capsys.readouterr().err
    assert main(["boxes", "drill", "press-1", "clock", "--seconds", "3", "--yes", "--json", *home]) == 0
    told = json.loads(capsys.readouterr().out)["drill"]
    assert told["report"]["outcome"] == "recovered"
    assert main(["boxes", "drills", *home]) == 0
    assert "clock: recovered" in capsys.readouterr().out
    assert main(["boxes", "drill", "press-1", "kill", "--yes", "--json", *home]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "drill.refused"
