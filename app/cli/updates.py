"""``lineside boxes update``: the box's own program over its management channel."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid, LinesideError

if TYPE_CHECKING:
    from app.store.records import Box
    from app.usecases.runtime import UpdatePlan, UpdateReport


def add_verb(topic: Topic) -> None:
    update = topic.verb("update", _update, "bring boxes another version of their own program, and see its trial there")
    update.add_argument("box", nargs="+", help="name or id")
    update.add_argument("--bundle", type=Path, metavar="FILE", help="the edge bundle (default: where they usually lie)")
    update.add_argument("--plan", action="store_true", help="only say what would be sent, and change nothing")
    update.add_argument("--roll-back", action="store_true", help="go back to the version before, which boxes keep")
    update.add_argument("--again", action="store_true", help="even though the box went back from it before")


def program_of(box: Box) -> str | None:
    """Which version of its program runs, and what became of the last one that came."""
    from app.usecases.runtime import program_words

    return program_words(box.status) if box.status else None


def brief(box: Box) -> str:
    """The version that runs, and in a word what became of the one that came last."""
    if box.status is None:
        return text.NONE
    runtime = box.status.runtime
    ends = {"ROLLED_BACK": "went back from", "REJECTED": "refused", "TRIAL": "on trial:"}
    told = [f"{ends[slot.state]} {slot.version}" for slot in (runtime.slots if runtime else ()) if slot.state in ends]
    return " ".join((box.status.version, *(f"({words})" for words in told)))


def _update(arguments: argparse.Namespace, session: Session) -> int | None:
    from app.usecases import runtime

    if arguments.roll_back:
        return _roll_back(arguments, session)
    with session.open() as ctx, session.stoppable() as cancel:
        plans = [
            runtime.plan_update(ctx, box, path=arguments.bundle, again=arguments.again)
            for box in dict.fromkeys(arguments.box)
        ]
        if arguments.plan:
            session.rows("plans", plans, _PLAN, empty="")
            return None
        for line in text.table(list(_PLAN), [[read(plan) for read in _PLAN.values()] for plan in plans]):
            session.say(line)
        done: list[UpdateReport] = []
        failed: list[tuple[UpdatePlan, LinesideError]] = []
        for plan in plans:
            try:
                report = runtime.update_box(
                    ctx,
                    plan.box,
                    path=arguments.bundle,
                    again=arguments.again,
                    progress=session.progress,
                    cancel=cancel,
                )
                done.append(report)
            except Cancelled:
                raise
            except LinesideError as error:
                if len(plans) == 1:
                    raise
                # One box that keeps its version is no reason to leave out the next one.
                failed.append((plan, error))
    _answer(session, done, failed)
    return 1 if failed else None


def _roll_back(arguments: argparse.Namespace, session: Session) -> int | None:
    from app.usecases import runtime

    if arguments.bundle or arguments.again or arguments.plan:
        raise InputInvalid("--roll-back goes with no other option.")
    with session.open() as ctx, session.stoppable() as cancel:
        done = [
            runtime.return_box(ctx, box, progress=session.progress, cancel=cancel)
            for box in dict.fromkeys(arguments.box)
        ]
    session.answer({"returned": done}, [f"{one.name}: {one.before} -> {one.version}." for one in done])
    return None


def _answer(session: Session, done: Sequence[UpdateReport], failed: Sequence[tuple[UpdatePlan, LinesideError]]) -> None:
    lines = [
        f"{one.name}: {one.before} -> {one.version}, {text.size(one.sent)} sent, away for {one.away_s:.1f} s."
        if one.changed
        else f"{one.name}: runs {one.version} already; nothing was sent."
        for one in done
    ]
    lines += [f"{plan.name}: {error}\n{error.hint}\n[{error.code}]" for plan, error in failed]
    errors = [{"box": plan.box, "name": plan.name, "error": error.to_dict()} for plan, error in failed]
    session.answer({"updates": list(done), "failed": errors}, lines)


def _takes(plan: UpdatePlan) -> str:
    return "-" if plan.minutes is None else f"{plan.minutes:.1f} min"


def _verdict(plan: UpdatePlan) -> str:
    return "runs it already" if plan.there else plan.refusal or "ready"


_PLAN: Columns[UpdatePlan] = {
    "BOX": lambda plan: plan.name,
    "RUNS": lambda plan: plan.running,
    "NEW": lambda plan: plan.version,
    "TO SEND": lambda plan: f"{text.size(plan.bytes)} of {text.size(plan.whole_bytes)}",
    "TAKES": _takes,
    "FREE THERE": lambda plan: text.size(plan.free_disk_bytes),
    "STATE": _verdict,
}
