"""Which root was made knowing which one: what lies beside it, above it or below it shows nothing of that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.context import Context
from app.fleet.client import BoxClient
from app.usecases import boxes, sync, trust
from app.usecases.stick import exporting, importing
from app.usecases.visits import packing, taking_over
from cloud_sync.release.site_roots import expiry, make_root
from edge_runtime.contracts.errors import LinesideError, TrustRefused
from edge_runtime.contracts.stick_errors import StickUnsigned
from tests.fakes.prepared_site import PASSPHRASE, admitted
from tests.fakes.roots_apart import LOST, NAMES, Apart, make_homes, opened


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, first_desktop: Path) -> Path:
    return make_homes(tmp_path_factory.mktemp("homes"), first_desktop)


@pytest.fixture
def pair(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    """With two boxes."""
    with opened(tmp_path, homes, NAMES[:2]) as apart:
        yield apart


@pytest.fixture
def boxless(tmp_path: Path, homes: Path) -> Iterator[Apart]:
    with opened(tmp_path, homes, ()) as apart:
        yield apart


def test_a_root_beside_the_one_that_struck_somebody_off_brings_nobody_back(pair: Apart, tmp_path: Path) -> None:
    """It bears the next number and the signature of the root key, and was made after another one."""
    office, second, _third = pair.desktops
    sync.setup_store(office, str(tmp_path / "store"))
    first = office.roots().version + 1
    pair.part_by_two()
    sync.sync_now(office)
    assert pair.problem(office, "one") is None
    assert pair.problem(second, "two") is None
    assert (pair.lets_in("one"), pair.lets_in("two")) == (["sold", "stolen"], ["lost"])
    # What the lost one can read, there and from the box that still answers it.
    box = boxes.get_box(second, "two")
    with BoxClient(box.address, box.certificate, pair.lost["lost"].identity) as client:
        beside, body = client.root(first), client.root(first + 1)
    folder = next((tmp_path / "store").rglob("roots"))
    (folder / f"{first + 1}.root.json").write_bytes(body)
    for _again in range(2):
        with pytest.raises(TrustRefused, match="struck off lost"):
            sync.sync_now(office)
    # Nor with the one between in the place of this desktop's.
    (folder / f"{first}.root.json").write_bytes(beside)
    with pytest.raises(TrustRefused, match="struck off lost"):
        sync.sync_now(office)
    assert pair.problem(office, "one") is None
    assert pair.listed(office) == ["sold", "stolen"]
    assert pair.lets_in("one") == ["sold", "stolen"]


def test_a_box_takes_nobody_back_whoever_brings_the_root(pair: Apart) -> None:
    office, second, _third = pair.desktops
    pair.part_by_two()
    assert pair.problem(office, "one") is None
    box = boxes.get_box(office, "one")
    # Of a desktop that the box knows, and that does not ask what its root would undo.
    with (
        BoxClient(box.address, box.certificate, second.identity) as client,
        pytest.raises(TrustRefused, match="struck off lost"),
    ):
        client.put_root(second.roots().version, second.roots().newest)
    assert pair.lets_in("one") == ["sold", "stolen"]
    # Once it has struck off the same one, its roots of before, which list that one, are no hindrance.
    pair.strike_off(second, "lost")
    assert pair.problem(second, "one") is None
    assert pair.lets_in("one") == []
    with BoxClient(box.address, box.certificate, second.identity) as client:
        assert client.root(second.roots().version) == second.roots().newest


def test_a_pack_of_a_desktop_that_was_struck_off_does_not_bring_it_back(boxless: Apart, tmp_path: Path) -> None:
    office, lost = boxless.part_by_two(), boxless.lost["lost"]
    packing.pack_visit(lost, tmp_path / "pack")
    with pytest.raises(TrustRefused, match="struck off lost"):
        taking_over.open_pack(office, tmp_path / "pack")
    assert boxless.listed(office) == ["sold", "stolen"]


def test_a_stick_of_a_desktop_that_was_struck_off_does_not_bring_it_back(boxless: Apart, tmp_path: Path) -> None:
    office, lost = boxless.part_by_two(), boxless.lost["lost"]
    exporting.export_to(lost, tmp_path)
    with pytest.raises(StickUnsigned):
        importing.import_from(office, tmp_path)
    assert boxless.listed(office) == ["sold", "stolen"]


def test_pack_and_stick_of_a_desktop_that_joined_meanwhile_are_taken(boxless: Apart, tmp_path: Path) -> None:
    office, second, third = boxless.desktops
    with ExitStack() as stack:
        boxless.strike_off(office, "lost")
        fourth = admitted(office, tmp_path, stack, "fourth")
        packing.pack_visit(fourth, tmp_path / "pack")
        (tmp_path / "stick").mkdir()
        exporting.export_to(fourth, tmp_path / "stick")
    taking_over.open_pack(second, tmp_path / "pack")
    assert importing.import_from(third, tmp_path / "stick").problems == ()
    assert second.roots().newest == third.roots().newest == office.roots().newest


def test_roots_reach_the_object_store_the_lowest_first(boxless: Apart, tmp_path: Path) -> None:
    """What is cut short leaves no hole that hides the roots above it from the others."""
    office, second, _third = boxless.desktops
    for desktop in (office, second):
        sync.setup_store(desktop, str(tmp_path / "store"))
        sync.sync_now(desktop)
    first = office.roots().version
    for name in LOST:
        boxless.strike_off(office, name)
    folder = next((tmp_path / "store").rglob("roots"))
    blocked = folder / f"{first + 2}.root.json"
    blocked.mkdir()
    with pytest.raises(LinesideError):
        sync.sync_now(office)
    there = {path.name for path in folder.iterdir() if path.is_file()}
    assert f"{first + 1}.root.json" in there
    assert f"{first + 3}.root.json" not in there
    blocked.rmdir()
    sync.sync_now(office)
    sync.sync_now(second)
    assert second.roots().newest == office.roots().newest


def test_a_hole_among_the_roots_of_the_object_store_brings_nobody_back(boxless: Apart, tmp_path: Path) -> None:
    """Earlier releases began at the top, and left one where they were cut short."""
    office, second, third = boxless.desktops
    for desktop in boxless.desktops:
        sync.setup_store(desktop, str(tmp_path / "store"))
    first = office.roots().version
    for _root in range(3):
        trust.rotate_key(office, root_key=boxless.root_key, passphrase=PASSPHRASE)
    sync.sync_now(office)
    folder = next((tmp_path / "store").rglob("roots"))
    holes = [folder / f"{version}.root.json" for version in (first + 1, first + 2)]
    for hole in holes:
        hole.unlink()
    sync.sync_now(office)
    assert all(hole.exists() for hole in holes)
    for hole in holes:
        hole.unlink()
    # Somebody who cannot see what is above the hole.
    boxless.strike_off(second, "lost")
    sync.sync_now(second)
    with pytest.raises(TrustRefused, match="struck off lost"):
        sync.sync_now(office)
    sync.sync_now(third)
    assert boxless.listed(second) == boxless.listed(third) == ["sold", "stolen"]
    boxless.strike_off(office, "lost")
    for desktop in (office, second, third):
        sync.sync_now(desktop)
        assert desktop.roots().newest == office.roots().newest
        assert boxless.listed(desktop) == ["sold", "stolen"]


def test_another_root_of_ones_own_number_in_the_object_store_is_told_of(boxless: Apart, tmp_path: Path) -> None:
    office, second, _third = boxless.desktops
    for desktop in (office, second):
        sync.setup_store(desktop, str(tmp_path / "store"))
    boxless.strike_off(office, "lost")
    boxless.strike_off(second, "sold")
    sync.sync_now(office)
    with pytest.raises(TrustRefused, match="The object store has another root"):
        sync.sync_now(second)
    # What no root key signed is not another root of the site's.
    (next((tmp_path / "store").rglob("roots")) / f"{second.roots().version}.root.json").write_bytes(b"{}")
    sync.sync_now(second)


def earlier_release(desktop: Context, pair: Apart, without: str) -> None:
    """The next root as earlier releases made it: it does not name the one before it."""
    roots = desktop.roots()
    key = trust.unlock_root(desktop, pair.root_key, PASSPHRASE)
    certificate = roots.certificate_of(key.keyid)
    assert certificate is not None
    left = {fingerprint: each for fingerprint, each in roots.desktops().items() if each.name != without}
    expires = expiry(int(time.time()) + 60)
    roots.adopt(make_root(roots.version + 1, left, [key], certificate=certificate, expires=expires, before=None))


def test_roots_of_earlier_releases_are_taken_where_nobody_comes_back(pair: Apart, tmp_path: Path) -> None:
    office, second, third = pair.desktops
    for desktop in pair.desktops:
        sync.setup_store(desktop, str(tmp_path / "store"))
    earlier_release(office, pair, "lost")
    earlier_release(office, pair, "sold")
    assert pair.problem(office, "one") is None
    sync.sync_now(office)
    sync.sync_now(second)
    assert pair.problem(third, "one") is None
    assert pair.listed(second) == pair.listed(third) == ["stolen"]
    assert pair.lets_in("one") == ["stolen"]
    # And what goes on from them.
    pair.strike_off(second, "stolen")
    assert pair.problem(second, "one") is None
    assert pair.problem(office, "one") is None
    assert pair.listed(office) == []
    assert pair.lets_in("one") == []
