"""Takes out what looks like a secret, and says what that was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from app.redact.addresses import in_addresses
from app.redact.keyed import behind_names
from app.redact.spans import Span, in_base64, without

LEAST = 4
"""Shorter values are in every text by chance."""
MOST = 300
"""Longer ones are no passwords; it bounds what a hostile text makes of the search for them."""
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{24,100}\r?\n")
_LAST_LINE = re.compile(r"[A-Za-z0-9+/=]{1,100}\r?\n")
_KEY_LINES = 200
_SHAPES = re.compile(
    r"""(?<![\w-])(?:
      gh[pousr]_\w{16,}+ | github_pat_\w{16,}+ | glpat-[\w-]{16,}+ | xox[abeprs]-[\w-]{10,}+ | hf_\w{20,}+
    | npm_\w{20,}+ | pypi-[\w-]{20,}+ | sk-[\w-]{20,}+ | AIza[\w-]{30,}+ | AGE-SECRET-KEY-\w{20,}+
    | eyJ[\w-]{8,}+\.[\w-]{4,}+(?:\.[\w-]*+)?
    )""",
    re.X,
)
_ACCESS_KEY = re.compile(r"(?<!\w)(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)")
_SCHEME = re.compile(r"(?i)(?<!\w)(bearer|basic|digest|negotiate|ntlm)[ \t]{1,4}(?P<value>[\w.~+/=-]{8,}+)")
_DIGEST = re.compile(r"""(?i)(?<!\w)(?:response|c?nonce|opaque)=\\{0,2}"(?P<value>[^"\n]{8,256})""")
_SIGNED = re.compile(r"(?i)(?<!\w)(?:signature|sig|x-amz-signature|x-amz-credential)=(?P<value>[^&,\s\"'<>]{4,}+)")
_CODE = re.compile(
    r"""(?i:(?<!\w)(?:code|pin)s?(?:[ \t]is|[:=])?[ \t"'`]{1,4}|代码|配对码|码[:\uff1a ]?)
    (?P<value>[0-9A-HJKMNP-TV-Z]{4}-?[0-9A-HJKMNP-TV-Z]{4})(?!\w)""",
    re.X,
)


def redact(text: str, *, home: Path | None = None) -> str:
    """``text`` without keys, passwords, tokens and the name of the person's home folder."""
    folder = str(home or Path.home())
    told = without(text, _spans(text))
    return told.replace(folder, "~") if len(folder) > 1 else told


def find_secrets(text: str) -> set[str]:
    """Values that a text itself shows to be secret, so that they can be taken out where they stand alone, too."""
    found = {value for span in _spans(text) for value in span.secrets}
    return {value for value in found if LEAST <= len(value) <= MOST and not value.startswith("[")}


def _spans(text: str) -> Iterator[Span]:
    yield from _private_keys(text)
    yield from in_addresses(text)
    yield from behind_names(text)
    for shape in _SHAPES.finditer(text):
        yield Span(shape.start(), shape.end(), secrets=(shape[0],))
    for key in _ACCESS_KEY.finditer(text):
        yield Span(key.start(), key.end(), "[access key]", (key[0],))
    for found in _SCHEME.finditer(text):
        if _is_credential(found["value"]):
            yield Span(found.start("value"), found.end("value"), secrets=(found["value"], *in_base64(found["value"])))
    for pattern in (_DIGEST, _SIGNED, _CODE):
        for found in pattern.finditer(text):
            yield Span(found.start("value"), found.end("value"), secrets=(found["value"],))


def _private_keys(text: str) -> Iterator[Span]:
    at = 0
    while begin := _KEY_BEGIN.search(text, at):
        end = _KEY_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield Span(begin.start(), at, "[key]")
    # Of a key that was cut, as at the beginning of a log's end, the rest.
    if (end := _KEY_END.search(text)) and not _KEY_BEGIN.search(text, 0, end.start()):
        start = end.start()
        for line in range(_KEY_LINES):
            before = text.rfind("\n", 0, max(0, start - 1)) + 1
            # The last one may be short.
            if start == 0 or not (_KEY_LINE if line else _LAST_LINE).fullmatch(text, before, start):
                break
            start = before
        yield Span(start, end.end(), "[key]")


def _is_credential(value: str) -> bool:
    """Not the next word of a sentence, such as ``basic authentication``."""
    return len(value) >= 24 or "=" in value or any(c.isdigit() for c in value)
