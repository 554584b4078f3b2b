"""``lineside site``."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Session
from edge_runtime.contracts.errors import InputInvalid

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


def _create(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sites

    passphrase = _passphrase(arguments.passphrase_file)
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


def _passphrase(file: Path | None) -> str:
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputInvalid(f"The passphrase cannot be read from {file}.") from error
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask for the passphrase.", hint="Use --passphrase-file FILE.")
    first = getpass.getpass("Passphrase of the offline root key: ")
    if getpass.getpass("Once more: ") != first:
        raise InputInvalid("The two passphrases differ.")
    return first
