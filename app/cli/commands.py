"""How a topic registers its verbs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from app.cli.session import Session

Run = Callable[[argparse.Namespace, Session], int | None]
"""What a verb does; the exit status, where it is not 0 for done."""
Topics = Any
"""What ``add_subparsers`` returns; argparse gives its type no public name."""


class Topic:
    """``lineside TOPIC VERB``."""

    def __init__(self, topics: Topics, everywhere: argparse.ArgumentParser, name: str, what: str) -> None:
        self._everywhere = everywhere
        parser = topics.add_parser(name, help=what, description=what)
        self._verbs = parser.add_subparsers(metavar="VERB", title="verbs", required=True)

    def verb(self, name: str, run: Run, what: str) -> argparse.ArgumentParser:
        """Add a verb; the caller adds its arguments."""
        parser: argparse.ArgumentParser = self._verbs.add_parser(
            name, help=what, description=what, parents=[self._everywhere]
        )
        parser.set_defaults(run=run)
        return parser


def add_paging(parser: argparse.ArgumentParser) -> None:
    """``--limit`` and ``--cursor`` of a long list."""
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="rows of a page (default: 100)")
    parser.add_argument("--cursor", metavar="POSITION", help="go on where the page before ended")
