"""Build the desktop: dist/lineside (one folder), dist/lineside_VERSION_ARCH.deb, and a first start of what was built.

Run through ``make package``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from licences import packages_of, report
from smoke import smoke

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

DIST = ROOT / "dist"
WORK = ROOT / "build"
CONTROL = """\
Package: lineside
Version: {version}
Architecture: {architecture}
Maintainer: The Lineside developers <lineside@localhost>
Installed-Size: {kib}
Depends: {depends}
Recommends: fonts-noto-cjk
Section: science
Priority: optional
Description: Look after AI on factory floors from one laptop, online or not
 Finds the edge boxes beside the line, puts quantized models on them, gathers
 the cases they get wrong, and brings better models back, proved on the box.
"""


def build_program() -> Path:
    """dist/lineside, with the licences in it."""
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=WARN", f"--distpath={DIST}",
         f"--workpath={WORK}", HERE / "lineside.spec"],
        check=True,
    )  # fmt: skip
    libraries = (WORK / "lineside" / "bundled-libraries.txt").read_text().splitlines()
    program = DIST / "lineside"
    shutil.copy(ROOT / "LICENSE", program)
    (program / "THIRD-PARTY-LICENCES.txt").write_text(report(libraries), encoding="utf-8")
    return program


def needed_packages(program: Path) -> list[str]:
    """Debian packages with the shared libraries that the program takes from the system."""
    files = [path for path in program.rglob("*") if path.is_file() and (".so" in path.name or path.name == "lineside")]
    dump = subprocess.run(["objdump", "-p", *files], capture_output=True, text=True, check=False).stdout
    needed = {line.split()[1] for line in dump.splitlines() if line.startswith("  NEEDED")}
    needed -= {path.name for path in files}
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    places = {line.split()[0]: line.rpartition(" => ")[2] for line in cache.splitlines() if " => " in line}
    return packages_of(sorted(places[name] for name in needed if name in places))


def build_deb(program: Path) -> Path:
    """The program under /opt/lineside with a link, a menu entry and an icon."""
    tree = WORK / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(program, tree / "opt/lineside", symlinks=True)
    for folder in (
        "usr/bin",
        "usr/share/applications",
        "usr/share/icons/hicolor/scalable/apps",
        "usr/share/doc/lineside",
    ):
        (tree / folder).mkdir(parents=True)
    (tree / "usr/bin/lineside").symlink_to("/opt/lineside/lineside")
    shutil.copy(HERE / "lineside.desktop", tree / "usr/share/applications")
    shutil.copy(ROOT / "resources/icons/lineside.svg", tree / "usr/share/icons/hicolor/scalable/apps")
    shutil.copy(program / "THIRD-PARTY-LICENCES.txt", tree / "usr/share/doc/lineside/copyright")
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        CONTROL.format(
            version=version("lineside"),
            architecture=architecture,
            kib=size // 1024,
            depends=", ".join(needed_packages(program)),
        )
    )
    package = DIST / f"lineside_{version('lineside')}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", tree, package], check=True)
    return package


def main() -> None:
    program = build_program()
    package = build_deb(program)
    # What is started is what was packed, not what lies beside it.
    unpacked = WORK / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    smoke(unpacked / "opt/lineside/lineside")
    print(f"{package.relative_to(ROOT)}: {package.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
