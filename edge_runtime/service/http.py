"""A request and an answer of the management channel, and the routing between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxRefused,
    DiskFull,
    InputInvalid,
    LinesideError,
    NotFound,
    ObjectMissing,
    TrustRefused,
)

Method = Literal["GET", "PUT", "POST"]
SMALL_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a trusted desktop asks, or another box that may read one object."""

    peer: str
    """Fingerprint of its key."""
    parts: Mapping[str, str]
    """The named groups of the route."""
    query: Mapping[str, str]
    body: bytes

    def number(self, name: str, default: int | None = None, *, most: int = 2**62) -> int:
        """A whole number from the query.

        :raises InputInvalid: missing without a default, not a number, or negative or beyond ``most``.
        """
        text = self.query.get(name)
        if text is None and default is not None:
            return default
        if text is None or not re.fullmatch(r"\d{1,19}", text, re.ASCII) or int(text) > most:
            raise InputInvalid(f"{name!r} must be a whole number from 0 to {most}.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    media: str = "application/json"


def answer(value: object, status: int = 200) -> Response:
    """A contract or plain data as JSON."""
    return Response(status, wire.encode(value))


def refusal(error: LinesideError, status: int | None = None) -> Response:
    """An error as it travels."""
    if status is None:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)
    return answer({"error": error.to_dict()}, status)


_STATUS: dict[type[LinesideError], int] = {
    InputInvalid: 400,
    NotFound: 404,
    ObjectMissing: 404,
    AlreadyExists: 409,
    BoxRefused: 409,
    TrustRefused: 409,
    DiskFull: 507,
}


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request.

    :param max_body: bytes; a larger body is refused before it is read.
    :param slow: may take many seconds: runs one at a time, apart from the quick ones.
    :param root_key: open to the holder of the site's root key too, who is no desktop.
    :param guest: open to another box too that was allowed to read the object of the route's ``sha256``.
    """

    method: Method
    pattern: re.Pattern[str]
    handler: Callable[[Request], Response]
    max_body: int = 0
    slow: bool = False
    root_key: bool = False
    guest: bool = False


@dataclass(slots=True)
class Routes:
    """Finds the route of a request; handlers run on a worker thread and raise LinesideError."""

    routes: list[Route] = field(default_factory=list)

    def add(
        self,
        method: Method,
        pattern: str,
        handler: Callable[[Request], Response],
        *,
        max_body: int = 0,
        slow: bool = False,
        root_key: bool = False,
        guest: bool = False,
    ) -> None:
        """Add a route; named groups of ``pattern`` become ``parts``."""
        self.routes.append(Route(method, re.compile(pattern), handler, max_body, slow, root_key, guest))

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route and its parts.

        :raises NotFound: no such path, or not with this method.
        """
        for route in self.routes:
            if route.method == method and (matched := route.pattern.fullmatch(path)):
                return route, matched.groupdict()
        raise NotFound(f"This box does not know {method[:10]} {path[:200]}.")


def parse_query(raw: bytes) -> dict[str, str]:
    """The query's fields; of one that comes twice the last.

    :raises InputInvalid: far too many fields, or not text.
    """
    try:
        fields = parse_qs(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise InputInvalid("The query cannot be read.") from error
    return {name: values[-1] for name, values in fields.items()}
