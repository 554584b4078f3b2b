"""``lineside-edge trust``: trust a desktop and its site's releases."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.enrolment import trust_desktop
from edge_runtime.identity import MAX_CERTIFICATE_BYTES
from edge_runtime.update.roots import MAX_ROOT_BYTES

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser("trust", description="Trust a desktop and its site's releases.")
    parser.add_argument("--desktop", type=Path, required=True, help="the desktop's certificate, PEM")
    parser.add_argument(
        "--root",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help="the site's root metadata, root.json; before it those that lead to it, the oldest first",
    )
    parser.add_argument("--home", type=Path, required=True, help="the box's folder")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Read the files, and trust what they name.

    :raises InputInvalid: a file cannot be read, or is far too long.
    :raises LinesideError: as :func:`edge_runtime.enrolment.trust_desktop`.
    """
    fingerprint = trust_desktop(
        options.home,
        desktop_pem=_read(options.desktop, MAX_CERTIFICATE_BYTES).decode("ascii", "replace"),
        roots=[_read(root, MAX_ROOT_BYTES) for root in options.root],
    )
    sys.stdout.write((json.dumps({"desktop": fingerprint}) if options.json else f"trusted: {fingerprint}") + "\n")
    return 0


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise InputInvalid(f"{path} is far too long for what it should be.")
    return content
