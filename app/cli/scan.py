"""``lineside boxes scan``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import TYPE_CHECKING

from msgspec import UNSET

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import SiteMissing

if TYPE_CHECKING:
    from app.usecases.finding import Found, Looked
    from edge_runtime.contracts.finding import Reason


NAME_WIDTH = 40
"""Anybody may call himself what he likes."""
NAMES_TOLD = 3


def add_verb(topic: Topic) -> None:
    scan = topic.verb("scan", _scan, "look for boxes: on this network, at addresses, or through another box")
    scan.add_argument("--seconds", type=float, default=2.0, metavar="S", help="how long to listen (default: 2)")
    scan.add_argument(
        "--address", action="append", default=[], metavar="HOST[:PORT]", help="ask here too; may be repeated"
    )
    scan.add_argument(
        "--subnet", action="append", default=[], metavar="CIDR", help="ask every address of it; may be repeated"
    )
    scan.add_argument("--via", metavar="BOX", help="let this enrolled box look around in its own networks")
    scan.add_argument("--explain", action="store_true", help="say why a box may be missing")


def _scan(arguments: argparse.Namespace, session: Session) -> None:
    from app.fleet.reason_words import say
    from app.usecases import finding

    request = finding.ScanRequest(
        seconds=arguments.seconds,
        addresses=tuple(arguments.address),
        subnets=tuple(arguments.subnet),
        via=arguments.via,
        explain=arguments.explain,
    )
    try:
        opened = session.open()
    except SiteMissing:
        # Who has no site yet wants to know what is there.
        if request.via:
            raise
        opened = None
    with opened or nullcontext() as ctx, session.stoppable() as cancel:
        report = finding.scan(ctx, request, progress=session.progress, cancel=cancel)
    told = [say(reason) for reason in report.reasons]
    columns: Columns[Found] = {
        "NAME": lambda one: text.cut(one.seen.name, NAME_WIDTH),
        "BOX": lambda one: text.short(one.seen.box),
        "ADDRESS": lambda one: ", ".join(one.seen.addresses[:2]),
        "KEY": _key,
        "SITE": _site,
        "INTERFACE": lambda one: ", ".join(one.seen.interfaces),
        "FOUND BY": _how,
    }
    lines = [
        "No box was found."
        if request.explain
        else "No box was found. `lineside boxes scan --explain` says why one may be missing."
    ]
    if report.found:
        lines = text.table(list(columns), [[read(one) for read in columns.values()] for one in report.found])
    for one in report.found:
        if one.moved_from:
            lines += [
                "",
                f"{text.clean(one.known_as)} was at {one.moved_from}, and is asked where it answers from now on.",
            ]
    lines += [line for one in report.found for line in _other_names(one)]
    for message, hint in told:
        lines += ["", text.clean(message), f"  {text.clean(hint)}"]
    if request.explain:
        lines += ["", _looked(report.looked, request.via)]
        if not told:
            lines += ["In that, nothing was seen that could hide a box. One on another subnet or port is not seen so."]
    reasons = [_reason(*pair) for pair in zip(report.reasons, told, strict=True)]
    session.answer({"found": report.found, "reasons": reasons, "looked": report.looked}, lines)


def _looked(looked: Looked, via: str | None) -> str:
    parts = [f"listened for {looked.seconds:g} s"] if looked.seconds else []
    parts += [f"asked every address of {network}" for network in looked.swept]
    parts += [f"{text.clean(via)} asked every address of {text.clean(network)}" for network in looked.swept_via]
    return f"How far it looked: {', '.join(parts) or 'the addresses that were named'}."


def _key(one: Found) -> str:
    if one.seen.proved:
        return "proved"
    return f"{one.vouched} says so" if one.vouched else "only claimed"


def _site(one: Found) -> str:
    if one.known_as:
        return "this one" if one.known_as == one.seen.name else f"this one, as {one.known_as}"
    if one.seen.enrolled is UNSET:
        return "not known"
    return "another desktop's" if one.seen.enrolled else "none yet"


def _other_names(one: Found) -> list[str]:
    others = [text.clean(text.cut(name, NAME_WIDTH)) for name in one.seen.announced_as if name != one.seen.name]
    if not others:
        return []
    name = f"{text.clean(text.cut(one.seen.name, NAME_WIDTH))} ({text.short(one.seen.box)})"
    more = f" and {len(others) - NAMES_TOLD} more" if len(others) > NAMES_TOLD else ""
    return [
        "",
        f"{name} is announced under other names, too: {', '.join(others[:NAMES_TOLD])}{more}.",
        "  It was renamed since its key was made, or somebody else announces it.",
    ]


def _how(one: Found) -> str:
    told = [f"via {name}" for name in one.seen.told_by]
    return ", ".join([*(["announced"] if one.seen.announced else []), *told]) or "asked"


def _reason(reason: Reason, told: tuple[str, str]) -> dict[str, object]:
    message, hint = told
    return {"kind": reason.kind, "subject": reason.subject, "message": message, "hint": hint}
