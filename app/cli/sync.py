"""``lineside sync``."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Session
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from cloud_sync.objects import Credentials


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "sync", "the site's object store")
    setup = topic.verb("setup", _setup, "try an object store and make it the site's")
    setup.add_argument("address", help="s3://BUCKET/PREFIX, or a folder")
    setup.add_argument("--endpoint-url", metavar="URL", help="of an S3 server that is not Amazon's")
    setup.add_argument(
        "--ask-credentials",
        action="store_true",
        help="ask for an access key and keep it in the system's keyring (default: the usual AWS variables or profile)",
    )
    topic.verb("now", _now, "send what is new here, fetch what is new there")
    topic.verb("status", _status, "last sync, and what waits")


def _setup(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    credentials = _ask() if arguments.ask_credentials else None
    with session.open() as ctx:
        report = sync.setup_store(ctx, arguments.address, endpoint_url=arguments.endpoint_url, credentials=credentials)
        pairs = [("object store", report.address)]
        pairs += [(check.name, f"{'ok' if check.ok else 'no'}: {check.message}") for check in report.checks]
        if credentials is not None:
            pairs.append(("credentials", f"kept in {ctx.secrets.place}"))
        session.answer({"store": report}, text.facts(pairs))


def _ask() -> Credentials:
    from cloud_sync.objects import Credentials

    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask for credentials.", hint="Use the usual AWS variables.")
    key = input("Access key id: ").strip()
    return Credentials(access_key_id=key, secret_access_key=getpass.getpass("Secret access key: ").strip())


def _now(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx, session.stoppable() as cancel:
        report = sync.sync_now(ctx, progress=session.progress, cancel=cancel)
        session.one(
            "synced",
            report,
            {
                "files sent": lambda r: f"{r.objects_sent} ({text.size(r.bytes_sent)})",
                "changes sent": lambda r: r.changes_sent,
                "changes received": lambda r: r.changes_received,
                "files received": lambda r: r.objects_received,
                "rows of figures sent": lambda r: r.figures_sent,
            },
        )


def _status(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import sync

    with session.open() as ctx:
        session.one(
            "sync",
            sync.sync_status(ctx),
            {
                "object store": lambda s: s.store or "none: set one up with `lineside sync setup ADDRESS`",
                "last sync": lambda s: text.moment(s.last_ms),
                "problem": lambda s: s.problem,
                "waiting changes": lambda s: s.pending_changes,
                "waiting files": lambda s: f"{s.pending_objects} ({text.size(s.pending_bytes)})",
                "files in the store": lambda s: f"{s.objects} ({text.size(s.bytes)})",
            },
        )
