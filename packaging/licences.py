"""The licences of everything that is bundled with the desktop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

from closure import closure

RULE = "=" * 100
QT_NOTE = (
    "Qt and PySide6 are used under the LGPL-3.0: their libraries lie beside the program as separate files and may be "
    "replaced."
)
PDF_NOTE = "fpdf2 is used unchanged under the LGPL-3.0: it lies beside the program as source files and may be replaced."
BOOT_LOADER_NOTE = (
    "The program's own start code is PyInstaller's boot loader, under the GPL-2.0 with an exception that allows it to "
    "be distributed with any program."
)
LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice|copyright", re.IGNORECASE)


def _name(installed: Distribution) -> str:
    metadata = installed.metadata
    stated = metadata.get("License-Expression")
    if not stated:
        classifiers = [
            c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier", []) if c.startswith("License ::")
        ]
        stated = ", ".join(classifiers) or (metadata.get("License") or "see below").splitlines()[0]
    return stated


def _texts(installed: Distribution) -> list[str]:
    """The licence files that came with a distribution's metadata."""
    paths = [f for f in installed.files or () if ".dist-info" in f.parts[0] and LICENCE_FILE.search(f.name)]
    return [f"--- {path.name}\n\n{path.locate().read_text(encoding='utf-8', errors='replace')}" for path in paths]


def packages_of(libraries: list[str]) -> list[str]:
    """Debian packages that own these files; files that none owns are left out."""
    owners: set[str] = set()
    for library in libraries:
        # dpkg may know a file by its path before or after the /usr merge.
        for path in {library, str(Path(library).resolve()), library.removeprefix("/usr")}:
            found = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True, check=False)
            owners |= {line.split(":")[0] for line in found.stdout.splitlines() if not line.startswith("diversion")}
    return sorted(owners)


def report(libraries: list[str]) -> str:
    """All licences as one text, an overview first.

    :param libraries: paths of the system's shared libraries that were bundled.
    """
    installed = closure("desktop")
    overview = [f"{name} {each.version}: {_name(each)}" for name, each in installed.items()]
    python_licence = Path(os.__file__).with_name("LICENSE.txt")
    parts = [
        f"Lineside is licensed under Apache-2.0. It is built with Python {sys.version.split()[0]} and bundles:",
        "\n".join(overview),
        QT_NOTE,
        PDF_NOTE,
        BOOT_LOADER_NOTE,
    ]
    if python_licence.exists():
        parts.append(f"{RULE}\nPython\n\n{python_licence.read_text(encoding='utf-8')}")
    for name, each in installed.items():
        parts += [f"{RULE}\n{name} {each.version}", *_texts(each)]
    for package in packages_of(libraries):
        text = Path("/usr/share/doc", package, "copyright")
        if text.exists():
            parts.append(f"{RULE}\nDebian package {package}\n\n{text.read_text(encoding='utf-8', errors='replace')}")
    return "\n\n".join(parts) + "\n"
