"""Secrets in a configuration: taken out of what a desktop is shown, and put back into what it sends. Pure.

Passwords stand in the addresses of sources, before the host, in the path and in the query, and in those of sources that
were commented out. Each is shown as ``…``; where a text that comes back still has that, it means the secret that stands
there, as long as it goes to the same host.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from edge_runtime.config import CONFIG_NAME
from edge_runtime.contracts.errors import ConfigInvalid
from edge_runtime.sources import is_source, public_address
from edge_runtime.sources.urls import HIDDEN, path_parts, path_without_secrets
from edge_runtime.toml_lines import Text, texts

_URL = re.compile(r"\b(?:rtsps?|https?)://[^\s\"]+", re.IGNORECASE)


def hide(text: str) -> str:
    """The text as a desktop may see it; every line stands where it stood."""
    shown: list[str] = []
    done = 0
    for found in texts(text):
        was = text[found.start : found.end]
        shown += [text[done : found.start], _hidden(found, was)]
        done = found.end
    return "".join([*shown, text[done:]])


def reveal(text: str, known: str) -> str:
    """A text that a desktop sent, with the secrets of ``known`` where it still hides them.

    :raises ConfigInvalid: with the line: nobody can tell which secret is meant, or it would go to another host.
    """
    if HIDDEN not in text or _body(text) is None:
        return text
    secrets = _Secrets.of(known)
    names = _Names(text)
    whole: list[str] = []
    done = 0
    for found in texts(text):
        was = text[found.start : found.end]
        now = was
        if found.value is None:
            now = _URL.sub(lambda url: secrets.of_url(url[0], ()) or url[0], was)
        elif HIDDEN in found.value and (is_source(found.value) or _URL.search(found.value)):
            value = secrets.of_source(found.value, names.next(found.value))
            line = text.count("\n", 0, found.start) + 1
            if value is not None and not _is_kept_hidden(value):
                raise ConfigInvalid(f"{CONFIG_NAME}, line {line}: what {HIDDEN} stands for would be shown there.")
            if value is None:
                raise ConfigInvalid(
                    f"{CONFIG_NAME}, line {line}: what {HIDDEN} stands for is not known, as this address was not "
                    "there before.",
                    hint="Type the user, the password and the values in full; they are hidden again once they are set.",
                )
            now = _quoted(value)
        whole += [text[done : found.start], now]
        done = found.end
    revealed = "".join([*whole, text[done:]])
    if _without_sources(text) != _without_sources(revealed):
        raise ConfigInvalid(f"What {HIDDEN} stands for in {CONFIG_NAME} belongs into the source of a pipeline alone.")
    return revealed


def _is_kept_hidden(value: str) -> bool:
    """Whether status, logs and alerts show this source without its secrets: it depends on its kind."""
    public = public_address(value)
    return _URL.sub(lambda url: _without(url[0]), public) == public


def _body(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _without_sources(text: str) -> dict[str, Any] | None:
    body = _body(text)
    pipelines = body.get("pipeline") if body else None
    for one in pipelines if isinstance(pipelines, list) else ():
        if isinstance(one, dict):
            one.pop("source", None)
    return body


def _hidden(found: Text, was: str) -> str:
    value = found.value
    if value is not None and is_source(value):
        public = _URL.sub(lambda url: _without(url[0]), public_address(value))
        return was if public == value else _quoted(public) + "\n" * was.count("\n")
    if value is not None and (public := _URL.sub(lambda url: _without(url[0]), value)) != value:
        return _quoted(public) + "\n" * was.count("\n")
    return _URL.sub(lambda url: _without(url[0]), was)


def _without(url: str) -> str:
    """As :func:`edge_runtime.sources.urls.without_secrets`, also of what is no sound URL: passwords have any signs."""
    scheme, _, rest = url.partition("://")
    user, at, rest = rest.rpartition("@")
    rest, mark, fragment = rest.partition("#")
    rest, question, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    path = path_without_secrets(slash + path)
    pairs = (f"{pair.partition('=')[0]}={HIDDEN}" if "=" in pair else HIDDEN for pair in query.split("&"))
    shown = f"{question}{'&'.join(pairs) if query else ''}{mark}{fragment}"
    return f"{scheme}://{HIDDEN if at else user}{at}{host}{path}{shown}"


def _quoted(value: str) -> str:
    """A JSON string is a TOML string too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What the text that stands there has."""

    sources: dict[str, str]
    """By the pipeline's name."""
    values: tuple[str, ...]
    """Of all strings."""
    urls: tuple[str, ...]
    """In strings and comments."""

    @classmethod
    def of(cls, text: str) -> _Secrets:
        found = list(texts(text))
        values = tuple(one.value for one in found if one.value is not None)
        comments = (text[one.start : one.end] for one in found if one.value is None)
        urls = tuple(url for part in (*values, *comments) for url in _URL.findall(part))
        return cls({name: source for name, source in _pipelines(text) if name}, values, urls)

    def of_source(self, shown: str, name: str) -> str | None:
        """What a hidden value stands for; None: it cannot be told.

        :param name: of the pipeline of which it is the source, if it is one.
        """
        own = self.sources.get(name, "")
        if own and _shown(own) == shown:
            return own
        same = {value for value in self.values if HIDDEN not in value and _shown(value) == shown}
        if len(same) == 1:
            return same.pop()
        missing = False

        def put_back(url: re.Match[str]) -> str:
            nonlocal missing
            whole = self.of_url(url[0], _URL.findall(own))
            missing = missing or whole is None
            return whole or ""

        value = _URL.sub(put_back, shown)
        return None if missing or value == shown else value

    def of_url(self, shown: str, first: Iterable[str]) -> str | None:
        """A URL with its secrets, those of the same host; None: they cannot be told.

        :param first: URLs that come before the others.
        """
        wanted = _parts(shown)
        if wanted is None or HIDDEN not in shown:
            return shown
        same = {url for url in self.urls if HIDDEN not in url and _without(url) == shown}
        if len(same) == 1:
            return same.pop()
        for urls in (tuple(first), self.urls):
            there = [parts for url in urls if (parts := _parts(url)) is not None and _where(parts) == _where(wanted)]
            if (whole := _put_together(wanted, there)) is not None:
                return whole
        return None


class _Names:
    """Which pipeline a source belongs to: where several look alike, one after the other."""

    def __init__(self, text: str) -> None:
        self._left = _pipelines(text)

    def next(self, source: str) -> str:
        for at, (name, own) in enumerate(self._left):
            if own == source:
                del self._left[at]
                return name
        return ""


def _pipelines(text: str) -> list[tuple[str, str]]:
    """Name and source of each pipeline, in order; nothing where the text cannot be read."""
    found = (_body(text) or {}).get("pipeline")
    tables = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [(str(one.get("name", "")), str(one.get("source", ""))) for one in tables]


def _shown(value: str) -> str:
    public = public_address(value) if is_source(value) else value
    return _URL.sub(lambda url: _without(url[0]), public)


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _where(parts: SplitResult) -> tuple[str, str]:
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()


def _put_together(wanted: SplitResult, there: list[SplitResult]) -> str | None:
    user, at, host = wanted.netloc.rpartition("@")
    if user == HIDDEN:
        users = {parts.netloc.rpartition("@")[0] for parts in there} - {"", HIDDEN}
        if len(users) != 1:
            return None
        user = users.pop()
    path = ""
    for part in path_parts(wanted.path):
        value = part.value
        if part.key and value == HIDDEN:
            known = {one.value for parts in there for one in path_parts(parts.path) if one.key == part.key}
            if len(known := known - {"", HIDDEN}) != 1:
                return None
            value = known.pop()
        path += part.before + value
    query = []
    for pair in wanted.query.split("&"):
        name, equals, value = pair.partition("=")
        if HIDDEN in (pair, value):
            values = {had for parts in there for had in _values(parts, name if equals else None)} - {HIDDEN}
            if len(values) != 1:
                return None
            pair = f"{name}={values.pop()}" if equals else values.pop()
        query.append(pair)
    whole = f"{wanted.scheme}://{user}{at}{host}{path}"
    fragment = f"#{wanted.fragment}" if wanted.fragment else ""
    return f"{whole}{'?' if wanted.query else ''}{'&'.join(query)}{fragment}"


def _values(parts: SplitResult, name: str | None) -> Iterator[str]:
    """What a query has under this name; None: what has no name."""
    for pair in parts.query.split("&"):
        own, equals, value = pair.partition("=")
        if name is None and pair and not equals:
            yield pair
        elif equals and own == name:
            yield value
