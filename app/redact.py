"""The one place where secrets, personal paths and names are taken out of what leaves this desktop."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S), "[key]"),
    # user:password@ or token@ in an address
    (re.compile(r"(?<=://)[^\s@?#]+(?=@)"), "[credentials]"),
    (re.compile(r"(?i)(?<=%3A%2F%2F)(?:(?!%40)[^\s@?#&])+(?=%40)"), "[credentials]"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[access key]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [secret]"),
    (re.compile(r"(?i)((?:x-amz-)?(?:signature|credential|security-token)=)[^&,\s]+"), r"\1[secret]"),
    (
        re.compile(
            r"""(?ix) (["']? [\w-]* (?:secret|password|passwd|passphrase|token|api[ _-]?key|access[ _-]?key)
            [\w -]* ["']? \s* [=:] \s* ) ("[^"]*" | '[^']*' | [^\n,;&}]+)"""
        ),
        r"\1[secret]",
    ),
)
_IN_ADDRESS = re.compile(r"://([^\s@?#]+)@")
_NAMED = re.compile(
    r"""(?ix) (?:secret|password|passwd|passphrase|token|api[ _-]?key|access[ _-]?key) [\w -]* ["']? \s* [=:] \s*
    ["']? ([^\s"',;&}]{8,})"""
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b")
LEAST = 4
"""Shorter values are in every text by chance."""
_LEAST_CORE = 8


def redact(text: str, *, home: Path | None = None) -> str:
    """``text`` without keys, passwords, tokens and the name of the person's home folder."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text.replace(str(home or Path.home()), "~")


def find_secrets(text: str) -> set[str]:
    """Values that a text itself shows to be secret, so that they can be taken out where they stand alone, too."""
    found: set[str] = set()
    for form in dict.fromkeys((text, unquote(text))):
        for whole in _IN_ADDRESS.findall(form):
            _user, colon, password = whole.partition(":")
            secret = password if colon else whole
            found |= {secret, unquote(secret)}
        found |= {value for value in _NAMED.findall(form) if not value.startswith("[")}
        for value in re.findall(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", form):
            found.add(value)
    return {value for value in found if len(value) >= LEAST}


class Redactor:
    """Takes out what is known to be secret by its value, in whatever form it stands there, then what looks like it.

    :param secrets: values.
    :param names: what a name is replaced by; nothing: names and addresses stay.
    """

    def __init__(
        self, secrets: Iterable[str], *, home: Path | None = None, names: Mapping[str, str] | None = None
    ) -> None:
        self._home, self._names = home, names
        values = {secret for secret in secrets if len(secret) >= LEAST}
        # One after the other, not as one pattern: a long text with many secrets takes a hundredth of the time so.
        self._forms = sorted({form for value in values for form in forms_of(value)}, key=len, reverse=True)
        known = sorted((name for name in names or {} if len(name) > 1), key=len, reverse=True)
        self._known = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in known)) if known else None

    def __call__(self, text: str) -> str:
        text = _BASE64.sub(self._encoded, text)
        for form in self._forms:
            text = text.replace(form, "[secret]")
        text = redact(text, home=self._home)
        if self._names is None:
            return text
        if self._known is not None:
            text = self._known.sub(lambda found: (self._names or {})[found[0]], text)
        return _ADDRESS.sub("[address]", text)

    def _encoded(self, found: re.Match[str]) -> str:
        """Base64 that hides what would be taken out in plain."""
        try:
            body = found[0].rstrip("=").replace("-", "+").replace("_", "/")
            plain = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return found[0]
        hides = any(form in plain for form in self._forms) or redact(plain, home=self._home) != plain
        return "[secret]" if plain.isprintable() and hides else found[0]


def forms_of(value: str) -> Iterator[str]:
    """A value as it may stand in a file: plain, in a JSON string, in a URL, in hex, and within base64."""
    raw = value.encode()
    yield value
    yield value.replace("\\", "\\\\").replace('"', '\\"')
    for in_url in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield in_url
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), in_url)
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):
        # What stands before it shifts the bits; the characters at its edges hold its neighbours' as well.
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        core = base64.b64encode(b"\0" * before + raw).decode()[first:last]
        if len(core) >= _LEAST_CORE:
            yield core
            yield core.replace("+", "-").replace("/", "_")
