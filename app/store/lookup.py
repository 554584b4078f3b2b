"""Finding one row by what a person typed, and keyset cursors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.store.database import Database
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound

MIN_PREFIX = 6
MAX_LIMIT = 10_000
_ID = re.compile(r"[0-9a-f-]{6,64}")


def resolve(db: Database, table: str, column: str, text: str, what: str) -> str:
    """The one id that begins with ``text``.

    :param table: ``column``: named by the code, never by a person.
    :raises NotFound: none, or not even an id.
    :raises InputInvalid: several do.
    """
    typed = text.strip().lower()
    if not _ID.fullmatch(typed):
        raise NotFound(f"There is no {what} {text[:80]!r}.", hint=_hint(what))
    # "g" follows every character that an id can have. Names come from the code, never from a value.
    sql = f"SELECT {column} FROM {table} WHERE {column} >= ? AND {column} < ? LIMIT 2"  # noqa: S608 - names of ours
    found = db.read(sql, (typed, f"{typed}g"))
    if not found:
        raise NotFound(f"There is no {what} {text[:80]!r}.", hint=_hint(what))
    if len(found) > 1:
        raise InputInvalid(f"More than one {what} begins with {text!r}.", hint="Type more of the id.")
    return str(found[0][0])


def _hint(what: str) -> str:
    return f"List what there is and use a name, or at least {MIN_PREFIX} characters of the id of the {what}."


def join_cursor(*parts: int | str) -> str:
    """A keyset position as one text that survives a command line."""
    return ":".join(str(part) for part in parts)


def split_cursor(cursor: str, kinds: Sequence[type[int] | type[str]]) -> list[Any]:
    """The parts of :func:`join_cursor`; the last may contain colons.

    :raises InputInvalid: it was not made by :func:`join_cursor` for this list.
    """
    parts = cursor.split(":", len(kinds) - 1)
    try:
        return [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except ValueError as error:
        raise InputInvalid(f"{cursor[:80]!r} is not a position in this list.") from error


def check_limit(limit: int) -> int:
    """:raises InputInvalid: not between 1 and :data:`MAX_LIMIT`."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InputInvalid(f"A page has between 1 and {MAX_LIMIT} rows, not {limit}.")
    return limit


def to_json(value: Any) -> str:
    """Canonical JSON for a text column."""
    return wire.encode(value).decode()
