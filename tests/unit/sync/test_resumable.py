"""Large objects in parts: what a cut leaves is gone on with, and what is wrong is found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.store.database import Database
from app.store.transfers import StoreLedger
from cloud_sync.objects.base import MAX_PARTS, PART_BYTES, Pace, Write
from cloud_sync.objects.folder import FolderStore
from cloud_sync.pacing import at_once, once
from cloud_sync.resumable import Moving, fetch_large, part_bytes_of, send_large, spans
from cloud_sync.transfer import object_key
from edge_runtime.contracts.errors import ObjectCorrupt, ObjectMissing, StoreUnreachable

SIZE = 4 * PART_BYTES + 1234


class CutStore(FolderStore):
    """A real folder store that counts the bytes of parts, and goes away after some."""

    parts_left = 10**9
    up = 0
    down = 0

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        self._one()
        super().put_part(key, upload, number, start, data, pace)
        self.up += len(data)

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        self._one()
        self.down += length
        super().get_range(key, start, length, write, pace)

    def _one(self) -> None:
        self.parts_left -= 1
        if self.parts_left < 0:
            raise StoreUnreachable("The connection was cut.")


@pytest.fixture
def store(tmp_path: Path) -> CutStore:
    return CutStore(tmp_path / "store")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[StoreLedger]:
    database = Database.open(tmp_path / "desk.db", replica="a" * 64)
    yield StoreLedger(database)
    database.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def moving(workers: int = 1, idle: Callable[[], None] = lambda: None) -> Moving:
    return Moving(pace=at_once, persist=once, idle=idle, workers=workers)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 50 * 2**30, 5 * 2**40])
def test_parts_cover_the_object_and_are_not_too_many(size: int) -> None:
    part_bytes = part_bytes_of(size)
    cut = spans(size, part_bytes)
    assert len(cut) <= MAX_PARTS
    assert part_bytes >= PART_BYTES
    assert [span.number for span in cut] == list(range(1, len(cut) + 1))
    assert sum(span.length for span in cut) == size
    assert all(one.start + one.length == two.start for one, two in pairwise(cut))


@pytest.mark.parametrize("workers", [1, 4])
def test_a_file_goes_and_comes_whole(
    store: CutStore, ledger: StoreLedger, source: Path, tmp_path: Path, workers: int
) -> None:
    sha256 = digest_of(source)
    assert send_large(store, ledger, sha256, source, moving(workers)) is True
    assert send_large(store, ledger, sha256, source, moving(workers)) is False
    assert store.up == SIZE
    target = tmp_path / sha256
    fetch_large(store, ledger, sha256, SIZE, target, moving(workers))
    assert target.read_bytes() == source.read_bytes()
    assert store.down == SIZE
    assert ledger.upload_of(sha256) is None
    assert list(tmp_path.glob(".*.part")) == []


def test_what_went_before_a_cut_does_not_go_again(
    store: CutStore, ledger: StoreLedger, source: Path, tmp_path: Path
) -> None:
    sha256 = digest_of(source)
    store.parts_left = 3
    with pytest.raises(StoreUnreachable):
        send_large(store, ledger, sha256, source, moving())
    assert store.head(object_key(sha256)) is None
    # A new process has nothing but the database.
    store.parts_left = 2
    assert send_large(CutStore(tmp_path / "store"), ledger, sha256, source, moving())
    store.parts_left = 2
    with pytest.raises(StoreUnreachable):
        fetch_large(store, ledger, sha256, SIZE, tmp_path / sha256, moving())
    assert not (tmp_path / sha256).exists()
    again = CutStore(tmp_path / "store")
    fetch_large(again, ledger, sha256, SIZE, tmp_path / sha256, moving())
    assert again.down == SIZE - 2 * PART_BYTES
    assert (tmp_path / sha256).read_bytes() == source.read_bytes()


def test_an_upload_that_was_cleared_away_begins_anew(store: CutStore, ledger: StoreLedger, source: Path) -> None:
    sha256 = digest_of(source)
    store.parts_left = 3
    with pytest.raises(StoreUnreachable):
        send_large(store, ledger, sha256, source, moving())
    assert store.clear_uploads("objects", 2**42) == 1
    store.parts_left = 10**9
    assert send_large(store, ledger, sha256, source, moving())
    assert hashlib.sha256(store.get(object_key(sha256))).hexdigest() == sha256


def test_a_lost_part_that_was_acknowledged_goes_again(store: CutStore, ledger: StoreLedger, source: Path) -> None:
    sha256 = digest_of(source)
    lost: list[int] = []

    class Losing(CutStore):
        def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
            if number == 2 and not lost:
                lost.append(number)
                return
            super().put_part(key, upload, number, start, data, pace)

    assert send_large(Losing(store._root), ledger, sha256, source, moving())
    assert lost == [2]
    assert hashlib.sha256(store.get(object_key(sha256))).hexdigest() == sha256


def test_a_store_that_keeps_nothing_is_not_asked_for_ever(store: CutStore, ledger: StoreLedger, source: Path) -> None:
    class Forgetful(CutStore):
        def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
            self.up += len(data)

    forgetful = Forgetful(store._root)
    with pytest.raises(StoreUnreachable, match="does not keep"):
        send_large(forgetful, ledger, digest_of(source), source, moving())
    assert forgetful.up <= 6 * SIZE


def test_a_damaged_file_makes_no_object(store: CutStore, ledger: StoreLedger, source: Path) -> None:
    sha256 = digest_of(source)
    with source.open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"damaged!")
    with pytest.raises(ObjectCorrupt, match="this computer"):
        send_large(store, ledger, sha256, source, moving())
    assert list(store.list("")) == []
    assert ledger.upload_of(sha256) is None


@pytest.mark.parametrize("damage", [b"damaged!", b""])
def test_what_the_store_has_damaged_leaves_nothing(
    store: CutStore, ledger: StoreLedger, source: Path, tmp_path: Path, damage: bytes
) -> None:
    sha256 = digest_of(source)
    send_large(store, ledger, sha256, source, moving())
    with (tmp_path / "store" / object_key(sha256)).open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(damage) if damage else file.truncate()
    folder = tmp_path / "here"
    folder.mkdir()
    with pytest.raises(ObjectCorrupt):
        fetch_large(store, ledger, sha256, SIZE, folder / sha256, moving())
    assert list(folder.iterdir()) == []
    with pytest.raises(ObjectMissing):
        fetch_large(store, ledger, "0" * 64, SIZE, folder / "0", moving())


def test_whoever_waits_may_stop_it(store: CutStore, ledger: StoreLedger, source: Path) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        send_large(store, ledger, digest_of(source), source, moving(2, stop))
    assert list(store.list("")) == []
