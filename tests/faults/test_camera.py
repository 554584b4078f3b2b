"""A camera that vanishes, freezes and comes back under the real daemon, while another line goes on beside it."""

from __future__ import annotations

from pathlib import Path

from app.fleet.client import BoxClient
from edge_runtime.contracts.status import PipelineStatus
from tests.fakes import models
from tests.fakes.cameras import NetworkCamera
from tests.fakes.edge_toml import named
from tests.faults.conftest import Committed
from tests.waiting import wait_until

CONFIG = (
    named("line-2").replace('"camera"', '"folder"')
    + """\
[[pipeline]]
name = "camera"
source = "stream:URL"
"""
)


def line(client: BoxClient, name: str) -> PipelineStatus:
    return next(status for status in client.status().pipelines if status.name == name)


def test_a_camera_that_vanishes_is_told_of_and_taken_up_again(committed: Committed, tmp_path: Path) -> None:
    camera = NetworkCamera()
    config = CONFIG.replace("URL", camera.url)
    box = committed.copy(tmp_path / "box", tmp_path / "frames", config)
    try:
        box.start()
        with box.client(committed.desktop) as client:
            wait_until(lambda: line(client, "camera").state == "running", 20, "pictures from the camera")

            camera.close()
            away = wait_until(
                lambda: seen if (seen := line(client, "camera")).state == "no-input" else None,
                30,
                "the loss to be told",
            )
            assert away.last_error, "why nothing comes"
            before = line(client, "folder").frames
            for number in range(20):
                box.put_frame(f"beside-{number}.png", models.frame(number))
            wait_until(lambda: line(client, "folder").frames == before + 20, 20, "the other line's answers")

            with NetworkCamera(port=camera.port):
                frames = line(client, "camera").frames
                back = wait_until(
                    lambda: seen if (seen := line(client, "camera")).frames > frames + 5 else None,
                    60,
                    "the camera again",
                )
                assert back.state == "running"
                assert box.stop() == 0
    finally:
        camera.close()
        box.end()
