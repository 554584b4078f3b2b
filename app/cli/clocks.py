"""``lineside boxes clock``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid

if TYPE_CHECKING:
    from app.usecases.clocks import ClockChange, ClockReading


def add_verb(topic: Topic) -> None:
    clock = topic.verb("clock", _clock, "how wrong the clocks of boxes are, against this desktop's")
    clock.add_argument("box", nargs="?", help="name or id (default: all)")
    clock.add_argument("--set", action="store_true", help="set those that are wrong; a named one in any case")
    clock.add_argument("--yes", action="store_true", help="do not ask before a clock is set")


def _clock(arguments: argparse.Namespace, session: Session) -> int:
    from app.fleet.failures import as_problem
    from app.usecases import clocks

    with session.open() as ctx:
        readings = clocks.read_clocks(ctx, arguments.box)
        suspect = clocks.is_desktop_suspect(readings)
        silent = [one for one in readings if one.problem is not None and not arguments.box]
        wrong = [one for one in readings if arguments.box or (one.problem is None and one.matters)]
        asked = [one for one in wrong if one.problem is None]
        # Nobody can say yes to what is not known: of one that does not answer it is told, and that is all.
        if not arguments.set or not wrong or not (asked or arguments.yes):
            _show(session, readings, suspect=suspect)
            return int(any(one.problem is not None for one in readings))
        if not arguments.yes:
            ask(asked, suspect=suspect)
        changes: list[ClockChange] = []
        failed: list[dict[str, Any]] = [
            {"box": one.box, "name": one.name, "error": {"code": one.problem_code, "message": one.problem}}
            for one in silent
        ]
        for one in wrong:
            # One that refuses does not keep the others from being set.
            try:
                changes.append(clocks.set_clock(ctx, one.box))
            except Exception as error:
                if len(readings) == 1:
                    raise
                failed.append({"box": one.box, "name": one.name, "error": as_problem(error, one.name).to_dict()})
        lines = [_changed(change) for change in changes]
        lines += [text.clean(f"{one['name']}: not set. {one['error']['message']}") for one in failed]
        session.answer({"set": changes, "failed": failed}, lines)
        return 1 if failed else 0


def _show(session: Session, readings: Sequence[ClockReading], *, suspect: bool) -> None:
    columns: Columns[ClockReading] = {
        "NAME": lambda one: one.name,
        "BOX": lambda one: text.short(one.box),
        "ITS CLOCK": lambda one: text.moment(one.at_ms),
        "OFF BY": _off,
        "GIVE OR TAKE": lambda one: None if one.error_ms is None else f"{one.error_ms:.1f} ms",
        "VERDICT": _verdict,
    }
    lines = ["No box is enrolled yet."]
    if readings:
        lines = text.table(list(columns), [[read(one) for read in columns.values()] for one in readings])
    if suspect:
        lines += ["", "All of them are off by the same: rather this desktop's clock is wrong. Look at it first."]
    session.answer({"clocks": readings, "desktop_suspect": suspect}, lines)


def _off(one: ClockReading) -> str | None:
    return None if one.skew_ms is None else text.skew(one.skew_ms)


def _verdict(one: ClockReading) -> str:
    if one.problem is not None:
        return f"not reachable: {one.problem}"
    if not one.matters:
        return "right"
    return "wrong" if one.may_set else "wrong, and the box may not set it"


def ask(wrong: Sequence[ClockReading], *, suspect: bool) -> None:
    """Whether these clocks may be set.

    :raises Cancelled: no.
    :raises InputInvalid: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask at before a clock is set.", hint="Say so beforehand: --yes.")
    for one in wrong:
        print(f"{text.clean(one.name)} is {_off(one)}.", file=sys.stderr)
    if suspect:
        print("All are off by the same: is this desktop's clock right?", file=sys.stderr)
    print(
        f"Set {', '.join(text.clean(one.name) for one in wrong)} to this desktop's time? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("No clock was set.")


def _changed(change: ClockChange) -> str:
    return f"{text.clean(change.name)}: was {_off(change.before)}, is {_off(change.after)}."
