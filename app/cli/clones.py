"""``lineside boxes clones`` and ``renew``: machines that were made from one image."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic
from app.cli.session import Columns, Session
from edge_runtime.contracts.errors import Cancelled, InputInvalid

if TYPE_CHECKING:
    from app.store.records import Box, Sighting
    from app.usecases.clone_rules import Clone

_MARKS = {"key": "one box's key", "machine": "one machine-id", "host-key": "one SSH host key"}
_SAME_MACHINE = (
    "  Each has a key of its own. Give the copy a machine-id and SSH host keys of its own, too: on it, as root,",
    "  rm /etc/machine-id /etc/ssh/ssh_host_*; systemd-machine-id-setup; ssh-keygen -A; reboot",
)


def add_verbs(topic: Topic) -> None:
    topic.verb("clones", _clones, "boxes that were copied: one identity on two machines, side by side")
    renew = topic.verb("renew", _renew, "give the copy of a box a new identity; it keeps what it has seen")
    renew.add_argument("box", help="name or id of the box that was copied")
    renew.add_argument("--address", required=True, metavar="HOST:PORT", help="where the copy answers")
    renew.add_argument("--name", help="what the copy is called from now on (default: as it is called now)")
    renew.add_argument(
        "--forget", action="store_true", help="let go of one that was begun and did not get there; nobody is asked"
    )
    renew.add_argument("--yes", action="store_true", help="do not ask, also where nothing shows that it was copied")


def _clones(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import clones

    with session.open() as ctx:
        found = clones.look_for_clones(ctx)
        begun = clones.begun_renewals(ctx)
        sides = {side.box for clone in found for side in clone.sides}
        names = clones.names_of(ctx, sides | {one.box for one in begun})
    lines = ["No box has been copied, as far as can be told from here."] if not found else []
    for clone in found:
        lines += [*([""] if lines else []), *_side_by_side(clone, names)]
    for one in begun:
        again = f"lineside boxes renew {text.clean(names[one.box])} --address {one.address}"
        said = (
            [f"The machine at {one.address} was being given a new identity, and may have it already. To end that:"]
            if one.new is not None
            else [
                f"A new identity was meant for the machine at {one.address}, which was not told to take it.",
                f"  To forget that: {again} --forget",
                "  To try again:",
            ]
        )
        lines += [*([""] if lines else []), *said, f"  {again}"]
    unfinished = [
        {"box": one.box, "address": one.address, "name": one.name, "prepared": one.new is not None} for one in begun
    ]
    session.answer({"clones": found, "begun": unfinished}, lines)


def _side_by_side(clone: Clone, names: Mapping[str, str]) -> list[str]:
    marks = " and ".join(_MARKS[mark] for mark in clone.marks)
    count = len(clone.sides)
    head = f"{count} machines with {marks}."
    if not clone.proved:
        head = f"{marks[:1].upper()}{marks[1:]} under {count} boxes: a copy, or one machine that was set up anew."
    facts: Columns[Sighting] = {
        "box": lambda side: names.get(side.box, ""),
        "id": lambda side: text.short(side.box),
        "address": lambda side: side.address,
        "this start": lambda side: text.short(side.boot),
        "machine": lambda side: text.short(side.machine or None),
        "SSH host key": lambda side: side.host_key,
        "last heard": lambda side: text.moment(side.last_ms),
    }
    table = text.table(
        ["", *(chr(ord("A") + number) for number in range(count))],
        [[name, *(read(side) for side in clone.sides)] for name, read in facts.items()],
    )
    if "key" not in clone.marks:
        return [head, *table, *_SAME_MACHINE]
    box = text.clean(names.get(clone.sides[0].box, clone.sides[0].box))
    return [head, *table, f"  To make the copy another box: lineside boxes renew {box} --address ADDRESS --name NAME"]


def _renew(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import clones

    with session.open() as ctx:
        if arguments.forget:
            clones.forget_renewal(ctx, arguments.box, arguments.address)
            session.answer({"forgotten": arguments.address}, [f"Forgot what was begun at {arguments.address}."])
            return
        if not arguments.yes and not clones.is_known_copy(ctx, arguments.box, arguments.address):
            _ask(arguments.box, arguments.address)
        box = clones.renew(ctx, arguments.box, arguments.address, new_name=arguments.name)
        columns: Columns[Box] = {
            "name": lambda one: one.name,
            "box": lambda one: one.box,
            "address": lambda one: one.address,
            "problem": lambda one: one.problem,
        }
        session.one("box", box, columns)


def _ask(name: str, address: str) -> None:
    """:raises Cancelled: no.
    :raises InputInvalid: there is nobody to ask.
    """
    doubt = (
        f"Nothing shows that {text.clean(name)} was copied: no two machines with its key have answered in turns. If "
        f"the one at {text.clean(address)} is the only one, it becomes another box, and {text.clean(name)} is gone."
    )
    if not sys.stdin.isatty():
        raise InputInvalid(
            doubt,
            hint="Look first: `lineside boxes scan --address` for both addresses, then `lineside boxes clones`. To do "
            "it all the same: --yes.",
        )
    print(f"{doubt}\nGive it a new identity all the same? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Cancelled("Nothing was changed.")
