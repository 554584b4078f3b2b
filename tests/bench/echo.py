"""The reference for the management channel: a TLS 1.3 server of ours that sends back what it gets, and nothing more.

Run as a process of its own: ``python -m tests.bench.echo FOLDER CLIENT.pem``; it prints its port.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

from edge_runtime.identity import load_identity, server_context


def main() -> None:
    context = server_context(load_identity(Path(sys.argv[1])), [Path(sys.argv[2]).read_text("ascii")])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            plain, _ = listener.accept()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                while message := connection.recv(65536):
                    connection.sendall(message)


if __name__ == "__main__":
    main()
