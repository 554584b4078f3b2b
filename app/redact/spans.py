"""What of a text is to be taken out, and how it is."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

_PARTS = re.compile(r"[^A-Za-z0-9]+")
_MOST = 1000
_MOST_PARTS = 20


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a text, what stands there instead, and which values they give away."""

    start: int
    end: int
    word: str = "[secret]"
    secrets: tuple[str, ...] = ()


def looks_random(word: str) -> bool:
    """Letters and digits mixed, as in no word of a sentence."""
    return len(word) >= 8 and any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def readings(value: str) -> tuple[str, ...]:
    """A value as it stands there, without its URL encoding, what it hides in base64, and the parts of it that are in
    no language."""
    plain = unquote(value[:_MOST])
    parts = [part for part in _PARTS.split(plain) if looks_random(part)]
    return (value, plain, *in_base64(plain), *(parts if len(parts) <= _MOST_PARTS else ()))


def in_base64(value: str) -> tuple[str, ...]:
    """The password in ``user:password`` in base64, where that is what it is."""
    try:
        plain = base64.b64decode(value[:_MOST] + "=" * (-len(value[:_MOST]) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ()
    _user, colon, password = plain.partition(":")
    return (password, unquote(password)) if colon and password.isprintable() else ()


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """In order, those that overlap as one."""
    now: Span | None = None
    for span in sorted(spans):
        if now is not None and span.start < now.end:
            now = now._replace(end=max(now.end, span.end))
            continue
        if now is not None:
            yield now
        now = span
    if now is not None:
        yield now


def without(text: str, spans: Iterable[Span]) -> str:
    """The text with every span's word in its place."""
    parts: list[str] = []
    done = 0
    for span in merged(spans):
        parts += text[done : span.start], span.word
        done = span.end
    return "".join((*parts, text[done:]))
