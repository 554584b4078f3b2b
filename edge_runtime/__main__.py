"""``lineside-edge init|trust|code|run|launch|pipeline|serve|bench``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from typing import NoReturn

from edge_runtime.commands import COMMANDS, load, said
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.strangers import keep_quiet_about_strangers

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
        return load(options.command).run(options)
    except LinesideError as error:
        as_json = getattr(options, "json", False)
        (sys.stdout if as_json else sys.stderr).write(said(error, as_json=as_json))
        return 1
    finally:
        if private:
            os.umask(before)


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """All commands; only ``chosen`` has its arguments, for the others would have to be imported."""
    parser = argparse.ArgumentParser(prog="lineside-edge", description="The Lineside box: models beside the line.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        if name == chosen:
            load(name).add_parser(commands)
        else:
            commands.add_parser(name, help=purpose)
    return parser


if __name__ == "__main__":
    program()
