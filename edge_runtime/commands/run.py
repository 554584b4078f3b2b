"""``lineside-edge run``: run the box until SIGTERM."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.service import daemon

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser("run", description="Run the box until SIGTERM.")
    parser.add_argument("--home", type=Path, required=True, help="the box's folder")


def run(options: argparse.Namespace) -> int:
    """Run it; as :func:`edge_runtime.service.daemon.run`."""
    return daemon.run(options.home)
