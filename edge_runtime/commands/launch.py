"""``lineside-edge launch``: what a service starts. It runs the box in the right version of its own program."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts import wire
from edge_runtime.enrolment import read_home
from edge_runtime.runtime.base import Base, find_base
from edge_runtime.runtime.launcher import FOLDER, VARIABLE, Launched, become, choose
from edge_runtime.service.lock import only_one
from edge_runtime.update.slots import SlotName

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers


def add_parser(commands: Parsers) -> None:
    parser = commands.add_parser("launch")
    parser.add_argument("--home", type=Path, required=True, help="the box's folder")


def run(options: argparse.Namespace) -> int:
    home, base = options.home, find_base()
    read_home(home)
    if base is not None:
        with only_one(home):
            slot, launched = _choose(home, base)
        if slot is not None:
            become(home, base, slot, launched)
        os.environ[VARIABLE] = wire.encode(launched).decode()
    from edge_runtime.service.daemon import run as run_box

    return run_box(home)


def _choose(home: Path, base: Base) -> tuple[SlotName | None, Launched]:
    if not (home / FOLDER).is_dir():
        return None, Launched(base=str(base.folder))
    try:
        return choose(home, base)
    except Exception as error:  # noqa: BLE001 - whatever lies there: the line runs
        sys.stderr.write(f"The version that is installed on the machine runs: {error!r}\n")
        return None, Launched(base=str(base.folder), said=(f"The versions could not be looked at: {error!r}"[:500],))
