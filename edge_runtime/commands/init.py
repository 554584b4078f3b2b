"""``lineside-edge init``: make this box's key and configuration."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.enrolment import create_home

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser("init", description="Make this box's key and configuration.")
    parser.add_argument("--name", help="what people call this box (default: the machine's name)")
    parser.add_argument("--home", type=Path, required=True, help="the box's folder")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Make them, and say who the box is.

    :raises LinesideError: as :func:`edge_runtime.enrolment.create_home`.
    """
    made = create_home(options.home, name=(options.name or socket.gethostname() or "box").strip())
    facts = {"box": made.box, "name": made.name, "certificate": made.certificate_pem}
    sys.stdout.write((json.dumps(facts) if options.json else f"{made.name}: {made.box}") + "\n")
    return 0
