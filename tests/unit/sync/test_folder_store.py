"""What is particular to a folder as an object store: links, lost sticks, full disks, crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_sync.objects import open_store, probe_store
from cloud_sync.objects.folder import INCOMING, INCOMING_AGE_S, FolderStore
from edge_runtime.contracts.errors import (
    DiskFull,
    InputInvalid,
    NotFound,
    ObjectMissing,
    StoreRefused,
    StoreUnreachable,
)
from tests.waiting import wait_until


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = f"folder:{tmp_path / 'x'}"
    for address in ("x", "folder:x", "~/x", str(tmp_path / "x"), expected):
        assert open_store(address).address == expected


def test_files_are_left_by_no_write_and_no_list_shows_them(store: FolderStore, root: Path) -> None:
    store.put("a/k", b"1")
    (root / INCOMING / "half").write_bytes(b"half")
    (root / "a" / ".DS_Store").write_bytes(b"finder")
    (root / "a" / "with space").write_bytes(b"x")
    assert [info.key for info in store.list("")] == ["a/k"]
    assert [path.name for path in (root / INCOMING).iterdir()] == ["half"]


def test_the_list_is_in_the_order_of_the_keys(store: FolderStore) -> None:
    keys = ["a-b/1", "a/1", "a/b/2", "a/b2", "a0", "b"]
    for key in reversed(keys):
        store.put(key, b"")
    assert [info.key for info in store.list("")] == sorted(keys) == keys


def test_links_are_never_followed(store: FolderStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "inside").mkdir()
    (root / "inner").symlink_to(root / "inside")
    for key in ("link/secret", "link/new", "inner/new"):
        with pytest.raises(StoreRefused, match="link"):
            store.put(key, b"1")
        with pytest.raises(StoreRefused, match="link"):
            store.get(key)
        with pytest.raises(StoreRefused, match="link"):
            store.delete(key)
    assert store.head("file") is None
    with pytest.raises(ObjectMissing):
        store.get("file")
    assert list(store.list("")) == []
    assert store.folders("") == ("inside",)
    # The link itself gives way to the object; what it pointed to stays.
    store.put("file", b"new")
    assert store.get("file") == b"new"
    assert (outside / "secret").read_bytes() == b"secret"
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_store_behind_a_link_is_one_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "shown").symlink_to(tmp_path / "real")
    store = FolderStore(tmp_path / "shown")
    store.put("a/k", b"1")
    assert (tmp_path / "real" / "a" / "k").read_bytes() == b"1"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="missing"):
        FolderStore(tmp_path / "missing" / "store")
    assert not (tmp_path / "missing").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreRefused, match="not a folder"):
        FolderStore(tmp_path / "file")


def test_a_stick_that_is_pulled_is_unreachable_and_nothing_is_made_in_its_place(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    store.put("a/k", b"1")
    root.rename(tmp_path / "pulled")
    for empty_mount_point in (False, True):
        if empty_mount_point:
            root.mkdir()
        with pytest.raises(StoreUnreachable):
            store.put("b", b"2")
        with pytest.raises(StoreUnreachable):
            store.get("a/k")
        with pytest.raises(StoreUnreachable):
            store.head("a/k")
        with pytest.raises(StoreUnreachable):
            list(store.list(""))
        with pytest.raises(StoreUnreachable):
            store.delete("a/k")
        with pytest.raises(StoreUnreachable):
            store.folders("")
        with pytest.raises(StoreUnreachable):
            probe_store(store)
    assert list(root.iterdir()) == []
    root.rmdir()
    (tmp_path / "pulled").rename(root)
    assert store.get("a/k") == b"1"


def test_an_object_and_a_folder_cannot_share_a_name(store: FolderStore) -> None:
    store.put("a", b"1")
    store.put("b/c", b"2")
    with pytest.raises(InputInvalid, match="share a name"):
        store.put("a/b", b"x")
    with pytest.raises(InputInvalid, match="share a name"):
        store.put("b", b"x")
    assert store.head("b") is None
    assert (store.get("a"), store.get("b/c")) == (b"1", b"2")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 128 KiB."""
    mount = tmp_path / "mount"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_folder_that_may_not_be_written(small_disk: Path) -> None:
    store = FolderStore(small_disk / "store")
    store.put("k", b"1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreRefused, match="Read-only"):
        store.put("k", b"2")
    with pytest.raises(StoreRefused, match="Read-only"):
        store.delete("k")
    assert FolderStore(small_disk / "store").get("k") == b"1"


def test_a_full_disk_says_so_and_keeps_what_was_there(small_disk: Path, tmp_path: Path) -> None:
    store = FolderStore(small_disk / "store")
    store.put("k", b"old")
    large = tmp_path / "large"
    large.write_bytes(b"x" * 300_000)
    with pytest.raises(DiskFull, match="k"):
        store.put("k", large.read_bytes())
    with pytest.raises(DiskFull):
        store.put_file("k", large)
    assert store.get("k") == b"old"
    assert list((small_disk / "store" / INCOMING).iterdir()) == []
    store.put("after", b"fits")

    elsewhere = FolderStore(tmp_path / "elsewhere")
    elsewhere.put_file("large", large)
    with pytest.raises(DiskFull):
        elsewhere.get_file("large", small_disk / "target")
    assert not (small_disk / "target").exists()
    assert [path.name for path in small_disk.iterdir()] == ["store"]


def test_local_files_that_cannot_be_used(store: FolderStore, tmp_path: Path) -> None:
    store.put("k", b"1")
    with pytest.raises(InputInvalid, match="directory"):
        store.put_file("k2", tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputInvalid, match="directory"):
        store.get_file("k", tmp_path / "folder")
    with pytest.raises(NotFound):
        store.get_file("k", tmp_path / "nowhere" / "file")


def test_two_processes_write_the_same_keys(root: Path, store: FolderStore) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cloud_sync.objects.folder import FolderStore\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "for round in range(40):\n"
        "    store.put(f'a/{round % 4}/k', sys.argv[2].encode() * 50_000)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, str(root), letter]) for letter in "xyz"]
    whole = {letter.encode() * 50_000 for letter in "xyz"}
    while any(process.poll() is None for process in processes):
        for info in store.list(""):
            assert store.get(info.key) in whole
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert [info.key for info in store.list("")] == [f"a/{number}/k" for number in range(4)]


def test_a_killed_writer_leaves_the_old_object_and_its_rest_is_cleared_later(root: Path, tmp_path: Path) -> None:
    FolderStore(root).put("k", b"old")
    source = tmp_path / "pipe"
    os.mkfifo(source)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cloud_sync.objects.folder import FolderStore\n"
        "FolderStore(Path(sys.argv[1])).put_file('k', Path(sys.argv[2]))\n"
    )
    with (
        subprocess.Popen([sys.executable, "-c", script, str(root), str(source)]) as process,
        source.open("wb") as feed,
    ):
        feed.write(b"new" * 1000)
        feed.flush()
        wait_until(lambda: list((root / INCOMING).glob("*.part")), 20, "the half-written object")
        process.kill()
        process.wait()
    store = FolderStore(root)
    assert store.get("k") == b"old"
    (rest,) = (root / INCOMING).iterdir()
    long_ago = time.time() - INCOMING_AGE_S - 60
    os.utime(rest, (long_ago, long_ago))
    FolderStore(root)
    assert list((root / INCOMING).iterdir()) == []
