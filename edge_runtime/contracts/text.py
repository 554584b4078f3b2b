"""Text on its way to a person."""

from __future__ import annotations


def one_line(text: str) -> str:
    """With a space for every control character: a file's name cannot command a terminal or forge another line."""
    return "".join(character if character.isprintable() else " " for character in text)


def counted(count: int, one: str, several: str) -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else several}"
