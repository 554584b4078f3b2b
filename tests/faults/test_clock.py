"""The box's clock goes to 1970 and to 2100 while it runs, and stays there over a restart: inference takes no notice."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import ResultRow
from tests.fakes import models
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess, install, wait_for_slot
from tests.fakes.wall_clock import TO_1970, TO_2100, TO_TODAY, Clock, needs_compiler
from tests.faults.conftest import Committed
from tests.waiting import wait_until

pytestmark = needs_compiler


class WrongBox:
    """A box whose clock can be put anywhere."""

    def __init__(self, process: BoxProcess, clock: Clock, committed: Committed) -> None:
        self.clock, self._box, self._committed = clock, process, committed
        self._frames: list[str] = []

    def start(self) -> None:
        address = self._box.home / "run" / "address.json"
        address.unlink(missing_ok=True)
        self._box.process = subprocess.Popen([*EDGE, "run", "--home", str(self._box.home)], env=self.clock.environment)
        wait_until(address.exists, 30, "the box's address file")

    def stop(self) -> None:
        assert self._box.stop() == 0

    def kill(self) -> None:
        self._box.end()

    def client(self) -> BoxClient:
        return self._box.client(self._committed.desktop)

    def infer(self, client: BoxClient, count: int = 5) -> None:
        """Give it frames, and wait for its answers."""
        for _ in range(count):
            name = f"frame-{len(self._frames):03}.png"
            self._box.put_frame(name, models.frame(len(self._frames)))
            self._frames.append(name)
        wait_until(lambda: set(self.answers(client)) == set(self._frames), 20, "the answers")

    def answers(self, client: BoxClient) -> list[str]:
        rows = [row for row in client.page("results", 0, 5000).rows if isinstance(row, ResultRow)]
        by_boot: dict[str, list[int]] = {}
        for row in rows:
            by_boot.setdefault(row.boot, []).append(row.seq)
        assert all(seqs == sorted(set(seqs)) for seqs in by_boot.values()), "rows come in the order of their numbers"
        return [row.frame for row in rows]

    def year(self, client: BoxClient) -> int:
        return datetime.datetime.fromtimestamp(client.status().at_ms / 1000, datetime.UTC).year

    def check_account(self, client: BoxClient) -> None:
        """Every frame was answered once, and nothing was let go."""
        assert sorted(self.answers(client)) == self._frames
        assert client.page("losses", 0).rows == ()


@pytest.fixture
def box(tmp_path: Path, committed: Committed, shim: Path) -> Iterator[WrongBox]:
    clock = Clock(tmp_path, shim)
    box = WrongBox(committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG), clock, committed)
    box.start()
    try:
        yield box
    finally:
        box.kill()


@pytest.mark.parametrize(("leap", "year"), [(TO_1970, 1970), (TO_2100, 2100)])
def test_a_clock_that_leaps_costs_no_row_and_stops_nothing(box: WrongBox, leap: int, year: int) -> None:
    with box.client() as client:
        box.infer(client)
        box.clock.leap(leap)
        wait_until(lambda: abs(box.year(client) - year) <= 1, 10, "the box to see another year")
        box.infer(client)
        box.check_account(client)
    box.stop()
    box.start()
    # At its start a box looks for what is too old.
    with box.client() as client:
        assert abs(box.year(client) - year) <= 1
        box.infer(client)
        box.check_account(client)
        box.clock.leap(TO_TODAY)
        wait_until(lambda: abs(box.year(client) - year) > 1, 10, "the box to see the true year")
        box.infer(client)
        box.check_account(client)
    box.stop()
    box.start()
    with box.client() as client:
        box.infer(client)
        box.check_account(client)


def test_a_box_without_a_battery_still_takes_what_its_site_signed(box: WrongBox, committed: Committed) -> None:
    box.clock.leap(TO_1970)
    with box.client() as client:
        install(client, committed.site, committed.site.release("2.0.0"))
        wait_for_slot(client, "2.0.0", "TRIAL")
        box.infer(client, 6)
        wait_for_slot(client, "2.0.0", "COMMITTED")


def test_after_the_last_day_of_its_signatures_a_box_infers_but_takes_nothing_new(
    box: WrongBox, committed: Committed
) -> None:
    box.clock.leap(TO_2100)
    with box.client() as client:
        install(client, committed.site, committed.site.release("3.0.0"))
        status = wait_for_slot(client, "3.0.0", "REJECTED")
        assert any("expired" in (slot.reason or "") for slot in status.slots)
        box.infer(client)
        box.clock.leap(TO_TODAY)
        wait_until(lambda: box.year(client) < 2099, 10, "the box to see the true year")
        install(client, committed.site, committed.site.release("3.0.1"))
        wait_for_slot(client, "3.0.1", "TRIAL")
        box.infer(client, 6)
        wait_for_slot(client, "3.0.1", "COMMITTED")
