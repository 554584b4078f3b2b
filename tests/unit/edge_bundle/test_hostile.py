"""Bundles that somebody made to do harm, or that arrived damaged: refused, and the version before answers on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fleet.edge_bundle import open_edge_bundle
from edge_runtime.contracts.errors import LinesideError
from tests.fakes.edge_bundles import module, record, run_installer, small_bundle, start, tree, wheel

Change = Callable[[Path], object]
NAME = "evil-1.0.0-py3-none-any.whl"
INFORMATION = "evil-1.0.0.dist-info"
WHEEL = b"Wheel-Version: 1.0\n"
INSTALLER = module("install")


def refusal(bundle: Path, prefix: Path) -> str:
    with pytest.raises(INSTALLER.Refused) as refused:
        INSTALLER.install(bundle, prefix)
    return str(refused.value.code)


def edited(**changes: Any) -> Change:
    """Of the manifest itself."""

    def change(bundle: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_bytes())
        (bundle / "manifest.json").write_text(json.dumps({**manifest, **changes}))

    return change


def edited_file(**changes: Any) -> Change:
    """Of the first file that the manifest lists."""

    def change(bundle: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_bytes())
        manifest["files"][0] |= changes
        (bundle / "manifest.json").write_text(json.dumps(manifest))

    return change


def flip(bundle: Path) -> None:
    victim = next((bundle / "wheels").glob("msgspec-*"))
    body = bytearray(victim.read_bytes())
    body[len(body) // 2] ^= 1
    victim.write_bytes(body)


def grow(bundle: Path) -> None:
    (bundle / "install.py").write_bytes((bundle / "install.py").read_bytes() + b"#")


def link(bundle: Path) -> None:
    victim = next((bundle / "wheels").glob("ifaddr-*"))
    victim.rename(bundle / "elsewhere")
    victim.symlink_to(bundle / "elsewhere")


def pipe(bundle: Path) -> None:
    victim = next((bundle / "wheels").glob("ifaddr-*"))
    victim.unlink()
    os.mkfifo(victim)


def twice(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"].append(manifest["files"][0])
    (bundle / "manifest.json").write_text(json.dumps(manifest))


CHANGES: dict[str, tuple[Change, str]] = {
    "a flipped bit": (flip, "edge-bundle.tampered"),
    "a file that grew": (grow, "edge-bundle.tampered"),
    "a file that is cut off": (lambda b: os.truncate(b / "install.py", 100), "edge-bundle.tampered"),
    "a file that is gone": (lambda b: (b / "lineside-edge.service").unlink(), "edge-bundle.invalid"),
    "a link": (link, "edge-bundle.invalid"),
    "a pipe": (pipe, "edge-bundle.invalid"),
    "no manifest": (lambda b: (b / "manifest.json").unlink(), "edge-bundle.invalid"),
    "no JSON": (lambda b: (b / "manifest.json").write_bytes(b"\xff{"), "edge-bundle.invalid"),
    "JSON without end": (lambda b: (b / "manifest.json").write_text("[" * 500_000), "edge-bundle.invalid"),
    "an endless manifest": (lambda b: (b / "manifest.json").write_bytes(b" " * 2**21), "edge-bundle.invalid"),
    "a list": (lambda b: (b / "manifest.json").write_text("[]"), "edge-bundle.invalid"),
    "a newer format": (edited(format=2), "edge-bundle.invalid"),
    "a version that is a path": (edited(version="1/../../x"), "edge-bundle.invalid"),
    "a version with a line end": (edited(version="1.0.0\n"), "edge-bundle.invalid"),
    "no files": (edited(files=[]), "edge-bundle.invalid"),
    "files of another kind": (edited(files=[1]), "edge-bundle.invalid"),
    "a file listed twice": (twice, "edge-bundle.invalid"),
    "a path upwards": (edited_file(path="wheels/../../x.whl"), "edge-bundle.invalid"),
    "an absolute path": (edited_file(path="/etc/passwd"), "edge-bundle.invalid"),
    "a path of another kind": (edited_file(path="wheels/x.sh"), "edge-bundle.invalid"),
    "a negative size": (edited_file(size=-1), "edge-bundle.invalid"),
    "an absurd size": (edited_file(size=2**60), "edge-bundle.invalid"),
    "a size that is none": (edited_file(size=True), "edge-bundle.invalid"),
    "a digest that is none": (edited_file(sha256="0" * 63), "edge-bundle.invalid"),
    "another digest": (edited_file(sha256="0" * 64), "edge-bundle.tampered"),
    "Pythons without end": (edited(pythons=["3.11"] * 100), "edge-bundle.invalid"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_bundle_is_refused_before_anything_is_written(bundle: Path, tmp_path: Path, name: str) -> None:
    change, code = CHANGES[name]
    shutil.copytree(bundle, tmp_path / "bundle")
    change(tmp_path / "bundle")
    assert refusal(tmp_path / "bundle", tmp_path / "opt") == code
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize("name", CHANGES)
def test_the_desktop_refuses_it_too(bundle: Path, tmp_path: Path, name: str) -> None:
    change, code = CHANGES[name]
    shutil.copytree(bundle, tmp_path / "bundle")
    change(tmp_path / "bundle")
    with pytest.raises(LinesideError) as refused:
        read = open_edge_bundle(tmp_path / "bundle")
        read.check(read.manifest.files)
    assert refused.value.code == code


def evil(
    members: list[tuple[str | zipfile.ZipInfo, bytes]], recorded: dict[str, bytes] | None = None, about: bytes = WHEEL
) -> bytes:
    """A wheel with these members, and a RECORD that fits them unless it is told otherwise."""
    content = {(each if isinstance(each, str) else each.filename): body for each, body in members}
    content = {**(content if recorded is None else recorded), f"{INFORMATION}/WHEEL": about}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, body in [*members, (f"{INFORMATION}/WHEEL", about)]:
            archive.writestr(each, body)
        archive.writestr(f"{INFORMATION}/RECORD", record(content, f"{INFORMATION}/RECORD"))
    return buffer.getvalue()


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def patched(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new)


def bomb() -> bytes:
    """A member that says it is small."""
    body = evil([("big.py", b"0" * 50_000_000)], {"big.py": b"0" * 50})
    size, small = struct.pack("<I", 50_000_000), struct.pack("<I", 50)
    assert zipfile.ZipFile(io.BytesIO(body)).getinfo("big.py").file_size == 50_000_000
    return patched(body, size, small)


WHEELS: dict[str, Callable[[], bytes]] = {
    "upwards": lambda: evil([("../evil.py", b"")]),
    "upwards in the middle": lambda: evil([("a/../../../evil.py", b"")]),
    "upwards in its data": lambda: evil([("evil-1.0.0.data/purelib/../../evil.py", b"")]),
    "absolute": lambda: evil([("/etc/evil.py", b"")]),
    "with a backslash": lambda: evil([("..\\evil.py", b"")]),
    "with an empty name in between": lambda: evil([("a//evil.py", b"")]),
    "with a control character": lambda: evil([("a\x1b[2J.py", b"")]),
    "with an endless name": lambda: evil([("a" * 300 + ".py", b"")]),
    "a link": lambda: evil([(special("evil.py", 0o120777), b"/etc/shadow")]),
    "a device": lambda: evil([(special("evil.py", 0o020666), b"")]),
    "a member that is not in RECORD": lambda: evil([("evil.py", b""), ("more.py", b"")], {"evil.py": b""}),
    "a row without a member": lambda: evil([("evil.py", b"")], {"evil.py": b"", "more.py": b""}),
    "another size in RECORD": lambda: evil([("evil.py", b"123")], {"evil.py": b"12"}),
    "cut off": lambda: evil([("evil.py", b"x" * 1000)])[:-30],
    "no zip": lambda: b"PK\x05\x06",
    "of a later wheel version": lambda: evil([("evil.py", b"")], about=b"Wheel-Version: 2.0\n"),
    "a file of another wheel": lambda: evil([("ifaddr/__init__.py", b"")]),
    "a folder where another has a file": lambda: evil([("ifaddr/__init__.py/evil.py", b"")]),
    "too many members": lambda: evil([(f"{number}.py", b"") for number in range(20_001)]),
    "RECORD is no text": lambda: patched(evil([("é.py", b"")]), "é".encode(), b"\xff\xff"),
}


def with_wheel(folder: Path, body: bytes) -> Path:
    """A bundle whose manifest is right about this wheel."""
    target = small_bundle(folder, version="9.0.0")
    (target / "wheels" / NAME).write_bytes(body)
    manifest = json.loads((target / "manifest.json").read_bytes())
    facts = {"path": f"wheels/{NAME}", "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    manifest["files"].append({**facts, "pythons": manifest["pythons"]})
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", WHEELS)
def test_a_hostile_wheel_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    assert refusal(with_wheel(tmp_path, WHEELS[name]()), tmp_path / "opt") == "edge-bundle.invalid"
    assert not (tmp_path / "opt").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    body = evil([("evil.py", b"1"), ("evil.py", b"2")])
    assert refusal(with_wheel(tmp_path, body), tmp_path / "opt") == "edge-bundle.invalid"


DIFFERENT: dict[str, Callable[[], bytes]] = {
    "another digest": lambda: evil([("evil.py", b"import os")], {"evil.py": b"import io"}),
    "a bomb": bomb,
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_content_that_is_not_recorded_leaves_the_version_before(bundle: Path, tmp_path: Path, name: str) -> None:
    prefix = tmp_path / "opt"
    run_installer(bundle, prefix)
    before = tree(prefix / "versions")
    assert run_installer(with_wheel(tmp_path, DIFFERENT[name]()), prefix)["error"]["code"] == "edge-bundle.tampered"
    assert tree(prefix / "versions") == before
    assert start(prefix)["version"] == "1.0.0"


def test_a_link_where_the_versions_should_be(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "opt" / "versions").symlink_to(tmp_path / "elsewhere")
    assert refusal(bundle, tmp_path / "opt") == "edge-install.refused"
    assert list((tmp_path / "elsewhere").iterdir()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
KEYS = st.sampled_from(["format", "version", "arch", "pythons", "glibc", "files", "path", "sha256", "size"])


@given(st.dictionaries(KEYS, JSON), st.dictionaries(KEYS, JSON))
def test_whatever_a_manifest_says_it_is_refused_in_words(changes: dict[str, Any], of_file: dict[str, Any]) -> None:
    file = {"path": "install.py", "sha256": "0" * 64, "size": 1, "pythons": ["3.11"]} | of_file
    sound = {"format": 1, "version": "1", "arch": "x86_64", "pythons": ["3.11"], "glibc": "2.28", "files": [file]}
    try:
        read = INSTALLER.parse_manifest(json.dumps(sound | changes).encode())
    except INSTALLER.Refused as refused:
        assert refused.code == "edge-bundle.invalid"
    else:
        assert len(read.files) == 1


@given(st.binary(max_size=200), st.integers(0, 2**16), st.integers(0, 255))
def test_whatever_a_wheel_is_it_is_read_or_refused(body: bytes, place: int, value: int) -> None:
    for candidate in (body, _with_byte(SOUND, place, value)):
        try:
            members = INSTALLER.look_into(f"wheels/{NAME}", candidate)
        except INSTALLER.Refused as refused:
            assert refused.code == "edge-bundle.invalid"
        else:
            assert all(member.target.startswith(("lib/", "data/")) for member in members)


def _with_byte(body: bytes, place: int, value: int) -> bytes:
    place %= len(body)
    return body[:place] + bytes([value]) + body[place + 1 :]


SOUND = evil([("evil.py", b"pass"), ("evil-1.0.0.data/data/x", b"1")])


def test_a_sound_one_is_not_refused(tmp_path: Path) -> None:
    body = wheel(tmp_path / "sound", "evil", {"evil.py": b""}).read_bytes()
    assert INSTALLER.install(with_wheel(tmp_path, body), tmp_path / "opt")["changed"] is True
