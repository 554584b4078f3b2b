"""The box's commands, of which only the one that was asked for is imported: what it takes to start counts.

Each is a module of its name with ``add_parser(commands)`` and ``run(options) -> int``, the exit status.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.text import one_line

if TYPE_CHECKING:
    Parsers = argparse._SubParsersAction[argparse.ArgumentParser]

COMMANDS = {
    "init": "make this box's key and configuration",
    "trust": "trust a desktop and its site's releases",
    "code": "show the one-time code by which a desktop can pair with this box",
    "run": "run the box until SIGTERM",
    "launch": "run the box in the version that was committed, or try the one that came",
    "pipeline": "run one pipeline over what a source has, and print where the time goes",
    "serve": "answer programs with a model, over the Open Inference Protocol",
    "bench": "find the best way to run a model on this box",
}


class Command(Protocol):
    """What each module of this package offers."""

    def add_parser(self, commands: Parsers) -> None:
        """Add the command's own parser; it needs no ``help``, which stands above."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; returns the exit status and raises only LinesideError."""
        ...


def load(name: str) -> Command:
    """The module behind one of :data:`COMMANDS`."""
    return cast(Command, import_module(f"{__name__}.{name}"))


def said(error: LinesideError, *, as_json: bool) -> str:
    """An error for whoever typed the command, or for the program that reads its JSON."""
    if as_json:
        return json.dumps({"error": error.to_dict()}) + "\n"
    return f"{error.title}: {one_line(error.message)}\n{error.hint}\n[{error.code}]\n"
