"""Takes out values that are known to be secret, and names, in whatever form they stand there."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from app.redact.keyed import is_telling
from app.redact.literals import any_of
from app.redact.text import LEAST, redact

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}")
_LEAST_CORE = 8
_PERSON = re.compile(r"(?<![\w.+-])[\w.+-]++@(?:\[[0-9A-Fa-f:.]{2,45}\]|[\w.-]++)")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_MAYBE_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:.]++(?:%\w{1,15})?")
_MAC = re.compile(r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])")
_ADDRESS = "[address]"


class Redactor:
    """Takes out what is known to be secret by its value, in whatever form it stands there, then what looks like it.

    :param secrets: values.
    :param names: what a name is replaced by, however it is written; nothing: names and addresses stay.
    """

    def __init__(
        self, secrets: Iterable[str], *, home: Path | None = None, names: Mapping[str, str] | None = None
    ) -> None:
        self._home = home
        values = {secret for secret in secrets if len(secret) >= LEAST}
        self._forms = any_of({form for value in values for form in forms_of(value)})
        self._words = None
        if names is not None:
            known = {name.lower(): word for name, word in names.items() if len(name) > 1}
            self._words = {form: word for name, word in known.items() for form in (name, quote(name).lower())}
        self._names = any_of(self._words or {}, whole_words=True)

    def __call__(self, text: str) -> str:
        if len(text) < LEAST and self._words is None:
            return text
        text = _BASE64.sub(self._encoded, text)
        if self._forms is not None:
            text = self._forms.sub("[secret]", text)
        text = redact(text, home=self._home)
        return text if self._words is None else self._nameless(text, self._words)

    def value(self, value: Any) -> Any:
        """Plain data without secrets: nothing under a telling name stays, every text goes through the redaction."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(key): "[secret]" if is_telling(key) and one else self.value(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value if self(str(value)) == str(value) else "[secret]"
        return value

    def _nameless(self, text: str, words: Mapping[str, str]) -> str:
        text = _PERSON.sub("[user]@[host]", text)
        if self._names is not None:
            text = self._names.sub(lambda found: words[found[0].lower()], text)
        text = _MAC.sub(_ADDRESS, text)
        text = _MAYBE_IPV6.sub(_without_ipv6, text)
        return _IPV4.sub(_ADDRESS, text)

    def _encoded(self, found: re.Match[str]) -> str:
        """Base64 that hides what would be taken out in plain."""
        try:
            body = found[0].rstrip("=").replace("-", "+").replace("_", "/")
            plain = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return found[0]
        known = self._forms is not None and self._forms.search(plain) is not None
        hides = known or redact(plain, home=self._home) != plain
        return "[secret]" if plain.isprintable() and hides else found[0]


def _without_ipv6(found: re.Match[str]) -> str:
    address = found[0].rstrip(".:") or found[0]
    for end in (len(found[0]), len(address)):
        try:
            ipaddress.IPv6Address(found[0][:end])
        except ValueError:
            continue
        return _ADDRESS + found[0][end:]
    return found[0]


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
