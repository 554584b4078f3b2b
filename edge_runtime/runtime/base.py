"""The version that was installed on the machine itself: root's, and the measure of all that comes over the network."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edge_runtime.build_time import build_time_s

ANCHOR_NAME = "site-root.json"
INSTALLED_NAME = "installed.json"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True, slots=True)
class Base:
    """:param prefix: where it was installed: the launcher and the anchor lie there."""

    prefix: Path
    folder: Path
    """Of the version."""
    id: str
    version: str
    release: int
    """Second of its build: nothing older runs."""
    wheels: frozenset[str]
    """sha256 of those that it was made of. Empty: an installer of before, which did not note them."""

    @property
    def library(self) -> Path:
        return self.folder / "lib"

    @property
    def anchor(self) -> Path:
        """The root by which signatures are followed at every start, as enrolment put it there."""
        return self.prefix / ANCHOR_NAME

    @property
    def program(self) -> Path:
        return self.prefix / "bin" / "lineside-edge"

    @property
    def arch(self) -> str:
        return platform.machine()


def find_base() -> Base | None:
    """The base of which this process runs the code; None: it was not put there by the installer."""
    folder = Path(__file__).resolve().parents[3]
    if folder.parent.name != "versions":
        return None
    return read_base(folder)


def read_base(folder: Path) -> Base | None:
    """The base in a version's folder; None: there is none."""
    try:
        facts = json.loads((folder / INSTALLED_NAME).read_bytes())
        return Base(
            prefix=folder.parent.parent,
            folder=folder,
            id=str(facts["id"]),
            version=str(facts["version"]),
            release=build_time_s(folder / "lib" / "edge_runtime"),
            wheels=frozenset(map(str, facts.get("wheels", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running_version() -> str:
    return version("lineside")
