"""``lineside boxes``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import clocks, clones, configs, drills, follow, scan, ssh, text, updates
from app.cli.commands import Topic, Topics
from app.cli.seen import add_listings
from app.cli.session import Columns, Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.store.records import Box


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "boxes", "the edge boxes beside the line")
    topic.verb("list", _list, "enrolled boxes and what each said last")
    topic.verb("show", _show, "one box").add_argument("box", help="name or id")
    scan.add_verb(topic)
    enrol = topic.verb("enrol", _enrol, "make a box of a machine over SSH, or enrol one whose home folder is here")
    enrol.add_argument("where", metavar="WHERE", help="ssh://USER@HOST[:PORT], or the home folder of the box")
    enrol.add_argument("--address", metavar="HOST:PORT", help="where it answers (default: what it wrote down)")
    ssh.add_sign_in(enrol)
    enrol.add_argument("--name", help="what a new box is called (default: the machine's name)")
    enrol.add_argument("--bundle", type=Path, metavar="PATH", help="the edge bundle (default: where they usually lie)")
    pair = topic.verb("pair", _pair, "enrol a box that was imaged in advance, by its one-time code")
    pair.add_argument("address", metavar="HOST[:PORT]", help="where the box takes its code (default port: 7444)")
    pair.add_argument("--code-file", type=Path, metavar="FILE", help="read the code from the first line of FILE")
    collect = topic.verb("collect", _collect, "bring over what boxes saw")
    collect.add_argument("box", nargs="?", help="name or id (default: all)")
    refresh = topic.verb("refresh", _refresh, "ask boxes how they are")
    refresh.add_argument("box", nargs="?", help="name or id (default: all)")
    follow.add_verb(topic)
    add_listings(topic)
    clocks.add_verb(topic)
    clones.add_verbs(topic)
    rollback = topic.verb("rollback", _rollback, "send a box back to the model before this one")
    rollback.add_argument("box", help="name or id")
    rollback.add_argument("--reason", required=True, help="kept on the box and in the activity")
    shadow = topic.verb("shadow", _shadow, "let a released model see what a box sees, without answering for anything")
    shadow.add_argument("box", help="name or id")
    chosen = shadow.add_mutually_exclusive_group(required=True)
    chosen.add_argument("model", nargs="?", help="name, name@version or id of a released model")
    chosen.add_argument("--off", action="store_true", help="end it")
    label = topic.verb("label", _label, "give a box labels, by which rollouts choose boxes, or take them off")
    label.add_argument("box", help="name or id")
    label.add_argument("--add", action="append", default=[], metavar="LABEL", help="may be given more than once")
    label.add_argument("--remove", action="append", default=[], metavar="LABEL", help="may be given more than once")
    updates.add_verb(topic)
    ssh.add_release(topic)
    drills.add_verbs(topic)
    configs.add_verb(topic)
    topic.verb("forget", _forget, "strike a box off this desktop's list").add_argument("box", help="name or id")


def _model(box: Box) -> str:
    slots = box.status.slots if box.status else ()
    return next((f"{slot.name} {slot.version}" for slot in slots if slot.active), text.NONE)


def _lines(box: Box) -> str:
    pipelines = box.status.pipelines if box.status else ()
    return ", ".join(f"{line.name} {line.state}{' (drift)' if line.drift else ''}" for line in pipelines)


_PROBLEMS = {"box.wrong-key": "another key answers", "box.refuses-desktop": "refuses this desktop"}


def _state(box: Box) -> str:
    if box.problem:
        return _PROBLEMS.get(box.problem_code or "", "not reachable")
    return "reachable" if box.last_seen_ms else "never seen"


def _slots(box: Box) -> str:
    slots = box.status.slots if box.status else ()
    told = (
        f"{slot.slot} {slot.state} {slot.name or ''} {slot.version or ''} {slot.reason or ''}".split() for slot in slots
    )
    return "; ".join(" ".join(words) for words in told)


def _shadow_of(box: Box) -> str | None:
    shadow = box.status.shadow if box.status else None
    if shadow is None:
        return None
    return " ".join(f"{shadow.name} {shadow.version} {shadow.state} {shadow.reason or ''}".split())


def _waiting(box: Box) -> str | None:
    if box.status is None:
        return None
    spool = box.status.spool
    results, samples = counted(spool.results, "result", "results"), counted(spool.samples, "sample", "samples")
    return f"{results}, {samples}, {counted(spool.alerts, 'alert', 'alerts')}"


def _inference(box: Box) -> str | None:
    return ", ".join(f"{name} {where}" for name, where in box.status.inference.items()) if box.status else None


def _config(box: Box) -> str | None:
    config = box.status.config if box.status else None
    if config is None:
        return None
    told = [f"version {config.in_force}"]
    told += [f"version {config.trial} on trial"] if config.trial is not None else []
    told += [f"version {config.waiting} from the next start: edited on the box"] if config.waiting is not None else []
    return ", ".join(told)


_BRIEF: Columns[Box] = {
    "NAME": lambda box: box.name,
    "BOX": lambda box: text.short(box.box),
    "ADDRESS": lambda box: box.address,
    "STATE": _state,
    "LABELS": lambda box: ", ".join(box.labels),
    "LAST SEEN": lambda box: text.moment(box.last_seen_ms),
    "MODEL": _model,
    "PROGRAM": lambda box: updates.brief(box),
    "PIPELINES": _lines,
}

_FULL: Columns[Box] = {
    "name": lambda box: box.name,
    "box": lambda box: box.box,
    "address": lambda box: box.address,
    "labels": lambda box: ", ".join(box.labels),
    "enrolled": lambda box: text.moment(box.enrolled_ms),
    "last seen": lambda box: text.moment(box.last_seen_ms),
    "state": _state,
    "problem": lambda box: box.problem,
    "model": _model,
    "pipelines": _lines,
    "slots": _slots,
    "shadow": _shadow_of,
    "answers programs": _inference,
    "version": lambda box: updates.program_of(box),
    "configuration": _config,
    "its disk": lambda box: box.status.spool.problem if box.status else None,
    "waiting there": _waiting,
}


def _answer(session: Session, boxes: Sequence[Box]) -> None:
    session.rows("boxes", boxes, _BRIEF, empty="No box is enrolled yet. Find one with `lineside boxes scan`.")


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes

    with session.open() as ctx:
        _answer(session, boxes.list_boxes(ctx))


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes

    with session.open() as ctx:
        session.one("box", boxes.get_box(ctx, arguments.box), _FULL)


def _enrol(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes

    if ssh.is_over_ssh(arguments.where):
        ssh.enrol(arguments, session, lambda box: text.facts([(name, read(box)) for name, read in _FULL.items()]))
        return
    with session.open() as ctx:
        session.one("box", boxes.enrol_local(ctx, Path(arguments.where), address=arguments.address), _FULL)


def _pair(arguments: argparse.Namespace, session: Session) -> None:
    from app.cli.code import ask_for_code
    from app.usecases import pairing

    with session.open() as ctx:
        box = pairing.pair_box(ctx, arguments.address, ask_for_code(arguments.code_file))
        session.one("box", box, _FULL)


def _collect(arguments: argparse.Namespace, session: Session) -> int:
    from app.usecases import boxes

    with session.open() as ctx, session.stoppable() as cancel:
        report = boxes.collect(ctx, arguments.box, progress=session.progress, cancel=cancel)
        session.one(
            "collected",
            report,
            {
                "boxes": lambda r: r.boxes,
                "results": lambda r: r.results,
                "samples": lambda r: f"{r.samples} ({text.size(r.bytes)})",
                "alerts": lambda r: r.alerts,
                "audits": lambda r: r.audits,
                "roll-ups": lambda r: r.rollups,
                "shadow answers": lambda r: r.shadows,
                "losses": lambda r: r.losses,
                "not reachable": lambda r: ", ".join(r.unreachable),
            },
        )
        return 1 if report.unreachable else 0


def _refresh(arguments: argparse.Namespace, session: Session) -> int:
    from app.usecases import boxes

    with session.open() as ctx:
        asked = boxes.refresh(ctx, arguments.box)
        _answer(session, asked)
        return 1 if any(box.problem for box in asked) else 0


def _shadow(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import rollouts

    with session.open() as ctx, session.stoppable() as cancel:
        model = None if arguments.off else arguments.model
        box = rollouts.shadow(ctx, arguments.box, model, progress=session.progress, cancel=cancel)
        session.one("box", box, _FULL)


def _rollback(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes

    with session.open() as ctx:
        session.one("box", boxes.roll_back(ctx, arguments.box, arguments.reason), _FULL)


def _label(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.labels import label_box

    with session.open() as ctx:
        box = label_box(ctx, arguments.box, add=arguments.add, remove=arguments.remove)
        session.one("box", box, {"name": lambda one: one.name, "labels": lambda one: ", ".join(one.labels)})


def _forget(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import boxes

    with session.open() as ctx:
        box = boxes.get_box(ctx, arguments.box)
        boxes.forget_box(ctx, box.box)
        session.answer({"forgotten": box.box}, [f"Forgot {text.clean(box.name)}."])
