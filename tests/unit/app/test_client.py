"""The desktop's side of the management channel, against boxes that break off or drip."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from app.fleet.deadline import LEAST_BYTES_PER_S, Deadline
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable, LinesideError
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


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
DRIPS = {
    "body": (HEAD + b"\r\n", b" "),
    "headers": (HEAD, b"a: b\r\n"),
    "one header": (HEAD + b"a: ", b"b"),
}


class DrippingBox(TornBox):
    """Begins an answer, and drips on for as long as it is listened to."""

    def __init__(self, identity: Identity, desktop: Identity, begin: bytes, drop: bytes) -> None:
        self._begin, self._drop = begin, drop
        self.ended = threading.Event()
        super().__init__(identity, desktop, torn=0)

    def _answer(self, tls: ssl.SSLSocket) -> None:
        tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls.recv(4096)
        tls.sendall(self._begin)
        while not self.ended.wait(0.2):
            tls.sendall(self._drop)

    def close(self) -> None:
        self.ended.set()
        super().close()


def test_a_box_that_drips_is_given_up_after_the_time_for_one_whole_answer(box: Identity, desktop: Identity) -> None:
    """Whatever it drips, and whichever call it answers so: one that is short, and one that may carry much."""

    def problem(call: Callable[[BoxClient], object], address: str) -> LinesideError | None:
        with BoxClient(address, box.certificate_pem, desktop) as client:
            try:
                call(client)
            except LinesideError as error:
                return error
        return None

    calls: list[Callable[[BoxClient], object]] = [BoxClient.status, BoxClient.newest_root]
    calls.append(lambda client: client.sample(hashlib.sha256(WHOLE).hexdigest()))
    with ExitStack() as opened:
        boxes = [
            opened.enter_context(closing(DrippingBox(box, desktop, *drip))) for drip in DRIPS.values() for _ in calls
        ]
        pool = opened.enter_context(ThreadPoolExecutor(len(boxes)))
        asked = [
            pool.submit(problem, call, server.address) for server, call in zip(boxes, calls * len(DRIPS), strict=True)
        ]
        try:
            problems = [one.result(120) for one in asked]
        finally:
            for server in boxes:
                server.ended.set()
    assert [error and error.code for error in problems] == ["box.unreachable"] * len(boxes)


def test_one_deadline_is_not_for_each_of_many_calls(box: Identity, desktop: Identity) -> None:
    """A connection that is kept gets a new deadline with each call; an answer that ends the connection is taken."""
    status = json.dumps({"newest": 3}).encode()

    class Box(TornBox):
        def _answer(self, tls: ssl.SSLSocket) -> None:
            while tls.recv(4096):
                self.asked += 1
                last = b"Connection: close\r\n" if self.asked == 2 else b""
                tls.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (last, len(status), status))
                if last:
                    return

    with closing(Box(box, desktop, 0)) as server, BoxClient(server.address, box.certificate_pem, desktop) as client:
        assert [client.newest_root() for _ in range(3)] == [3, 3, 3]
        assert server.asked == 3


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_ANSWERS = {
    "less than nothing": CHUNKED + b"-5\r\n",
    "without end": CHUNKED + b"-1\r\n",
    "another protocol": b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**40,
}


@pytest.mark.parametrize("begin", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_no_box_answers_is_refused_and_nothing_more_is_read(
    box: Identity, desktop: Identity, begin: bytes
) -> None:
    """The sender goes on for ever; short calls and those that may carry much end alike, and are not asked again."""

    class Flooding(TornBox):
        def _answer(self, tls: ssl.SSLSocket) -> None:
            tls.recv(4096)
            self.asked += 1
            tls.sendall(begin)
            while True:
                tls.sendall(bytes(2**16))

    with (
        closing(Flooding(box, desktop, 0)) as server,
        BoxClient(server.address, box.certificate_pem, desktop) as client,
    ):
        calls: list[Callable[[], object]] = [client.newest_root, lambda: client.sample("a" * 64)]
        for number, call in enumerate(calls, 1):
            with pytest.raises(BoxRefused, match="does not speak like a box"):
                call()
            assert server.asked == number


def test_after_an_error_nothing_is_said_without_tls(box: Identity, desktop: Identity) -> None:
    """Whatever went wrong before: what is dialled anew is pinned again."""
    first = list[bytes]()

    class Watching(TornBox):
        def _serve(self) -> None:
            with suppress(OSError):
                while True:
                    connection, _ = self._socket.accept()
                    first.append(connection.recv(1, socket.MSG_PEEK))
                    with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(4096)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: x\r\n\r\n")

    with (
        closing(Watching(box, desktop, 0)) as server,
        BoxClient(server.address, box.certificate_pem, desktop) as asking,
    ):
        for _ in range(3):
            with pytest.raises(BoxRefused):
                asking.newest_root()
    assert first == [b"\x16"] * 3, "the first byte of a handshake"


def test_what_comes_earns_time_up_to_what_may_come() -> None:
    deadline = Deadline(0.0, earns=LEAST_BYTES_PER_S)
    for _ in range(1000):
        deadline.moved(LEAST_BYTES_PER_S)
    assert deadline.left_s() <= 1.0
