"""The desktop's view of an edge bundle: which files a box needs, and what of a zip is believed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from app.fleet.edge_bundle import find_edge_bundle, open_edge_bundle, usual_folders
from edge_runtime.contracts.enrolment_errors import (
    EdgeBundleInvalid,
    EdgeBundleMissing,
    EdgeBundleTampered,
    EdgeInstallUnsuitable,
)
from tests.fakes.edge_bundles import EDGE, module, wheel


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """For three Pythons, with one wheel for each and one for all."""
    pythons = ["3.11", "3.12", "3.13"]
    wheels = [(wheel(tmp_path / "wheels", f"only_{python[2:]}", {"x.py": b"1"}), [python]) for python in pythons]
    folder = tmp_path / "lineside-edge-1.0.0-aarch64"
    writer = module("write")
    writer.write_bundle(
        folder,
        version="1.0.0",
        arch="aarch64",
        pythons=pythons,
        glibc="2.28",
        wheels=[*wheels, (wheel(tmp_path / "wheels", "common", {"y.py": b"2"}), pythons)],
        others=[EDGE / "install.py", EDGE / "lineside-edge.service"],
    )
    writer.zip_bundle(folder, folder.with_name(f"{folder.name}.zip"))
    return folder


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_a_box_gets_what_its_python_needs_and_no_more(bundle: Path, suffix: str) -> None:
    opened = open_edge_bundle(bundle.with_name(bundle.name + suffix))
    assert (opened.manifest.version, opened.manifest.arch) == ("1.0.0", "aarch64")
    assert opened.manifest_bytes == (bundle / "manifest.json").read_bytes()
    files = opened.files_for("3.12")
    assert [file.path for file in files] == [
        "install.py",
        "lineside-edge.service",
        "wheels/common-1.0.0-py3-none-any.whl",
        "wheels/only_12-1.0.0-py3-none-any.whl",
    ]
    seen: list[int] = []
    opened.check(files, seen=seen.append)
    assert sum(seen) == sum(file.size for file in files)
    for file in files:
        whole = (bundle / file.path).read_bytes()
        with opened.open(file) as source:
            source.seek(file.size // 2)
            assert source.read() == whole[file.size // 2 :]
    with pytest.raises(EdgeInstallUnsuitable, match=r"3\.11, 3\.12, 3\.13; the box has 3\.14"):
        opened.files_for("3.14")


def test_a_folder_may_lack_what_this_box_does_not_need(bundle: Path) -> None:
    for path in (bundle / "wheels").glob("only_1[13]*"):
        path.unlink()
    opened = open_edge_bundle(bundle)
    opened.check(opened.files_for("3.12"))
    with pytest.raises(EdgeBundleInvalid, match="only_11"):
        opened.check(opened.files_for("3.11"))


def rewritten(
    bundle: Path, changes: Mapping[str, bytes | None] | None = None, *, compression: int = zipfile.ZIP_STORED
) -> Path:
    """The zip with some members changed, added or, where None, left out."""
    target = bundle.with_name("rewritten.zip")
    members: dict[str, bytes | None] = {
        path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, body in {**members, **(changes or {})}.items():
            if body is not None:
                archive.writestr(name, body)
    return target


def test_a_zip_that_is_not_as_its_manifest_says(bundle: Path) -> None:
    for path in (
        rewritten(bundle, {"more.txt": b""}),
        rewritten(bundle, {"install.py": None}),
        rewritten(bundle, {"install.py": b"short"}),
        rewritten(bundle, {"manifest.json": None}),
        rewritten(bundle, compression=zipfile.ZIP_DEFLATED),
    ):
        with pytest.raises(EdgeBundleInvalid):
            open_edge_bundle(path)


def test_a_zip_with_a_member_twice_or_a_link(bundle: Path) -> None:
    path = rewritten(bundle)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("install.py", (bundle / "install.py").read_bytes())
    with pytest.raises(EdgeBundleInvalid):
        open_edge_bundle(path)
    path = rewritten(bundle, {"install.py": None})
    link = zipfile.ZipInfo("install.py")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, (bundle / "install.py").read_bytes())
    with pytest.raises(EdgeBundleInvalid, match="a link"):
        open_edge_bundle(path)


def test_other_bytes_of_the_right_size(bundle: Path) -> None:
    body = (bundle / "install.py").read_bytes()
    opened = open_edge_bundle(rewritten(bundle, {"install.py": b"x" + body[1:]}))
    with pytest.raises(EdgeBundleTampered, match=r"install\.py"):
        opened.check(opened.files_for("3.11"))


def test_a_damaged_zip_at_every_length(bundle: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO(bundle.with_name(f"{bundle.name}.zip").read_bytes())
    whole = buffer.getvalue()
    for length in range(0, len(whole), len(whole) // 50):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(EdgeBundleInvalid):
            open_edge_bundle(tmp_path / "cut.zip")


def test_a_manifest_without_installer(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"] = [file for file in manifest["files"] if file["path"] != "install.py"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EdgeBundleInvalid, match=r"install\.py"):
        open_edge_bundle(bundle)


def test_the_bundle_of_this_version_is_found(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"lineside-edge-{version('lineside')}-aarch64"
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    with pytest.raises(EdgeBundleMissing, match=own):
        find_edge_bundle("aarch64", [here, there])
    (there / f"{own}.zip").touch()
    assert find_edge_bundle("aarch64", [here, there]) == there / f"{own}.zip"
    (there / own).mkdir()
    assert find_edge_bundle("aarch64", [here, there]) == there / own
    with pytest.raises(EdgeBundleMissing, match="nowhere"):
        open_edge_bundle(tmp_path / "nowhere")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert usual_folders() == (tmp_path / "lineside" / "edge-bundles", EDGE.parents[1] / "dist")
