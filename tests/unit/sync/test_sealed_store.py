"""An encrypted store: what opens, what does not, and what whoever holds the stick gets to see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.objects.base import MAX_KEY_LENGTH, PART_BYTES, is_key
from cloud_sync.objects.folder import FolderStore
from cloud_sync.objects.sealed import (
    BLOCK_BYTES,
    FOOTER_BYTES,
    TAG_BYTES,
    Names,
    SealedStore,
    SealKeys,
    plain_size,
    seal,
    sealed_size,
    unseal,
)
from cloud_sync.stick.passphrase import StickKeys
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.stick_errors import SealBroken

KEYS = SealKeys(contents=b"c" * 32, names=b"n" * 64)
SIZES = st.sampled_from([0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 7])
SEGMENTS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9._=+@-]{0,60}[A-Za-z0-9_=+@-])?", fullmatch=True)


@given(size=SIZES, data=st.data())
@settings(deadline=None)
def test_whatever_is_changed_opens_nothing(size: int, data: st.DataObject) -> None:
    body = os.urandom(size)
    sealed = seal(KEYS.contents, "a/k", body)
    assert unseal(KEYS.contents, "a/k", sealed) == body
    assert len(sealed) <= sealed_size(size)
    assert plain_size(len(sealed)) == size
    at = data.draw(st.integers(0, len(sealed) - 1))
    flipped = sealed[:at] + bytes([sealed[at] ^ data.draw(st.integers(1, 255))]) + sealed[at + 1 :]
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for changed in (flipped, cut, sealed + b"\0"):
        with pytest.raises(SealBroken):
            unseal(KEYS.contents, "a/k", changed)
    for key, master in (("a/other", KEYS.contents), ("a/k", b"d" * 32)):
        with pytest.raises(SealBroken):
            unseal(master, key, sealed)


def test_blocks_cannot_be_dropped_exchanged_or_taken_from_another() -> None:
    block = BLOCK_BYTES + TAG_BYTES
    sealed = seal(KEYS.contents, "k", b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES + b"c" * 100)
    again = seal(KEYS.contents, "k", b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES + b"c" * 100)
    assert sealed[:block] != again[:block], "one content, written twice, does not look the same"
    first, second, rest = sealed[:block], sealed[block : 2 * block], sealed[2 * block :]
    footer = sealed[-FOOTER_BYTES:]
    for changed in (second + first + rest, first + rest, first + second + footer, again[:block] + second + rest):
        with pytest.raises(SealBroken):
            unseal(KEYS.contents, "k", changed)


@given(key=st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join))
@settings(deadline=None)
def test_names_come_back_and_differ_by_folder_alone_too(key: str) -> None:
    names = Names(KEYS.names)
    sealed = names.seal(key)
    if len(sealed) <= MAX_KEY_LENGTH:
        assert is_key(sealed) == (max(map(len, sealed.split("/"))) <= 200)
    assert sealed == sealed.lower(), "FAT takes two names for one that differ in their capitals alone"
    if len(key) <= MAX_KEY_LENGTH:
        assert Names(KEYS.names).unseal(sealed) == key
    assert Names(b"m" * 64).unseal(sealed) is None
    last = key.rsplit("/", 1)[-1]
    assert names.seal(f"x/{last}").rsplit("/", 1)[-1] != names.seal(f"y/{last}").rsplit("/", 1)[-1]


def test_the_longest_key_of_a_site_fits() -> None:
    digest = "0123456789abcdef" * 4
    names = Names(KEYS.names)
    for key in (
        f"sites/{digest}/snapshots/{digest}/chunks/{digest}.jsonl.zst",
        f"sites/{digest}/journal/{digest}/0000000001.jsonl.zst",
        f"objects/01/{digest}.pieces/000001",
    ):
        assert is_key(names.seal(key))


def test_nothing_of_it_is_to_be_read_beneath(tmp_path: Path) -> None:
    store = SealedStore(FolderStore(tmp_path / "store"), KEYS)
    store.put("sites/north/journal/desk", b"the secret of the line" * 10)
    beneath = b"".join(
        str(path).encode() + path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()
    )
    for word in (b"sites", b"north", b"desk", b"secret"):
        assert word not in beneath
    (tmp_path / "store" / "stranger").write_bytes(b"x" * 100)
    (tmp_path / "store" / "folder").mkdir()
    assert [info.key for info in store.list("")] == ["sites/north/journal/desk"]
    assert store.folders("") == ("sites",)


@pytest.mark.parametrize("size", [PART_BYTES, 2 * PART_BYTES, PART_BYTES + BLOCK_BYTES, PART_BYTES + 1])
def test_an_upload_that_ends_with_a_full_part_ends(tmp_path: Path, size: int) -> None:
    store = SealedStore(FolderStore(tmp_path / "store"), KEYS)
    body = os.urandom(size)
    upload = store.start_upload("k")
    for number, start in enumerate(range(0, size, PART_BYTES), 1):
        store.put_part("k", upload, number, start, body[start : start + PART_BYTES], lambda _size: None)
    parts = store.parts("k", upload)
    assert sum(part.size for part in parts.values()) == size
    store.finish_upload("k", upload, parts)
    found = store.head("k")
    assert found is not None
    assert found.size == size
    assert store.get("k") == body
    store.get_file("k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == body
    end = bytearray()
    store.get_range("k", size - 10, 10, end.extend, lambda _size: None)
    assert end == body[-10:]
    with pytest.raises(InputInvalid):
        store.put_part("k", store.start_upload("k"), 1, 5, body, lambda _size: None)


def test_a_passphrase_counts_in_its_composed_form() -> None:
    composed, decomposed = "Stra\u00dfe \u00e4", "Stra\u00dfe a\u0308"
    keys = [StickKeys(one, b"s" * 16) for one in (composed, decomposed)]
    assert keys[0].seal_keys == keys[1].seal_keys
    assert keys[0].proof(b"x") == keys[1].proof(b"x") != keys[0].proof(b"y")
    assert StickKeys(composed, b"t" * 16).seal_keys != keys[0].seal_keys
    assert "hidden" in repr(keys[0].seal_keys)
    with pytest.raises(InputInvalid):
        StickKeys("", b"s" * 16)
