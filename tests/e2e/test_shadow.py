"""A candidate sees the live line of a real box beside the model that answers there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.usecases import boxes, rollouts
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.contracts.errors import GateRefused
from edge_runtime.contracts.status import ShadowStatus
from edge_runtime.enrolment import address_file, create_home
from edge_runtime.processes import python_command
from tests.fakes import models
from tests.fakes.edge_toml import named
from tests.fakes.prepared_site import in_library, release
from tests.waiting import wait_until

CONFIG = (
    named("press-4").replace("reserve_bytes = 0", "reserve_bytes = 1048576")
    + """\
keep_random = 0.0
keep_margin = 0.0
[update]
trial_seconds = 0.2
"""
)


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


class Box:
    """A real ``lineside-edge run``."""

    def __init__(self, folder: Path) -> None:
        self.home, self.frames = folder / "press-4", folder / "frames"
        self.frames.mkdir()
        create_home(self.home, name="press-4", config=CONFIG.format(frames=self.frames))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(python_command("edge_runtime", "run", "--home", str(self.home)))
        wait_until(address_file(self.home).exists, 20, "the box to listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(60) == 0
            self.process = None


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    running = Box(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def shadow_on(ctx: Context) -> ShadowStatus | None:
    status = boxes.refresh(ctx)[0].status
    assert status is not None
    return status.shadow


def test_a_shadow_tells_where_it_disagrees_and_outlives_a_restart(
    site: Context, box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = release(site, tmp_path, "1.0.0", threshold=128.0)
    candidate = release(site, tmp_path, "1.0.1", threshold=60.0)
    unsigned = in_library(site, tmp_path, "1.0.2", models.brightness_model(threshold=60.0), signed=False)
    boxes.enrol_local(site, box.home)
    started = rollouts.start_rollout(site, "parts@1.0.0", waves=[["press-4"]])
    assert follow_rollout(site, started.rollout).state == "done"

    with pytest.raises(GateRefused, match="not released"):
        rollouts.shadow(site, "press-4", unsigned.model)
    status = rollouts.shadow(site, "press-4", "parts@1.0.1").status
    assert status is not None
    assert status.shadow is not None
    assert (status.shadow.state, status.shadow.bundle) == ("running", candidate.model)
    assert [slot.bundle for slot in status.slots if slot.active] == [running.model]

    for number, brightness in enumerate((20, 100, 200)):
        (box.frames / f"{number}.png").write_bytes(models.frame(brightness))

    def disagreements() -> bool:
        boxes.collect(site)
        return bool(boxes.page_shadows(site).rows)

    # The frames come all at once, and the shadow sees only those for which it has time.
    for extra in range(40):
        (box.frames / f"extra-{extra}.png").write_bytes(models.frame(100 + extra % 20))
        if disagreements():
            break
    wait_until(disagreements, 10, "a frame on which they differ")
    row = boxes.page_shadows(site).rows[0]
    assert (row.model, row.shadow, row.label, row.shadow_label) == (running.model, candidate.model, "dark", "bright")

    box.stop()
    box.start()
    boxes.enrol_local(site, box.home)
    again = shadow_on(site)
    assert again is not None
    assert (again.state, again.bundle) == ("running", candidate.model)
    site.close()

    desktop = ["--home", str(tmp_path / "desktop"), "boxes"]
    assert main([*desktop, "show", "press-4"]) == 0
    assert "parts 1.0.1 running" in capsys.readouterr().out
    assert main([*desktop, "shadow", "press-4", "--off", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["box"]["status"]["shadow"] is None
