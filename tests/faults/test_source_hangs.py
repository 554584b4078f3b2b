"""A source that hangs in the kernel, as a dead share does: its line says so, the box and its other lines go on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.identity import create_identity
from edge_runtime.service.crashes import Life
from edge_runtime.service.lines import SOURCE_HANGS
from tests.fakes import models
from tests.fakes.box_process import install, make_box, wait_for_slot
from tests.fakes.edge_toml import named
from tests.fakes.site import FakeSite
from tests.faults.test_watchdog import PATIENCE_S, hear, systemd
from tests.waiting import wait_until

TWO_LINES = (
    named("line-2")
    + """\
[[pipeline]]
name = "share"
source = "replay:{frames}-share"
fps = 0.1
[update]
trial_frames = 5
trial_seconds = 60.0
"""
)


@pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
def test_a_source_that_hangs_stops_neither_the_watchdog_nor_the_line_beside_it(tmp_path: Path) -> None:
    site, desktop = FakeSite(tmp_path / "site"), create_identity(tmp_path / "desktop", "laptop")
    box = make_box(tmp_path, desktop, site, TWO_LINES)
    share = tmp_path / "frames-share"
    share.mkdir()
    for number in range(3):
        (share / f"{number}.png").write_bytes(models.frame(number))
    with systemd(box, f"lineside-hangs-{os.getpid()}") as channel:
        assert hear(channel, b"READY=1", 30)
        with box.client(desktop) as client:
            wait_until(lambda: client.status().pipelines[1].frames == 1, 30, "the first frame of the share")
            # Whoever opens a pipe that nobody writes to waits in the kernel. The last file is not opened yet: the one
            # before it has to be given first, ten seconds after the first one.
            (share / "2.png").unlink()
            os.mkfifo(share / "2.png")
            install(client, site, site.release("1.0.0"))
            wait_for_slot(client, "1.0.0", "TRIAL")
            for number in range(6):
                box.put_frame(f"{number}.png", models.frame(number))
            wait_for_slot(client, "1.0.0", "COMMITTED")

            wait_until(lambda: client.status().pipelines[1].last_error == SOURCE_HANGS, 60, "the line to say so")
            assert client.status().pipelines[1].state == "no-input"

            def told() -> list[tuple[str, str | None]]:
                rows = client.page("alerts", 0, 100).rows
                return [(row.kind, row.pipeline) for row in rows if isinstance(row, AlertRow)]

            wait_until(told, 30, "the alert")

            # Far longer than the line may hang in a frame, and what was said before this counts for nothing.
            until = time.monotonic() + 2 * PATIENCE_S
            while time.monotonic() < until:
                hear(channel, b"WATCHDOG=1", 0.1)
            assert hear(channel, b"WATCHDOG=1", 30), "systemd would have killed the box"
            assert told() == [("source.hangs", "share")], "once"
            before = client.status().pipelines[0].frames
            box.put_frame("other.png", models.frame(9))
            wait_until(lambda: client.status().pipelines[0].frames > before, 30, "the line beside it to go on")
        assert box.stop() == 0, "nor does it keep the box from stopping"
    life = wire.decode((box.home / "life.note").read_bytes().rstrip(b"\0 "), Life)
    assert (life.crashes, life.hung) == (0, None), "it is no fault of the model"
