"""``lineside boxes drill`` and ``lineside boxes drills``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.drill import DRILL_KINDS, LEAST_S, MOST_S, USUAL_S, Counted, DrillKind
from edge_runtime.contracts.errors import Cancelled, InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.usecases.drills import DrillEntry, DrillProof

_WHAT: dict[DrillKind, str] = {
    "cut": "For {seconds} s no desktop can reach it. Its lines go on, and what they see waits on its disk.",
    "kill": "Its process is killed and started again. Its lines stand still meanwhile: frames may be missed.",
    "fill": "For {seconds} s its disk is filled down to its reserve. What waits there is collected first; what it sees "
    "meanwhile may go under its limits, and its loss ledger says so.",
    "clock": "For {seconds} s its software believes that it is a day earlier. What it sees meanwhile is dated so.",
}
_NOT = "Its model, its configuration and the machine's own clock are not touched, and the fault ends by itself."


def add_verbs(topic: Topic) -> None:
    drill = topic.verb("drill", _drill, "make a fault on one box on purpose, and prove that it gets over it")
    drill.add_argument("box", help="name or id")
    drill.add_argument("kind", choices=DRILL_KINDS, help="cut its network, kill it, fill its disk, put its clock off")
    drill.add_argument(
        "--seconds", type=_seconds, default=USUAL_S, metavar="N", help=f"how long the fault lasts (default: {USUAL_S})"
    )
    drill.add_argument("--yes", action="store_true", help="do not ask first")
    drills = topic.verb("drills", _drills, "drills that were held, and what they showed")
    drills.add_argument("box", nargs="?", help="name or id (default: all)")


def _seconds(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not LEAST_S <= int(value) <= MOST_S:
        raise argparse.ArgumentTypeError(f"wants a number from {LEAST_S} to {MOST_S}")
    return int(value)


def _drill(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes, drills

    with session.open() as ctx, session.stoppable() as cancel:
        box = boxes.get_box(ctx, arguments.box)
        if not arguments.yes:
            _ask(box.name, arguments.kind, arguments.seconds)
        proof = drills.drill_box(
            ctx, box.box, arguments.kind, seconds=arguments.seconds, progress=session.progress, cancel=cancel
        )
        session.one("drill", proof, _COLUMNS)


def _drills(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import drills

    columns: Columns[DrillEntry] = {
        "ENTRY": lambda one: one.entry,
        "ASKED": lambda one: text.moment(one.at_ms),
        "BOX": lambda one: one.name,
        "DRILL": lambda one: one.asked.kind,
        "WHAT IT SHOWED": lambda one: drills.summary(one.proof) if one.proof else "its end is not known here yet",
    }
    with session.open() as ctx:
        session.rows("drills", drills.list_drills(ctx, arguments.box), columns, empty="No drill was held yet.")


def _counted(seen: Counted) -> str:
    return f"{counted(seen.frames, 'frame', 'frames')} in {seen.seconds:.1f} s"


def _gap(proof: DrillProof) -> str | None:
    gap = proof.report.longest_gap_ms
    return "no line had frames before" if gap is None else f"{gap:.0f} ms"


_COLUMNS: Columns[DrillProof] = {
    "box": lambda one: one.name,
    "drill": lambda one: one.report.kind,
    "outcome": lambda one: one.report.outcome,
    "fault": lambda one: one.report.detail,
    "before": lambda one: _counted(one.report.before),
    "during": lambda one: _counted(one.report.during),
    "after": lambda one: _counted(one.report.after),
    "longest gap": _gap,
    "did not answer for": lambda one: None if one.away_s is None else f"{one.away_s:.1f} s",
    "model": lambda one: f"{text.short(one.report.bundle)} in slot {one.report.slot or '-'}",
    "model after": lambda one: f"{text.short(one.report.bundle_after)} in slot {one.report.slot_after or '-'}",
    "committed file verified": lambda one: {True: "yes", False: "NO", None: "there is none"}[one.report.verified],
    "restarted": lambda one: "yes" if one.report.restarted else "no",
    "rows lost": lambda one: ", ".join(f"{count} {stream}" for stream, count in one.lost.items()) or "none",
    "signed by the box": lambda one: one.signature[:16],
}


def _ask(name: str, kind: DrillKind, seconds: int) -> None:
    """:raises Cancelled: no.
    :raises InputInvalid: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask at before a drill.", hint="Say so beforehand: --yes.")
    print(f"{text.clean(name)}: {_WHAT[kind].format(seconds=seconds)}\n{_NOT}", file=sys.stderr)
    print("Hold the drill? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("No drill was held.")
