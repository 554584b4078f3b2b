"""``lineside activity``."""

from __future__ import annotations

import argparse

from app.cli import text
from app.cli.commands import Topic, Topics, add_paging
from app.cli.session import Session


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "activity", "what was done on this desktop, in a chain that shows any change")
    add_paging(topic.verb("list", _list, "entries, newest first"))
    topic.verb("verify", _verify, "recompute the whole chain")


def _list(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import activity

    with session.open() as ctx:
        page = activity.page_activity(ctx, cursor=arguments.cursor, limit=arguments.limit)
        session.rows(
            "activity",
            page.rows,
            {
                "NO": lambda entry: entry.seq,
                "WHEN": lambda entry: text.moment(entry.at_ms),
                "WHO": lambda entry: entry.who,
                "WHAT": lambda entry: entry.what,
                "MESSAGE": lambda entry: entry.message,
            },
            empty="Nothing was done yet.",
            cursor=page.cursor,
        )


def _verify(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import activity

    with session.open() as ctx:
        entries = activity.verify_activity(ctx)
        session.answer({"entries": entries, "intact": True}, [f"The chain of {entries} entries is intact."])
