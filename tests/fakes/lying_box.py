"""What answers like a box, over mutual TLS with a box's key, and says whatever it was told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from app.context import Context
from app.usecases import boxes
from edge_runtime.identity import create_identity, server_context

Answers = Mapping[str, Callable[[], Any]]
"""By path, without its query; one with an ``error`` is a refusal."""


@dataclass(frozen=True)
class LyingBox:
    name: str
    box: str
    address: str


@contextmanager
def lying_box(ctx: Context, folder: Path, name: str, answers: Answers) -> Iterator[LyingBox]:
    """On the list of this desktop, and answering it until the end."""
    identity = create_identity(folder / name, name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = answers[self.path.partition("?")[0]]()
            body = json.dumps(said).encode()
            self.send_response(409 if "error" in said else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = server_context(identity, [ctx.identity.certificate_pem])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        boxes.enter_box(ctx, box=identity.fingerprint, name=name, address=address, certificate=identity.certificate_pem)
        try:
            yield LyingBox(name, identity.fingerprint, address)
        finally:
            server.shutdown()
            thread.join()
