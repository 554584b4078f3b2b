"""A box that fetches from a neighbour which does not do as it should."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from edge_runtime.contracts.delivery import MAX_PIECE_BYTES, FetchRequest, FetchStatus
from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.identity import Identity, create_identity, server_context
from edge_runtime.service import fetching as module
from edge_runtime.service.fetching import Fetcher
from edge_runtime.update.inbox import Inbox
from tests.waiting import wait_until

BODY = bytes(range(256)) * 4
DIGEST = hashlib.sha256(BODY).hexdigest()


def answer(body: bytes, status: int = 200, claimed: int | None = None) -> bytes:
    length = len(body) if claimed is None else claimed
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, length, body)


class Neighbour:
    """Answers one request after the other with what is next in its script, and ends the connection then."""

    def __init__(self, identity: Identity, taker: Identity, script: list[bytes]) -> None:
        self._context = server_context(identity, [taker.certificate_pem])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.script, self.asked = script, list[bytes]()
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
            if not (more := tls.recv(4096)):
                return
            request += more
        self.asked.append(request.split(b" ")[1])
        tls.sendall(self.script.pop(0) if self.script else answer(b"", 403))

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Taker:
    """A box that fetches, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.identity = create_identity(folder / "taker", "taker")
        self.giver = create_identity(folder / "giver", "giver")
        self.inbox = Inbox(folder / "inbox")
        self.noted: list[str] = []
        self.fetcher = Fetcher(
            self.inbox,
            identity=lambda: self.identity,
            now_s=time.monotonic,
            audit=lambda kind, _message: self.noted.append(kind),
            changed=lambda: None,
        )
        self.neighbour: Neighbour | None = None

    def ask(self, *script: bytes, size: int = len(BODY), certificate: str | None = None) -> FetchRequest:
        self.neighbour = Neighbour(self.giver, self.identity, list(script))
        pem = certificate or self.giver.certificate_pem
        return FetchRequest(host="127.0.0.1", port=self.neighbour.port, certificate=pem, size=size, seconds=60)

    def fetch(self, asked: FetchRequest) -> FetchStatus:
        self.fetcher.start(DIGEST, asked)
        wait_until(lambda: self.noted, 30, "the end of it")

        def ended() -> FetchStatus | None:
            status = self.fetcher.status(DIGEST)
            return status if status is not None and status.state != "running" else None

        return wait_until(ended, 10, "its state")


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    made = Taker(tmp_path)
    yield made
    made.fetcher.close()
    if made.neighbour is not None:
        made.neighbour.close()


def test_pieces_that_break_off_are_asked_for_again(taker: Taker) -> None:
    script = [answer(BODY[:300]), answer(BODY[300:400], claimed=500), b"", answer(b""), answer(BODY[300:])]
    assert taker.fetch(taker.ask(*script)) == FetchStatus(state="done")
    assert taker.inbox.path(DIGEST).read_bytes() == BODY
    assert taker.noted == ["object.fetched"]
    assert taker.neighbour is not None
    assert {path.rpartition(b"=")[2] for path in taker.neighbour.asked} == {b"0", b"300"}
    assert taker.fetcher.status("0" * 64) is None


CHUNKED = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
HOSTILE = {
    "refused": [answer(b"{}", 403)],
    "other bytes": [answer(b"x" * len(BODY))],
    "no HTTP": [b"SSH-2.0-nothing\r\n"],
    "more than a piece": [answer(bytes(MAX_PIECE_BYTES + 1))],
    "a chunk without end": [CHUNKED + b"-1\r\n" + bytes(MAX_PIECE_BYTES)],
    "a chunk of less than nothing": [CHUNKED + b"-5\r\n"],
    "another protocol": [b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    "nothing for ever": [answer(b"")] * 2,
    "breaks off for ever": [answer(BODY[:300]), *[answer(b"x", claimed=5)] * 5],
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_neighbour_is_given_up(taker: Taker, script: list[bytes]) -> None:
    status = taker.fetch(taker.ask(*script))
    assert status.state == "failed"
    assert status.reason
    assert taker.noted == ["object.not-fetched"]
    assert not taker.inbox.have(DIGEST)[1]
    assert taker.neighbour is not None
    assert taker.neighbour.script == [], "it was tried as often as that, and no more"


class Dripping:
    """Keeps the one who asks waiting, a byte at a time, for as long as that one bears it.

    :param tls: shakes hands first; otherwise the bytes come in place of that.
    :param head: what is sent at once.
    """

    def __init__(self, taker: Taker, *, tls: bool, head: bytes) -> None:
        self._context = server_context(taker.giver, [taker.identity.certificate_pem]) if tls else None
        self._head = head
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with suppress(OSError), connection:
                    line = self._context.wrap_socket(connection, server_side=True) if self._context else connection
                    with line:
                        line.sendall(self._head)
                        while not self._over.wait(0.2):
                            line.sendall(b"x" if self._context else b"\x16")

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.mark.parametrize(
    ("tls", "head"),
    [
        (True, b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n"),
        (True, b"HTTP/1.1 200 x\r\nX: "),
        (False, b"\x16\x03\x03\x40\x00"),
    ],
    ids=["body", "head", "handshake"],
)
def test_a_neighbour_that_drips_is_given_up(
    taker: Taker, monkeypatch: pytest.MonkeyPatch, tls: bool, head: bytes
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    dripping = Dripping(taker, tls=tls, head=head)
    try:
        pem = taker.giver.certificate_pem
        status = taker.fetch(
            FetchRequest(host="127.0.0.1", port=dripping.port, certificate=pem, size=4_000_000, seconds=600)
        )
    finally:
        dripping.close()
    assert status.state == "failed"
    assert "The neighbour is too slow: " in (status.reason or "")


def test_where_the_desktop_sends_it_or_asks_another_box_the_neighbour_is_left(taker: Taker) -> None:
    dripping = Dripping(taker, tls=True, head=b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n")
    ask = partial(FetchRequest, host="127.0.0.1", certificate=taker.giver.certificate_pem, size=len(BODY), seconds=600)
    try:
        taker.fetcher.start(DIGEST, ask(port=dripping.port))
        taker.fetcher.stop("0" * 64)
        assert taker.fetcher.status(DIGEST) == FetchStatus(state="running")
        another = taker.ask(answer(BODY))
        taker.fetcher.start(DIGEST, another)
        wait_until(lambda: len(taker.noted) == 2, 30, "both of them to end")
        assert taker.fetcher.status(DIGEST) == FetchStatus(state="done")
        taker.inbox.discard(DIGEST)
        taker.fetcher.start(DIGEST, ask(port=dripping.port))
        taker.fetcher.stop(DIGEST)
        wait_until(lambda: len(taker.noted) == 3, 30, "the end of it")
        status = taker.fetcher.status(DIGEST)
    finally:
        dripping.close()
    assert status == FetchStatus(state="failed", reason="The desktop sends it itself.")


def test_more_than_the_file_is_cut_off(taker: Taker) -> None:
    assert taker.fetch(taker.ask(answer(BODY + b"more"))).state == "done"
    assert taker.inbox.path(DIGEST).read_bytes() == BODY


def test_another_key_is_not_the_neighbour(taker: Taker) -> None:
    status = taker.fetch(taker.ask(answer(BODY), certificate=taker.identity.certificate_pem))
    assert status.state == "failed"
    assert taker.neighbour is not None
    assert taker.neighbour.asked == []


def test_one_file_at_a_time(taker: Taker) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        ask = partial(FetchRequest, certificate=taker.giver.certificate_pem, size=len(BODY), seconds=60)
        asked = ask(host="127.0.0.1", port=silent.getsockname()[1])
        taker.fetcher.start(DIGEST, asked)
        taker.fetcher.start(DIGEST, asked)  # again: nothing happens
        with pytest.raises(BoxRefused):
            taker.fetcher.start("0" * 64, asked)
        assert taker.fetcher.status(DIGEST) == FetchStatus(state="running")
        taker.fetcher.close()
    finally:
        silent.close()
    wait_until(lambda: taker.noted, 30, "the end of it")
    assert taker.noted == ["object.not-fetched"]
