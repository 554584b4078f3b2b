"""A real box whose home lies on a disk that takes no changes: it answers, tells so, and writes once it may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import AlertRow, ResultRow
from tests.fakes import models, small_disk
from tests.fakes.box_process import CONFIG
from tests.fakes.small_disk import SmallBox, SmallDisk, free_port
from tests.faults.conftest import Committed
from tests.waiting import wait_until

pytestmark = small_disk.needed


@pytest.fixture
def box(tmp_path: Path, disk: SmallDisk, committed: Committed) -> Iterator[SmallBox]:
    """Has a committed model, and is not started."""
    port = free_port()
    made = committed.copy(disk.view / "box", tmp_path / "frames", CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    box = SmallBox(made.home, made.frames, made.facts, own_port=port)
    try:
        yield box
    finally:
        box.end()


def answers(client: BoxClient) -> list[str]:
    return [row.frame for row in client.page("results", 0, 1000).rows if isinstance(row, ResultRow)]


@pytest.mark.parametrize("bare", [False, True], ids=["as it was left", "without the folders that a box makes"])
def test_a_box_with_a_read_only_home_answers_tells_so_and_writes_when_it_may(
    box: SmallBox, disk: SmallDisk, committed: Committed, bare: bool
) -> None:
    box.run_on(disk, committed.desktop)
    with box.client(committed.desktop) as client:
        box.put_frame("before.png", models.frame(250))
        wait_until(lambda: "before.png" in answers(client), 20, "the answer while all is well")
    assert box.stop() == 0
    if bare:
        for folder in ("run", "log", "inbox"):
            assert (box.home / folder).is_dir()
            (box.home / folder).rename(disk.view / folder)
    disk.remount("ro")

    box.run_on(disk, committed.desktop)
    with box.client(committed.desktop) as client:
        for number in range(20):
            box.put_frame(f"meanwhile-{number:02}.png", models.frame(number))
        wait_until(lambda: client.status().pipelines[0].frames >= 20, 30, "the answers")
        status = client.status()
        assert status.slots[0].state == "COMMITTED"
        assert status.slots[0].active
        assert status.pipelines[0].state == "running"
        assert status.spool.problem is not None
        assert "read-only" in status.spool.problem
        assert status.spool.in_memory >= 20
        assert status.pipelines[0].frames == 20, "what was seen before the disk failed does not come again"
        with pytest.raises(LinesideError):
            client.page("results", 0, 100)

        disk.remount("rw")
        wait_until(lambda: client.status().spool.problem is None, 30, "the spool to be written again")
        wait_until(lambda: "meanwhile-19.png" in answers(client), 30, "what waited in memory")
        kinds = {row.kind for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)}
        assert kinds >= {"disk.refused", "state.unreadable"}
    assert box.stop() == 0


def test_two_boxes_do_not_share_a_read_only_home(box: SmallBox, disk: SmallDisk, committed: Committed) -> None:
    disk.remount("ro")
    box.run_on(disk, committed.desktop)
    first = box.process
    assert first is not None
    second = SmallBox(box.home, box.frames, box.facts, own_port=box.own_port)
    second.run_in(disk)
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert first.poll() is None
    assert box.stop() == 0
