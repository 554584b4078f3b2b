"""A stick that is pulled, full or write-protected while a pack is written: it never holds half of one that counts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.context import Context
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import rollouts, sites
from app.usecases.visits import packing, taking_over
from app.usecases.visits.packfile import FILES_NAME, read_pack
from edge_runtime.identity import create_identity
from tests.fakes.fatal_step import run_until
from tests.fakes.prepared_site import PASSPHRASE, release
from tests.fakes.small_disk import SmallDisk
from tests.fakes.small_disk import needed as small_disk_needed

EVERY = 1 if "LINESIDE_FAULT_ROUNDS" in os.environ else 5
"""Which of the steps are tried."""


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """A site whose one box waits for a model."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with sites.create_site(tmp_path / "office", "North plant", PASSPHRASE) as ctx:
        keys = create_identity(tmp_path / "box", "press-4")
        box = Box(
            box=keys.fingerprint,
            name="press-4",
            address="127.0.0.1:1",
            certificate=keys.certificate_pem,
            enrolled_ms=1,
        )
        box_store.put_box(ctx.database, box)
        offer(ctx, tmp_path, "1.0.0")
        yield ctx


def offer(ctx: Context, folder: Path, version: str) -> str:
    for running in rollouts.list_rollouts(ctx):
        rollouts.abort_rollout(ctx, running.rollout)
    model = release(ctx, folder, version, threshold=float(version.split(".")[0]))
    rollouts.start_rollout(ctx, model.model, waves=[["press-4"]])
    return model.sha256


def is_whole(stick: Path) -> str:
    """Digest of the pack that is there, once every file of it was read."""
    pack = read_pack(stick)
    for file in pack.listed.files:
        pack.check(file)
    return pack.digest


def test_killed_at_any_step_the_pack_of_before_or_the_new_one_counts(office: Context, tmp_path: Path) -> None:
    before = tmp_path / "before"
    packing.pack_visit(office, before)
    old = is_whole(before)
    newer = offer(office, tmp_path, "2.0.0")

    def pack(stick: Path, step: int) -> int | None:
        return run_until("tests.fakes.pack_power_cut", office.home, stick, str(step))

    steps = pack(Path(shutil.copytree(before, tmp_path / "counted")), 0)
    assert steps is not None
    assert steps > 15
    news = 0
    tried = sorted({*range(1, steps + 1, EVERY), steps})
    for step in tried:
        stick = Path(shutil.copytree(before, tmp_path / f"stick-{step}"))
        assert pack(stick, step) is None, step
        news += is_whole(stick) != old
        assert pack(stick, 0) is not None
        assert is_whole(stick) != old
        assert newer in {file.sha256 for file in read_pack(stick).of_kind("bundle")}
        assert not list((stick / FILES_NAME).glob("*.part"))
        taking_over.open_pack(office, stick)
    assert 0 < news < len(tried), "both ends were seen"


def run(disk: SmallDisk, office: Context, status: int) -> dict[str, Any]:
    """``lineside visit pack`` onto the small disk."""
    command = [*disk.inside, sys.executable, "-m", "app", "--home", str(office.home), "visit", "pack"]
    done = subprocess.run(
        [*command, str(disk.folder / "stick"), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


class TestSmallStick:
    pytestmark = small_disk_needed

    def test_a_full_stick_is_said_before_anything_is_written_and_goes_on_once_there_is_room(
        self, office: Context, disk: SmallDisk
    ) -> None:
        disk.fill()
        assert run(disk, office, 1)["error"]["code"] == "disk.full"
        disk.clear()
        with disk.filled_for_ever():
            assert run(disk, office, 1)["error"]["code"] == "disk.full"
        disk.clear()
        assert run(disk, office, 0)["pack"]["missing"] == []
        is_whole(disk.view / "stick")

    def test_a_write_protected_stick_is_told_and_what_is_on_it_can_be_read(
        self, office: Context, disk: SmallDisk, tmp_path: Path
    ) -> None:
        run(disk, office, 0)
        offer(office, tmp_path, "2.0.0")
        disk.remount("ro")
        assert run(disk, office, 1)["error"]["code"] == "pack.unwritable"
        taking_over.open_pack(office, disk.view / "stick")
        disk.remount("rw")
        run(disk, office, 0)
        is_whole(disk.view / "stick")
