"""``lineside-edge init|trust|code|run|launch|pipeline|serve|bench``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from edge_runtime.commands import COMMANDS, load, said
from edge_runtime.contracts.errors import Cancelled, LinesideError
from edge_runtime.strangers import keep_quiet_about_strangers

_AT_HOME = frozenset({"init", "trust", "code", "run", "launch"})
"""Commands whose files are those of the box's home: what it saw and whom it trusts is nobody else's business."""
STOPPED = 130
"""The exit status where somebody pressed Ctrl+C."""


def program() -> NoReturn:
    """The command as a process of its own."""
    keep_quiet_about_strangers()
    try:
        with _stopped_at_once():
            if sys.argv[1:] and sys.argv[1] in COMMANDS:
                load(sys.argv[1])
        status = main()
        sys.stdout.flush()
    except SystemExit as left:
        # The parser's: it has said what was wrong.
        status = left.code if isinstance(left.code, int) else 1
    except BrokenPipeError:
        status = 1
    except KeyboardInterrupt:
        _stop()
    except BaseException:  # noqa: BLE001 - the traceback is printed, and the way out below is the same
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    # Everything is on disk by now. A thread that is still inside a native library (a frame in the model, a camera's
    # stream, a handshake) would crash the interpreter's own way out.
    os._exit(status)


@contextmanager
def _stopped_at_once() -> Iterator[None]:
    """While libraries are imported, of which some make an error of their own of a KeyboardInterrupt."""
    before = signal.getsignal(signal.SIGINT)
    # Whoever has it ignored, as a shell does in the background, is not to be stopped by it.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(*_: object) -> NoReturn:
    # Pressed once more while that is said, it ends the process as it is.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _tell(Cancelled("It was stopped by hand."), as_json="--json" in sys.argv)
    os._exit(STOPPED)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status and prints errors with their hint and code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = build_parser(given[0] if given else None).parse_args(given)
    private = options.command in _AT_HOME
    before = os.umask(0o077) if private else 0
    try:
        return load(options.command).run(options)
    except LinesideError as error:
        _tell(error, as_json=getattr(options, "json", False))
        return 1
    finally:
        if private:
            os.umask(before)


def _tell(error: LinesideError, *, as_json: bool) -> None:
    out = sys.stdout if as_json else sys.stderr
    out.write(said(error, as_json=as_json))
    out.flush()


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
