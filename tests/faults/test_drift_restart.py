"""Drift across a restart of the real daemon is found without learning the line anew."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AlertRow
from tests.fakes import models
from tests.fakes.box_process import CONFIG
from tests.faults.conftest import Committed
from tests.waiting import wait_until

KINDS = {"drift.classes", "drift.confidence", "input.brightness"}
DRIFT = CONFIG + "[drift]\nreference = 60\nwindow = 30\n"


@pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_line_that_changes_while_the_box_is_off_is_found_out(
    tmp_path: Path, committed: Committed, end: signal.Signals
) -> None:
    rng = random.Random(1)
    box = committed.copy(tmp_path / "box", tmp_path / "frames", DRIFT)
    box.start()
    try:
        with box.client(committed.desktop) as client:
            put = 0
            while client.status().pipelines[0].drift_reference < 1.0:
                assert put < 2000, "the reference is never complete"
                for _ in range(20):
                    box.put_frame(f"frame-{put:05}.png", models.frame(rng.randrange(40, 200)))
                    put += 1
                wait_until(lambda: client.status().pipelines[0].frames == put, 20, "the answers")  # noqa: B023 - asked at once
            wait_until(lambda: complete(box.home / "sources", put), 10, "the reference to be on the disk")
            assert not client.status().pipelines[0].drift
        box.stop(end)
        (box.home / "run" / "address.json").unlink(missing_ok=True)
        box.start()
        with box.client(committed.desktop) as client:
            box.put_frame("later-000.png", models.frame(240))
            wait_until(lambda: client.status().pipelines[0].frames > 0, 20, "the first answer")
            assert client.status().pipelines[0].drift_reference == 1.0, "nothing is learned anew"
            for number in range(1, 90):
                box.put_frame(f"later-{number:03}.png", models.frame(rng.randrange(225, 256)))
            wait_until(lambda: client.status().pipelines[0].drift, 30, "the drift to be found")
            wait_until(lambda: alerts(client) & KINDS, 10, "the alert")
        assert box.stop() == 0
    finally:
        box.end()


def alerts(client: BoxClient) -> set[str]:
    return {row.kind for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)}


def complete(folder: Path, frames: int) -> bool:
    """Whether the memory of this line lies there with all its references; the model's first line has one, too."""
    memories = [json.loads(path.read_bytes())["memory"] for path in folder.glob("*.drift")]
    return any(
        memory["frames"] > frames // 2 and all(watch["full"] for watch in memory["watches"].values())
        for memory in memories
    )
