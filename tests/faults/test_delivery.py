"""A box that makes a bundle from a patch while its power goes or its disk is full, and patches that lie."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from app.fleet.client import BoxClient
from app.fleet.delivery import Base, Delivered, deliver_bundle
from app.fleet.patches import Patches
from edge_runtime.contracts.delivery import MakeRequest
from edge_runtime.contracts.errors import BoxUnreachable, DiskFull, NotFound, ObjectCorrupt, PatchUnusable
from edge_runtime.identity import Identity, create_identity
from edge_runtime.update.patch import FOUND, MAX_PIECE_BYTES, Head, Piece
from tests.fakes import small_disk
from tests.fakes.box_process import BoxProcess
from tests.fakes.deliveries import Boxes, commit, silent, some_boxes, two_versions
from tests.fakes.site import Delivery, FakeSite
from tests.fakes.small_disk import SmallBox, SmallDisk, free_port
from tests.waiting import wait_until

COUNT = 2**21


@pytest.fixture
def site(tmp_path: Path, first_site: FakeSite) -> FakeSite:
    return first_site.copy(tmp_path / "site")


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def boxes(tmp_path: Path, site: FakeSite, desktop: Identity) -> Iterator[Boxes]:
    with some_boxes(tmp_path, desktop, site) as made:
        yield made


@pytest.fixture
def versions(site: FakeSite) -> tuple[Delivery, Delivery]:
    return two_versions(site, COUNT)


@pytest.fixture
def patches(tmp_path: Path) -> Patches:
    return Patches(tmp_path / "patches")


def send(client: BoxClient, versions: tuple[Delivery, Delivery], patches: Patches) -> Delivered:
    old, new = versions
    bases = [Base(old.file, old.sha256)]
    return deliver_bundle(client, new.file, new.sha256, sent=silent, bases=bases, patches=patches)


def running(boxes: Boxes, site: FakeSite, old: Delivery) -> BoxProcess:
    box = boxes.start()
    with box.client(boxes.desktop) as client:
        commit(client, box, site, old)
    return box


@pytest.mark.parametrize("moment", ["before", "middle", "after"])
def test_a_power_cut_while_it_is_made_costs_no_byte(
    boxes: Boxes, site: FakeSite, versions: tuple[Delivery, Delivery], patches: Patches, moment: str
) -> None:
    old, new = versions
    box = running(boxes, site, old)
    assert box.stop() == 0
    command = [sys.executable, "-m", "tests.fakes.making_power_cut", str(box.home), moment]
    box.process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2])
    address = box.home / "run" / "address.json"
    wait_until(address.exists, 30, "the box's address file")
    with box.client(boxes.desktop) as client, pytest.raises(BoxUnreachable):
        send(client, versions, patches)
    assert box.process.wait(60) == -signal.SIGKILL
    address.unlink()

    box.start()
    with box.client(boxes.desktop) as client:
        assert [slot.bundle for slot in client.status().slots if slot.active] == [old.bundle]
        done = send(client, versions, patches)
        assert (done.way, done.sent) == ("there" if moment == "after" else "patch", 0)
        left = {path.name for path in (box.home / "inbox" / "objects").iterdir()}
        assert left - {patch.sha256 for patch in [known_patch(patches, versions)]} == {new.sha256}
        commit(client, box, site, new)


def known_patch(patches: Patches, versions: tuple[Delivery, Delivery]) -> Base:
    old, new = versions
    patch = patches.between(old.file, old.sha256, new.file, new.sha256)
    assert patch is not None
    return Base(patch.path, patch.sha256)


def forge(folder: Path, base: str, base_size: int, whole: str, whole_size: int, pieces: bytes) -> Path:
    path = folder / "forged.patch"
    path.write_bytes(Head(base, base_size, whole, whole_size).to_bytes() + pieces)
    return path


def found(body: bytes, length: int) -> bytes:
    frame = zstandard.compress(body)
    return Piece(FOUND, 0, 0, length, len(frame), 0).to_bytes() + frame


def test_lying_patches_do_no_harm_and_the_whole_follows(
    boxes: Boxes, site: FakeSite, versions: tuple[Delivery, Delivery], patches: Patches, tmp_path: Path
) -> None:
    old, new = versions
    box = running(boxes, site, old)
    base, size = old.file.stat().st_size, new.file.stat().st_size
    gone = "0" * 64
    bomb = found(bytes(2**30), MAX_PIECE_BYTES)
    other = b"".join(found(bytes(part), part) for part in [MAX_PIECE_BYTES] * (size // MAX_PIECE_BYTES)) + found(
        bytes(size % MAX_PIECE_BYTES), size % MAX_PIECE_BYTES
    )
    cases = [
        (forge(tmp_path, old.sha256, base, new.sha256, size, bomb).read_bytes(), old.sha256, PatchUnusable),
        (forge(tmp_path, gone, base, new.sha256, size, other).read_bytes(), gone, NotFound),
        (forge(tmp_path, old.sha256, base + 1, new.sha256, size, other).read_bytes(), old.sha256, PatchUnusable),
        (forge(tmp_path, old.sha256, base, new.sha256, size, other).read_bytes(), old.sha256, ObjectCorrupt),
        (b"no patch at all", old.sha256, PatchUnusable),
    ]
    objects = box.home / "inbox" / "objects"
    with box.client(boxes.desktop) as client:
        for body, start, error in cases:
            path = tmp_path / "sent.patch"
            path.write_bytes(body)
            digest = hashlib.sha256(body).hexdigest()
            client.deliver(path, digest, sent=silent)
            with pytest.raises(error):
                client.make_object(new.sha256, MakeRequest(base=start, patch=digest))
            assert list(objects.iterdir()) == [], "neither the patch nor anything that it made"
            assert [slot.bundle for slot in client.status().slots if slot.active] == [old.bundle]
        # The desktop's own patch was damaged on its disk: it is thrown away, and the whole is sent.
        known = known_patch(patches, versions)
        damaged = bytearray(known.path.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        known.path.write_bytes(damaged)
        done = send(client, versions, Patches(known.path.parent))
        assert done.way == "whole"
        assert len(done.detours) == 1
        assert not known.path.exists()
        commit(client, box, site, new)


@small_disk.needed[0]
@small_disk.needed[1]
def test_a_full_disk_stops_the_making_and_room_lets_it_go_on(
    tmp_path: Path,
    boxes: Boxes,
    site: FakeSite,
    desktop: Identity,
    versions: tuple[Delivery, Delivery],
    patches: Patches,
) -> None:
    old = versions[0]
    plain = running(boxes, site, old)
    assert plain.stop() == 0
    disk = SmallDisk(tmp_path / "disk")
    port = free_port()
    try:
        home = disk.view / "box"
        shutil.copytree(plain.home, home)
        config = home / "edge.toml"
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        box = SmallBox(home, plain.frames, plain.facts, own_port=port)
        box.run_on(disk, desktop)
        try:
            with box.client(desktop) as client:
                patch = known_patch(patches, versions)
                client.deliver(patch.path, patch.sha256, sent=silent)
                disk.fill()
                with pytest.raises(DiskFull):
                    send(client, versions, patches)
                status = client.status()
                assert [slot.bundle for slot in status.slots if slot.active] == [old.bundle]
                assert {path.name for path in (home / "inbox" / "objects").iterdir()} == {patch.sha256}
                disk.clear()
                done = send(client, versions, patches)
                assert (done.way, done.sent) == ("patch", 0)
        finally:
            assert box.stop() == 0
    finally:
        disk.close()
