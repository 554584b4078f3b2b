"""SIGKILL at every step of an installation that writes something: afterwards a committed model answers."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.update.slots import IN_FLIGHT
from tests.fakes.site import Delivery, FakeBox, FakeSite

REPOSITORY = Path(__file__).resolve().parents[3]
STEPS = ("STAGED", "the file", "VERIFIED", "PROBED", "TRIAL", "COMMITTED")
CUTS = [(step, moment) for step in range(1, len(STEPS) + 1) for moment in ("before", "after")] + [(2, "middle")]


@dataclass
class Scene:
    """A box that runs one model and has the next one delivered."""

    site: FakeSite
    home: Path
    running: Delivery
    coming: Delivery


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("power-cut")
    site = FakeSite(folder / "site")
    box = FakeBox(folder / "box", site)
    running, coming = site.release("1.0.0"), site.release("1.0.1")
    box.commit(running)
    box.deliver(coming)
    return Scene(site, folder / "box", running, coming)


def install_and_die(home: Path, target: str, step: int, moment: str) -> int:
    command = [sys.executable, "-m", "tests.fakes.power_cut", str(home), target, str(step), moment]
    return subprocess.run(command, cwd=REPOSITORY, timeout=60, check=False).returncode


def test_there_is_no_step_beyond_those_that_are_cut(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.home, tmp_path / "box", symlinks=True)
    assert install_and_die(tmp_path / "box", scene.coming.target, len(STEPS) + 1, "before") == 0
    assert FakeBox(tmp_path / "box", scene.site).active() == scene.coming.bundle


@pytest.mark.parametrize(("step", "moment"), CUTS, ids=[f"{moment} {STEPS[step - 1]}" for step, moment in CUTS])
def test_a_committed_model_answers_after_a_power_cut(scene: Scene, tmp_path: Path, step: int, moment: str) -> None:
    home = tmp_path / "box"
    shutil.copytree(scene.home, home, symlinks=True)
    assert install_and_die(home, scene.coming.target, step, moment) == -signal.SIGKILL

    box = FakeBox(home, scene.site)
    committed = (step, moment) == (6, "after")
    expected = scene.coming if committed else scene.running
    assert box.active() == expected.bundle
    assert box.installer.floors() == {"parts": expected.manifest.release}
    slots = box.installer.slots()
    assert not any(slot.state in IN_FLIGHT for slot in slots)
    assert [slot.state for slot in slots if slot.active] == ["COMMITTED"]
    assert not list((home / "slots").glob(".*")), "no half-written file stays"
    assert box.start().slots() == slots, "recovering again finds nothing to do"

    if (step, moment) in ((5, "after"), (6, "before")):
        assert next(slot.reason for slot in slots if slot.state == "ROLLED_BACK") == "power cut during trial"
        box.deliver(scene.coming)
        with pytest.raises(BoxRefused, match="power cut during trial"):
            box.installer.install(scene.coming.target, baseline=None)
        assert box.active() == scene.running.bundle
    elif not committed:
        box.commit(scene.coming)
