"""Text of the database that is none: SQLite keeps any bytes, and somebody else, or a disk, may have put them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def from_bytes(raw: bytes) -> str:
    """The text; each byte that is none stands as a lone surrogate, of which no sound text has any."""
    return raw.decode(errors="surrogateescape")


def is_garbled(row: Mapping[str, Any]) -> bool:
    """Whether any value of a row has bytes that are no text: nobody of us wrote that."""
    return any(isinstance(value, str) and readable(value) != value for value in row.values())


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its text made readable."""
    return {name: readable(value) if isinstance(value, str) else value for name, value in row.items()}


def readable(text: str) -> str:
    """With such bytes written out, as ``\\xed``: it can be shown and sent."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="backslashreplace")
