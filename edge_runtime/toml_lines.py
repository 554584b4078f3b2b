"""Where in a TOML text a field stands, which its parser does not tell. Linear, whatever the text is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

# What is never closed goes on to the end, so that no character is looked at twice.
_TOKEN = re.compile(
    r'(?P<text>"""(?:[^\\]|\\.?)*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z))'
    r'|(?P<string>"(?:[^"\\\n]|\\.)*"?|\'[^\'\n]*\'?)'
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
_PART = re.compile(r'\s*(?:"([^"]*)"|\'([^\']*)\'|([\w-]+))\s*')
_HEADER = re.compile(r"\s*(\[\[?)(.*?)\]\]?\s*")


_NAME_LINE = re.compile(
    r"""^(?P<key>[ \t]*(?:name|"name"|'name')[ \t]*=[ \t]*)(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*')""", re.MULTILINE
)


def with_name(text: str, name: str) -> str | None:
    """The text with another value of its first ``name``, everything else as it is; None where that stands in no way
    in which a name usually does."""
    changed, count = _NAME_LINE.subn(lambda line: line["key"] + json.dumps(name, ensure_ascii=False), text, count=1)
    return changed if count else None


class Text(NamedTuple):
    """A string or a comment, from ``start`` up to ``end`` of the text."""

    start: int
    end: int
    value: str | None
    """What the string says; None: it is a comment, or cannot be read."""


def texts(text: str) -> Iterator[Text]:
    """Every string and comment, in order, also where the whole is no TOML."""
    for token in _TOKEN.finditer(text):
        value = None
        if token["comment"] is None:
            try:
                value = str(tomllib.loads(f"x = {token[0]}")["x"])
            except tomllib.TOMLDecodeError:
                # Never closed, or an escape that there is not.
                value = None
        yield Text(token.start(), token.end(), value)


def longest_key(text: str) -> tuple[int, int]:
    """How many dots stand in one line outside of strings and comments, at most, and the first such line (from 1)."""
    plain = _TOKEN.sub(lambda token: "\n" * token[0].count("\n"), text)
    dots = [line.count(".") for line in plain.split("\n")]
    return max(dots), dots.index(max(dots)) + 1


def line_of(text: str, field: str) -> int | None:
    """Line (from 1) on which a field such as ``pipeline[0].source`` stands, or else what it is a part of."""
    lines = _lines(text)
    while field and field not in lines:
        field = field[: max(field.rfind("."), field.rfind("["), 0)]
    return lines.get(field)


def _lines(text: str) -> dict[str, int]:
    """The first line of each field and section."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    section = ""
    # Multi-line texts and comments can look like anything.
    kept = _TOKEN.sub(lambda token: token["string"] or "\n" * token[0].count("\n"), text)
    for number, line in enumerate(kept.split("\n"), 1):
        if header := _HEADER.fullmatch(line):
            section = ""
            *above, last = [*_parts(header[2])] or [""]
            for part in above:
                section = _latest(f"{section}.{part}".removeprefix("."), counts)
                found.setdefault(section, number)
            section = f"{section}.{last}".removeprefix(".")
            if header[1] == "[[":
                counts[section] = counts.get(section, -1) + 1
                found.setdefault(section, number)
                section = _latest(section, counts)
            found.setdefault(section, number)
            continue
        path = section
        for part in _parts(line.partition("=")[0]) if "=" in line else ():
            path = f"{path}.{part}".removeprefix(".")
            found.setdefault(path, number)
    return found


def _latest(section: str, counts: dict[str, int]) -> str:
    """Where a section is one of several, the one that was begun last."""
    return f"{section}[{counts[section]}]" if section in counts else section


def _parts(key: str) -> Iterator[str]:
    """The parts of a dotted key; nothing where it is none."""
    position = 0
    while part := _PART.match(key, position):
        yield part[1] or part[2] or part[3] or ""
        if not key.startswith(".", part.end()):
            return
        position = part.end() + 1
