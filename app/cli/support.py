"""``lineside support``."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Session
from edge_runtime.contracts.text import counted


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "support", "help for whoever is asked for help")
    bundle = topic.verb("bundle", _bundle, "write a file of what is known here and on boxes, without secrets")
    bundle.add_argument("--out", type=Path, required=True, metavar="FILE", help="a zip that is not there yet")
    bundle.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="BOX",
        help="name or id, any number of times (default: all)",
    )
    bundle.add_argument("--hide-names", action="store_true", help="leave out names and addresses as well")


def _bundle(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.support import write_bundle, write_bundle_of_home
    from edge_runtime.contracts.errors import ConfigInvalid, DatabaseDamaged, DatabaseTooNew

    out = arguments.out.absolute()
    try:
        ctx = session.open()
    except (ConfigInvalid, DatabaseDamaged, DatabaseTooNew) as error:
        # Just then is help needed.
        made = write_bundle_of_home(session.home, out, error, hide_names=arguments.hide_names)
        session.say(f"The site cannot be opened: {text.clean(error.message)} What can be read of it is in the bundle.")
    else:
        with ctx, session.stoppable() as cancel:
            made = write_bundle(
                ctx,
                out,
                boxes=arguments.box,
                hide_names=arguments.hide_names,
                progress=session.progress,
                cancel=cancel,
            )
    lines = [
        (
            f"{made.path}: {counted(len(made.files), 'file', 'files')}, {text.size(made.bytes)}. "
            "Nothing was sent: look through it first."
        )
    ]
    lines += [f"left out: {text.clean(what)}: {text.clean(why)}" for what, why in made.left_out.items()]
    session.answer({"bundle": made}, lines)
