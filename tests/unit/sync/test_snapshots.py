"""Snapshots: a new desktop has everything without a year of segments; what is unsound is passed by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.store import boxes, samples
from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.records import Box
from app.store.snapshot import StoreSnapshots
from app.usecases.exchange import exchange, keep_snapshot
from cloud_sync.journal.snapshot import newest_covered
from edge_runtime.identity import create_identity
from tests.unit.sync.desktops import NOW_MS, PREFIX, Site, content

Damage = Callable[[Path], None]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = [create_identity(tmp_path / name, name) for name in ("one", "two")]
    empty = tmp_path / "empty.db"
    Database.open(empty, replica="0").close()
    return Site(
        tmp_path,
        tuple(
            Box(box=one.fingerprint, name="", address="", certificate=one.certificate_pem, enrolled_ms=1)
            for one in made
        ),
        empty.read_bytes(),
    )


@pytest.fixture
def year(site: Site, request: pytest.FixtureRequest) -> Site:
    """Two desktops that have written something several times, in conflict as well, and one snapshot of it."""
    a, b = site.add("a"), site.add("b")
    request.addfinalizer(site.close)
    for _round in range(3):
        for name in ("a", "b"):
            site.write_box(name, 0, "name")
            site.write_box(name, 1, "address")
            site.label(name, "a" * 64)
        for name in ("a", "b", "a"):
            exchange(site.desktops[name].db, site.store, PREFIX)
    site.delete_box("b", 1)
    for desktop in (b, a, b):
        exchange(desktop.db, site.store, PREFIX)
    assert keep_snapshot(a.db, site.store, PREFIX, every=1)
    return site


def newcomer(site: Site, name: str = "new") -> Database:
    db = site.add(name).db
    exchange(db, site.store, PREFIX)
    return db


def test_a_newcomer_takes_the_snapshot_and_then_only_what_came_after(year: Site) -> None:
    for path in (year.folder / "store").rglob("journal/*/*.zst"):
        path.unlink()
    year.write_box("b", 0, "name")
    exchange(year.desktops["b"].db, year.store, PREFIX)
    exchange(year.desktops["a"].db, year.store, PREFIX)
    db = newcomer(year)
    assert content(db) == content(year.desktops["a"].db) == content(year.desktops["b"].db)
    assert content(db)["shown"]
    assert StoreJournal(db).unsealed(1) == []


def test_the_same_rows_make_the_same_chunks_on_every_desktop(year: Site) -> None:
    chunks = {path.name for path in (year.folder / "store").rglob("chunks/*")}
    b = year.desktops["b"].db
    StoreSnapshots(b).note_covered(0)
    for path in (year.folder / "store").rglob("manifests/*"):
        path.unlink()
    assert keep_snapshot(b, year.store, PREFIX, every=1)
    assert {path.name for path in (year.folder / "store").rglob("chunks/*")} == chunks


def test_another_snapshot_is_written_only_once_enough_has_come(year: Site) -> None:
    a, b = year.desktops["a"].db, year.desktops["b"].db
    assert not keep_snapshot(a, year.store, PREFIX, every=1)
    assert not keep_snapshot(b, year.store, PREFIX, every=1), "one desktop's is enough"
    for number in range(4):
        year.write_box("b", 0, "name")
        exchange(b, year.store, PREFIX)
        assert keep_snapshot(b, year.store, PREFIX, every=4) == (number == 3)
    assert newest_covered(year.store, PREFIX) == sum(StoreSnapshots(b).positions().values())


def test_older_snapshots_of_a_desktop_are_cleared_away(year: Site) -> None:
    a = year.desktops["a"].db
    for _round in range(4):
        year.write_box("a", 0, "name")
        exchange(a, year.store, PREFIX)
        assert keep_snapshot(a, year.store, PREFIX, every=1)
    assert len(list((year.folder / "store").rglob("manifests/*"))) == 2
    assert len(list((year.folder / "store").rglob("chunks/*"))) == 2
    assert content(newcomer(year)) == content(a)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))


def claim(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"rows":', b'"rows":9'))


@pytest.mark.parametrize("what", ["chunks", "manifests"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, claim])
def test_an_unsound_snapshot_is_passed_by(year: Site, what: str, damage: Damage) -> None:
    for path in (year.folder / "store").rglob(f"{what}/*"):
        damage(path)
    (year.folder / "store" / PREFIX / "snapshots" / "x" / "manifests").mkdir(parents=True)
    (year.folder / "store" / PREFIX / "snapshots" / "x" / "manifests" / "99999").mkdir(parents=True)
    assert content(newcomer(year)) == content(year.desktops["a"].db)


def test_rows_that_could_not_stand_are_refused_from_a_snapshot_too(site: Site, request: pytest.FixtureRequest) -> None:
    a = site.add("a")
    a.offset_ms = 3 * 365 * 86_400_000
    request.addfinalizer(site.close)
    site.write_box("a", 0, "name")
    exchange(a.db, site.store, PREFIX)
    assert keep_snapshot(a.db, site.store, PREFIX, every=1)
    db = newcomer(site)
    assert boxes.list_boxes(db) == []
    assert StoreJournal(db).positions() == {}


def test_a_snapshot_survives_being_cut_at_every_call(year: Site) -> None:
    a = year.desktops["a"]
    year.write_box("a", 0, "name")
    exchange(a.db, year.store, PREFIX)
    for call in range(1, 12):
        year.store.kill_at, year.store.calls = call, 0
        try:
            keep_snapshot(a.db, year.store, PREFIX, every=1)
        except BaseException as error:  # noqa: BLE001 - the process ended there
            assert type(error).__name__ == "Killed"
        year.store.kill_at = None
        assert content(newcomer(year, f"n{call}")) == content(a.db)


def test_a_desktop_that_has_rows_of_its_own_keeps_them(year: Site) -> None:
    db = year.add("z").db
    db.write(lambda w: samples.put_import(w, sample="c" * 64, frame="1", at_ms=NOW_MS, media="image/png", size=3))
    exchange(db, year.store, PREFIX)
    exchange(year.desktops["a"].db, year.store, PREFIX)
    assert samples.get_sample(year.desktops["a"].db, "c" * 64).size == 3
    assert len(samples.page_samples(db).rows) == 2


def test_a_desktop_put_back_from_a_backup_needs_segments_that_a_snapshot_covers(
    site: Site, request: pytest.FixtureRequest
) -> None:
    """What it wrote before the backup, and sent after it, stands in one of them: else it would use its number again."""
    site.add("a")
    site.add("b")
    request.addfinalizer(site.close)
    site.label("a", "a" * 64)
    backup = site.folder / "a.backup"
    site.desktops["a"].back_up(backup)
    site.sync("a")
    site.sync("b")
    keep_snapshot(site.desktops["b"].db, site.store, PREFIX, every=1)
    site.restore("a", backup)
    site.label("a", "b" * 64)
    site.sync("a")
    site.sync("b")
    site.check(site.settle())
