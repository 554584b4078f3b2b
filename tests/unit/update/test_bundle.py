"""Bundles: what is packed comes back, and what is bent is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_sync.release.pack import pack_bundle
from edge_runtime.contracts.errors import BundleInvalid, BundleTampered, InputInvalid
from edge_runtime.contracts.manifest import GoldenCase
from edge_runtime.update import bundle as bundle_module
from edge_runtime.update.bundle import read_bundle
from tests.fakes import models

MODEL = models.brightness_model()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "parts.bundle"
    pack_bundle(path, models.manifest(), MODEL, models.GOLDEN)
    return path


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "parts.bundle"
    bundle_id, sha256 = pack_bundle(path, models.manifest(), MODEL, models.GOLDEN)
    bundle = read_bundle(path)
    assert bundle.id == bundle_id == bundle.manifest.id
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (bundle.model, bundle.golden) == (MODEL, models.GOLDEN)
    assert dataclasses.replace(bundle.manifest, files=()) == models.manifest()


def test_equal_contents_give_equal_bytes(tmp_path: Path, packed: Path) -> None:
    again = tmp_path / "again.bundle"
    pack_bundle(again, models.manifest(), MODEL, dict(reversed(models.GOLDEN.items())))
    assert again.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("name", ["../evil", "golden/../x", "golden/", "model.onnx", "golden/.hidden", "golden/a/b"])
def test_a_golden_path_that_a_box_would_refuse_is_not_packed(tmp_path: Path, name: str) -> None:
    manifest = models.manifest(golden=(GoldenCase(path=name, label="dark", confidence=1.0),))
    with pytest.raises(InputInvalid):
        pack_bundle(tmp_path / "x.bundle", manifest, MODEL, {name: b"x"})
    assert list(tmp_path.iterdir()) == []


def test_golden_cases_and_files_must_match(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="golden cases"):
        pack_bundle(tmp_path / "x.bundle", models.manifest(), MODEL, {})


Members = list[tuple[zipfile.ZipInfo, bytes]]


def rewrite(path: Path, change: Callable[[Members], None]) -> None:
    """Take the zip apart, let ``change`` bend its members, and put it together again."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, body in members:
            archive.writestr(info, body, info.compress_type)
    path.write_bytes(buffer.getvalue())


def _add(
    name: str, body: bytes = b"x", mode: int = stat.S_IFREG | 0o644, *, squeeze: bool = False
) -> Callable[[Members], None]:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED if squeeze else zipfile.ZIP_STORED
    return lambda members: members.append((info, body))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_add("extra.txt"), "does not belong"),
        (_add("../../etc/cron.d/x"), "does not belong"),
        (_add("/etc/passwd"), "does not belong"),
        (_add("golden/../../x"), "does not belong"),
        (_add("golden\\..\\x"), "does not belong"),
        (_add("golden/"), "does not belong"),
        (_add("golden/unlisted"), "not the files that its manifest lists"),
        (_add("golden/link", b"/etc/passwd", stat.S_IFLNK | 0o777), "a link"),
        (_add("golden/device", b"", stat.S_IFCHR | 0o666), "a link or a device"),
        (_add("golden/bomb", bytes(10**7), squeeze=True), "compressed"),
        (lambda members: members.pop(-1), "lacks"),
        (lambda members: members.pop(0), "lacks"),
        (lambda members: members.extend([_named(f"golden/{i}") for i in range(300)]), "at most"),
    ],
)
def test_a_bent_bundle_is_refused(packed: Path, change: Callable[[Members], None], says: str) -> None:
    rewrite(packed, change)
    with pytest.raises(BundleInvalid, match=says):
        read_bundle(packed)


def _named(name: str) -> tuple[zipfile.ZipInfo, bytes]:
    return zipfile.ZipInfo(name), b"x"


def test_a_member_twice_is_refused(packed: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        rewrite(packed, lambda members: members.append((zipfile.ZipInfo("model.onnx"), b"other")))
    with pytest.raises(BundleInvalid, match="twice"):
        read_bundle(packed)


def test_sizes_that_overlap_are_refused(packed: Path) -> None:
    """The trick of bombs without compression: many entries that name the same bytes."""
    body = packed.read_bytes()
    end = body.rindex(b"PK\x05\x06")
    start = int.from_bytes(body[end + 16 : end + 20], "little")
    with zipfile.ZipFile(packed) as archive:
        size = archive.getinfo("model.onnx").file_size
    field = size.to_bytes(4, "little")
    swollen = body[:start] + body[start:end].replace(field + field, (2**31 - 1).to_bytes(4, "little") * 2) + body[end:]
    assert swollen != body
    packed.write_bytes(swollen)
    with pytest.raises(BundleInvalid):
        read_bundle(packed)


@pytest.mark.parametrize("member", ["model.onnx", "golden/dark"])
def test_other_bytes_under_a_listed_name_are_tampering(packed: Path, member: str) -> None:
    def swap(members: Members) -> None:
        index = next(i for i, (info, _) in enumerate(members) if info.filename == member)
        info, body = members[index]
        members[index] = (info, bytes([body[0] ^ 1]) + body[1:])

    rewrite(packed, swap)
    with pytest.raises(BundleTampered, match=member):
        read_bundle(packed)


@pytest.mark.parametrize(
    "changes",
    [
        {"golden": [{"path": "golden/none", "label": "dark", "confidence": 1.0}]},
        {"golden": [{"path": "golden/dark", "label": "purple", "confidence": 1.0}]},
        {"name": "../parts"},
        {"version": "one"},
        {"format": 2},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(packed: Path, changes: dict[str, object]) -> None:
    def edit(members: Members) -> None:
        info, body = members[0]
        members[0] = (info, json.dumps({**json.loads(body), **changes}).encode())

    rewrite(packed, edit)
    with pytest.raises(BundleInvalid):
        read_bundle(packed)


def test_a_newer_manifest_with_unknown_fields_is_read(packed: Path) -> None:
    def edit(members: Members) -> None:
        info, body = members[0]
        members[0] = (info, json.dumps({**json.loads(body), "colour_of_the_box": "grey"}).encode())

    rewrite(packed, edit)
    with zipfile.ZipFile(packed) as archive:
        raw = archive.read("manifest.json")
    assert read_bundle(packed).id == hashlib.sha256(raw).hexdigest()


def test_links_and_folders_are_not_opened(tmp_path: Path, packed: Path) -> None:
    link = tmp_path / "link.bundle"
    link.symlink_to(packed)
    for path in (link, tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleInvalid):
            read_bundle(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.bundle"
    os.mkfifo(pipe)
    with pytest.raises(BundleInvalid):
        read_bundle(pipe)


def test_a_vast_file_is_not_read(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 100)
    with pytest.raises(BundleInvalid, match="at most 100"):
        read_bundle(packed)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_gives_the_same_bundle_or_a_plain_refusal(packed: Path, data: st.DataObject) -> None:
    """One flipped byte or a cut: never another model, never another exception."""
    body = packed.read_bytes()
    at = data.draw(st.integers(0, len(body) - 1))
    mask = data.draw(st.integers(0, 255))
    damaged = body[:at] if mask == 0 else body[:at] + bytes([body[at] ^ mask]) + body[at + 1 :]
    victim = packed.with_name("damaged.bundle")
    victim.write_bytes(damaged)
    try:
        bundle = read_bundle(victim)
    except (BundleInvalid, BundleTampered):
        return
    assert bundle.model == MODEL
    assert bundle.id == hashlib.sha256(bundle.manifest.to_bytes()).hexdigest()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_noise_is_not_a_bundle(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(body)
    with pytest.raises(BundleInvalid):
        read_bundle(path)
