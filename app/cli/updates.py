"""``lineside boxes update``: the box's own program over its management channel."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid, LinesideError

if TYPE_CHECKING:
    from app.store.records import Box
    from app.usecases.runtime import UpdatePlan, UpdateReport

    Failure = tuple[Box, LinesideError]
T = TypeVar("T")


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
    from app.usecases import boxes, runtime

    if arguments.roll_back:
        return _roll_back(arguments, session)
    with session.open() as ctx, session.stoppable() as cancel:
        chosen = {box.box: box for box in (boxes.get_box(ctx, name) for name in arguments.box)}
        alone = len(chosen) == 1
        plans, failed = _each(
            chosen.values(),
            lambda box: runtime.plan_update(ctx, box.box, path=arguments.bundle, again=arguments.again),
            alone=alone,
        )
        if arguments.plan:
            session.answer({"plans": plans, "failed": _told(failed)}, [*_table(plans), *_reasons(failed)])
            return 1 if failed else None
        for line in _table(plans):
            session.say(line)
        done, kept = _each(
            [chosen[plan.box] for plan in plans],
            lambda box: runtime.update_box(
                ctx,
                box.box,
                path=arguments.bundle,
                again=arguments.again,
                progress=session.progress,
                cancel=cancel,
            ),
            alone=alone,
        )
    failed += kept
    session.answer({"updates": done, "failed": _told(failed)}, [*map(_outcome, done), *_reasons(failed)])
    return 1 if failed else None


def _roll_back(arguments: argparse.Namespace, session: Session) -> int | None:
    from app.usecases import boxes, runtime

    if arguments.bundle or arguments.again or arguments.plan:
        raise InputInvalid("--roll-back goes with no other option.")
    with session.open() as ctx, session.stoppable() as cancel:
        chosen = {box.box: box for box in (boxes.get_box(ctx, name) for name in arguments.box)}
        done, failed = _each(
            chosen.values(),
            lambda box: runtime.return_box(ctx, box.box, progress=session.progress, cancel=cancel),
            alone=len(chosen) == 1,
        )
    lines = [f"{one.name}: {one.before} -> {one.version}." for one in done]
    session.answer({"returned": done, "failed": _told(failed)}, [*lines, *_reasons(failed)])
    return 1 if failed else None


def _each(chosen: Iterable[Box], work: Callable[[Box], T], *, alone: bool) -> tuple[list[T], list[Failure]]:
    """What came of each box. One that is away, or keeps its version, is no reason to leave out the next one.

    :param alone: nobody asked for another box, so that its error is the whole answer.
    """
    from app.fleet.failures import as_problem

    done: list[T] = []
    failed: list[Failure] = []
    for box in chosen:
        try:
            done.append(work(box))
        except Cancelled:
            raise
        except Exception as error:
            if alone:
                raise
            failed.append((box, as_problem(error, box.address)))
    return done, failed


def _table(plans: Sequence[UpdatePlan]) -> list[str]:
    return text.table(list(_PLAN), [[read(plan) for read in _PLAN.values()] for plan in plans]) if plans else []


def _outcome(one: UpdateReport) -> str:
    if not one.changed:
        return f"{one.name}: runs {one.version} already; nothing was sent."
    from app.usecases.runtime import unjudged_words

    told = f" Lines {unjudged_words(one.unjudged)}." if one.unjudged else ""
    return f"{one.name}: {one.before} -> {one.version}, {text.size(one.sent)} sent, away for {one.away_s:.1f} s.{told}"


def _reasons(failed: Sequence[Failure]) -> list[str]:
    return [line for box, error in failed for line in (f"{box.name}: {error}", error.hint, f"[{error.code}]")]


def _told(failed: Sequence[Failure]) -> list[dict[str, object]]:
    return [{"box": box.box, "name": box.name, "error": error.to_dict()} for box, error in failed]


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
