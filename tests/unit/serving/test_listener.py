"""The HTTP listener on a real socket, with clients of every kind."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import AlreadyExists, InputInvalid
from edge_runtime.serving import listener
from edge_runtime.serving.listener import InferenceServer
from edge_runtime.serving.model import ServedModel, load_model
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.push import PushBoard, PushSource
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, binary_echo, chunked, echo_body, request
from tests.waiting import wait_until

ECHO, HELD = "/v2/models/echo/infer", "/v2/models/held/infer"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class Served:
    server: InferenceServer
    shelf: ModelShelf
    session: models.HeldSession
    """Of the model ``held``, which workers run."""

    def client(self, **options: Any) -> RawClient:
        return RawClient(self.server.address, **options)

    def ask(self, target: str, body: bytes = b"", *headers: str, method: str | None = None) -> Any:
        with self.client() as client:
            return client.send(request(target, body, *headers, method=method)).answer()


@contextmanager
def serving(door: Any = None, **settings: Any) -> Iterator[Served]:
    shelf = ModelShelf(workers=2, max_waiting=settings.get("max_queue", 4))
    session = models.HeldSession()
    shelf.put(load_model("echo", "1", models.echo("FP32", ["n"])))
    held = ServedModel("held", "1", session)
    # As if it had taken long on its blank: workers run it, whoever asks.
    held.run_s = 1.0
    shelf.put(held)
    server = InferenceServer(shelf, Inference(http="127.0.0.1:0", **settings), door=door)
    server.start()
    try:
        yield Served(server, shelf, session)
    finally:
        session.gate.set()
        server.ask_to_stop()
        server.close(10)
        assert shelf.pool.close(10)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(max_body_bytes=256 * 1024, header_timeout_s=60.0) as served:
        yield served


def values(answer: Any) -> list[float]:
    assert answer.status == 200, answer
    data: list[float] = answer.json["outputs"][0]["data"]
    return data


# -- requests on a connection


def test_one_connection_serves_many_requests(served: Served) -> None:
    with served.client() as client:
        for number in range(5):
            answer = client.send(request(ECHO, echo_body(number, request_id=str(number)))).answer()
            assert (values(answer), answer.json["id"]) == ([number], str(number))
        assert client.send(request("/v2/health/live")).answer().status == 200


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    served.session.gate.clear()
    with served.client() as client:
        many = [request(HELD if number % 3 == 0 else ECHO, echo_body(number)) for number in range(40)]
        client.send(b"".join(many))
        wait_until(lambda: served.session.inside, 10, "the first request to be under way")
        served.session.gate.set()
        assert [values(client.answer()) for _ in many] == [[number] for number in range(40)]


def test_a_request_may_come_byte_by_byte(served: Served) -> None:
    body, header = binary_echo(np.array([1.5, 2.5], np.float32))
    whole = request(ECHO, body, header) * 2
    with served.client() as client:
        for place in range(len(whole)):
            client.send(whole[place : place + 1])
        for _ in range(2):
            answer = client.answer()
            length = int(answer.headers["inference-header-content-length"])
            assert np.frombuffer(answer.body[length:], np.float32).tolist() == [1.5, 2.5]


@pytest.mark.parametrize("size", [1, 4000, 20_000, 60_000])
@pytest.mark.parametrize("target", [ECHO, HELD])
def test_bodies_of_every_size_arrive_whole(served: Served, target: str, size: int) -> None:
    wanted = np.random.default_rng(size).normal(size=size).astype(np.float32)
    body, header = binary_echo(wanted)
    with served.client() as client:
        # The next request stands right behind the body.
        client.send(request(target, body, header) + request(target, body, header))
        for _ in range(2):
            answer = client.answer()
            length = int(answer.headers["inference-header-content-length"])
            assert answer.headers["content-type"] == "application/octet-stream"
            np.testing.assert_array_equal(np.frombuffer(answer.body[length:], np.float32), wanted)


@pytest.mark.parametrize(
    ("version", "header", "closes"),
    [("1.1", "Connection: close", True), ("1.0", "X: y", True), ("1.0", "Connection: keep-alive", False)],
)
def test_who_wants_the_connection_closed_gets_it_closed(
    served: Served, version: str, header: str, closes: bool
) -> None:
    with served.client() as client:
        for target in (HELD, ECHO):
            answer = client.send(request(target, echo_body(1), header, version=version)).answer()
            assert values(answer) == [1]
            if closes:
                assert answer.headers["connection"] == "close"
                assert client.ended()
                return
            # A client of this age takes it for closed unless it is told.
            assert answer.headers["connection"] == "keep-alive"


def test_what_is_usual_is_not_said(served: Served) -> None:
    assert "connection" not in served.ask(ECHO, echo_body(1)).headers


def test_who_has_said_everything_is_still_answered(served: Served) -> None:
    served.session.gate.clear()
    with served.client() as client:
        client.send(request(HELD, echo_body(3)))
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: served.session.inside, 10, "the request to be under way")
        served.session.gate.set()
        assert values(client.answer()) == [3]
        assert client.ended()


@pytest.mark.parametrize(
    "truncated",
    [
        b"POST /v2",
        request(ECHO, echo_body(5))[:-3],
        request(ECHO, bytes(100_000))[:90_000],
        request(ECHO, b"5\r\nab", "Transfer-Encoding: chunked"),
    ],
    ids=["half a head", "most of a body", "most of a large body", "half a chunk"],
)
@pytest.mark.parametrize("before", [(), (ECHO,), (HELD, ECHO, HELD)], ids=["alone", "behind one", "behind several"])
def test_who_ends_in_the_middle_of_a_request_is_told_so(served: Served, truncated: bytes, before: list[str]) -> None:
    free = served.server._free_bytes
    with served.client() as client:
        client.send(b"".join(request(target, echo_body(4)) for target in before) + truncated)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in before:
            assert values(client.answer()) == [4]
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.json["error"] == "The request ended before all of it had come."
        assert client.ended()
    wait_until(lambda: served.server._free_bytes == free, 10, "the memory to be given back")


def test_all_that_was_asked_before_the_end_is_answered(served: Served) -> None:
    with served.client() as client:
        client.send(b"".join(request(HELD, echo_body(number)) for number in range(5)))
        client.socket.shutdown(socket.SHUT_WR)
        assert [values(client.answer()) for _ in range(5)] == [[number] for number in range(5)]
        assert client.ended()


def test_a_body_in_chunks(served: Served) -> None:
    body = echo_body(1, 2, 3)
    pieces = [body[place : place + 7] for place in range(0, len(body), 7)]
    with served.client() as client:
        for parts in ([body], pieces, [body[:1], body[1:]]):
            client.send(request(ECHO, chunked(*parts), "Transfer-Encoding: chunked"))
            assert values(client.answer()) == [1, 2, 3]
        single = request(ECHO, chunked(*(body[i : i + 1] for i in range(len(body)))), "Transfer-Encoding: chunked")
        for place in range(0, len(single), 50):
            client.send(single[place : place + 50])
        assert values(client.answer()) == [1, 2, 3]


def test_a_compressed_body(served: Served) -> None:
    for target in (ECHO, HELD):
        for encoding, squeeze in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            answer = served.ask(target, squeeze(echo_body(4)), f"Content-Encoding: {encoding}")
            assert values(answer) == [4]
    bomb = gzip.compress(bytes(10**7))
    for body, encoding, status in ((bomb, "gzip", 413), (b"no gzip", "gzip", 400), (echo_body(4), "br", 400)):
        assert served.ask(ECHO, body, f"Content-Encoding: {encoding}").status == status


def test_who_asks_before_sending_a_body_is_told_to_go_on(served: Served) -> None:
    head = request(ECHO, echo_body(1), "Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with served.client() as client:
        client.send(head)
        assert client.answer().status == 100
        assert values(client.send(echo_body(1)).answer()) == [1]
        # Behind another request, it is asked once that one is answered.
        served.session.gate.clear()
        client.send(request(HELD, echo_body(2)) + head)
        wait_until(lambda: served.session.inside, 10, "the first one to be under way")
        served.session.gate.set()
        assert values(client.answer()) == [2]
        assert client.answer().status == 100
        assert values(client.send(echo_body(1)).answer()) == [1]
    with served.client() as client:
        client.send(request(ECHO, b"x" * 300_000, "Expect: 100-continue")[:200])
        assert client.answer().status == 413, "before a byte of it was sent"


def test_an_offer_of_another_protocol_is_passed_over(served: Served) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    with served.client() as client:
        assert client.send(request("/v2", b"", *offer)).answer().json["name"] == "lineside-edge"
        assert values(client.send(request(ECHO, echo_body(1), *offer)).answer()) == [1]
        assert client.send(request("/v2")).answer().status == 200


# -- what is refused


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/v2/models/none/infer", "POST", 404),
        ("/v2/models/echo/versions/9/infer", "POST", 404),
        ("/v2/models/echo/versions/1/infer", "POST", 200),
        ("/v2/models/%65cho/infer?a=b", "POST", 200),
        ("/v2/models/%ff/infer", "POST", 400),
        ("/v2/models/echo/infer", "GET", 405),
        ("/v2/models/echo/infer", "PUT", 405),
        ("/v2/health/live", "POST", 405),
        ("/v2/repository/models/echo/unload", "POST", 404),
        ("/v3", "POST", 404),
        ("/v1/pipelines/camera/frames", "POST", 404),
    ],
)
def test_paths_and_methods(served: Served, target: str, method: str, status: int) -> None:
    answer = served.ask(target, echo_body(1), method=method)
    assert answer.status == status
    if status != 200:
        assert list(answer.json) == ["error"]


def test_a_bad_request_costs_nothing_but_its_answer(served: Served) -> None:
    good, header = binary_echo(np.ones(3, np.float32))
    with served.client() as client:
        for body, *headers in (
            (b"{", "X: y"),
            (b'{"inputs": [', "X: y"),
            (echo_body(1, datatype="INT32"), "X: y"),
            (echo_body(1).replace(b"[1]", b"[NaN]", 2), "X: y"),
            (b"[" * 100_000, "X: y"),
            (good[:-1], header),
            (good + b"x", header),
            (good, "Inference-Header-Content-Length: 99999"),
            (good, "Inference-Header-Content-Length: -1"),
            (good, "Inference-Header-Content-Length: 1e3"),
            (good, f"Inference-Header-Content-Length: {'9' * 30}"),
        ):
            for target in (ECHO, HELD):
                answer = client.send(request(target, body, *headers)).answer()
                assert answer.status == 400, (body, answer)
                assert answer.json["error"].endswith(".")
        assert values(client.send(request(ECHO, echo_body(5))).answer()) == [5]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (request(ECHO, b"", "Content-Length: -1", method="POST"), 400),
        (request(ECHO, b"", "Content-Length: 99999999999999999999", method="POST"), 400),
        (request(ECHO, b"", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST"), 400),
        (request(ECHO, b"", "Content-Length: 5", "Content-Length: 6", method="POST"), 400),
        (request(ECHO, b"zz\r\n", "Transfer-Encoding: chunked"), 400),
        (request(ECHO, b"ffffffffffffffffff\r\n", "Transfer-Encoding: chunked"), 400),
        (request(ECHO, b"", "Content-Length: 262145", method="POST"), 413),
        (request(ECHO, b"50000\r\n" + bytes(0x50000), "Transfer-Encoding: chunked"), 413),
        (request("/" + "a" * 40_000), 431),
        (request("/v2", b"", "X: " + "a" * 17_000), 431),
        (request("/v2", b"", *("X: y" for _ in range(101))), 431),
        (b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
    ],
    ids=lambda each: str(each)[:60],
)
def test_what_is_no_request_is_answered_and_the_connection_closed(served: Served, sent: bytes, status: int) -> None:
    with served.client() as client:
        answer = client.send(sent).answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close"), answer
        assert list(answer.json) == ["error"]
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ended()
    assert served.ask("/v2/health/ready").status == 200


def test_who_sends_too_much_can_still_read_why(served: Served) -> None:
    """The answer must not be lost in the reset of a connection on which there are unread bytes."""
    with served.client() as client:
        client.send(request(ECHO, bytes(8 * 2**20)))
        assert client.answer().status == 413


def test_chunks_that_are_mostly_wrapping_are_refused(served: Served) -> None:
    with served.client() as client:
        extension = b"1;" + b"e" * 8000 + b"\r\nx\r\n"
        client.send(request(ECHO, b"", "Transfer-Encoding: chunked", method="POST") + extension * 80)
        assert client.answer().status == 413


def test_a_body_that_stops_half_way_harms_nobody(served: Served) -> None:
    before = served.server._free_bytes
    for cut in (10, 200, 100_000):
        with served.client() as client:
            client.send(request(ECHO, bytes(200_000))[:cut])
    assert served.ask("/v2/health/live").status == 200
    wait_until(lambda: served.server._free_bytes == before, 10, "the memory to be given back")


def test_who_leaves_while_the_model_runs_harms_nobody(served: Served) -> None:
    served.session.gate.clear()
    before = served.server._free_bytes
    body, header = binary_echo(np.ones(30_000, np.float32))
    for _ in range(3):
        with served.client() as client:
            client.send(request(HELD, body, header))
    wait_until(lambda: served.session.inside == 2, 10, "both workers to be busy")
    served.session.gate.set()
    wait_until(lambda: served.shelf.pool.idle and served.server._free_bytes == before, 10, "all of it to end")
    assert values(served.ask(HELD, echo_body(1))) == [1]


STREAM = (
    request(ECHO, echo_body(1)) + request("/v2") + request(ECHO, chunked(echo_body(2)), "Transfer-Encoding: chunked")
)


@settings(max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.binary(max_size=3), st.integers(0, 4)), max_size=4),
    cuts=st.lists(st.integers(1, len(STREAM)), max_size=4, unique=True).map(sorted),
)
def test_damaged_requests_are_answered_or_cut_off(
    served: Served, changes: list[tuple[int, bytes, int]], cuts: list[int]
) -> None:
    stream = STREAM
    for place, instead, gone in changes:
        stream = stream[:place] + instead + stream[place + gone :]
    with served.client() as client:
        for begin, end in pairwise((0, *cuts, len(stream))):
            client.send(stream[begin:end])
        client.socket.shutdown(socket.SHUT_WR)
        while not client.ended():
            assert client.answer().status in (200, 400, 404, 405, 413, 431)
    assert values(served.ask(ECHO, echo_body(3))) == [3]


def test_a_lone_client_is_answered_without_a_detour() -> None:
    with serving() as served:
        served.shelf.model("held").run_s = 0.001
        body, header = binary_echo(np.ones(5, np.float32))
        large = binary_echo(np.ones(1000, np.float32))
        with served.client() as client:
            assert client.send(request(HELD, body, header)).answer().status == 200
            assert served.session.threads[-1] == "inference-listener"
            client.send(request(HELD, *large))
            assert client.answer().status == 200
            assert served.session.threads[-1].startswith("inference-"), "a thousand times a blank takes too long"
            assert served.session.threads[-1] != "inference-listener"
            with served.client() as another:
                assert another.send(request("/v2/health/live")).answer().status == 200
                assert client.send(request(HELD, body, header)).answer().status == 200
                assert served.session.threads[-1] != "inference-listener", "somebody else would have to wait"


# -- limits


def test_a_full_queue_is_429_and_passes() -> None:
    with serving(max_queue=1) as served:
        served.session.gate.clear()
        waiting = [served.client() for _ in range(3)]
        for client in waiting:
            client.send(request(HELD, echo_body(1)))
        wait_until(lambda: served.shelf.pool.waiting == 1, 10, "the queue to fill")
        answer = served.ask(HELD, echo_body(1))
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert served.ask(ECHO, echo_body(2)).status == 200, "what needs no worker goes on"
        served.session.gate.set()
        for client in waiting:
            with client:
                assert values(client.answer()) == [1]
        assert values(served.ask(HELD, echo_body(1))) == [1]
        totals, _ = served.shelf.model("held").statistics.read()
        assert (totals.succeeded, totals.failed) == (4, 1)


def test_too_many_connections_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SILENT_S", 600.0)
    with serving(max_connections=3) as served:
        clients = [served.client() for _ in range(3)]
        for client in clients:
            assert client.send(request("/v2/health/live")).answer().status == 200
        with served.client() as one_more:
            assert one_more.answer().status == 503
            assert one_more.ended()
        clients[0].socket.close()
        wait_until(lambda: served.ask("/v2/health/live").status == 200, 10, "room for another")
        for client in clients[1:]:
            with client:
                assert client.send(request("/v2/health/live")).answer().status == 200


def wait_for_half_asked(served: Served, number: int) -> None:
    """Until so many requests have begun to come."""
    connections = served.server._connections
    wait_until(lambda: sum(each._arriving for each in list(connections)) == number, 10, "a request that has begun")


def test_who_has_been_silent_longest_makes_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SILENT_S", 0.0)
    with serving(max_connections=4, header_timeout_s=60.0) as served, ExitStack() as clients:
        served.session.gate.clear()
        busy, old, middling, new = (clients.enter_context(served.client()) for _ in range(4))
        busy.send(request(HELD, echo_body(7)))
        wait_until(lambda: served.session.inside, 10, "the request to be under way")
        for client in (old, middling, new):
            assert values(client.send(request(ECHO, echo_body(1))).answer()) == [1]
        assert values(old.send(request(ECHO, echo_body(2))).answer()) == [2], "it is not the oldest any more"
        for half_asked, goes in enumerate((middling, new, old), 1):
            comes = clients.enter_context(served.client())
            assert comes.send(request("/v2/health/live")).answer().status == 200
            assert goes.ended()
            # What has begun is work in hand.
            comes.send(request(ECHO, echo_body(3))[:-1])
            wait_for_half_asked(served, half_asked)
        with served.client() as one_more:
            assert one_more.answer().status == 503, "nobody is silent"
        served.session.gate.set()
        assert values(busy.answer()) == [7]


def test_who_never_asked_makes_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SILENT_S", 0.0)
    with serving(max_connections=2, header_timeout_s=60.0) as served, served.client() as old, served.client() as mute:
        assert values(old.send(request(ECHO, echo_body(1))).answer()) == [1]
        wait_until(lambda: len(served.server._connections) == 2, 10, "both to be there")
        assert served.ask("/v2/health/live").status == 200
        assert mute.ended()
        assert values(old.send(request(ECHO, echo_body(2))).answer()) == [2]


@contextmanager
def short_of_memory(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Served]:
    """There is room for four of the largest bodies, however small those are."""
    monkeypatch.setattr(listener, "LEAST_IN_HAND_BYTES", 0)
    with serving(**{"header_timeout_s": 60.0, **settings}) as served:
        yield served


def test_a_body_that_is_only_announced_takes_nothing_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_of_memory(monkeypatch, max_body_bytes=100_000) as served, ExitStack() as clients:
        for _ in range(20):
            client = clients.enter_context(served.client())
            client.send(request(ECHO, bytes(100_000))[:1000])
        wait_until(lambda: len(served.server._connections) == 20, 10, "all of them to be there")
        body, header = binary_echo(np.ones(24_000, np.float32))
        assert served.ask(ECHO, body, header).status == 200


def test_the_bodies_of_all_connections_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_of_memory(monkeypatch, max_body_bytes=100_000) as served:
        clients = [served.client() for _ in range(5)]
        for client in clients[:4]:
            client.send(request(ECHO, bytes(100_000))[:90_000])
        wait_until(lambda: served.server._free_bytes < 50_000, 10, "four bodies to be under way")
        assert clients[4].send(request(ECHO, bytes(100_000))[:90_000]).answer().status == 429
        for client in clients:
            client.socket.close()
        wait_until(lambda: served.server._free_bytes == 400_000, 10, "the memory to be given back")


def test_who_is_slow_makes_way_while_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2**20
    with (
        short_of_memory(monkeypatch, max_body_bytes=size, header_timeout_s=0.2) as served,
        ExitStack() as clients,
    ):
        for _ in range(4):
            # As much as gives one client alone more than a minute.
            clients.enter_context(served.client()).send(request(ECHO, bytes(size))[:-1])
        wait_until(lambda: served.server.is_short, 10, "the bodies to be under way")
        wait_until(lambda: served.server._free_bytes >= size, 20, "one of them to make way")
        assert served.ask(ECHO, bytes(size)).status == 400, "there is room for it, whatever it is"


def test_answers_that_are_not_read_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BODIES_IN_HAND", 2)
    most, size = 16 * 2**20, 12 * 2**20
    body, header = binary_echo(np.zeros(size // 4, np.float32))
    length = header.rpartition(" ")[2]
    # Small where it comes in, so that answers alone are what takes memory.
    asked = request(ECHO, gzip.compress(body), "Content-Encoding: gzip", f"Inference-Header-Content-Length: {length}")
    with short_of_memory(monkeypatch, max_body_bytes=most) as served:
        free = served.server._free_bytes
        with ExitStack() as clients:
            readers = [clients.enter_context(served.client(receive_buffer=2**16)) for _ in range(3)]

            def is_taken(taken: int) -> bool:
                return served.server._free_bytes <= free - taken

            for number, reader in enumerate(readers, 1):
                reader.send(asked)
                wait_until(partial(is_taken, number * size), 20, "the answer to wait")
            with served.client() as another:
                answer = another.send(asked).answer()
                assert (answer.status, answer.headers["retry-after"]) == (429, "1")
                assert values(another.send(request(ECHO, echo_body(1))).answer()) == [1], "small ones go on"
                assert len(readers[0].answer().body) > size
                wait_until(lambda: served.server._free_bytes > 0, 10, "its memory to be given back")
                assert another.send(asked).answer().status == 200
        wait_until(lambda: served.server._free_bytes == free, 10, "all memory to be given back")


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v2", request(ECHO, bytes(1000))[:-1], request(ECHO, b"5\r\nab", "Transfer-Encoding: chunked")],
    ids=["nothing", "half a head", "most of a body", "half a chunk"],
)
def test_who_does_not_keep_moving_is_dropped(sent: bytes) -> None:
    with serving(header_timeout_s=0.2) as served, served.client() as client:
        client.send(sent)
        if sent:
            assert client.answer().status == 408
        assert client.ended()


def test_dripping_does_not_help() -> None:
    """One byte now and then is no progress."""
    with serving(header_timeout_s=0.5) as served, served.client() as client:
        client.send(b"GET /v2 HTTP/1.1\r\n")

        def drip() -> bool:
            try:
                client.send(b"X: y\r\n")
                client.socket.setblocking(False)
                return b"408" in client.socket.recv(100)
            except BlockingIOError:
                return False
            finally:
                client.socket.setblocking(True)

        wait_until(drip, 20, "the server to lose patience")


def test_who_does_not_take_his_answers_is_dropped() -> None:
    with (
        serving(header_timeout_s=0.3, max_body_bytes=16 * 2**20) as served,
        served.client(receive_buffer=4096) as client,
    ):
        body, header = binary_echo(np.ones(3_000_000, np.float32))
        client.send(request(ECHO, body, header))
        wait_until(lambda: not served.server._connections, 20, "the server to lose patience")
        assert served.ask("/v2/health/live").status == 200


def test_a_slow_model_is_no_slow_client() -> None:
    with serving(header_timeout_s=0.2) as served, served.client() as client:
        served.session.gate.clear()
        client.send(request(HELD, echo_body(6)))
        wait_until(lambda: served.session.inside, 10, "the request to be under way")
        held = threading.Event()
        # Far longer than the listener's patience with a client.
        assert not held.wait(1.0)
        served.session.gate.set()
        assert values(client.answer()) == [6]


# -- the whole of it


def refused(address: tuple[str, int]) -> bool:
    with socket.socket() as nobody:
        return nobody.connect_ex(address) != 0


def test_stopping_answers_what_is_under_way() -> None:
    with serving() as served:
        served.session.gate.clear()
        with served.client() as idle, served.client() as busy, served.client() as half:
            assert idle.send(request("/v2/health/live")).answer().status == 200
            busy.send(request(HELD, echo_body(8)))
            half.send(request(ECHO, echo_body(9))[:-3])
            wait_until(lambda: served.session.inside == 1 and len(served.server._connections) == 3, 10, "all three")
            wait_until(lambda: sum(each.idle for each in served.server._connections) == 1, 10, "the half request")
            served.server.ask_to_stop()
            assert idle.ended()
            wait_until(lambda: refused(served.server.address), 10, "the door to be shut")
            half.send(request(ECHO, echo_body(9))[-3:])
            assert values(half.answer()) == [9]
            served.session.gate.set()
            answer = busy.answer()
            assert (values(answer), answer.headers["connection"]) == ([8], "close")
            assert busy.ended()
            served.server.close(10)
            assert not served.server._thread.is_alive()


def test_stopping_does_not_wait_for_ever() -> None:
    with serving() as served, served.client() as client:
        served.session.gate.clear()
        client.send(request(HELD, echo_body(1)))
        wait_until(lambda: served.session.inside, 10, "the request to be under way")
        served.server.ask_to_stop()
        served.server.close(0.05)
        assert client.ended()


def test_health_tells_the_truth() -> None:
    with serving() as served:
        assert served.ask("/v2/health/live").json == {"live": True}
        assert served.ask("/v2/health/ready").json == {"ready": True}
        assert served.ask("/v2/models/echo/ready").json == {"name": "echo", "ready": True}
        served.shelf.loading("next")
        answer = served.ask("/v2/health/ready")
        assert (answer.status, answer.json["error"]) == (503, "next is loading.")
        assert served.ask("/v2/models/next/ready").status == 503
        assert served.ask("/v2/models/next/infer", echo_body(1)).status == 503
        served.shelf.fail("next", "it is broken")
        answer = served.ask("/v2/models/next/ready")
        assert (answer.status, answer.json["error"]) == (503, "Model 'next' is failed: it is broken")
        index = served.ask("/v2/repository/index", b"{}").json
        assert [(each["name"], each["state"]) for each in index] == [
            ("echo", "READY"),
            ("held", "READY"),
            ("next", "UNAVAILABLE"),
        ]
        ready = served.ask("/v2/repository/index", b'{"ready": true}').json
        assert [each["name"] for each in ready] == ["echo", "held"]
        for body in (b"[", b"5", b"[]", b'{"ready": "x"}', b'{"ready": 1}', b'{"ready": null}'):
            assert served.ask("/v2/repository/index", body).status == 400
        assert served.ask("/v2/repository/index", b'{"other": "x"}').status == 200
        served.shelf.remove("next")
        assert served.ask("/v2/health/ready").status == 200
        for name in ("echo", "held"):
            served.shelf.remove(name)
        assert served.ask("/v2/health/ready").json == {"error": "There is no model yet."}
        assert served.ask("/v2/health/live").status == 200


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    with serving(token_file=str(secret)) as served:
        for target in ("/v2", "/metrics", "/v2/models/echo"):
            for header in (
                "X: y",
                "Authorization: Bearer wrong",
                "Authorization: 0123456789abcdef",
                "Authorization: Basic 0123456789abcdef",
            ):
                answer = served.ask(target, b"", header)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            for scheme in ("Bearer", "bearer"):
                assert served.ask(target, b"", f"Authorization: {scheme} 0123456789abcdef").status == 200
        assert served.ask(ECHO, echo_body(1)).status == 401
        assert served.ask("/v2/health/live").status == served.ask("/v2/health/ready").status == 200


def test_a_token_that_others_can_read_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "token"

    def start(**changes: Any) -> None:
        shelf = ModelShelf(workers=1)
        try:
            InferenceServer(shelf, Inference(**{"http": "127.0.0.1:0", "token_file": str(secret), **changes})).close(1)
        finally:
            shelf.pool.close(1)

    for content, mode, complaint in (
        (None, 0o600, "cannot be read"),
        ("0123456789abcdef", 0o640, "can be read by others"),
        ("short", 0o600, "one line of 16"),
        ("two words and more of them", 0o600, "one line of 16"),
        ("0123456789abcdef\n0123456789abcdef", 0o600, "one line of 16"),
        ("\u00e90123456789abcdef", 0o600, "one line of 16"),
    ):
        if content is not None:
            secret.write_text(content, encoding="utf-8")
            secret.chmod(mode)
        with pytest.raises(InputInvalid, match=complaint):
            start()
    with caplog.at_level(logging.WARNING):
        start(token_file="", http="0.0.0.0:0")
    assert "anybody who reaches 0.0.0.0:0" in caplog.text


def test_an_address_that_is_taken_is_a_plain_error(served: Served) -> None:
    shelf = ModelShelf(workers=1)
    with pytest.raises(AlreadyExists, match="cannot listen on"):
        InferenceServer(shelf, Inference(http=f"127.0.0.1:{served.server.address[1]}"))
    with pytest.raises(InputInvalid, match="99999 is no port"):
        InferenceServer(shelf, Inference(http="127.0.0.1:99999"))
    assert shelf.pool.close(10)


def test_frames_are_handed_to_the_door() -> None:
    board = PushBoard()
    board.keep(["camera", "busy"])
    camera = PushSource("camera", Path("unused"), SourceOptions(board=board))
    while board.offer("busy", b"x") == "taken":
        pass
    with serving(door=board) as served:
        frame = bytes(range(256)) * 100
        assert served.ask("/v1/pipelines/camera/frames", frame).status == 202
        assert served.ask("/v1/pipelines/camera/frames", gzip.compress(frame), "Content-Encoding: gzip").status == 202
        bomb = gzip.compress(bytes(5 * 2**20))
        assert served.ask("/v1/pipelines/camera/frames", bomb, "Content-Encoding: gzip").status == 413
        assert served.ask("/v1/pipelines/busy/frames", frame).status == 429
        # Whoever takes the pipeline's name for it is told the right ones.
        other = served.ask("/v1/pipelines/other/frames", frame)
        assert other.status == 404
        assert "at: /v1/pipelines/busy/frames, /v1/pipelines/camera/frames." in other.json["error"]
        assert [read.data for _ in range(2) if (read := camera.read(0.0))] == [frame] * 2
        empty = served.ask("/v1/pipelines/camera/frames", b"", "Content-Length: 0", method="POST")
        assert (empty.status, "empty" in empty.json["error"]) == (400, True)
        assert camera.read(0.0) is None
    camera.close()


def test_metadata_and_figures(served: Served) -> None:
    metadata = served.ask("/v2/models/echo").json
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]
    assert metadata["versions"] == ["1"]
    assert served.ask("/v2/models/echo/versions/1").json == metadata
    config = served.ask("/v2/models/echo/config").json
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}]

    def statistics() -> dict[str, Any]:
        [each] = served.ask("/v2/models/echo/stats").json["model_stats"]
        return dict(each)

    before = statistics()
    assert served.ask(ECHO, echo_body(1, 2, 3)).status == 200
    assert served.ask(ECHO, b"{").status == 400
    after = statistics()
    assert after["inference_count"] - before["inference_count"] == 3
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["fail"]["count"] - before["inference_stats"]["fail"]["count"] == 1
    assert {each["name"] for each in served.ask("/v2/models/stats").json["model_stats"]} == {"echo", "held"}
    text = served.ask("/metrics").body.decode()
    assert f'nv_inference_count{{model="echo",version="1"}} {after["inference_count"]}.0' in text
    assert json.dumps(after["name"]) in text


def test_a_head_of_health_has_no_body_and_the_next_answer_is_whole(served: Served) -> None:
    served.shelf.loading("late")
    try:
        with served.client() as client:
            heads = b"".join(request(f"/v2/health/{kind}", method="HEAD") for kind in ("live", "ready"))
            client.send(heads)
            # The length is that of the body that does not come.
            assert client.head().startswith(b"HTTP/1.1 200 ")
            ready = client.head()
            assert ready.startswith(b"HTTP/1.1 503 ")
            length = len('{"error":"late is loading."}')
            assert b"Content-Length: %d" % length in ready
            client.send(request(ECHO, echo_body(4)))
            assert values(client.answer()) == [4]
    finally:
        served.shelf.remove("late")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v2", 200),
        ("/v2/models/echo", 200),
        ("/v2/models/stats", 200),
        ("/metrics", 200),
        ("/v2/models/none", 404),
        (ECHO, 405),
    ],
)
def test_a_head_is_answered_without_a_body(served: Served, target: str, status: int) -> None:
    with served.client() as client:
        head = client.send(request(target, method="HEAD")).head()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"Content-Length: " in head
        assert values(client.send(request(ECHO, echo_body(4))).answer()) == [4]


def test_a_question_without_a_body_is_told_so(served: Served) -> None:
    for target in (ECHO, HELD):
        answer = served.ask(target, b"", "Content-Length: 0", method="POST")
        assert (answer.status, "The body is empty" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize("origin", ["http://box", "HTTP://box:8000", "https://[::1]:8000"])
def test_a_target_may_name_the_server(served: Served, origin: str) -> None:
    assert values(served.ask(origin + ECHO, echo_body(3))) == [3]
    assert served.ask(origin).status == 404
