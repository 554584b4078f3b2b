"""Arguments in, exit status out: parsing, errors, Ctrl+C."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from app.cli import (
    activity,
    boxes,
    bursts,
    datasets,
    demo,
    metrics,
    models,
    rollouts,
    samples,
    site,
    support,
    sync,
    text,
    visit,
)
from app.cli.display import has_display
from app.cli.session import Session
from edge_runtime.contracts.errors import LinesideError, NoDisplay, ProgramIncomplete

if TYPE_CHECKING:
    from app.demo.report import DemoOptions

FAILED = 1
MISUSED = 2
STOPPED = 130

_TOPICS = (site, boxes, samples, datasets, bursts, models, rollouts, visit, sync, metrics, activity, support, demo)


@dataclass(frozen=True, slots=True)
class Windows:
    """How the window is opened: given by whoever may know about Qt."""

    site: Callable[[Path], int]
    demo: Callable[[DemoOptions], int]


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # A shortened --passphrase-file would take a passphrase for the name of a file, and show it.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv[1:]:
            body = {"code": "input.invalid", "title": "That command is not understood", "message": message}
            _print_error({**body, "hint": f"Run `{self.prog} --help`."}, as_json=True)
            raise SystemExit(MISUSED)
        super().error(message)


def run(argv: Sequence[str], windows: Windows) -> int:
    """Run one command and return its exit status: 0, 1 failed, 2 misused, 130 stopped by hand."""
    arguments = build_parser().parse_args(argv)
    as_json = getattr(arguments, "json", False)
    home = getattr(arguments, "home", None)
    session = Session(home, as_json=as_json, demo_window=windows.demo if has_display() else None)
    try:
        if not hasattr(arguments, "run"):
            if not has_display():
                raise NoDisplay("Nothing here could show the window.")
            return windows.site(session.home)
        status: int | None = arguments.run(arguments, session)
        sys.stdout.flush()
    except LinesideError as error:
        _print_error(error.to_dict(), as_json=as_json)
        return STOPPED if error.code == "task.cancelled" else FAILED
    except KeyboardInterrupt:
        _print_error(LinesideError("It was stopped by hand.").to_dict() | _STOPPED_WORDS, as_json=as_json)
        return STOPPED
    except BrokenPipeError:
        # Whoever read our answer has had enough; what is left in the buffer must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        # A box's installation has this command too, without what a desktop needs.
        missing = ProgramIncomplete(f"The Python package {error.name} is not installed.")
        _print_error(missing.to_dict(), as_json=as_json)
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last resort: a fault of ours is reported like any other error
        # What is quoted in it may come from a box.
        for line in traceback.format_exc().splitlines():
            print(text.printable(line), file=sys.stderr)
        _print_error(LinesideError(f"{type(error).__name__}: {error}").to_dict(), as_json=as_json)
        return FAILED
    return status or 0


_STOPPED_WORDS = {"code": "task.cancelled", "title": "Cancelled", "hint": "What was finished is kept."}


def _print_error(body: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        from edge_runtime.contracts import wire

        print(wire.encode({"error": body}).decode(), flush=True)
    else:
        # The words of a box among them: they command no terminal, and forge no other line.
        for line in (f"{body['title']}: {body['message']}", f"  {body['hint']}", f"  [{body['code']}]"):
            print(text.printable(line), file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer in JSON")
    everywhere.add_argument(
        "--home", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="the site's folder (default: your own)"
    )
    parser = _Parser(
        prog="lineside",
        description="Look after AI on factory floors from one laptop. Without a command the window opens.",
        parents=[everywhere],
    )
    parser.add_argument("--version", action="version", version=f"lineside {version('lineside')}")
    topics = parser.add_subparsers(metavar="COMMAND", title="commands")
    for topic in _TOPICS:
        topic.register(topics, everywhere)
    return parser
