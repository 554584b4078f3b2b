"""The one way in which contracts become bytes and come back.

JSON through msgspec: decoding checks every type and bound of the dataclass, ignores fields that it does
not know (a newer peer may send more) and never executes anything.
"""

from __future__ import annotations

import threading
from functools import cache
from types import UnionType
from typing import Any, TypeVar, overload

import msgspec

from edge_runtime.contracts.errors import InputInvalid

T = TypeVar("T")
_PREPARING = threading.Lock()


def encode(value: Any) -> bytes:
    """The canonical JSON of a contract: sorted keys, no spaces, UTF-8. Equal values give equal bytes."""
    return msgspec.json.encode(value, order="sorted")


@overload
def decode(body: bytes | str, kind: type[T], *, what: str = "message") -> T: ...
@overload
def decode(body: bytes | str, kind: UnionType, *, what: str = "message") -> Any: ...
def decode(body: bytes | str, kind: Any, *, what: str = "message") -> Any:
    """Decode and validate ``body`` as ``kind``.

    :raises InputInvalid: not JSON, or a field of the wrong type or out of bounds; names ``what`` and the field.
    """
    try:
        return prepared(kind).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputInvalid(f"The {what} could not be read: {error}.") from error


def prepared(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a contract, whose fields were looked into by one thread alone: where two of them do it for the
    first time, msgspec crashes the process (seen with 0.22). To be called before :func:`msgspec.convert`, too.
    """
    with _PREPARING:
        return _decoder(kind)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def from_dict(body: Any, kind: type[T], *, what: str = "message") -> T:
    """Validate already parsed data (TOML, SQLite, JSON) as ``kind``; errors as in :func:`decode`."""
    prepared(kind)
    try:
        return msgspec.convert(body, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputInvalid(f"The {what} could not be read: {error}.") from error


def to_dict(value: Any) -> dict[str, Any]:
    """A contract as plain builtins, for JSON output and SQLite."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
