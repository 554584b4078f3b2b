"""The head of an HTTP request: method, target and headers. Pure."""

from __future__ import annotations

from functools import lru_cache

import httptools
from msgspec import Struct

from edge_runtime.serving.bodies import Buffer
from edge_runtime.serving.http import HttpResponse, problem
from edge_runtime.serving.runs import Run

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 100
MAX_KEPT_BYTES = 1024
END = b"\r\n\r\n"


class Head(Struct, frozen=True):
    """What the box must know of a head."""

    method: bytes
    target: bytes
    keep_alive: bool
    is_old: bool = False
    """HTTP/1.0, where a connection stays open only if both sides say so."""
    length: int = 0
    """Bytes of the body that follows; 0 where it comes in chunks."""
    chunked: bool = False
    wants_continue: bool = False
    json_length: int | None = None
    """``Inference-Header-Content-Length``; -1 where it is no number."""
    encoding: str = ""
    """``Content-Encoding``, lower case; empty for none."""
    authorization: bytes = b""
    accept: str = ""


class HttpRequest(Struct):
    """A request that is here as a whole."""

    head: Head
    arrived_ns: int
    body: Buffer = b""
    held: int = 0
    """Bytes that the listener has counted for the body and wants back."""
    keep_alive: bool = True
    run: Run | None = None
    """On a worker, or on its way to one."""


def read_head(block: bytes, max_body_bytes: int) -> Head | HttpResponse:
    """The head in ``block``, which ends with an empty line, or the refusal.

    Most clients begin each of their requests with the same bytes: these are read once.
    """
    return _kept(block, max_body_bytes) if len(block) <= MAX_KEPT_BYTES else _read(block, max_body_bytes)


class _Reader:
    """Takes the parser's calls."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.count = 0
        self.parser = httptools.HttpRequestParser(self)
        self.version = ""
        """Empty until the head is complete."""
        self.keep_alive = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        # Said twice is said in one list.
        self.headers[name] = self.headers[name] + b", " + value if name in self.headers else value
        self.count += 1

    def on_headers_complete(self) -> None:
        # The parser forgets both when there is no body to come.
        self.version, self.keep_alive = self.parser.get_http_version(), self.parser.should_keep_alive()


def _read(block: bytes, max_body_bytes: int) -> Head | HttpResponse:
    if len(block) > MAX_HEAD_BYTES:
        return too_long()
    reader = _Reader()
    try:
        reader.parser.feed_data(block)
    except httptools.HttpParserUpgrade:
        # Whoever offers another protocol is answered in this one.
        pass
    except httptools.HttpParserError as error:
        return problem(400, f"This is no HTTP/1.1 that can be read: {error}.", close=True)
    if reader.version not in ("1.0", "1.1"):
        return problem(400, "This is no HTTP/1.1 that can be read.", close=True)
    if reader.count > MAX_HEADERS:
        return problem(431, f"A request may have {MAX_HEADERS} headers.", close=True)
    headers = reader.headers
    # Who is asked must be said since HTTP/1.1, and once; said twice it is a list by now.
    if (reader.version == "1.1" and b"host" not in headers) or b", " in headers.get(b"host", b""):
        return problem(400, "A request of HTTP/1.1 names its host, once.", close=True)
    chunked = b"transfer-encoding" in headers
    if chunked and headers[b"transfer-encoding"].lower() != b"chunked":
        return problem(501, "Of transfer encodings only chunked is known here.", close=True)
    length = 0 if chunked else int(headers.get(b"content-length", b"0"))
    if length > max_body_bytes:
        return problem(413, f"A body may have {max_body_bytes} bytes; this one has {length}.", close=True)
    encoding = headers.get(b"content-encoding", b"").decode("latin-1").lower()
    return Head(
        method=reader.parser.get_method(),
        target=reader.target,
        keep_alive=reader.keep_alive,
        is_old=reader.version == "1.0",
        length=length,
        chunked=chunked,
        wants_continue=headers.get(b"expect", b"").lower() == b"100-continue" and (chunked or length > 0),
        json_length=_number(headers.get(b"inference-header-content-length")),
        encoding="" if encoding == "identity" else encoding,
        authorization=headers.get(b"authorization", b""),
        accept=headers.get(b"accept", b"").decode("latin-1"),
    )


_kept = lru_cache(maxsize=512)(_read)


def too_long() -> HttpResponse:
    """The refusal of a head that does not end."""
    return problem(431, f"A request may have {MAX_HEAD_BYTES} bytes of headers.", close=True)


def _number(value: bytes | None) -> int | None:
    if value is None:
        return None
    return int(value) if value.isdigit() and len(value) <= 12 else -1
