"""The installer of the box is killed, or its disk runs full, at any of its steps: the version before answers on, and to
run it again is all that is needed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import small_disk
from tests.fakes.edge_bundles import INTERPRETER, run_installer, small_bundle, start
from tests.fakes.small_disk import SmallDisk

POWER_CUT = Path(__file__).resolve().parents[1] / "fakes" / "install_power_cut.py"
ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "4"))
LAST = 8
"""Steps at the end, around the two renames, that are all tried."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return small_bundle(folder), small_bundle(folder, version="1.1.0")


def run(
    bundle: Path, prefix: Path, step: int, how: str = "kill", before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [
        *before,
        str(INTERPRETER),
        "-I",
        str(POWER_CUT),
        str(bundle / "install.py"),
        str(step),
        how,
        "--prefix",
        str(prefix),
        "--json",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def steps_of(bundle: Path, prefix: Path) -> int:
    counted = run(bundle, prefix, 0)
    assert counted.returncode == 0, counted.stderr
    return int(counted.stderr)


def chosen(steps: int) -> list[int]:
    earlier = random.Random(3).sample(range(1, steps - LAST), min(ROUNDS, steps - LAST - 1))
    return sorted(earlier) + list(range(steps - LAST, steps + 1))


def names(prefix: Path) -> set[str]:
    return {path.name for path in [*prefix.rglob(".*"), *(prefix / "versions").iterdir()]}


def test_a_first_installation_that_is_killed_is_done_by_the_next(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, _ = bundles
    for step in chosen(steps_of(bundle, tmp_path / "counted")):
        prefix = tmp_path / f"opt-{step}"
        assert run(bundle, prefix, step).returncode == -signal.SIGKILL
        if (prefix / "bin" / "lineside-edge").exists():
            assert start(prefix)["version"] == "1.0.0"
        assert run_installer(bundle, prefix)["changed"] is True
        assert start(prefix)["version"] == "1.0.0"
        assert len(names(prefix)) == 1
        assert run_installer(bundle, prefix)["changed"] is False


def test_an_update_that_is_killed_leaves_a_version_that_starts(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = bundles
    run_installer(old, tmp_path / "counted")
    steps = steps_of(new, tmp_path / "counted")
    prefix = tmp_path / "opt"
    seen = set()
    for step in chosen(steps):
        run_installer(old, prefix)
        assert run(new, prefix, step).returncode == -signal.SIGKILL
        seen.add(start(prefix)["version"])
        # Whichever it is: that no file of it is damaged, its own installer says.
        again = run_installer(new, prefix)
        assert again["installed"] == "1.1.0"
        assert start(prefix)["version"] == "1.1.0"
        assert len(names(prefix)) == 2
        run_installer(new, prefix, "--uninstall")
        assert not prefix.exists()
    assert seen == {"1.0.0"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    disk.remount(f"size={64 * 2**20}")
    try:
        yield disk
    finally:
        disk.close()


def version_on(disk: SmallDisk) -> str:
    """Which version starts on the small disk."""
    command = [*disk.inside, str(disk.folder / "opt" / "bin" / "lineside-edge")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return str(json.loads(ended.stdout)["version"])


@pytest.mark.parametrize("full", [pytest.param(at, marks=small_disk.needed) for at in ("before", "in between")])
def test_a_full_disk_leaves_the_version_before(
    bundles: tuple[Path, Path], tmp_path: Path, disk: SmallDisk, full: str
) -> None:
    old, new = bundles
    prefix, within = disk.folder / "opt", tuple(disk.inside)
    assert run_installer(old, prefix, before=within)["changed"] is True
    if full == "before":
        disk.fill()
        assert run_installer(new, prefix, before=within)["error"]["code"] == "disk.full"
        assert version_on(disk) == "1.0.0"
        disk.clear()
    else:
        run_installer(old, tmp_path / "counted")
        steps = steps_of(new, tmp_path / "counted")
        for step in chosen(steps)[: -LAST - 1]:
            ended = run(new, prefix, step, str(disk.folder / "filler-1"), within)
            assert json.loads(ended.stdout)["error"]["code"] == "disk.full", (step, ended)
            assert version_on(disk) == "1.0.0"
            assert list((disk.view / "opt" / "versions").glob(".*")) == []
            disk.clear()
    assert run_installer(new, prefix, before=within)["changed"] is True
    assert version_on(disk) == "1.1.0"
