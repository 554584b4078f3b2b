"""SIGKILL of the real daemon at every step of an update that writes something, with frames coming in all the while.

Afterwards a committed model answers, every frame has been answered once at least, and the update can be done again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import ResultRow
from edge_runtime.identity import create_identity
from edge_runtime.update.slots import IN_FLIGHT
from tests.fakes import models
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

STEPS = ("STAGED", "the file", "VERIFIED", "PROBED", "TRIAL", "COMMITTED")
CUTS = [(2, "middle"), (5, "after"), (6, "after")]
if "LINESIDE_FAULT_ROUNDS" in os.environ:
    CUTS = [(step, moment) for step in range(1, len(STEPS) + 1) for moment in ("before", "after")] + [(2, "middle")]


class Line:
    """Puts numbered frames before the box and knows which of them were answered."""

    def __init__(self, box: BoxProcess) -> None:
        self._box = box
        self._put = 0

    def put(self, count: int) -> None:
        for _ in range(count):
            self._box.put_frame(f"frame-{self._put:04}.png", models.frame(self._put % 256))
            self._put += 1

    def wait_until_answered(self, client: BoxClient) -> list[ResultRow]:
        wanted = {f"frame-{number:04}.png" for number in range(self._put)}

        def all_answered() -> list[ResultRow]:
            rows = [row for row in client.page("results", 0).rows if isinstance(row, ResultRow)]
            return rows if {row.frame for row in rows} == wanted else []

        return wait_until(all_answered, 30, "an answer to every frame")


def start_to_die(box: BoxProcess, step: int, moment: str) -> None:
    command = [sys.executable, "-m", "tests.fakes.daemon_power_cut", str(box.home), str(step), moment]
    box.process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2])
    wait_until((box.home / "run" / "address.json").exists, 30, "the box's address file")


@pytest.mark.parametrize(("step", "moment"), CUTS, ids=[f"{moment} {STEPS[step - 1]}" for step, moment in CUTS])
def test_the_line_goes_on_after_a_power_cut_in_an_update(
    first_site: FakeSite, tmp_path: Path, step: int, moment: str
) -> None:
    site, desktop = first_site.copy(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site)
    line = Line(box)
    running = site.release("1.0.0")
    try:
        box.start()
        with box.client(desktop) as client:
            install(client, site, running)
            wait_for_slot(client, "1.0.0", "TRIAL")
            line.put(6)
            wait_for_slot(client, "1.0.0", "COMMITTED")
        assert box.stop() == 0

        coming = site.release("1.0.1")
        start_to_die(box, step, moment)
        assert box.process is not None
        with box.client(desktop) as client:
            install(client, site, coming)
            if step == len(STEPS):
                wait_for_slot(client, "1.0.1", "TRIAL")
            line.put(10)
        assert box.process.wait(60) == -signal.SIGKILL
        (box.home / "run" / "address.json").unlink()

        box.start()
        with box.client(desktop) as client:
            committed = (step, moment) == (len(STEPS), "after")
            slots = client.status().slots
            assert [slot.bundle for slot in slots if slot.active] == [(coming if committed else running).bundle]
            assert [slot.state for slot in slots if slot.active] == ["COMMITTED"]
            assert not any(slot.state in IN_FLIGHT for slot in slots)
            line.put(5)
            rows = line.wait_until_answered(client)
            assert len({(row.box, row.boot, row.seq) for row in rows}) == len(rows)
            again(client, site, line, rolled_back=(step, moment) in ((5, "after"), (6, "before")))
        assert box.stop() == 0
    finally:
        box.end()


def again(client: BoxClient, site: FakeSite, line: Line, *, rolled_back: bool) -> None:
    """The next update goes through, whatever became of the one before."""
    if rolled_back:
        slots = client.status().slots
        assert [slot.reason for slot in slots if slot.version == "1.0.1"] == ["power cut during trial"]
    install(client, site, site.release("1.0.2"))
    wait_for_slot(client, "1.0.2", "TRIAL")
    line.put(6)
    wait_for_slot(client, "1.0.2", "COMMITTED")
