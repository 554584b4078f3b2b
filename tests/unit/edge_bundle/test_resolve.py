"""What a box asks for, not what the machine asks for that builds its bundle."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.fakes.edge_bundles import EDGE, module, wheel


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EDGE.parent))
    return module("resolve")


def test_markers_are_those_of_the_box(resolve: ModuleType, tmp_path: Path) -> None:
    root = wheel(
        tmp_path,
        "lineside",
        {},
        requires=[
            "always>=1",
            "windows; sys_platform == 'win32'",
            "arm; platform_machine == 'aarch64'",
            "old; python_version < '3.12'",
            "call; extra == 'grpc'",
            "window; extra == 'desktop'",
        ],
    )
    wheels = {"always": wheel(tmp_path, "always", {}, requires=["deeper[more]"]), "call": wheel(tmp_path, "call", {})}
    wheels["deeper"] = wheel(tmp_path, "deeper", {}, requires=["deepest; extra == 'more'"])
    # Fetched, for the machine that builds needs it; the box does not.
    wheels["stray"] = wheel(tmp_path, "stray", {})
    closure = resolve._closure
    assert closure(root, wheels, arch="x86_64", python="3.13") == ({"always", "call", "deeper"}, {"deepest"})
    needed, missing = closure(root, wheels, arch="aarch64", python="3.11")
    assert (needed, missing) == ({"always", "call", "deeper"}, {"deepest", "arm", "old"})


def test_a_wheel_that_is_too_old_is_none(resolve: ModuleType, tmp_path: Path) -> None:
    root = wheel(tmp_path, "lineside", {}, requires=["always>=2"])
    wheels = {"always": wheel(tmp_path, "always", {})}
    assert resolve._closure(root, wheels, arch="x86_64", python="3.12") == (set(), {"always>=2"})


@pytest.mark.parametrize(
    ("name", "arch", "runs"),
    [
        ("x-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", "aarch64", True),
        ("x-1-cp311-abi3-manylinux_2_28_x86_64.whl", "x86_64", True),
        ("x-1-py3-none-any.whl", "aarch64", True),
        ("x-1-cp312-cp312-manylinux1_x86_64.whl", "x86_64", True),
        ("x-1-cp312-cp312-manylinux_2_17_x86_64.whl", "aarch64", False),
        ("x-1-cp312-cp312-manylinux_2_34_aarch64.whl", "aarch64", False),
        ("x-1-cp313-cp313-manylinux_2_17_aarch64.whl", "aarch64", False),
        ("x-1-cp312-cp312-musllinux_1_2_aarch64.whl", "aarch64", False),
    ],
)
def test_tags_say_where_a_wheel_runs(resolve: ModuleType, name: str, arch: str, runs: bool) -> None:
    if runs:
        resolve._check_tags(Path(name), arch=arch, python="3.12")
    else:
        with pytest.raises(SystemExit, match="does not run"):
            resolve._check_tags(Path(name), arch=arch, python="3.12")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for folder in (EDGE.parent, EDGE):
        monkeypatch.syspath_prepend(str(folder))
    return module("build")


def test_a_bundle_for_other_pythons_does_not_take_the_place_of_the_usual_one(build: ModuleType) -> None:
    assert build.bundle_name("1.0.0", "x86_64", build.PYTHONS) == "lineside-edge-1.0.0-x86_64"
    assert build.bundle_name("1.0.0", "x86_64", ["3.14"]) == "lineside-edge-1.0.0-x86_64-py3.14"
    assert build.bundle_name("1.0.0", "x86_64", ["3.11", "3.13"]) == "lineside-edge-1.0.0-x86_64-py3.11-3.13"


def test_the_usual_bundle_serves_every_python_that_is_looked_for_on_a_machine(build: ModuleType) -> None:
    source = (EDGE.parents[1] / "app/fleet/ssh/machine.py").read_text("utf-8")
    assert tuple(re.findall(r"python(3\.\d+)", source)) == build.PYTHONS
