"""Content-addressed copying: checked both ways, sent once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_sync.objects.folder import FolderStore
from cloud_sync.transfer import (
    Manner,
    Transferred,
    get_object,
    get_object_file,
    object_key,
    put_many,
    put_object,
)
from edge_runtime.contracts.errors import InputInvalid, NotFound, ObjectCorrupt, ObjectMissing, StoreUnreachable

BODY = b"the model"


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class CountingStore(FolderStore):
    """A real folder store that counts what is written, and can go away after some writes."""

    puts = 0
    breaks_after = 10**9

    def put(self, key: str, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def put_file(self, key: str, path: Path) -> None:
        self._count()
        super().put_file(key, path)

    def _count(self) -> None:
        self.puts += 1
        if self.puts > self.breaks_after:
            raise StoreUnreachable("The connection was cut.")


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "store")


def flip(store: FolderStore, tmp_path: Path, sha256: str) -> None:
    path = tmp_path / "store" / object_key(sha256)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def sizes(store: FolderStore) -> dict[str, int]:
    return {info.key: info.size for info in store.list("")}


@pytest.mark.parametrize("as_file", [False, True])
def test_an_object_is_sent_once_and_comes_back(store: CountingStore, tmp_path: Path, as_file: bool) -> None:
    source: bytes | Path = BODY
    if as_file:
        source = tmp_path / "source"
        source.write_bytes(BODY)
    assert put_object(store, digest(BODY), source) is True
    assert put_object(store, digest(BODY), source) is False
    assert store.puts == 1
    assert sizes(store) == {f"objects/{digest(BODY)[:2]}/{digest(BODY)}": len(BODY)}
    assert get_object(store, digest(BODY)) == BODY
    get_object_file(store, digest(BODY), tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == BODY


def test_a_flipped_byte_is_found_and_leaves_nothing(store: CountingStore, tmp_path: Path) -> None:
    put_object(store, digest(BODY), BODY)
    flip(store, tmp_path, digest(BODY))
    folder = tmp_path / "here"
    folder.mkdir()
    with pytest.raises(ObjectCorrupt, match=digest(BODY)[:12]):
        get_object(store, digest(BODY))
    with pytest.raises(ObjectCorrupt):
        get_object_file(store, digest(BODY), folder / "target")
    assert list(folder.iterdir()) == []


def test_a_damaged_copy_here_is_not_sent(store: CountingStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BODY + b"!")
    for damaged in (source, BODY + b"!"):
        with pytest.raises(ObjectCorrupt, match="this computer"):
            put_object(store, digest(BODY), damaged)
    with pytest.raises(NotFound):
        put_object(store, digest(BODY), tmp_path / "nothing")
    assert sizes(store) == {}


def test_an_object_that_was_cut_short_is_sent_again(store: CountingStore) -> None:
    store.put(object_key(digest(BODY)), BODY[:3])
    assert put_object(store, digest(BODY), BODY) is True
    assert get_object(store, digest(BODY)) == BODY


def test_a_missing_object_and_one_too_large(store: CountingStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        get_object(store, digest(BODY))
    with pytest.raises(ObjectMissing):
        get_object_file(store, digest(BODY), tmp_path / "target")
    put_object(store, digest(BODY), BODY)
    with pytest.raises(InputInvalid):
        get_object(store, digest(BODY), max_bytes=3)


@pytest.mark.parametrize("sha256", ["", "ab", "../../etc/passwd", "A" * 64, "g" * 64, digest(BODY) + "\n"])
def test_what_is_no_digest_is_refused(store: CountingStore, sha256: str, tmp_path: Path) -> None:
    with pytest.raises(InputInvalid):
        put_object(store, sha256, BODY)
    with pytest.raises(InputInvalid):
        get_object_file(store, sha256, tmp_path / "target")


def test_many_are_sent_at_once_and_the_rest_after_a_cut(store: CountingStore) -> None:
    bodies = [os.urandom(100) for _ in range(40)]
    items = [(digest(body), body) for body in bodies]
    seen: list[Transferred] = []
    store.breaks_after = 15
    with pytest.raises(StoreUnreachable):
        put_many(store, items, manner=Manner(workers=4), progress=seen.append)
    arrived = sizes(store)
    assert len(arrived) == 15
    # Whoever keeps what was told to it never counts an object that is not there.
    assert {object_key(item.sha256) for item in seen} <= set(arrived)

    store.breaks_after = 10**9
    seen.clear()
    report = put_many(store, items, manner=Manner(workers=4), progress=seen.append)
    assert (report.sent, report.skipped, report.bytes) == (25, 15, 2500)
    assert report.problems == {}
    assert sorted(item.sha256 for item in seen) == sorted(sha256 for sha256, _body in items)
    assert len(sizes(store)) == 40


def test_one_lost_file_does_not_hold_up_the_others(store: CountingStore, tmp_path: Path) -> None:
    lost, damaged = digest(b"lost"), digest(b"damaged")
    report = put_many(
        store,
        [(lost, tmp_path / "nothing"), (damaged, b"else"), (digest(BODY), BODY)],
        progress=lambda _item: None,
    )
    assert report.sent == 1
    assert {sha256: error.code for sha256, error in report.problems.items()} == {
        lost: "item.not-found",
        damaged: "store.object-corrupt",
    }


def test_a_long_list_is_taken_as_there_is_room(store: CountingStore) -> None:
    taken = 0

    def items() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            body = str(number).encode()
            yield digest(body), body

    class Stop(Exception):
        pass

    def stop(_item: Transferred) -> None:
        raise Stop

    with pytest.raises(Stop):
        put_many(store, items(), manner=Manner(workers=2), progress=stop)
    assert taken <= 2 * 2 + 1
    assert store.puts <= taken
