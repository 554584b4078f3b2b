"""The box is killed in each phase of a drill, and a disk is filled: nothing of the fault is left."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.drill import DrillKind, DrillRequest
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, DrillRefused
from edge_runtime.contracts.rows import LossRow
from edge_runtime.identity import Identity
from tests.fakes import small_disk
from tests.fakes.box_process import CONFIG, BoxProcess
from tests.fakes.drilled_site import running_line
from tests.fakes.small_disk import SmallBox, SmallDisk, free_port
from tests.faults.conftest import Committed
from tests.waiting import wait_until

RESERVE = 9 * 2**20
EDGE = 2**20


@pytest.fixture
def box(tmp_path: Path, disk: SmallDisk, committed: Committed) -> Iterator[SmallBox]:
    port = free_port()
    config = CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}").replace(
        "reserve_bytes = 0", f"reserve_bytes = {RESERVE}"
    )
    made = committed.copy(disk.view / "box", tmp_path / "frames", config)
    box = SmallBox(made.home, made.frames, made.facts, own_port=port)
    try:
        box.run_on(disk, committed.desktop)
        with running_line(box.frames):
            yield box
    finally:
        box.end()


def begin(client: BoxClient, kind: DrillKind, seconds: int = 3) -> str:
    drill = uuid.uuid4().hex
    client.begin_drill(DrillRequest(drill=drill, kind=kind, seconds=seconds))
    return drill


def report(box: BoxProcess, desktop: Identity) -> dict[str, object] | None:
    """None: nobody answers."""
    try:
        with box.client(desktop) as client:
            told: dict[str, object] = json.loads(client.drill().report)
            return told
    except BoxUnreachable:
        return None


def kept(box: BoxProcess) -> dict[str, object]:
    """As the box has it on its disk."""
    told: dict[str, object] = json.loads((box.home / "drill.json").read_text())["drill"]["report"]
    return told


def ended(box: BoxProcess, desktop: Identity) -> dict[str, object]:
    def done() -> dict[str, object] | None:
        told = report(box, desktop)
        return told if told and told["phase"] == "done" else None

    return wait_until(done, 90, "the end of the drill")


pytestmark = small_disk.needed


def test_a_disk_is_filled_to_where_the_limits_act_and_no_further(
    box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    assert disk.free > RESERVE
    with box.client(desktop) as client:
        begin(client, "fill")
    lowest = disk.free

    def over() -> bool:
        nonlocal lowest
        lowest = min(lowest, disk.free)
        return kept(box)["phase"] == "done"

    wait_until(over, 60, "the end of the drill")
    assert RESERVE - 2 * EDGE <= lowest < RESERVE
    assert disk.free > RESERVE
    told = ended(box, desktop)
    assert (told["outcome"], told["verified"]) == ("recovered", True), told
    during = told["during"]
    assert isinstance(during, dict)
    assert during["frames"] > 0
    with box.client(desktop) as client:
        reasons = {row.reason for row in client.page("losses", 0, 5000).rows if isinstance(row, LossRow)}
    assert reasons <= {"disk.reserve", "disk.full", "power.cut"}


def test_where_there_is_no_reserve_to_fill_to_nothing_is_done(
    box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    disk.fill()
    with box.client(desktop) as client, pytest.raises(DrillRefused, match="reserve"):
        begin(client, "fill")
    disk.clear()


@pytest.mark.parametrize("kind", ["fill", "cut", "clock"])
@pytest.mark.parametrize("phase", ["before", "fault", "after"])
def test_killed_in_any_phase_nothing_of_the_fault_is_left(
    kind: DrillKind, phase: str, box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    with box.client(desktop) as client:
        begin(client, kind)
    wait_until(lambda: kept(box)["phase"] == phase, 30, f"the phase {phase}")
    if (kind, phase) == ("fill", "fault"):
        wait_until(lambda: disk.free < RESERVE, 10, "the disk to be filled")
    assert box.process is not None
    box.process.kill()
    box.process.wait()
    assert disk.free > RESERVE, "the room is there again before the box is"
    assert not list(box.home.glob("drill.ballast"))
    box.run_on(disk, desktop)
    told = ended(box, desktop)
    assert told["restarted"] is True
    assert told["outcome"] == ("given-up" if phase == "before" else "recovered"), told
    with box.client(desktop) as client:
        status = client.status()
        assert status.slots[0].state == "COMMITTED"
        assert abs(status.at_ms - time.time_ns() // 1_000_000) < 60_000


def test_a_desktop_that_was_struck_off_begins_nothing(box: SmallBox, disk: SmallDisk, desktop: Identity) -> None:
    with box.client(desktop) as client:
        assert client.drill().report == ""
        for pinned in (box.home / "trust" / "desktops").glob("*.pem"):
            pinned.unlink()
        with pytest.raises(BoxRefused):
            begin(client, "cut")
    assert not (box.home / "drill.json").exists()
