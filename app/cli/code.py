"""Where a one-time code comes from: the terminal, or a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from edge_runtime.pairing.messages import BoxHello

_MOST_BYTES = 256


def ask_for_code(file: Path | None) -> Callable[[BoxHello], str]:
    """What gives the code of the box that greets: the first line of ``file``, or whoever sits at the terminal."""

    def typed(hello: BoxHello) -> str:
        if file is not None:
            return _first_line(file)
        if not sys.stdin.isatty():
            raise InputInvalid("There is no terminal to ask for the code.", hint="Use --code-file FILE.")
        # On stderr, as all that is no answer; it may be seen while it is typed, for it is good only once.
        left = counted(hello.tries_left, "try", "tries")
        print(f"Code of {text.clean(hello.name)} ({text.short(hello.box)}), {left} left: ", end="", file=sys.stderr)
        sys.stderr.flush()
        return sys.stdin.readline()

    return typed


def _first_line(file: Path) -> str:
    try:
        with file.open("r", encoding="utf-8") as opened:
            return opened.read(_MOST_BYTES).partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The code cannot be read from {file}.") from error
