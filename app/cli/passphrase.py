"""Asking for a passphrase: on the terminal, unseen, or from a file."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid


def new_passphrase(file: Path | None, of: str = "the new root key") -> str:
    """One for something new, asked for twice."""
    if file is not None:
        return _first_line(file)
    first = _ask(f"Passphrase of {of}: ")
    if _ask("Once more: ") != first:
        raise InputInvalid("The two passphrases differ.")
    return first


def known_passphrase(file: Path | None, of: str = "the root key") -> str:
    """That of something which is there."""
    return _first_line(file) if file is not None else _ask(f"Passphrase of {of}: ")


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"The passphrase cannot be read from {file}.") from error
    return lines[0] if lines else ""


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise InputInvalid("There is no terminal to ask for the passphrase.", hint="Use --passphrase-file FILE.")
    return getpass.getpass(prompt)
