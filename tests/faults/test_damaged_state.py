"""A real box whose update state is garbage: its copy lets it answer on; without, it comes up and installs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AlertRow, AuditRow
from tests.fakes import models
from tests.fakes.box_process import CONFIG, BoxProcess, install
from tests.faults.conftest import Committed
from tests.waiting import wait_until

GARBAGE = b"not a database, but long enough to look like one" * 30


@pytest.fixture
def box(tmp_path: Path, committed: Committed) -> Iterator[BoxProcess]:
    box = committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG)
    try:
        yield box
    finally:
        box.end()


def told(client: BoxClient) -> str:
    """What the box says of its update state, as an alert and in its audit alike."""

    def find() -> str | None:
        alerts = [row.message for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)]
        audits = [
            row.message
            for row in client.page("audits", 0, 100).rows
            if isinstance(row, AuditRow) and row.kind == "state.unreadable"
        ]
        return alerts[0] if alerts and alerts == audits else None

    return wait_until(find, 20, "an alert and an audit")


def test_a_box_with_a_damaged_state_answers_on_from_its_copy(box: BoxProcess, committed: Committed) -> None:
    (box.home / "state.db").write_bytes(GARBAGE)
    box.start()
    with box.client(committed.desktop) as client:
        box.put_frame("after.png", models.frame(250))
        wait_until(lambda: client.status().pipelines[0].frames == 1, 20, "the answer")
        status = client.status()
        assert (status.slots[0].state, status.slots[0].active) == ("COMMITTED", True)
        assert status.floors == {"parts": status.slots[0].release}
        assert "restored from its copy" in told(client)
    assert (box.home / "state.db.damaged").read_bytes() == GARBAGE
    assert box.stop() == 0


def test_a_box_that_has_lost_its_state_comes_up_and_installs_nothing_until_somebody_has_looked(
    box: BoxProcess, committed: Committed
) -> None:
    for name in ("state.db", "state.copy"):
        (box.home / name).write_bytes(GARBAGE)
    box.start()
    with box.client(committed.desktop) as client:
        box.put_frame("after.png", models.frame(250))
        wait_until(lambda: client.status().pipelines[0].kept == 1, 20, "the frame to be kept")
        assert client.status().pipelines[0].state == "waiting-for-model"
        assert "none is installed for now" in told(client)
        release = committed.site.release("1.0.1")
        install(client, committed.site, release)
        refused = wait_until(
            lambda: next((slot for slot in client.status().slots if slot.state == "REJECTED"), None), 20, "the refusal"
        )
        assert "lost its memory" in (refused.reason or "")
        for name in ("state.db.damaged", "state.copy.damaged"):
            (box.home / name).unlink()
        client.install(release.target)
        wait_until(lambda: any(slot.state == "TRIAL" for slot in client.status().slots), 30, "the trial to begin")
    assert box.stop() == 0
