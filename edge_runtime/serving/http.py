"""One HTTP request and its answer, as the application sees them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from edge_runtime.contracts.errors import (
    BoxRefused,
    InputInvalid,
    LinesideError,
    ModelUnusable,
    NotFound,
)
from edge_runtime.serving.bodies import Buffer

JSON = b"application/json"
SMALL_BYTES = 16 * 1024
"""Up to here one write of a copy is cheaper than one of several pieces."""
_REASONS = {
    200: b"OK",
    202: b"Accepted",
    400: b"Bad Request",
    401: b"Unauthorized",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
_STATUS = ((InputInvalid, 400), (NotFound, 404), (BoxRefused, 429), (ModelUnusable, 503))


class HttpResponse(Struct):
    """An answer before it is written."""

    status: int
    body: bytes = b""
    """JSON in front of ``tensors``, or all there is."""
    media: bytes = JSON
    tensors: Sequence[Buffer] = ()
    extra: bytes = b""
    """More header lines, each ended by CRLF."""
    close: bool = False
    """Whether the connection is of no more use."""


def render(response: HttpResponse, *, keep_alive: bool, says_so: bool = False, bodiless: bool = False) -> list[Buffer]:
    """The bytes of a response: one piece where it is small, else head and body in pieces that are not copied.

    :param says_so: whether it must be said that the connection stays open.
    :param bodiless: whether a head alone was asked for: it says how long the body would be.
    """
    body, tensors = response.body, response.tensors
    length = len(body)
    for tensor in tensors:
        length += len(tensor)
    json_length = len(body) if tensors else -1
    head = _head(response.status, response.media, response.extra, length, json_length, keep_alive, says_so)
    if bodiless:
        return [head]
    if length <= SMALL_BYTES:
        return [b"".join((head, body, *tensors))]
    return [head, body, *tensors]


@lru_cache(maxsize=256)
def _head(
    status: int, media: bytes, extra: bytes, length: int, json_length: int, keep_alive: bool, says_so: bool
) -> bytes:
    """Most answers of a model are of the same length."""
    return b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s%s%s\r\n" % (
        status,
        _REASONS[status],
        media if json_length < 0 else b"application/octet-stream",
        length,
        b"" if json_length < 0 else b"Inference-Header-Content-Length: %d\r\n" % json_length,
        extra,
        b"Connection: close\r\n" if not keep_alive else b"Connection: keep-alive\r\n" if says_so else b"",
    )


def refusal(error: LinesideError) -> HttpResponse:
    """The protocol's form of an error."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return problem(status, error.message)


def problem(status: int, message: str, *, close: bool = False, extra: bytes = b"") -> HttpResponse:
    """``{"error": message}``."""
    if status == 429:
        extra += b"Retry-After: 1\r\n"
    return HttpResponse(status, msgspec.json.encode({"error": message}), extra=extra, close=close)
