"""The management port under attack, over real sockets: a rightful desktop is answered whatever others do."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.errors import BoxRefused, BoxWrongKey
from edge_runtime.identity import Identity, client_context, create_identity, server_context
from edge_runtime.service.listener import MAX_CONNECTIONS_EACH
from tests.fakes.box_process import BoxProcess, make_box
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

CROWD = 64


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create_identity(tmp_path_factory.mktemp("desktop"), "laptop")


@pytest.fixture(scope="module")
def box(desktop: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    folder = tmp_path_factory.mktemp("box")
    running = make_box(folder, desktop, FakeSite(folder / "site"))
    running.start()
    yield running
    assert running.stop() == 0


def dial(box: BoxProcess, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", box.port), timeout=60))


def dial_as(box: BoxProcess, identity: Identity, stack: ExitStack) -> ssl.SSLSocket:
    context = client_context(identity, box.facts["certificate"])
    return stack.enter_context(context.wrap_socket(dial(box, stack)))


def ended(connection: socket.socket) -> bool:
    """The box has closed it."""
    try:
        return connection.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def test_connections_that_never_shake_hands_keep_nobody_out(box: BoxProcess, desktop: Identity) -> None:
    with ExitStack() as stack:
        crowd = [dial(box, stack) for _ in range(CROWD)]
        for connection in crowd[::2]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello, and no more of it
        with box.client(desktop) as client:
            for _ in range(5):
                assert client.status().name == "line-2"
        assert any(ended(connection) for connection in crowd[:8]), "the oldest have had to go"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /v1/status HT",
        b"GET /v1/status HTTP/1.1\r\nX: ",
        b"PUT /v1/objects/" + b"0" * 64 + b"?offset=0&size=9 HTTP/1.1\r\nContent-Length: 4000000\r\n\r\nabc",
    ],
    ids=["silent", "half a line", "half a header", "half a body"],
)
def test_slow_requests_with_the_same_key_keep_nobody_out(box: BoxProcess, desktop: Identity, beginning: bytes) -> None:
    with ExitStack() as stack:
        crowd = []
        for _ in range(CROWD):
            connection = dial_as(box, desktop, stack)
            connection.sendall(beginning)
            crowd.append(connection)
        with box.client(desktop) as client:
            for _ in range(5):
                assert client.status().name == "line-2"
        assert all(ended(connection) for connection in crowd[: CROWD - MAX_CONNECTIONS_EACH])


def test_a_long_poll_outlives_the_crowd(box: BoxProcess, desktop: Identity) -> None:
    """What has work in hand goes last."""
    with ExitStack() as stack:
        waiting = dial_as(box, desktop, stack)
        with box.client(desktop) as client:
            serial = client.status().serial
        waiting.sendall(b"GET /v1/status?since=%d&wait_s=2 HTTP/1.1\r\nHost: box\r\n\r\n" % (serial + 1000))
        # Read as it comes: once it is answered, the connection goes like any other.
        answer = stack.enter_context(ThreadPoolExecutor(1)).submit(waiting.recv, 12)
        for _ in range(CROWD):
            dial_as(box, desktop, stack)
        assert answer.result(60) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    "request_",
    [
        b"PUT /v1/objects/" + b"0" * 64 + b"?offset=0&size=9 HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"PUT /v1/roots/2 HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n",
        b"POST /v1/rollback HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n" + b"X: " + b"x" * 200_000,
        b"\x00" * 100_000,
    ],
)
def test_oversize_requests_are_refused_unread(box: BoxProcess, desktop: Identity, request_: bytes) -> None:
    with ExitStack() as stack:
        connection = dial_as(box, desktop, stack)
        try:
            connection.sendall(request_)
            answer = connection.recv(100)
        except (ConnectionError, ssl.SSLError):
            answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        with box.client(desktop) as client:
            assert client.status().name == "line-2"


CHUNKED = b"PUT /v1/roots/99 HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


@pytest.mark.parametrize(
    ("beginning", "again"),
    [
        (b"0\r\n", b"t: " + b"b" * 60_000 + b"\r\n"),
        (b"0\r\nt: ", b"b" * 60_000),
        (b"", b"1;" + b"e" * 60_000),
    ],
    ids=["trailers without end", "a trailer without end", "a chunk's extension without end"],
)
def test_what_frames_a_body_is_held_for_nobody(
    box: BoxProcess, desktop: Identity, beginning: bytes, again: bytes
) -> None:
    with ExitStack() as stack:
        connection = dial_as(box, desktop, stack)
        connection.sendall(CHUNKED + beginning)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            # Far more than what may lie in buffers on the way.
            for _ in range(1000):
                connection.sendall(again)
        with box.client(desktop) as client:
            assert client.status().name == "line-2"


def test_one_trailer_is_one_too_many(box: BoxProcess, desktop: Identity) -> None:
    with ExitStack() as stack:
        connection = dial_as(box, desktop, stack)
        connection.sendall(CHUNKED + b"0\r\nhost: another\r\n\r\n")
        assert ended(connection)


def test_strangers_get_nothing(box: BoxProcess, desktop: Identity, tmp_path: Path) -> None:
    rogue = create_identity(tmp_path / "rogue", "laptop")
    with pytest.raises(BoxRefused), BoxClient(f"127.0.0.1:{box.port}", box.facts["certificate"], rogue) as client:
        client.status()
    without = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    without.check_hostname = False
    without.verify_mode = ssl.CERT_NONE
    with ExitStack() as stack:
        connection = stack.enter_context(without.wrap_socket(dial(box, stack)))
        with suppress(ConnectionError, ssl.SSLError):
            connection.sendall(b"GET /v1/status HTTP/1.1\r\n\r\n")
            assert connection.recv(100) == b""


def test_an_impostor_at_the_boxs_address_is_told_nothing(box: BoxProcess, desktop: Identity, tmp_path: Path) -> None:
    impostor = create_identity(tmp_path / "impostor", "line-2")
    context = server_context(impostor, [desktop.certificate_pem])
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        heard: list[bytes] = []

        def serve() -> None:
            connection, _address = listening.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as opened:
                    heard.append(opened.recv(1000))
            except (ConnectionError, ssl.SSLError):
                heard.append(b"")

        thread = threading.Thread(target=serve)
        thread.start()
        stack.callback(thread.join, 20)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(BoxWrongKey), BoxClient(address, box.facts["certificate"], desktop) as client:
            client.status()
        wait_until(lambda: heard, 20, "the impostor to be left")
        assert heard == [b""]


def test_a_large_body_is_taken_whole_however_it_arrives(box: BoxProcess, desktop: Identity) -> None:
    """Its last piece is no head of the next request, however long it is."""
    with box.client(desktop) as client:
        for size in (65_536, 262_144, 2**20) * 5:
            client.measure(bytes(size))
        assert client.status().name == "line-2"
