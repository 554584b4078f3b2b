"""Frames that never come back from being decoded: no model is to blame, and the box does not start anew for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AlertRow, LossRow
from edge_runtime.identity import Identity, create_identity
from edge_runtime.service.crashes import HUNG_STATUS, STARTS_ANEW
from edge_runtime.service.lines import FRAMES_HANG
from tests.fakes import hanging_decoder, models
from tests.fakes.box_process import BoxProcess, make_box
from tests.fakes.edge_toml import named
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
PATIENCE_S = 4.0
"""Of whoever watches over the box. The box itself takes half of it for one that hangs."""
TWO_LINES = named("line-2") + '[[pipeline]]\nname = "other"\nsource = "folder:{frames}-other"\n'


class Box(BoxProcess):
    def run(self) -> None:
        (self.home / "run" / "address.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", hanging_decoder.__name__, "run", "--home", str(self.home)]
        self.process = subprocess.Popen(command, env={**os.environ, "WATCHDOG_USEC": str(int(PATIENCE_S * 1e6))})


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def box(tmp_path: Path, desktop: Identity) -> Iterator[Box]:
    made = make_box(tmp_path, desktop, FakeSite(tmp_path / "site"), TWO_LINES)
    (tmp_path / "frames-other").mkdir()
    box = Box(made.home, made.frames, made.facts)
    yield box
    box.end()


def told(client: BoxClient, kind: str) -> list[str]:
    rows = client.page("alerts", 0, 100).rows
    return [row.message for row in rows if isinstance(row, AlertRow) and (row.kind, row.pipeline) == (kind, "camera")]


def test_frames_that_hang_are_left_out_and_a_line_that_has_nothing_else_is_left_standing(
    tmp_path: Path, box: Box, desktop: Identity
) -> None:
    for number in range(3):
        box.put_frame(f"{number}.png", models.frame(number) + hanging_decoder.TRAP)
    for _ in range(STARTS_ANEW):
        box.run()
        assert box.process is not None
        assert box.process.wait(60) == HUNG_STATUS
    box.start()
    with box.client(desktop) as client:
        wait_until(lambda: len(told(client, "source.hangs")) > STARTS_ANEW, 60, "the line to be left standing")
        camera = client.status().pipelines[0]
        assert (camera.state, camera.last_error) == ("failing", FRAMES_HANG)
        assert [message.partition(" ")[0] for message in told(client, "frame.given-up")] == ["0.png", "1.png"]
        losses = [row for row in client.page("losses", 0, 100).rows if isinstance(row, LossRow)]
        assert sum(row.count for row in losses if row.reason == "frame.given-up") == 2
        # It goes on for far longer than anything may hang, and so does the line beside it.
        until = time.monotonic() + 2 * PATIENCE_S
        number = 0
        while time.monotonic() < until:
            (tmp_path / "frames-other" / f"{number}.png").write_bytes(models.frame(number))
            number += 1
            wait_until(lambda: client.status().pipelines[1].frames >= number, 30, "the line beside it")  # noqa: B023
        assert len(told(client, "source.hangs")) == STARTS_ANEW + 1, "once for each"
        assert client.status().pipelines[0].last_error == FRAMES_HANG
    assert box.process is not None
    assert box.stop() == 0
