"""The slot table on the disk: whatever becomes of its files, what was accepted before is known, or known to be lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.contracts.errors import DatabaseDamaged, TrustRefused
from edge_runtime.update.slot_store import SlotStore, looked_into
from edge_runtime.update.slots import Slot, SlotTable, TrustFloor
from tests.fakes.site import FakeBox, FakeSite

TABLE = SlotTable(
    a=Slot(state="COMMITTED", name="parts", release=7, file="a" * 64, bundle="b" * 64),
    committed="a",
    floors={"parts": 7},
    trust=TrustFloor(root=1, timestamp=1_800_000_000),
)
NEWER = SlotTable(a=TABLE.a, committed="a", floors={"parts": 8}, trust=TABLE.trust)
GARBAGE = b"not a database, but long enough to look like one" * 30


def saved(path: Path) -> SlotStore:
    store = SlotStore(path)
    store.save(TABLE)
    return store


def empty_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE model_slots SET body = ?", (b'{"a": 7}',))


def no_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM model_slots")


def test_the_store_keeps_the_table(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert SlotStore(path).open().table == SlotTable()
    saved(path)
    assert SlotStore(path).load() == TABLE
    assert SlotStore(path).open() == SlotStore(path).open()
    assert SlotStore(path).open().problem is None


def test_the_store_is_written_through(tmp_path: Path) -> None:
    store = SlotStore(tmp_path / "state.db")
    with closing(store._connect()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_whoever_only_looks_is_told_of_the_damage_and_mends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    saved(path)
    path.write_bytes(GARBAGE)
    with pytest.raises(DatabaseDamaged, match=r"state\.db"):
        SlotStore(path).load()
    assert path.read_bytes() == GARBAGE


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(GARBAGE),
        lambda path: path.write_bytes(path.read_bytes()[:700]),
        lambda path: path.write_bytes(b""),
        Path.unlink,
        empty_row,
        no_row,
    ],
    ids=["garbage", "cut off", "zero bytes", "gone", "nonsense in the row", "no row"],
)
def test_a_damaged_database_is_restored_from_the_copy(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "state.db"
    saved(path)
    assert callable(damage)
    damage(path)
    opened = SlotStore(path).open()
    assert opened.table == TABLE
    assert opened.problem is not None
    assert "restored from its copy" in opened.problem
    again = SlotStore(path).open()
    assert (again.table, again.problem) == (TABLE, None), "it was written back"


def test_the_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    saved(path)
    path.write_bytes(GARBAGE)
    store = SlotStore(path)
    store.open()
    assert [file.name for file in store.damaged] == ["state.db.damaged"]
    assert store.damaged[0].read_bytes() == GARBAGE


@pytest.mark.parametrize("copy", [GARBAGE, b"", b"0" * 64 + b"\n{}", None], ids=["garbage", "empty", "forged", "gone"])
def test_without_database_and_copy_nothing_is_installed_until_somebody_has_looked(
    tmp_path: Path, copy: bytes | None
) -> None:
    path = tmp_path / "state.db"
    saved(path)
    path.write_bytes(GARBAGE)
    if copy is None:
        path.with_suffix(".copy").unlink()
    else:
        path.with_suffix(".copy").write_bytes(copy)
    assert SlotStore(path).open().table == SlotTable(lost=True)
    store = SlotStore(path)
    opened = store.open()
    assert opened.table == SlotTable(lost=True), "another restart does not make it forget that it forgot"
    with pytest.raises(DatabaseDamaged, match="lost its memory") as refused:
        looked_into(opened.table, store)
    assert "state.db.damaged" in refused.value.hint
    for file in store.damaged:
        file.unlink()
    assert looked_into(opened.table, store) == SlotTable()


@pytest.mark.parametrize("left", [None, b""], ids=["gone", "zero bytes"])
def test_a_state_that_is_gone_entirely_is_lost_where_a_slot_holds_a_model(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "state.db"
    (tmp_path / "slots").mkdir()
    assert SlotStore(path).open().table == SlotTable(), "a new box is a new box"
    saved(path)
    (tmp_path / "slots" / "a.bundle").write_bytes(b"a model")
    for file in tmp_path.glob("state.*"):
        file.unlink()
    if left is not None:
        path.write_bytes(left)
    opened = SlotStore(path).open()
    assert opened.table == SlotTable(lost=True)
    assert opened.problem == (
        "There is no update state in state.db. Nor can its copy be used. "
        "No model is known, and none is installed for now."
    )
    store = SlotStore(path)
    with pytest.raises(DatabaseDamaged, match="lost its memory") as refused:
        looked_into(store.open().table, store)
    assert "state.db.damaged" in refused.value.hint
    (tmp_path / "state.db.damaged").unlink()
    assert looked_into(store.open().table, store) == SlotTable()


def test_what_is_wrong_with_the_row_is_told_once_and_ends_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    saved(path)
    empty_row(path)
    problem = SlotStore(path).open().problem or ""
    assert "That value cannot be used" not in problem
    assert ".." not in problem


def test_a_damaged_copy_alone_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    saved(path)
    path.with_suffix(".copy").write_bytes(GARBAGE)
    opened = SlotStore(path).open()
    assert (opened.table, opened.problem) == (TABLE, None)
    path.write_bytes(GARBAGE)
    assert SlotStore(path).open().table == TABLE, "the copy was made anew"


def test_a_power_cut_between_copy_and_row_loses_no_floor(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = saved(path)
    store._write_copy(NEWER)
    shutil.copytree(tmp_path, tmp_path / "damaged")
    assert SlotStore(path).open().table == TABLE, "the row is what counts"
    path.write_bytes(GARBAGE)
    assert SlotStore(path).open().table == TABLE
    other = tmp_path / "damaged" / "state.db"
    other.write_bytes(GARBAGE)
    assert SlotStore(other).open().table == NEWER, "the copy never knows of less"


def test_a_folder_where_the_database_should_be_is_left_alone_and_nothing_written_over_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.mkdir()
    store = SlotStore(path)
    assert store.open().table == SlotTable(lost=True)
    with pytest.raises(DatabaseDamaged, match="nothing is written over it"):
        store.save(TABLE)
    path.rmdir()
    assert SlotStore(path).open().table == SlotTable()


def test_a_box_with_a_damaged_database_answers_on_and_refuses_what_is_older(tmp_path: Path) -> None:
    site = FakeSite(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    first = site.release("1.0.0")
    box.commit(first)
    older = {file.name: file.read_bytes() for file in site.repository.metadata_files()}
    second = site.release("1.0.1")
    box.commit(second)
    floors = box.installer.floors()
    (box.home / "state.db").write_bytes(GARBAGE)
    shutil.rmtree(box.home / "inbox" / "metadata")
    box.start()
    assert box.active() == second.bundle
    assert box.installer.floors() == floors
    assert box.installer.problem is not None
    body = first.file.read_bytes()
    (box.home / "inbox" / "metadata").mkdir()
    box.inbox.append(first.sha256, 0, body, len(body))
    for name, metadata in older.items():
        box.inbox.put_metadata(name, metadata)
    with pytest.raises(TrustRefused, match="Rollback refused"):
        box.installer.install(first.target, baseline=None)
    third = site.release("1.0.2")
    box.commit(third)


def test_a_box_that_has_lost_everything_comes_up_without_a_model_and_refuses_any_until_somebody_has_looked(
    tmp_path: Path,
) -> None:
    site = FakeSite(tmp_path / "site")
    box = FakeBox(tmp_path / "box", site)
    first = site.release("1.0.0")
    box.commit(first)
    for name in ("state.db", "state.copy"):
        (box.home / name).write_bytes(GARBAGE)
    box.start()
    assert box.active() is None
    box.deliver(first)
    with pytest.raises(DatabaseDamaged, match="lost its memory"):
        box.installer.install(first.target, baseline=None)
    box.start()
    with pytest.raises(DatabaseDamaged):
        box.installer.check_signature(first.target)
    for name in ("state.db.damaged", "state.copy.damaged"):
        (box.home / name).unlink()
    box.commit(first)
    (box.home / "state.db").write_bytes(GARBAGE)
    box.start()
    assert box.active() == first.bundle
    box.commit(site.release("1.0.1"))
