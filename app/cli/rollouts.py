"""``lineside rollouts``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.context import Context
    from app.store.records import Rollout


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "rollouts", "releases on their staged way onto boxes")
    topic.verb("list", _list, "rollouts, newest first")
    topic.verb("show", _show, "one rollout, box by box").add_argument("rollout", help="id, or its beginning")
    start = topic.verb("start", _start, "offer a released model to boxes, wave by wave")
    start.add_argument("model", help="beginning of the id, NAME@VERSION, or the version")
    start.add_argument(
        "--wave",
        action="append",
        required=True,
        metavar="BOX[,BOX…]",
        help="boxes of one wave; the first --wave is the canary, each next one waits for the one before",
    )
    start.add_argument("--follow", action="store_true", help="wait until it is done")
    topic.verb("follow", _follow, "advance a rollout until it is done").add_argument(
        "rollout", help="id, or its beginning"
    )
    stop = topic.verb("stop", _stop, "offer the model to no further box")
    stop.add_argument("rollout", help="id, or its beginning")
    stop.add_argument("--reason", default="stopped by hand", help="for the record")


_BRIEF: Columns[Rollout] = {
    "ROLLOUT": lambda rollout: text.short(rollout.rollout),
    "VERSION": lambda rollout: rollout.version,
    "STATE": lambda rollout: rollout.state,
    "COMMITTED": lambda rollout: f"{sum(b.state == 'committed' for b in rollout.boxes)} of {len(rollout.boxes)}",
    "STARTED": lambda rollout: text.moment(rollout.created_ms),
    "REASON": lambda rollout: rollout.reason,
}


def _answer(session: Session, ctx: Context, rollout: Rollout) -> None:
    from app.usecases import boxes

    names = {box.box: box.name for box in boxes.list_boxes(ctx)}
    lines = text.facts(
        [
            ("rollout", rollout.rollout),
            ("model", f"{text.short(rollout.model)} {rollout.version}"),
            ("state", rollout.state),
            ("reason", rollout.reason),
            ("started", text.moment(rollout.created_ms)),
            ("finished", text.moment(rollout.finished_ms)),
        ]
    )
    lines += text.table(
        ("WAVE", "BOX", "STATE", "REASON"),
        [(part.wave, names.get(part.box, text.short(part.box)), part.state, part.reason) for part in rollout.boxes],
    )
    session.answer({"rollout": rollout}, lines)


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx:
        empty = "No rollout yet. Start one with `lineside rollouts start MODEL --wave BOX`."
        session.rows("rollouts", rollouts.list_rollouts(ctx), _BRIEF, empty=empty)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx:
        _answer(session, ctx, rollouts.get_rollout(ctx, arguments.rollout))


def _start(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    waves = [[name.strip() for name in wave.split(",") if name.strip()] for wave in arguments.wave]
    if not all(waves):
        raise InputInvalid("A wave has no box in it.")
    with session.open() as ctx, session.stoppable() as cancel:
        rollout = rollouts.start_rollout(ctx, arguments.model, waves=waves)
        if arguments.follow:
            rollout = rollouts.follow_rollout(ctx, rollout.rollout, progress=session.progress, cancel=cancel)
        _answer(session, ctx, rollout)


def _follow(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx, session.stoppable() as cancel:
        rollout = rollouts.get_rollout(ctx, arguments.rollout)
        _answer(
            session,
            ctx,
            rollouts.follow_rollout(ctx, rollout.rollout, progress=session.progress, cancel=cancel),
        )


def _stop(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx:
        rollout = rollouts.get_rollout(ctx, arguments.rollout)
        _answer(session, ctx, rollouts.stop_rollout(ctx, rollout.rollout, arguments.reason))
