"""The desktop's side of the management channel, against a box that breaks off."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.identity import Identity, create_identity, server_context

WHOLE = b"the bytes of a sample"


class TornBox:
    """Answers every request with a body that ends early, the first ``torn`` times."""

    def __init__(self, identity: Identity, desktop: Identity, torn: int) -> None:
        self._context = server_context(identity, [desktop.certificate_pem])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.torn = torn
        self.asked = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                    self._answer(tls)

    def _answer(self, tls: ssl.SSLSocket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += tls.recv(4096)
        self.asked += 1
        body = WHOLE if self.asked > self.torn else WHOLE[:5]
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(WHOLE), body))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def box(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "box", "line-2")


@pytest.mark.parametrize("torn", [1, 9])
def test_an_answer_that_breaks_off_is_asked_for_again_and_never_taken_for_whole(
    box: Identity, desktop: Identity, torn: int
) -> None:
    sample = hashlib.sha256(WHOLE).hexdigest()
    with (
        closing(TornBox(box, desktop, torn)) as server,
        BoxClient(server.address, box.certificate_pem, desktop) as client,
    ):
        if torn == 1:
            assert client.sample(sample) == WHOLE
        else:
            with pytest.raises(BoxUnreachable):
                client.sample(sample)
        assert server.asked == 2
