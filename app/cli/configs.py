"""``lineside boxes config``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.usecases.box_config import BoxConfig, ConfigOutcome
    from edge_runtime.contracts.configuring import ConfigVersion


def add_verb(topic: Topic) -> None:
    config = topic.verb("config", _config, "the configuration of a box: show it, change it on trial, go back")
    config.add_argument("box", nargs="+", help="name or id; with --set also several, and label:LABEL")
    what = config.add_mutually_exclusive_group()
    what.add_argument("--set", type=Path, metavar="FILE", help="put this edge.toml on trial there; the box judges it")
    what.add_argument("--history", action="store_true", help="the versions that the box keeps")
    what.add_argument("--version", type=_number, metavar="N", help="show this version of it")
    what.add_argument(
        "--roll-back",
        type=_number,
        nargs="?",
        const=0,
        metavar="N",
        help="put version N on trial (default: the one that was in force before)",
    )
    config.add_argument(
        "--base", metavar="DIGEST", help="with --set and --roll-back: only if this is what stands there"
    )


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 10**9:
        raise argparse.ArgumentTypeError("wants the number of a version")
    return int(value)


def _config(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import box_config

    names: list[str] = arguments.box
    if arguments.set is None and (len(names) > 1 or names[0].startswith("label:")):
        raise InputInvalid("Only --set takes several boxes.", hint="Name one box.")
    changes = arguments.set is not None or arguments.roll_back is not None
    if arguments.base and (not changes or len(names) > 1 or names[0].startswith("label:")):
        raise InputInvalid("--base goes with --set or --roll-back, and one box.")
    with session.open() as ctx, session.stoppable() as cancel:
        if arguments.set is not None:
            toml = _text_of(arguments.set)
            if len(names) == 1 and not names[0].startswith("label:"):
                outcome = box_config.set_config(
                    ctx, names[0], toml, base=arguments.base, progress=session.progress, cancel=cancel
                )
                session.one("config", outcome, _OUTCOME)
                return
            outcomes = box_config.set_configs(
                ctx,
                names,
                toml,
                done=lambda one: session.say(f"{text.clean(one.name)}: version {one.version.number} is in force."),
                progress=session.progress,
                cancel=cancel,
            )
            session.answer({"configs": outcomes}, [f"Configured {counted(len(outcomes), 'box', 'boxes')}."])
        elif arguments.roll_back is not None:
            outcome = box_config.go_back(
                ctx,
                names[0],
                arguments.roll_back or None,
                base=arguments.base,
                progress=session.progress,
                cancel=cancel,
            )
            session.one("config", outcome, _OUTCOME)
        else:
            found = box_config.read_config(ctx, names[0], arguments.version)
            if arguments.history:
                session.rows("versions", found.versions[::-1], _VERSIONS, empty="The box keeps no versions.")
            else:
                _show(session, found, arguments.version)


def _text_of(path: Path) -> str:
    from edge_runtime.config import read_config

    return read_config(path).decode()


def _show(session: Session, found: BoxConfig, version: int | None) -> None:
    """The file alone on stdout, so that it can be edited and set again; what there is to say of it on stderr."""
    if version is None and not session.as_json:
        if (trial := found.in_state("trial")) is not None:
            _note(f"Version {trial.number} is on trial; this is what stands in edge.toml.")
        if (edit := found.in_state("waiting")) is not None:
            _note(f"Edited on the box (version {edit.number}): it counts from the box's next start. {edit.reason}")
    lines = found.toml.removesuffix("\n").split("\n")
    session.answer({"config": found}, ["".join(filter(_is_shown, line)) for line in lines])


def _note(words: str) -> None:
    print(text.clean(words), file=sys.stderr)


def _is_shown(sign: str) -> bool:
    return sign.isprintable() or sign == "\t"


_OUTCOME: Columns[ConfigOutcome] = {
    "box": lambda one: one.name,
    "version": lambda one: one.version.number,
    "state": lambda one: one.version.state if one.changed else f"{one.version.state}, as it was before",
    "digest": lambda one: one.version.digest,
    "address": lambda one: one.address,
}

_WAYS = {
    "found": "found there",
    "sent": "sent",
    "edited": "edited on the box",
    "returned-to": "went back",
    "renamed": "renamed",
}


def _way(one: ConfigVersion) -> str:
    way = _WAYS[one.origin]
    return f"{way} to version {one.of}" if one.of is not None else way


_VERSIONS: Columns[ConfigVersion] = {
    "VERSION": lambda one: one.number,
    "SINCE": lambda one: text.moment(one.at_ms),
    "STATE": lambda one: one.state,
    "HOW": _way,
    "BY": lambda one: one.who if one.who == "box" else text.short(one.who),
    "DIGEST": lambda one: text.short(one.digest),
    "BYTES": lambda one: one.bytes,
    "REASON": lambda one: one.reason,
}
