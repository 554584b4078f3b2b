"""Build dist/lineside-edge-VERSION-ARCH and the same as one .zip: all that a box without a network needs.

For other Pythons than the usual ones it is called after them.

Run through ``make edge-bundle ARCH=aarch64``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename
from resolve import GLIBC, resolve
from write import write_bundle, zip_bundle

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARCHITECTURES = ("x86_64", "aarch64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""What boxes have: every one that is new enough and for which all wheels are there."""


def bundle_name(version: str, arch: str, pythons: Sequence[str]) -> str:
    """Of the folder. One for other Pythons lies beside the usual one and does not take its place."""
    usual = set(pythons) == set(PYTHONS)
    return f"lineside-edge-{version}-{arch}" + ("" if usual else f"-py{'-'.join(pythons)}")


def build_lineside(folder: Path) -> Path:
    """The wheel of what lies here."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
         f"--wheel-dir={folder}", str(ROOT)],
        check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("lineside-*.whl")
    return wheel


def build(arch: str, pythons: list[str], dist: Path) -> Path:
    """The folder of the bundle; what lay there before is replaced once the new one is whole."""
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary)
        lineside = build_lineside(cache / "lineside")
        wheels: dict[str, tuple[Path, set[str]]] = {lineside.name: (lineside, set(pythons))}
        for python in pythons:
            for path in resolve(lineside, ROOT / "packaging/constraints.txt", cache, arch=arch, python=python):
                wheels.setdefault(path.name, (path, set()))[1].add(python)
        version = str(parse_wheel_filename(lineside.name)[1])
        folder = dist / bundle_name(version, arch, pythons)
        new = dist / f".{folder.name}.part"
        shutil.rmtree(new, ignore_errors=True)
        write_bundle(
            new,
            version=version,
            arch=arch,
            pythons=pythons,
            glibc=".".join(map(str, GLIBC)),
            wheels=[(path, sorted(each, key=pythons.index)) for path, each in wheels.values()],
            others=[HERE / name for name in ("install.py", "lineside-edge.service", "lineside-edge-clock.conf")],
        )
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    zip_bundle(folder, dist / f"{folder.name}.zip")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=ARCHITECTURES, required=True)
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    folder = build(options.arch, options.pythons, options.dist)
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    print(f"{folder.name}: {sum(file['size'] for file in files) / 2**20:.1f} MiB")
    if set(options.pythons) != set(PYTHONS):
        print(f"it lies beside the usual one: lineside boxes enrol … --bundle {folder}")
    for python in options.pythons:
        size = sum(file["size"] for file in files if python in file["pythons"])
        print(f"a box with Python {python} needs {size / 2**20:.1f} MiB of it")


if __name__ == "__main__":
    main()
