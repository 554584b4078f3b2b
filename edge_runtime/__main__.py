"""``lineside-edge init|trust|code|run|launch|pipeline|serve|bench``."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from edge_runtime.commands import COMMANDS, load, said
from edge_runtime.contracts.errors import InputInvalid, LinesideError
from edge_runtime.enrolment import create_home, trust_desktop
from edge_runtime.identity import MAX_CERTIFICATE_BYTES
from edge_runtime.strangers import keep_quiet_about_strangers
from edge_runtime.update.roots import MAX_ROOT_BYTES

_AT_HOME = frozenset({"init", "trust", "code", "run", "launch"})
"""Commands whose files are those of the box's home: what it saw and whom it trusts is nobody else's business."""


def program() -> NoReturn:
    """The command as a process of its own."""
    keep_quiet_about_strangers()
    try:
        status = main()
        sys.stdout.flush()
    except SystemExit as left:
        # The parser's: it has said what was wrong.
        status = left.code if isinstance(left.code, int) else 1
    except BrokenPipeError:
        status = 1
    except BaseException:  # noqa: BLE001 - the traceback is printed, and the way out below is the same
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    # Everything is on disk by now. A thread that is still inside a native library (a frame in the model, a camera's
    # stream, a handshake) would crash the interpreter's own way out.
    os._exit(status)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status and prints errors with their hint and code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(given[0] if given else None).parse_args(given)
    private = options.command in _AT_HOME
    before = os.umask(0o077) if private else 0
    try:
        if options.command in COMMANDS:
            return load(options.command).run(options)
        if options.command == "init":
            _init(options.home, options.name, as_json=options.json)
        elif options.command == "trust":
            _trust(options.home, options.desktop, options.root, as_json=options.json)
        else:
            # The daemon's parts take a while to import; the other commands do without.
            from edge_runtime.service.daemon import run

            return run(options.home)
    except LinesideError as error:
        as_json = getattr(options, "json", False)
        (sys.stdout if as_json else sys.stderr).write(said(error, as_json=as_json))
        return 1
    finally:
        if private:
            os.umask(before)
    return 0


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """All commands; of those that take a while to import, only ``chosen`` has its arguments."""
    parser = argparse.ArgumentParser(prog="lineside-edge", description="The Lineside box: models beside the line.")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make this box's key and configuration")
    init.add_argument("--name", help="what people call this box (default: the machine's name)")
    trust = commands.add_parser("trust", help="trust a desktop and its site's releases")
    trust.add_argument("--desktop", type=Path, required=True, help="the desktop's certificate, PEM")
    trust.add_argument(
        "--root",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help="the site's root metadata, root.json; before it those in between that the box lacks, the oldest first",
    )
    run = commands.add_parser("run", help="run the box until SIGTERM")
    for name, purpose in COMMANDS.items():
        if name == chosen:
            load(name).add_parser(commands)
        else:
            commands.add_parser(name, help=purpose)
    for command in (init, trust, run):
        command.add_argument("--home", type=Path, required=True, help="the box's folder")
    for command in (init, trust):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _init(home: Path, name: str | None, *, as_json: bool) -> None:
    made = create_home(home, name=(name or socket.gethostname() or "box").strip())
    facts = {"box": made.box, "name": made.name, "certificate": made.certificate_pem}
    _say(json.dumps(facts) if as_json else f"{made.name}: {made.box}")


def _trust(home: Path, desktop: Path, roots: list[Path], *, as_json: bool) -> None:
    fingerprint = trust_desktop(
        home,
        desktop_pem=_read(desktop, MAX_CERTIFICATE_BYTES).decode("ascii", "replace"),
        roots=[_read(root, MAX_ROOT_BYTES) for root in roots],
    )
    _say(json.dumps({"desktop": fingerprint}) if as_json else f"trusted: {fingerprint}")


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise InputInvalid(f"{path} is far too long for what it should be.")
    return content


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    program()
