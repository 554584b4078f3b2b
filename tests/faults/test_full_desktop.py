"""The desktop's own disk is full: that is what is said, and no box is blamed for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.small_disk import SmallDisk, needed

pytestmark = needed
Desktop = Callable[[str], dict[str, Any]]


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    """What :mod:`tests.fakes.full_desktop` told, with its site on a small disk and its boxes elsewhere."""
    disk = SmallDisk(tmp_path / "disk")

    def run(what: str) -> dict[str, Any]:
        script = [sys.executable, "-m", "tests.fakes.full_desktop", what, str(disk.folder), str(tmp_path)]
        ended = subprocess.run(
            [*disk.inside, *script], cwd=Path(__file__).parents[2], capture_output=True, timeout=300, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode()
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return told

    yield run
    disk.close()


def test_what_became_of_a_configuration_is_told_with_it(desktop: Desktop) -> None:
    answer = desktop("configure")
    assert answer["told"]["code"] == "disk.full"
    assert answer["told"]["message"].startswith("press-1 runs version 2 of its configuration, which could not be noted")
    assert "There is no room to write to lineside.db" in answer["told"]["message"]
    assert answer["counts"]
    assert answer["problem"] is None


def test_a_site_that_cannot_be_opened_is_not_damaged(desktop: Desktop) -> None:
    answer = desktop("open")
    assert (answer["told"]["code"], answer["boxes"]) == ("disk.full", 0)


def test_what_could_not_be_collected_stays_on_the_box_and_comes_later(desktop: Desktop) -> None:
    answer = desktop("collect")
    for told in (answer["told"], answer["named"]):
        assert (told["code"], told["message"]) == ("disk.full", "There is no room to write to lineside.db.")
    assert answer["problem"] is None
    assert answer["kept"] == answer["came"]
    assert min(answer["came"].values()) > 0
    assert answer["left"] == {"results": 0, "samples": 0}


def test_a_rollout_ends_for_now_and_no_box_has_failed(desktop: Desktop) -> None:
    answer = desktop("roll-out")
    for told in (answer["told"], answer["asked"]):
        assert (told["code"], told["message"]) == ("disk.full", "There is no room to write to lineside.db.")
    assert answer["states"] == {"press-1": "waiting"}
    assert answer["problem"] is None
    assert (answer["ended"], answer["runs"]) == ("done", "1.0.0")
