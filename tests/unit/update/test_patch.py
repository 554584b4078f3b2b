"""Patches: what they cost, that they make the file, and what hostile ones come to."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.release.pack import pack_bundle
from cloud_sync.release.patch import make_patch
from edge_runtime.contracts.errors import InputInvalid, LinesideError, NotFound, ObjectCorrupt, PatchUnusable
from edge_runtime.update.holdings import Holdings
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.patch import CHANGED, FOUND, HEAD, MAX_PART_BYTES, PIECE, Head, Piece, apply_patch, read_head
from tests.fakes import models, weights

SIZE = 2**21


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def patch_of(folder: Path, base: bytes, whole: bytes) -> bytes:
    (folder / "base").write_bytes(base)
    (folder / "whole").write_bytes(whole)
    return make_patch(folder / "base", folder / "whole", folder / "patch").path.read_bytes()


def applied(base: bytes, patch: bytes) -> bytes:
    file = io.BytesIO(patch)
    return b"".join(apply_patch(io.BytesIO(base), file, read_head(file)))


@pytest.mark.parametrize("change", weights.CHANGES.values(), ids=weights.CHANGES)
def test_a_bundle_of_which_a_tenth_changed_costs_a_fifth(
    change: Callable[[weights.Weights], weights.Weights], tmp_path: Path
) -> None:
    before = weights.int8_weights(SIZE)
    pack_bundle(tmp_path / "1", models.manifest(version="1.0.0"), before.tobytes(), models.GOLDEN)
    changed = models.manifest(version="1.0.10", release=2)  # a longer text: all behind it is moved
    pack_bundle(tmp_path / "2", changed, change(before).tobytes(), models.GOLDEN)
    base, whole = (tmp_path / "1").read_bytes(), (tmp_path / "2").read_bytes()
    patch = make_patch(tmp_path / "1", tmp_path / "2", tmp_path / "patch")
    assert patch.size <= 0.2 * len(whole)
    assert applied(base, patch.path.read_bytes()) == whole


def test_equal_files_give_equal_patches(tmp_path: Path) -> None:
    base, whole = b"one" * 1000, b"two" * 1000
    assert patch_of(tmp_path, base, whole) == patch_of(tmp_path, base, whole)


def test_what_was_moved_by_far_is_found(tmp_path: Path) -> None:
    body = weights.int8_weights(2**20).tobytes()
    whole = weights.int8_weights(700_001, seed=9).tobytes() + body + b"the end"
    patch = patch_of(tmp_path, body, whole)
    assert len(patch) < 0.5 * len(whole)
    assert applied(body, patch) == whole


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=st.binary(min_size=1, max_size=300), whole=st.binary(min_size=1, max_size=300))
def test_any_file_is_made_from_any_other(tmp_path: Path, base: bytes, whole: bytes) -> None:
    assert applied(base, patch_of(tmp_path, base, whole)) == whole


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_patch_gives_an_error_or_other_bytes_and_nothing_worse(tmp_path: Path, data: st.DataObject) -> None:
    base = bytes(range(256)) * 8
    patch = bytearray(patch_of(tmp_path, base, base[:900] + b"changed" + base[1000:]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(patch) - 1))
        patch[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(patch)))
    with suppress(PatchUnusable):
        applied(base, bytes(patch[:cut] if cut % 2 else patch))


BASE = b"\x07" * 4096


def piece(kind: int, frames: tuple[bytes, bytes], **changes: int) -> bytes:
    facts = {"base_offset": 0, "base_length": 4096 if kind == CHANGED else 0, "length": 4096, **changes}
    return Piece(kind, first=len(frames[0]), second=len(frames[1]), **facts).to_bytes() + b"".join(frames)


def frame(body: bytes) -> bytes:
    return zstandard.compress(body)


NO_CHANGE = frame(bytes(512)), frame(b"")
BOMB = frame(bytes(2**30))
WITHOUT_SIZE = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(4096))
HOSTILE = {
    "bomb": piece(FOUND, (BOMB, b"")),
    "bomb of a mask": piece(CHANGED, (BOMB, frame(b""))),
    "bomb of changes": piece(CHANGED, (NO_CHANGE[0], BOMB)),
    "claims a gigabyte": piece(FOUND, (BOMB, b""), length=2**30),
    "says no size": piece(FOUND, (WITHOUT_SIZE, b"")),
    "empty": piece(FOUND, (frame(b""), b""), length=0),
    "longer than the file": piece(FOUND, (frame(bytes(4097)), b""), length=4097),
    "behind the base": piece(CHANGED, NO_CHANGE, base_offset=1),
    "far behind the base": piece(CHANGED, NO_CHANGE, base_offset=2**64 - 1),
    "large part of the base": piece(FOUND, (frame(bytes(4096)), b""), base_length=MAX_PART_BYTES + 1),
    "other length than its part": piece(CHANGED, NO_CHANGE, base_length=4000),
    "second frame where there is none": piece(FOUND, (frame(bytes(4096)), b"x")),
    "unknown kind": piece(3, NO_CHANGE, base_length=4096),
    "too few changes": piece(CHANGED, (frame(b"\xff" * 512), frame(bytes(4095)))),
    "no zstd": piece(FOUND, (b"x" * 100, b"")),
    "two frames in one": piece(FOUND, (frame(bytes(4096)) + frame(b"more"), b"")),
    "goes on": piece(CHANGED, NO_CHANGE) + b"x",
    "ends early": piece(CHANGED, NO_CHANGE)[:-1],
    "nothing": b"",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_patches_are_refused(body: bytes) -> None:
    head = Head(digest(BASE), len(BASE), digest(BASE), len(BASE)).to_bytes()
    assert applied(BASE, head + piece(CHANGED, NO_CHANGE)) == BASE, "the sound one is"
    with pytest.raises(PatchUnusable):
        applied(BASE, head + body)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"x" * HEAD.size,
        Head(digest(BASE), 0, digest(BASE), 1).to_bytes(),
        Head(digest(BASE), 1, digest(BASE), 2**62).to_bytes(),
    ],
    ids=["none", "another kind", "no base", "larger than any bundle"],
)
def test_hostile_heads_are_refused(head: bytes) -> None:
    with pytest.raises(PatchUnusable):
        applied(BASE, head + b"\0" * PIECE.size)


class Box:
    """An inbox beside a slot that holds a base."""

    def __init__(self, home: Path, base: bytes) -> None:
        self.slot = home / "slots" / "a.bundle"
        self.slot.parent.mkdir()
        self.slot.write_bytes(base)
        self.objects = home / "inbox" / "objects"
        self.inbox = Inbox(home / "inbox", Holdings([self.slot.parent]))

    def left(self) -> set[str]:
        return {path.name for path in self.objects.iterdir()}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path, BASE)


def deliver(box: Box, body: bytes) -> str:
    box.inbox.append(digest(body), 0, body, len(body))
    return digest(body)


def test_the_whole_is_made_from_what_lies_in_a_slot(box: Box, tmp_path: Path) -> None:
    whole = BASE[:50] + b"another" + BASE[50:]
    patch = deliver(box, patch_of(tmp_path, BASE, whole))
    box.inbox.append(digest(whole), 0, whole[:9], len(whole))
    assert box.inbox.make(digest(whole), base=digest(BASE), patch=patch) == len(whole)
    assert box.inbox.path(digest(whole)).read_bytes() == whole
    assert box.left() == {digest(whole)}, "neither the patch nor the beginning of the whole is needed any more"
    assert box.inbox.make(digest(whole), base=digest(BASE), patch=patch) == len(whole), "again: nothing happens"


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_patch_leaves_nothing(box: Box, body: bytes) -> None:
    wanted = digest(b"wanted")
    patch = deliver(box, Head(digest(BASE), len(BASE), wanted, len(BASE)).to_bytes() + body)
    with pytest.raises(PatchUnusable):
        box.inbox.make(wanted, base=digest(BASE), patch=patch)
    assert box.left() == set()
    assert box.slot.read_bytes() == BASE


def test_other_bytes_than_promised_are_not_kept(box: Box) -> None:
    wanted = digest(b"wanted")
    sound = Head(digest(BASE), len(BASE), wanted, len(BASE)).to_bytes() + piece(CHANGED, NO_CHANGE)
    patch = deliver(box, sound)
    with pytest.raises(ObjectCorrupt):
        box.inbox.make(wanted, base=digest(BASE), patch=patch)
    assert box.left() == set()


def test_a_patch_for_other_files_is_refused(box: Box, tmp_path: Path) -> None:
    patch = patch_of(tmp_path, BASE, BASE + b"more")
    wanted = digest(BASE + b"more")
    cases: list[tuple[str, str, type[LinesideError]]] = [
        (digest(b"another"), digest(BASE), PatchUnusable),
        (wanted, digest(b"gone"), NotFound),
        ("no digest", digest(BASE), InputInvalid),
    ]
    for whole, base, error in cases:
        with pytest.raises(error):
            box.inbox.make(whole, base=base, patch=deliver(box, patch))
    with pytest.raises(NotFound):
        box.inbox.make(wanted, base=digest(BASE), patch=digest(b"never sent"))


def test_a_slot_whose_file_was_damaged_is_not_taken_for_what_it_was(box: Box) -> None:
    assert box.inbox.have(digest(BASE), len(BASE)) == (len(BASE), True)
    assert box.inbox.have(digest(BASE)) == (len(BASE), True)
    assert box.inbox.have(digest(BASE), len(BASE) + 1) == (0, False)
    box.slot.write_bytes(b"\x08" * len(BASE))
    assert box.inbox.have(digest(BASE)) == (0, False)
    with pytest.raises(NotFound):
        box.inbox.path(digest(BASE))


def test_what_a_power_cut_left_of_a_making_goes_at_the_next_start(box: Box, tmp_path: Path) -> None:
    leftover = box.objects / f".{digest(BASE)}.abcd.part"
    leftover.write_bytes(BASE)
    Inbox(tmp_path / "inbox")
    assert box.left() == set()
