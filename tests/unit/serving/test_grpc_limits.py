"""What gRPC clients can hold: memory for answers that they do not take, and places for streams that say nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import BoxRefused
from edge_runtime.serving import grpc_memory, grpc_streams
from edge_runtime.serving.grpc import GrpcServer
from edge_runtime.serving.grpc_memory import CallMemory, Debt, Message, TooLarge
from edge_runtime.serving.grpc_messages import FINAL, SERVICE, encode_infer, in_stream, protocol, size_of
from edge_runtime.serving.grpc_streams import Stream, Streams, who_goes
from edge_runtime.serving.messages import InferAnswer
from edge_runtime.serving.model import load_model
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.serving.tensors import DATATYPES, TensorSpec
from tests.unit.serving import onnx_models
from tests.unit.serving.answers import read_message
from tests.unit.serving.unread import NO_WINDOW, UnreadClient, many, numbers, unread_client
from tests.waiting import wait_until

LARGE = 2_500_000
"""Numbers in an answer of which three fit."""


@contextmanager
def serving(**changes: Any) -> Iterator[str]:
    """The address of a server of the model that answers with as much as it is asked for. By default it has memory for
    64 MiB at a time, as messages may be small only."""
    shelf = ModelShelf(workers=1, max_waiting=8)
    shelf.put(load_model("expand", "1", onnx_models.parsed(onnx_models.EXPAND)))
    server = GrpcServer(shelf, Inference(**{"grpc": "127.0.0.1:0", "max_body_bytes": 1024, **changes}))
    server.start()
    try:
        yield f"{server.address[0]}:{server.address[1]}"
    finally:
        server.ask_to_stop()
        server.close(1)
        shelf.pool.close(5)


class QuietStream:
    """A stream of which the test decides when it says something."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._said: list[bytes] = []
        self._turn = threading.Semaphore(0)
        self.call = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(self._messages(), timeout=60)

    def _messages(self) -> Iterator[bytes]:
        while self._turn.acquire(timeout=60) and self._said:
            yield self._said.pop()

    def ask(self, count: int = 3) -> int:
        """How many numbers the answer has; an error of gRPC's where the stream was not let in."""
        self._said.append(many(count))
        self._turn.release()
        said = read_message("ModelStreamInferResponse", next(self.call))
        return len(said.infer_response.raw_output_contents[0]) // 4

    def end(self) -> None:
        self._turn.release()


def answered(client: UnreadClient) -> bool:
    """Whether there is room for a large answer."""
    try:
        return numbers(next(client.ask(LARGE))) == LARGE
    except grpc.RpcError:
        return False


# -- answers that nobody takes


def test_answers_that_nobody_takes_do_not_fill_the_memory() -> None:
    """Large ones are refused when those that wait are enough; small ones go on, and what was kept is whole."""
    with serving() as address, unread_client(address) as slow, unread_client(address) as other:
        kept = [slow.ask(LARGE) for _ in range(3)]
        refused = other.ask(LARGE)
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
        assert "answers wait for their clients" in refused.details()
        assert numbers(next(other.ask(10))) == 10
        assert numbers(next(kept[0])) == LARGE
        wait_until(lambda: answered(other), 20, "room for another")
        assert [numbers(next(call)) for call in kept[1:]] == [LARGE, LARGE]


def test_who_goes_away_leaves_no_answer_behind() -> None:
    with serving() as address, unread_client(address) as other:
        with unread_client(address) as slow:
            kept = [slow.ask(LARGE) for _ in range(3)]
            assert other.ask(LARGE).code() == grpc.StatusCode.UNAVAILABLE
            assert not any(call.done() for call in kept)

        wait_until(lambda: answered(other), 20, "the memory to be free again")


def test_an_answer_that_is_not_taken_is_given_up() -> None:
    with serving(header_timeout_s=0.1) as address, unread_client(address) as slow:
        call = slow.ask(1000)
        assert call.code() == grpc.StatusCode.CANCELLED


def test_an_answer_on_a_stream_is_counted_and_given_up_too() -> None:
    with serving(header_timeout_s=0.1) as address, unread_client(address) as slow:
        for stream in (slow.stream(iter([many(1000)])), slow.stream(iter([many(1000)]))):
            assert stream.code() == grpc.StatusCode.CANCELLED
    with serving() as address, unread_client(address) as slow:
        kept = [slow.ask(LARGE) for _ in range(3)]
        [answer] = slow.stream(iter([many(LARGE)]))
        said = read_message("ModelStreamInferResponse", answer)
        assert "answers wait for their clients" in said.error_message
        assert not any(call.done() for call in kept)


def test_an_answer_that_was_taken_from_a_stream_is_not_held_any_more() -> None:
    with serving() as address, grpc.insecure_channel(address, NO_WINDOW) as channel, unread_client(address) as other:
        streams = [QuietStream(channel) for _ in range(3)]
        assert [stream.ask(LARGE) for stream in streams] == [LARGE] * 3
        wait_until(lambda: answered(other), 20, "room for another")
        for stream in streams:
            assert stream.ask() == 3
            stream.end()


def test_an_answer_that_never_fits_is_refused_as_that() -> None:
    with serving() as address, unread_client(address) as client:
        refused = client.ask(9_000_000)
        assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "The answer has 36" in refused.details()
        assert numbers(next(client.ask(LARGE))) == LARGE


@given(sizes=st.lists(st.integers(1, 2**31), min_size=1, max_size=20), is_short=st.booleans())
def test_a_client_that_takes_a_million_bytes_a_second_is_not_given_up(sizes: list[int], *, is_short: bool) -> None:
    """However many answers come over its one connection, and side by side: then all of them come last."""
    debt = Debt("here", lambda: None, size=sizes[0], since=100.0, most_ahead=sum(sizes))
    assert not debt.is_late(100.0 + sum(sizes) / 1e6, 5.0, is_short=is_short)


def owe(memory: CallMemory, debt: Debt, size: int) -> None:
    """An answer to a message that is done with."""
    memory.owe(debt, size, Message(0))


def test_what_others_of_its_connection_take_is_allowed_for_and_what_strangers_take_is_not() -> None:
    memory = CallMemory(2**30, 5.0)
    mine, beside, stranger = (Debt(name, lambda: None) for name in ("here", "here", "there"))
    for debt, size in ((mine, 1000), (beside, 500), (stranger, 7000)):
        owe(memory, debt, size)
    memory.look()
    assert (mine.most_ahead, beside.most_ahead, stranger.most_ahead) == (1500, 1500, 7000)
    memory.settle(beside)
    memory.look()
    assert mine.most_ahead == 1500


def test_memory_is_given_back_once() -> None:
    memory = CallMemory(2**20, 5.0)
    debt, other, large = Debt("here", lambda: None), Debt("there", lambda: None), 400_000
    for _ in range(5):
        owe(memory, debt, large)
    with pytest.raises(BoxRefused):
        owe(memory, other, large)
    memory.settle(debt)
    memory.settle(debt)
    owe(memory, debt, large)
    with pytest.raises(BoxRefused):
        owe(memory, other, large)
    with pytest.raises(BoxRefused), memory.held(large, large):
        raise AssertionError("there was no room")
    with pytest.raises(TooLarge):
        owe(memory, debt, 2**20)


def test_an_answer_takes_the_place_of_its_message() -> None:
    """Messages alone may fill the memory, and all of them are answered."""
    memory, size, debt = CallMemory(2**20, 5.0), 2**19, Debt("here", lambda: None)
    with memory.held(size, size) as one, memory.held(size, size):
        with pytest.raises(BoxRefused):
            owe(memory, Debt("there", lambda: None), 100_000)
        memory.owe(debt, 100_000, one)
    with memory.held(2**20 - debt.charge, 2**20 - debt.charge):
        pass
    memory.settle(debt)
    with memory.held(2**20, 2**20):
        pass


def test_what_is_small_has_an_end_too() -> None:
    memory = CallMemory(2**20, 5.0)
    debts = [Debt("here", lambda: None) for _ in range(10_000)]
    with pytest.raises(BoxRefused):
        for debt in debts:
            owe(memory, debt, 10)
    counted = sum(debt.charge for debt in debts)
    assert 2**20 < counted <= 2**20 + grpc_memory.SPARED_BYTES
    with pytest.raises(BoxRefused), memory.held(grpc_memory.SMALL_BYTES, grpc_memory.SMALL_BYTES):
        raise AssertionError("nothing is run when nothing fits")


@given(lengths=st.lists(st.integers(0, 70_000), min_size=1, max_size=3), name=st.text(max_size=200))
def test_an_answer_in_pieces_is_the_message(lengths: list[int], name: str) -> None:
    outputs = tuple(
        (TensorSpec(f"y{place}", DATATYPES["UINT8"], (None,)), np.arange(length, dtype=np.uint8))
        for place, length in enumerate(lengths)
    )
    pieces = encode_infer(InferAnswer(name, "1", "an id", outputs))
    read = read_message("ModelInferResponse", b"".join(pieces))
    assert (read.model_name, read.model_version, read.id) == (name, "1", "an id")
    assert [list(output.shape) for output in read.outputs] == [[length] for length in lengths]
    assert list(read.raw_output_contents) == [array.tobytes() for _, array in outputs]
    assert b"".join(pieces) == read.SerializeToString()
    assert size_of(pieces) == read.ByteSize()
    read.parameters[FINAL].bool_param = True
    streamed = in_stream(pieces)
    assert read_message("ModelStreamInferResponse", b"".join(streamed)).infer_response == read
    assert size_of(streamed) == protocol()["ModelStreamInferResponse"](infer_response=read).ByteSize()


# -- streams that say nothing


def test_a_stream_that_never_said_anything_makes_room_for_others() -> None:
    """With one worker and a queue of one, one stream may be open."""
    with serving(max_queue=1, header_timeout_s=0.1) as address, grpc.insecure_channel(address) as channel:
        silent = QuietStream(channel)
        silent.call.initial_metadata()
        streams = [silent]

        def another() -> bool:
            streams.append(QuietStream(channel))
            try:
                return streams[-1].ask() == 3
            except grpc.RpcError as refused:
                assert refused.code() == grpc.StatusCode.UNAVAILABLE
                return False

        wait_until(another, 20, "the silent one to go")
        assert silent.call.code() == grpc.StatusCode.CANCELLED
        for stream in streams:
            stream.end()
        assert list(streams[-1].call) == []


def test_a_stream_that_has_asked_keeps_its_place_between_two_frames() -> None:
    with serving(max_queue=1) as address, grpc.insecure_channel(address) as channel:
        stream = QuietStream(channel)
        assert stream.ask() == 3
        late = QuietStream(channel)
        with pytest.raises(grpc.RpcError) as refused:
            late.ask()
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert stream.ask() == 3
        stream.end()
        late.end()
        assert list(stream.call) == []


def test_who_makes_room() -> None:
    now = 1000.0

    def stream(silent_s: float | None, *, has_asked: bool = False) -> Stream:
        made = Stream(lambda: None)
        made.has_asked, made.silent_since = has_asked, None if silent_s is None else now - silent_s
        return made

    old, older, asked_long_ago = stream(6), stream(7), stream(10_000, has_asked=True)
    assert who_goes([stream(4), stream(None), stream(70, has_asked=True)], now, 5.0) is None
    assert who_goes([asked_long_ago, stream(4)], now, 5.0) is asked_long_ago
    assert who_goes([asked_long_ago, old, older], now, 5.0) is older
    assert who_goes([stream(grpc_streams.IDLE_S + 1, has_asked=True), asked_long_ago], now, 5.0) is asked_long_ago


def test_places_are_for_those_who_use_them() -> None:
    streams, ended = Streams(1, first_s=-1.0), []
    first = streams.open(lambda: ended.append("first"))
    second = streams.open(lambda: ended.append("second"))
    assert ended == ["first"]
    streams.close(first)

    def is_full() -> bool:
        with pytest.raises(BoxRefused):
            streams.open(lambda: ended.append("third"))
        return True

    def bodies() -> Iterator[bytes]:
        yield b"a question"
        assert is_full(), "between two questions"

    for _ in second.messages(bodies()):
        assert is_full(), "while it is answered"
    streams.close(second)
    assert ended == ["first"]
    assert streams.open(lambda: None)
