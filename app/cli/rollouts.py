"""``lineside rollouts``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from app.cli import rehearsals, text
from app.cli.commands import Topic, Topics
from app.cli.rollout_options import add_plan_options, add_subject_options, plan_of, require_one_subject, waves_of
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from app.store.records import BundleDecision, Rollout
    from app.usecases.rollout_conflicts import Conflict
    from cloud_sync.release.plan import Plan


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "rollouts", "models, configurations and programs on their staged way onto boxes")
    topic.verb("list", _list, "rollouts, newest first")
    _one(topic.verb("show", _show, "one rollout, box by box, and what it waits for"))
    start = topic.verb("start", _start, "offer a released model, a configuration or a program to boxes, wave by wave")
    add_subject_options(start)
    add_plan_options(start)
    start.add_argument("--follow", action="store_true", help="wait until it is done")
    rehearsals.add_verb(topic)
    _one(topic.verb("follow", _follow, "advance a rollout until it is done"))
    _one(topic.verb("pause", _pause, "offer it to no further box until it is resumed"))
    _one(topic.verb("resume", _resume, "go on with one that was paused, or that stopped and was decided about"))
    abort = topic.verb("abort", _abort, "end it: boxes on trial return, those that committed it keep it")
    _one(abort)
    abort.add_argument("--reason", default="aborted by hand", help="for the record")
    topic.verb("conflicts", _conflicts, "boxes that two desktops promised different things while apart")
    decide = topic.verb("decide", _decide, "after a box went back by itself: what is to become of it there")
    decide.add_argument("box", help="name or id")
    decide.add_argument(
        "model",
        metavar="subject",
        help="a model: beginning of the id, NAME@VERSION, or the version; a configuration or a program that was rolled "
        "out: beginning of its id, or the version",
    )
    decide.add_argument(
        "choice",
        choices=("offer-again", "hold", "blacklist"),
        help="offer-again: the box forgets its refusal and gets it once more; hold: this box is left alone with it; "
        "blacklist: no box of the site ever gets it",
    )
    decide.add_argument("--reason", help="for the record")
    decide.add_argument("--yes", action="store_true", help="do not ask before a bundle is blacklisted")
    topic.verb(
        "decisions", _decisions, "what was decided about models, configurations, programs and boxes, newest first"
    )


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rollout", help="id, or its beginning")


_BRIEF: Columns[Rollout] = {
    "ROLLOUT": lambda rollout: text.short(rollout.rollout),
    "WHAT": lambda rollout: rollout.subject,
    "VERSION": lambda rollout: rollout.version,
    "STATE": lambda rollout: rollout.state,
    "COMMITTED": lambda rollout: f"{sum(b.state == 'committed' for b in rollout.boxes)} of {len(rollout.boxes)}",
    "STARTED": lambda rollout: text.moment(rollout.created_ms),
    "REASON": lambda rollout: rollout.reason,
}
_CONFLICTS: Columns[Conflict] = {
    "BOX": lambda one: one.name,
    "ROLLOUT": lambda one: text.short(one.rollout),
    "WHAT": lambda one: one.model,
    "WHEN": lambda one: text.moment(one.updated_ms),
    "WHY": lambda one: one.reason,
}


def _answer(session: Session, ctx: Context, rollout: Rollout) -> None:
    from app.usecases import boxes
    from app.usecases.rollout_conflicts import desktop_name
    from app.usecases.rollout_words import outlook, unjudged_on
    from app.usecases.runtime import unjudged_words
    from app.usecases.subjects.finding import change_of, title_of

    known = {box.box: box for box in boxes.list_boxes(ctx)}
    seen = outlook(ctx, rollout)
    rests = f", until {text.moment(seen.rests_until_ms)}" if seen.rests_until_ms and not seen.awaited else ""
    cap = rollout.plan.cap_bytes_per_s
    lines = text.facts(
        [
            ("rollout", rollout.rollout),
            (rollout.subject, f"{text.short(rollout.model)} {title_of(ctx, rollout)}"),
            ("state", rollout.state),
            ("reason", rollout.reason),
            ("waits", f"{seen.words}{rests}" if seen.words else None),
            ("started", f"{text.moment(rollout.created_ms)} on {desktop_name(ctx, rollout.replica)}"),
            ("finished", text.moment(rollout.finished_ms)),
            ("between waves", counted(rollout.plan.pause_minutes, "minute", "minutes")),
            ("may fail", rollout.plan.max_failures),
            ("cap", f"{text.size(cap)}/s" if cap else None),
        ]
    )
    change = change_of(ctx, rollout)
    lines += ["", *("  " + text.clean(line) for line in change.splitlines()), ""] if change is not None else []
    away = set(seen.away)
    found = {part.box: unjudged_on(rollout, known.get(part.box)) for part in rollout.boxes}
    unjudged = {box: names for box, names in found.items() if names}
    lines += text.table(
        ("WAVE", "BOX", "STATE", "REASON"),
        [
            (
                part.wave,
                name := known[part.box].name if part.box in known else text.short(part.box),
                f"{part.state}, away" if name in away else part.state,
                part.reason or (f"lines {unjudged_words(found[part.box])}" if found[part.box] else None),
            )
            for part in rollout.boxes
        ],
    )
    session.answer({"rollout": rollout, "outlook": seen, "change": change, "unjudged": unjudged}, lines)


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts
    from app.usecases.rollout_conflicts import mend_records

    with session.open() as ctx:
        mend_records(ctx)
        empty = "No rollout yet. Start one with `lineside rollouts start MODEL --wave BOX`."
        session.rows("rollouts", rollouts.list_rollouts(ctx), _BRIEF, empty=empty)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts
    from app.usecases.rollout_conflicts import mend_records

    with session.open() as ctx:
        mend_records(ctx)
        _answer(session, ctx, rollouts.get_rollout(ctx, arguments.rollout))


def _start(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.rollout_runner import follow_rollout

    require_one_subject(arguments)
    plan = plan_of(arguments)
    with session.open() as ctx, session.stoppable() as cancel:
        rollout = _begun(ctx, arguments, waves_of(ctx, arguments), plan)
        if arguments.follow:
            rollout = follow_rollout(ctx, rollout.rollout, progress=session.progress, cancel=cancel)
        _answer(session, ctx, rollout)


def _begun(ctx: Context, arguments: argparse.Namespace, waves: list[list[str]], plan: Plan) -> Rollout:
    from app.usecases import rollout_starts, rollouts
    from edge_runtime.config import read_config

    if arguments.configuration is not None:
        change = read_config(arguments.configuration).decode()
        return rollout_starts.start_configuration(ctx, change, waves=waves, plan=plan)
    if arguments.program is not None:
        return rollout_starts.start_program(ctx, arguments.program, waves=waves, plan=plan)
    return rollouts.start_rollout(ctx, arguments.model, waves=waves, plan=plan)


def _follow(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts
    from app.usecases.rollout_runner import follow_rollout

    with session.open() as ctx, session.stoppable() as cancel:
        rollout = rollouts.get_rollout(ctx, arguments.rollout)
        _answer(session, ctx, follow_rollout(ctx, rollout.rollout, progress=session.progress, cancel=cancel))


def _pause(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx:
        _answer(session, ctx, rollouts.pause_rollout(ctx, arguments.rollout))


def _resume(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx:
        _answer(session, ctx, rollouts.resume_rollout(ctx, arguments.rollout))


def _abort(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts
    from app.usecases.rollout_runner import advance_rollout

    with session.open() as ctx, session.stoppable() as cancel:
        rollout = rollouts.abort_rollout(ctx, arguments.rollout, arguments.reason)
        # Those on trial that answer are told now; the others when a desktop that follows the site sees them.
        _answer(session, ctx, advance_rollout(ctx, rollout.rollout, cancel=cancel))


def _conflicts(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.rollout_conflicts import list_conflicts, mend_records

    with session.open() as ctx:
        mend_records(ctx)
        empty = "No box was promised different things by two desktops."
        session.rows("conflicts", list_conflicts(ctx), _CONFLICTS, empty=empty)


def _decide(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.rollout_decisions import decide, meaning, who_runs
    from app.usecases.subjects.finding import find_named

    with session.open() as ctx:
        named = find_named(ctx, arguments.model)
        running = who_runs(ctx, named.key) if arguments.choice == "blacklist" else []
        names = ", ".join(text.clean(box.name) for box in running)
        if arguments.choice == "blacklist" and not arguments.yes:
            _ask_before_blacklist(text.clean(named.words), names)
        decision = decide(ctx, arguments.box, named.key, arguments.choice, arguments.reason)
        lines = [f"{decision.choice}, {text.clean(named.words)}: {meaning(decision.choice, named.subject)}"]
        if running:
            lines.append(f"It runs on {names}, and goes on until each is sent back, or another is rolled out.")
        session.answer({"decision": decision, "runs_on": [box.box for box in running]}, lines)


def _ask_before_blacklist(what: str, names: str) -> None:
    """:raises Cancelled: no.
    :raises InputInvalid: there is nobody to ask.
    """
    there = f"It runs on {names}, which keep it until they are sent back." if names else "No box is known to run it."
    if not sys.stdin.isatty():
        raise InputInvalid(
            f"A blacklist of {what} cannot be taken back, and there is no terminal to ask at. {there}",
            hint="Say so beforehand: --yes.",
        )
    print(f"No box of the site is ever offered {what} again. This cannot be taken back. {there}", file=sys.stderr)
    print("Blacklist it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nothing was blacklisted.")


def _decisions(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes, rollout_decisions, rollouts
    from app.usecases.subjects.finding import title_of, titles_of

    with session.open() as ctx:
        names = {box.box: box.name for box in boxes.list_boxes(ctx)}
        titles = {one.model: title_of(ctx, one) for one in rollouts.list_rollouts(ctx)} | titles_of(ctx)
        columns: Columns[BundleDecision] = {
            "BOX": lambda one: "every box" if one.box == "*" else names.get(one.box, text.short(one.box)),
            "WHAT": lambda one: titles.get(one.bundle, text.short(one.bundle)),
            "DECISION": lambda one: one.choice,
            "WHO": lambda one: one.who,
            "WHEN": lambda one: text.moment(one.decided_ms),
            "WHY": lambda one: one.reason,
        }
        session.rows("decisions", rollout_decisions.list_decisions(ctx), columns, empty="Nothing was decided yet.")
