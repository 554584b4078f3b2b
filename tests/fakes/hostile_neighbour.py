"""A box that was taken over: it says that it has every file, and hands over whatever it likes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from app.fleet.client import BoxClient
from app.fleet.delivery import Neighbour
from edge_runtime.identity import Identity, create_identity, server_context


@contextmanager
def hostile_neighbour(
    folder: Path, size: int, trusted: list[str], piece: Callable[[int], bytes], desktop: Identity
) -> Iterator[Neighbour]:
    """As a desktop reaches it, until the end.

    :param size: of the file that it claims to have.
    :param trusted: certificates of whom it answers.
    :param piece: what it hands over from an offset on.
    """
    identity = create_identity(folder, "hostile")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = urlsplit(self.path)
            if asked.path.endswith("/bytes"):
                body = piece(int(parse_qs(asked.query)["offset"][0]))
            else:
                body = b"{}" if self.command == "POST" else json.dumps({"have": size, "complete": True}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nobody reads it."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                """Whoever asked has had enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = server_context(identity, trusted).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield partial(BoxClient, f"127.0.0.1:{server.server_address[1]}", identity.certificate_pem, desktop)
        finally:
            server.shutdown()
            thread.join()
