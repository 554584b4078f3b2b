"""Which wheels one kind of box needs, fetched by pip from whatever index it is configured with."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from closure import canonical
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

GLIBC = (2, 28)
"""Debian 10, Ubuntu 20.04 and RHEL 8 have it. Wheels that need a newer one are not taken."""


def platforms(arch: str) -> list[str]:
    """The names under which wheels run on ``arch`` with a C library as old as :data:`GLIBC`, the newest first."""
    oldest = 5 if arch == "x86_64" else 17
    aliases = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    names = []
    for minor in range(GLIBC[1], oldest - 1, -1):
        names.append(f"manylinux_2_{minor}_{arch}")
        if minor in aliases:
            names.append(f"{aliases[minor]}_{arch}")
    return names


def resolve(root: Path, constraints: Path, cache: Path, *, arch: str, python: str) -> list[Path]:
    """The wheels that ``root``, a wheel of Lineside, needs there with its ``grpc`` extra; fetched into ``cache``.

    pip takes the markers of requirements for this machine and this Python. So what it fetched is held against the
    metadata of the wheels: what another machine needs besides is asked for, and what only this one needs is left out.

    :raises SystemExit: there is no such wheel.
    """
    wanted = {str(requirement) for requirement in _requirements(root, {"grpc"}, arch=arch, python=python)}
    folder = cache / f"{arch}-{python}"
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        _download(sorted(wanted), constraints, folder, arch=arch, python=python)
        wheels = {canonical(path.name.split("-")[0]): path for path in folder.glob("*.whl")}
        needed, missing = _closure(root, wheels, arch=arch, python=python)
        if not missing:
            break
        if missing <= wanted:
            raise SystemExit(f"{', '.join(sorted(missing))}: not resolved for Python {python} on {arch}")
        wanted |= missing
    for name in needed:
        _check_tags(wheels[name], arch=arch, python=python)
    return sorted(wheels[name] for name in needed)


def _download(requirements: list[str], constraints: Path, folder: Path, *, arch: str, python: str) -> None:
    asked = [f"--platform={name}" for name in platforms(arch)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
         *asked, f"--python-version={python}", "--implementation=cp", f"--constraint={constraints}",
         f"--dest={folder}", *requirements],
        check=True,
    )  # fmt: skip


def _closure(root: Path, wheels: dict[str, Path], *, arch: str, python: str) -> tuple[set[str], set[str]]:
    """Names of the wheels that are needed, and requirements that none of them meets."""
    needed: set[str] = set()
    missing: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    queue: list[tuple[Path, frozenset[str]]] = [(root, frozenset({"grpc"}))]
    while queue:
        path, extras = queue.pop()
        if (path.name, extras) in seen:
            continue
        seen.add((path.name, extras))
        for requirement in _requirements(path, set(extras), arch=arch, python=python):
            name = canonical(requirement.name)
            if name in wheels and requirement.specifier.contains(parse_wheel_filename(wheels[name].name)[1]):
                needed.add(name)
                queue.append((wheels[name], frozenset(requirement.extras)))
            else:
                requirement.marker = None
                missing.add(str(requirement))
    return needed, missing


def _requirements(wheel: Path, extras: set[str], *, arch: str, python: str) -> list[Requirement]:
    """What a wheel asks for on a box, as the wheel's own metadata say."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        headers = HeaderParser().parsestr(archive.read(name).decode())
    place = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": arch,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    asked = [Requirement(text) for text in headers.get_all("Requires-Dist", [])]
    return [
        requirement
        for requirement in asked
        if requirement.marker is None
        or any(requirement.marker.evaluate({**place, "extra": extra}) for extra in ("", *extras))
    ]


def _check_tags(wheel: Path, *, arch: str, python: str) -> None:
    version = tuple(int(part) for part in python.split("."))
    names = platforms(arch)
    here = {*cpython_tags(version, platforms=names), *compatible_tags(version, f"cp{version[0]}{version[1]}", names)}
    if not here & parse_wheel_filename(wheel.name)[3]:
        raise SystemExit(f"{wheel.name} does not run with Python {python} on {arch}")
