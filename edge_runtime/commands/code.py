"""``lineside-edge code``: the one-time code by which a desktop can pair with this box."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import AlreadyExists, InputInvalid, NotFound
from edge_runtime.pairing.code_file import CodeFile, Standing
from edge_runtime.service.trust import TrustStore

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers

_MOST_BYTES = 256


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "code",
        description="Show the one-time code by which a desktop can pair with this box. A running box that trusts "
        "no desktop makes one at its first start; after three wrong tries there is a new one.",
    )
    parser.add_argument("--home", type=Path, required=True, help="the box's folder")
    parser.add_argument(
        "--preset",
        type=Path,
        metavar="FILE",
        help="let the code in the first line of FILE stand, for a label that was printed before the box first starts",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Show the code, or set it.

    :raises NotFound: none stands.
    :raises AlreadyExists: the box trusts a desktop, so that no code can be set.
    """
    if options.preset is not None:
        standing = _preset(options.home, _first_line(options.preset))
    else:
        standing = _standing(options.home)
    if options.json:
        sys.stdout.write(json.dumps({"code": standing.code, "tries_left": standing.tries_left}) + "\n")
    else:
        sys.stdout.write(f"{standing.code} ({standing.tries_left} tries left)\n")
    return 0


def _standing(home: Path) -> Standing:
    try:
        standing = CodeFile(home).read()
    except OSError as error:
        raise InputInvalid(
            f"The code in {home} cannot be read: {error.strerror}.",
            hint="Only the box's own user and root may read it.",
        ) from error
    if standing is None:
        raise NotFound(
            f"There is no code in {home}.",
            hint="A box has one while it runs and trusts no desktop, unless `pairing` is off in edge.toml.",
        )
    return standing


def _preset(home: Path, code: str) -> Standing:
    try:
        with _as_owner(home):
            if TrustStore(home).pinned():
                raise AlreadyExists(
                    "This box trusts a desktop already: a code would open nothing.",
                    hint="Another desktop of the same site needs no code.",
                )
            return CodeFile(home).preset(code)
    except OSError as error:
        raise InputInvalid(f"The code cannot be written to {home}: {error.strerror}.") from error


@contextmanager
def _as_owner(home: Path) -> Iterator[None]:
    """As the user whose folder it is: what root would write here, the box could not read."""
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        yield
        return
    owner = home.stat()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _first_line(file: Path) -> str:
    try:
        with file.open("r", encoding="utf-8") as opened:
            return opened.read(_MOST_BYTES).partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The code cannot be read from {file}.") from error
