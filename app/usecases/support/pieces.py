"""One file of a support bundle before its secrets are taken out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.redact import LEAST, Redactor, find_secrets
from app.redact.keyed import is_telling
from app.usecases.support.shown import as_toml
from edge_runtime.contracts import wire

_LEAST_DIGITS = 6
"""A shorter number is in every text by chance."""


class Piece(Protocol):
    """What is to become a file."""

    def secrets(self) -> set[str]:
        """What it gives away itself, so that it is taken out of all other files, too."""
        ...

    def told(self, redactor: Redactor) -> str:
        """The file's text."""
        ...


@dataclass(frozen=True, slots=True)
class Lines:
    """A log, or the text of an error."""

    text: str

    def secrets(self) -> set[str]:
        return find_secrets(self.text)

    def told(self, redactor: Redactor) -> str:
        return redactor(self.text)


@dataclass(frozen=True, slots=True)
class Facts:
    """Plain data, told as JSON: each of its texts is looked at by itself, so that none hides in another's quotes."""

    value: Any
    unseen: str = ""
    """What it was made of and is not shown."""

    @classmethod
    def of(cls, value: object) -> Facts:
        """A contract or record."""
        return cls(json.loads(wire.encode(value)))

    def secrets(self) -> set[str]:
        return secrets_in(self.value) | find_secrets(self.unseen)

    def told(self, redactor: Redactor) -> str:
        return json.dumps(redactor.value(self.value), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Configuration:
    """A box's ``edge.toml`` with the keys that are known, and as little of its sources as tells them apart."""

    shown: Mapping[str, Any]
    hidden: int
    """How many keys are not shown."""
    text: str = field(repr=False)
    """All of it, comments too."""
    body: Mapping[str, Any] = field(repr=False)

    def secrets(self) -> set[str]:
        return find_secrets(self.text) | secrets_in(self.body)

    def told(self, redactor: Redactor) -> str:
        text = as_toml(redactor.value(dict(self.shown)))
        if self.hidden:
            text = f"# Keys or values that are not known here and not shown: {self.hidden}\n" + text
        return "# Written anew for this bundle: no comments, and of sources only what tells them apart.\n" + text


def secrets_in(value: Any, *, telling: bool = False) -> set[str]:
    """What plain data gives away: everything under a telling name, and what its texts show."""
    if isinstance(value, Mapping):
        return set().union(
            *(secrets_in(key) | secrets_in(one, telling=telling or is_telling(key)) for key, one in value.items())
        )
    if isinstance(value, list | tuple):
        return set().union(*(secrets_in(one, telling=telling) for one in value))
    if isinstance(value, str):
        return find_secrets(value) | ({value} if telling and len(value) >= LEAST else set())
    number = telling and isinstance(value, int | float) and len(str(value)) >= _LEAST_DIGITS
    return {str(value)} if number else set()
