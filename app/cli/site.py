"""``lineside site``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.keys import add_keys
from app.cli.passphrase import new_passphrase
from app.cli.session import Session

if TYPE_CHECKING:
    from app.context import Context


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "site", "the site that this desktop looks after")
    create = topic.verb("create", _create, "make a site: keys, release repository, empty database")
    create.add_argument("name", help="the site's name, for people")
    create.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="read the offline root key's passphrase from the first line of FILE instead of asking",
    )
    topic.verb("show", _show, "who this desktop works for")
    add_keys(topic)


def _create(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sites

    passphrase = new_passphrase(arguments.passphrase_file)
    with sites.create_site(session.home, arguments.name, passphrase) as ctx:
        _answer(session, ctx)
        if not session.as_json:
            print(f"\nMove {ctx.places.root_key} to a USB stick and keep it in a safe place.")


def _show(_arguments: argparse.Namespace, session: Session) -> None:
    with session.open() as ctx:
        _answer(session, ctx)


def _answer(session: Session, ctx: Context) -> None:
    session.one(
        "site",
        ctx.site,
        {
            "name": lambda site: site.name,
            "site": lambda site: site.site,
            "this desktop": lambda site: site.replica,
            "created": lambda site: text.moment(site.created_ms),
            "folder": lambda _site: ctx.home,
            "object store": lambda _site: ctx.settings.store,
        },
        home=str(ctx.home),
        settings=ctx.settings,
    )
