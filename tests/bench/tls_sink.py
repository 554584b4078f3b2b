"""The reference for deliveries: as many plain TLS listeners in one process, which take bytes and say so.

    python -m tests.bench.tls_sink FOLDER COUNT DESKTOP-CERTIFICATE BYTES

Prints one line of JSON with each listener's port and certificate, then serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

import uvloop

from edge_runtime.identity import create_identity, server_context

GOT_IT = b"\x06"


class Sink(asyncio.Protocol):
    """Counts ``size`` bytes, then answers with one."""

    def __init__(self, size: int) -> None:
        self._size = self._missing = size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing += self._size
            self._transport.write(GOT_IT)


async def serve(folder: Path, count: int, desktop_pem: str, size: int) -> None:
    loop, told, servers = asyncio.get_running_loop(), [], []
    for number in range(count):
        identity = create_identity(folder / str(number), "sink")
        server = await loop.create_server(
            lambda: Sink(size), "127.0.0.1", 0, ssl=server_context(identity, [desktop_pem])
        )
        servers.append(server)
        told.append({"port": server.sockets[0].getsockname()[1], "certificate": identity.certificate_pem})
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_text("ascii"), int(sys.argv[4])))
