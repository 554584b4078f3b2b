"""A real S3 server behind a proxy that does to its requests what networks and servers do."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.object_server import ObjectServer

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})
_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one request."""

    kind: Literal["answer", "truncate", "lie", "lose", "drop", "drop-after"]
    """``answer``: the server never hears of it. ``truncate``: the body of the answer breaks off half-way. ``lie``: the
    answer has another ETag. ``lose``: it is acknowledged, and the server never hears of it. ``drop``: the connection
    ends before the server hears of it, ``drop-after``: when the server has done it.
    """
    status: int = 500
    code: str = "InternalError"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, before anything was done with it."""

    number: int
    """From 1 on."""
    method: str
    path: str
    query: str
    size: int
    span: str
    """Of which bytes; empty: of all."""


Rule = Callable[[Request], Fault | None]


@dataclass
class HostileStore:
    """Where the proxy is, what it does, and what it saw."""

    endpoint_url: str
    rule: Rule = lambda _request: None
    requests: list[Request] = field(default_factory=list)
    bytes_up: int = 0
    """Of bodies, as far as they came."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, target: str, size: int, span: str) -> Fault | None:
        with self.lock:
            parts = urlsplit(target)
            request = Request(len(self.requests) + 1, method, parts.path, parts.query, size, span)
            self.requests.append(request)
            return self.rule(request)

    def count(self, size: int) -> None:
        with self.lock:
            self.bytes_up += size

    def reset(self, rule: Rule) -> None:
        """Begin counting anew, under this rule."""
        with self.lock:
            self.rule, self.bytes_up = rule, 0
            self.requests.clear()


@contextmanager
def hostile_store(server: ObjectServer) -> Iterator[HostileStore]:
    """A proxy before ``server``, which does nothing wrong until it is told to."""
    upstream = urlsplit(server.endpoint_url).netloc
    with _Proxy(("127.0.0.1", 0), _Handler) as proxy:
        proxy.upstream = upstream
        proxy.store = HostileStore(f"http://127.0.0.1:{proxy.server_address[1]}")
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy.store
        finally:
            proxy.shutdown()
            thread.join()


class _Proxy(ThreadingHTTPServer):
    request_queue_size = 128
    store: HostileStore
    upstream: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed tells nobody."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass_on()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

    def _pass_on(self) -> None:
        assert isinstance(self.server, _Proxy)
        store, upstream = self.server.store, self.server.upstream
        with suppress(OSError, http.client.HTTPException):
            size = int(self.headers.get("Content-Length") or 0)
            body = bytearray()
            while len(body) < size and (block := self.rfile.read1(min(_BLOCK, size - len(body)))):
                body += block
                store.count(len(block))
            fault = store.take(self.command, self.path, size, self.headers.get("Range", ""))
            if len(body) < size or (fault is not None and fault.kind == "drop"):
                self._hang_up()
            elif fault is not None and fault.kind == "answer":
                self._answer(fault.status, f"<Error><Code>{fault.code}</Code></Error>".encode())
            elif fault is not None and fault.kind == "lose":
                self._answer(200, b"", [("ETag", '"0123456789abcdef0123456789abcdef"')])
            else:
                self._forward(upstream, bytes(body), fault)

    def _forward(self, upstream: str, body: bytes, fault: Fault | None) -> None:
        connection = http.client.HTTPConnection(upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            given = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        finally:
            connection.close()
        if fault is not None and fault.kind == "drop-after":
            self._hang_up()
            return
        if fault is not None and fault.kind == "lie":
            given = [(name, '"ffff"' if name.lower() == "etag" else value) for name, value in given]
        cut = len(content) // 2 if fault is not None and fault.kind == "truncate" else len(content)
        self._answer(answer.status, content[:cut], given, length=len(content))
        if cut < len(content):
            self._hang_up()

    def _answer(
        self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None, *, length: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers or []:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
