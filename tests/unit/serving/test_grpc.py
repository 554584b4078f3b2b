"""The gRPC listener, asked by Triton's own client and by one that means harm."""

from __future__ import annotations

import gc
import math
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import InferenceServerException

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import AlreadyExists
from edge_runtime.serving.grpc import GrpcServer
from edge_runtime.serving.grpc_messages import SERVICE, parse, protocol
from edge_runtime.serving.model import load_model
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.serving.tensors import BF16, DATATYPES
from tests.fakes import models
from tests.unit.serving import onnx_models
from tests.unit.serving.answers import read_message
from tests.waiting import wait_until

TOKEN = "a-token-of-enough-characters"


@pytest.fixture(scope="module")
def shelf() -> Iterator[ModelShelf]:
    shelf = ModelShelf(workers=2, max_waiting=8)
    shelf.put(load_model("bright", "3", models.brightness_model()))
    shelf.put(load_model("failing", "1", models.failing_model()))
    shelf.put(load_model("lstm", "1", onnx_models.recurrent("LSTM")))
    for datatype in DATATYPES:
        shelf.put(load_model(f"twin-{datatype}", "1", onnx_models.echoes(datatype)))
    shelf.put(load_model("pair", "1", onnx_models.echoes("FP32", "INT64")))
    yield shelf
    assert shelf.pool.close(5)


def started(shelf: ModelShelf, **changes: Any) -> GrpcServer:
    server = GrpcServer(shelf, Inference(grpc="127.0.0.1:0", **changes))
    server.start()
    return server


@pytest.fixture(scope="module")
def server(shelf: ModelShelf) -> Iterator[GrpcServer]:
    server = started(shelf)
    yield server
    server.ask_to_stop()
    server.close(5)


def address(server: GrpcServer) -> str:
    return f"{server.address[0]}:{server.address[1]}"


@pytest.fixture(scope="module")
def client(server: GrpcServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address(server)) as client:
        yield client


def tensor(name: str, datatype: str, array: np.ndarray) -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def frame(brightness: int, batch: int = 1) -> np.ndarray:
    return np.full((batch, 1, models.SIDE, models.SIDE), brightness, np.uint8)


def test_the_server_tells_about_itself(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("bright")
    assert client.is_model_ready("bright", "3")
    assert not client.is_model_ready("bright", "4")
    assert not client.is_model_ready("unheard-of")
    assert client.get_server_metadata().name == "lineside-edge"
    facts = client.get_model_metadata("bright", as_json=True)
    assert facts["versions"] == ["3"]
    assert facts["inputs"] == [{"name": "frame", "datatype": "UINT8", "shape": ["-1", "1", "8", "8"]}]
    assert client.get_model_config("bright").config.input[0].data_type == 2
    index = {each.name: each.state for each in client.get_model_repository_index().models}
    assert index["bright"] == "READY"
    assert len(index) == len(DATATYPES) + 4


def test_a_server_that_cannot_answer_says_so() -> None:
    empty = ModelShelf(workers=1, max_waiting=1)
    server = started(empty)
    try:
        with triton.InferenceServerClient(address(server)) as client:
            assert client.is_server_live()
            assert not client.is_server_ready()
            empty.loading("slow", "1")
            with pytest.raises(InferenceServerException, match=r"slow.*loading") as refused:
                client.infer("slow", [tensor("frame", "UINT8", frame(1))])
            assert refused.value.status() == "StatusCode.UNAVAILABLE"
            empty.put(load_model("slow", "1", models.brightness_model()))
            assert client.is_server_ready()
    finally:
        server.ask_to_stop()
        server.close(5)
        empty.pool.close(5)


def test_answers_are_those_of_the_session(client: triton.InferenceServerClient, shelf: ModelShelf) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (5, 1, models.SIDE, models.SIDE)).astype(np.uint8)
    answer = client.infer("bright", [tensor("frame", "UINT8", frames)], request_id="q-1", model_version="3")
    (expected,) = shelf.model("bright").session.run(None, {"frame": frames})
    np.testing.assert_array_equal(answer.as_numpy("logits"), expected)
    response = answer.get_response()
    assert (response.id, response.model_name, response.model_version) == ("q-1", "bright", "3")


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name not in (BF16, "BYTES")])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_datatype_comes_back_bit_by_bit(
    datatype: str, data: st.DataObject, client: triton.InferenceServerClient
) -> None:
    dtype = DATATYPES[datatype].dtype
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4))
    sent = data.draw(arrays.arrays(dtype, shape))
    answer = client.infer(f"twin-{datatype}", [tensor(f"in_{datatype}", datatype, sent)])
    assert answer.as_numpy(f"out_{datatype}").tobytes() == sent.tobytes()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=6))
def test_strings_come_back(texts: list[str], client: triton.InferenceServerClient) -> None:
    sent = np.array([text.encode() for text in texts], object).reshape(1, -1)
    answer = client.infer("twin-BYTES", [tensor("in_BYTES", "BYTES", sent)])
    assert [each.decode() for each in answer.as_numpy("out_BYTES").reshape(-1)] == texts


def test_bf16_comes_back(client: triton.InferenceServerClient) -> None:
    sent = np.array([[1.0, -2.5, 3e38, 0.0]], ml_dtypes.bfloat16)
    answer = client.infer("twin-BF16", [tensor("in_BF16", "BF16", sent)])
    assert answer.get_response().raw_output_contents[0] == sent.tobytes()


def test_several_inputs_and_chosen_outputs(client: triton.InferenceServerClient) -> None:
    inputs = [tensor("in_INT64", "INT64", np.array([[7]])), tensor("in_FP32", "FP32", np.ones((1, 2), np.float32))]
    answer = client.infer("pair", inputs, outputs=[triton.InferRequestedOutput("out_INT64")])
    assert answer.as_numpy("out_INT64").tolist() == [[7]]
    assert answer.as_numpy("out_FP32") is None


def test_empty_input_is_refused_where_the_runtime_would_end_the_process(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="which is empty") as refused:
        client.infer("lstm", [tensor("x", "FP32", np.zeros((2, 0, 3), np.float32))])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_classes_are_not_ranked(client: triton.InferenceServerClient) -> None:
    """Where that was passed over, a client would take scores for its classes."""
    ranked = triton.InferRequestedOutput("logits", class_count=2)
    with pytest.raises(InferenceServerException, match="does not classify: ask for the whole output") as refused:
        client.infer("bright", [tensor("frame", "UINT8", frame(1))], outputs=[ranked])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_shared_memory_is_refused_as_that(client: triton.InferenceServerClient) -> None:
    shared = triton.InferInput("in_INT64", [1, 1], "INT64")
    shared.set_shared_memory("mine", 8)
    with pytest.raises(InferenceServerException, match="shares no memory"):
        client.infer("pair", [shared, tensor("in_FP32", "FP32", np.ones((1, 1), np.float32))])


def test_asynchronous_calls_and_streams(client: triton.InferenceServerClient) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def heard(result: Any, error: Any) -> None:
        answers.put((result, error))

    for _ in range(8):
        client.async_infer("bright", [tensor("frame", "UINT8", frame(200))], heard)
    for _ in range(8):
        result, error = answers.get(timeout=60)
        assert error is None
        assert result.as_numpy("logits").argmax() == 1
    client.start_stream(heard)
    try:
        for brightness, model in ((10, "bright"), (10, "unheard-of"), (250, "bright")):
            client.async_stream_infer(model, [tensor("frame", "UINT8", frame(brightness))])
        heard_of = [answers.get(timeout=60) for _ in range(3)]
    finally:
        client.stop_stream()
    assert heard_of[0][0].as_numpy("logits").argmax() == 0
    assert "unheard-of" in str(heard_of[1][1])
    assert heard_of[2][0].as_numpy("logits").argmax() == 1


@pytest.mark.parametrize("empty_final", [False, True])
def test_a_stream_says_that_an_answer_is_the_last(client: triton.InferenceServerClient, empty_final: bool) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    try:
        for number in range(3):
            client.async_stream_infer(
                "bright",
                [tensor("frame", "UINT8", frame(10))],
                request_id=str(number),
                enable_empty_final_response=empty_final,
            )
        under_way = {"0", "1", "2"}
        # As Triton's own examples wait.
        while under_way:
            result, error = answers.get(timeout=60)
            assert error is None
            assert result.as_numpy("logits").argmax() == 0
            response = result.get_response()
            if response.parameters["triton_final_response"].bool_param:
                under_way.remove(response.id)
    finally:
        client.stop_stream()
    assert answers.empty(), "one answer each"


def test_a_call_of_its_own_has_no_word_of_streams(client: triton.InferenceServerClient) -> None:
    response = client.infer("bright", [tensor("frame", "UINT8", frame(1))]).get_response()
    assert "triton_final_response" not in response.parameters


def test_a_last_answer_that_is_wanted_neither_so_nor_so_is_refused(server: GrpcServer) -> None:
    asked = frame_request()
    asked.id = "odd"
    asked.parameters["triton_enable_empty_final_response"].string_param = "yes"
    with grpc.insecure_channel(address(server)) as channel:
        bodies = iter([asked.SerializeToString()])
        (answer,) = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(bodies, timeout=60)
    said = parse("ModelStreamInferResponse", answer)
    assert "triton_enable_empty_final_response is true or false" in said.error_message
    assert said.infer_response.id == "odd"
    assert said.infer_response.parameters["triton_final_response"].bool_param, "nothing more comes about it"


def test_an_error_in_a_stream_says_which_request_it_is_about(server: GrpcServer) -> None:
    asked = [request("unheard-of", id="one"), frame_request(shape=[64]), b"\xff", request("unheard-of", id="two")]
    asked[1].id = "odd"
    bodies = [each if isinstance(each, bytes) else each.SerializeToString() for each in asked]
    with grpc.insecure_channel(address(server)) as channel:
        answers = list(channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(iter(bodies), timeout=60))
    said = [parse("ModelStreamInferResponse", each) for each in answers]
    assert all(each.error_message for each in said)
    assert [each.infer_response.id for each in said] == ["one", "odd", "", "two"]


def test_statistics_count_what_was_asked(client: triton.InferenceServerClient) -> None:
    def totals() -> tuple[int, int, int]:
        (figures,) = client.get_inference_statistics("bright").model_stats
        stats = figures.inference_stats
        return figures.inference_count, stats.success.count, stats.fail.count

    before = totals()
    client.infer("bright", [tensor("frame", "UINT8", frame(1, batch=3))])
    with pytest.raises(InferenceServerException):
        client.infer("bright", [tensor("frame", "UINT8", frame(1)[:, :, 1:])])
    assert np.subtract(totals(), before).tolist() == [3, 1, 1]
    assert len(client.get_inference_statistics().model_stats) == len(DATATYPES) + 4


# -- requests that no client of Triton's would make


def request(model: str = "bright", **fields: Any) -> Any:
    return protocol()["ModelInferRequest"](model_name=model, **fields)


def frame_request(**changes: Any) -> Any:
    given = {"name": "frame", "datatype": "UINT8", "shape": [1, 1, 8, 8], **changes}
    return request(inputs=[given], raw_input_contents=[bytes(64)])


@pytest.fixture(scope="module")
def ask(server: GrpcServer) -> Iterator[Callable[..., Any]]:
    """Sends bytes as any call and gives the answer's; an error is raised as gRPC's."""
    with grpc.insecure_channel(address(server)) as channel:

        def ask(body: bytes, call: str = "ModelInfer", **options: Any) -> bytes:
            told: bytes = channel.unary_unary(f"/{SERVICE}/{call}")(body, timeout=20, **options)
            return told

        yield ask


def code_of(ask: Callable[..., bytes], body: bytes, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        ask(body, **options)
    return refused.value.code(), refused.value.details()


def test_a_question_is_no_longer_than_one_that_names_a_model(ask: Callable[..., bytes]) -> None:
    body = protocol()["ModelReadyRequest"](name="a" * 20_000).SerializeToString()
    for call in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex", "ServerMetadata"):
        code, why = code_of(ask, body, call=call)
        assert code == INVALID
        assert "16384 bytes at most" in why


INVALID = grpc.StatusCode.INVALID_ARGUMENT
WRONG = {
    "no message": (b"\xff\xff\xff", INVALID, "no ModelInferRequest"),
    "unknown model": (request("unheard-of"), grpc.StatusCode.NOT_FOUND, "unheard-of"),
    "unknown version": (request(model_version="9"), grpc.StatusCode.NOT_FOUND, "'9'"),
    "missing input": (request(), INVALID, "'frame' of bright is missing"),
    "unknown input": (frame_request(name="picture"), INVALID, "no input 'picture'"),
    "wrong datatype": (frame_request(datatype="FP32"), INVALID, "UINT8"),
    "wrong shape": (frame_request(shape=[1, 1, 8, 9]), INVALID, "shape"),
    "wrong rank": (frame_request(shape=[64]), INVALID, "shape"),
    "negative size": (frame_request(shape=[-1, 1, 8, 8]), INVALID, "shape"),
    "enormous size": (frame_request(shape=[2**62, 1, 8, 8]), INVALID, "shape"),
    "wrong number of bytes": (frame_request(shape=[2, 1, 8, 8]), INVALID, "128 bytes; 64 came"),
    "one content too many": (
        request(inputs=[{"name": "frame", "datatype": "UINT8", "shape": [1, 1, 8, 8]}], raw_input_contents=[b"", b""]),
        INVALID,
        "2 raw contents",
    ),
    "both kinds of content": (frame_request(contents={"uint_contents": [0] * 64}), INVALID, "both"),
    "an input twice": (
        request(
            inputs=[{"name": "frame", "datatype": "UINT8", "shape": [1, 1, 8, 8]}] * 2,
            raw_input_contents=[bytes(64)] * 2,
        ),
        INVALID,
        "twice",
    ),
    "unknown output": (
        request(
            inputs=[{"name": "frame", "datatype": "UINT8", "shape": [1, 1, 8, 8]}],
            outputs=[{"name": "nothing"}],
            raw_input_contents=[bytes(64)],
        ),
        INVALID,
        "no output 'nothing'",
    ),
    "shared memory": (
        frame_request(parameters={"shared_memory_region": {"string_param": "mine"}}),
        INVALID,
        "shares no memory",
    ),
    "shared memory without contents": (
        request("pair", raw_input_contents=[bytes(4)], inputs=[
            {"name": "in_INT64", "datatype": "INT64", "shape": [1, 1],
             "parameters": {"shared_memory_region": {"string_param": "mine"}}},
            {"name": "in_FP32", "datatype": "FP32", "shape": [1, 1]},
        ]),
        INVALID,
        "shares no memory",
    ),
    "a number out of range": (
        request("twin-INT8", inputs=[
            {"name": "in_INT8", "datatype": "INT8", "shape": [1, 1], "contents": {"int_contents": [200]}}
        ]),
        INVALID,
        "does not fit into INT8",
    ),
    "values in another field": (
        request("twin-INT8", inputs=[
            {"name": "in_INT8", "datatype": "INT8", "shape": [1, 1], "contents": {"fp32_contents": [1.0]}}
        ]),
        INVALID,
        "belong into int_contents",
    ),
    "too few values": (
        request("twin-FP32", inputs=[
            {"name": "in_FP32", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32_contents": [1.0]}}
        ]),
        INVALID,
        "takes 2 values; 1 came",
    ),
    "half precision as values": (
        request("twin-FP16", inputs=[
            {"name": "in_FP16", "datatype": "FP16", "shape": [1, 1], "contents": {"fp32_contents": [1.0]}}
        ]),
        INVALID,
        "raw contents",
    ),
    "no UTF-8": (
        request("twin-BYTES", inputs=[
            {"name": "in_BYTES", "datatype": "BYTES", "shape": [1, 1], "contents": {"bytes_contents": [b"\xff"]}}
        ]),
        INVALID,
        "UTF-8",
    ),
    "a string cut off": (
        request(
            "twin-BYTES",
            inputs=[{"name": "in_BYTES", "datatype": "BYTES", "shape": [1, 1]}],
            raw_input_contents=[b"\x05\0\0\0ab"],
        ),
        INVALID,
        "cut off",
    ),
    "a model that fails": (
        request(
            "failing",
            inputs=[{"name": "frame", "datatype": "UINT8", "shape": [1, 1, 8, 8]}],
            raw_input_contents=[bytes(64)],
        ),
        grpc.StatusCode.INTERNAL,
        "failing failed on this input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(case: tuple[Any, grpc.StatusCode, str], ask: Callable[..., bytes]) -> None:
    message, code, says = case
    body = message if isinstance(message, bytes) else message.SerializeToString()
    told, why = code_of(ask, body)
    assert told == code
    assert says in why
    assert read_message("ModelInferResponse", ask(frame_request().SerializeToString())).outputs


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_make_it_stumble(data: st.DataObject, ask: Callable[..., bytes]) -> None:
    """Whatever comes is answered or is the client's fault; nothing is a bug of ours."""
    body = bytearray(frame_request().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    try:
        ask(bytes(body[: data.draw(st.integers(0, len(body)))]))
    except grpc.RpcError as error:
        assert error.code() in (INVALID, grpc.StatusCode.NOT_FOUND), error.details()


def test_values_may_come_as_numbers(ask: Callable[..., bytes]) -> None:
    for datatype, field, values in (
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-32768, 32767]),
        ("INT32", "int_contents", [-(2**31), 2**31 - 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 65535]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("FP32", "fp32_contents", [0.5, -1.5]),
        ("FP64", "fp64_contents", [0.1, -1e300]),
        ("BYTES", "bytes_contents", [b"Gr\xc3\xbc\xc3\x9fe", b""]),
    ):
        given = {"name": f"in_{datatype}", "datatype": datatype, "shape": [1, 2], "contents": {field: values}}
        body = request(f"twin-{datatype}", inputs=[given]).SerializeToString()
        raw = read_message("ModelInferResponse", ask(body)).raw_output_contents[0]
        if datatype == "BYTES":
            assert raw == b"\x07\0\0\0Gr\xc3\xbc\xc3\x9fe\0\0\0\0"
        else:
            assert np.frombuffer(raw, DATATYPES[datatype].dtype).tolist() == values


def test_no_class_of_a_message_is_left_to_the_collector() -> None:
    """Where one is collected while another thread's request asks for it, the process crashes."""
    body = frame_request(parameters={"a": {"int64_param": 1}}).SerializeToString()
    kind = weakref.ref(type(parse("ModelInferRequest", body).inputs[0]))
    gc.collect()
    assert kind() is not None


def test_who_asks_on_many_streams_hears_why_each_was_refused(shelf: ModelShelf) -> None:
    """More calls at a time on one connection than it may have streams: the others wait for theirs."""
    server = started(shelf, max_queue=1)
    wrong = frame_request(shape=[1, 1, 8, 9]).SerializeToString()
    try:
        with grpc.insecure_channel(address(server), [("grpc.enable_retries", 0)]) as channel:
            infer = channel.unary_unary(f"/{SERVICE}/ModelInfer")
            calls = [infer.future(wrong, timeout=60) for _ in range(1000)]
            assert {call.code() for call in calls} == {INVALID}
    finally:
        server.ask_to_stop()
        server.close(5)


def test_a_call_that_is_not_there(ask: Callable[..., bytes]) -> None:
    assert code_of(ask, b"", call="RepositoryModelUnload")[0] == grpc.StatusCode.UNIMPLEMENTED


# -- limits


def test_a_message_that_is_too_large_is_refused(shelf: ModelShelf) -> None:
    server = started(shelf, max_body_bytes=1024)
    try:
        with triton.InferenceServerClient(address(server)) as client:
            with pytest.raises(InferenceServerException) as refused:
                client.infer("twin-UINT8", [tensor("in_UINT8", "UINT8", np.zeros((1, 100_000), np.uint8))])
            assert refused.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
            client.infer("twin-UINT8", [tensor("in_UINT8", "UINT8", np.zeros((1, 1000), np.uint8))])
    finally:
        server.ask_to_stop()
        server.close(5)


class Gate:
    """Stands in front of a session and lets nobody through until it is opened."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.open = threading.Event()

    def run(self, *arguments: Any) -> Any:
        assert self.open.wait(60)
        return self._session.run(*arguments)


@contextmanager
def gate_before(*, max_waiting: int, **changes: Any) -> Iterator[tuple[ModelShelf, Gate, GrpcServer]]:
    """One worker, and a model that answers when it is told to."""
    shelf = ModelShelf(workers=1, max_waiting=max_waiting)
    model = load_model("bright", "3", models.brightness_model())
    gate = Gate(model.session)
    model.session, model.run_s = gate, math.inf
    shelf.put(model)
    server = started(shelf, max_queue=max_waiting, **changes)
    try:
        yield shelf, gate, server
    finally:
        gate.open.set()
        server.ask_to_stop()
        server.close(5)
        shelf.pool.close(5)


@pytest.fixture
def gated() -> Iterator[tuple[ModelShelf, Gate, GrpcServer]]:
    """Room for one more request than the one that runs."""
    with gate_before(max_waiting=1) as parts:
        yield parts


def test_when_the_queue_is_full_the_next_one_is_told_at_once(gated: tuple[ModelShelf, Gate, GrpcServer]) -> None:
    shelf, gate, server = gated
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(address(server)) as client:
        given = [tensor("frame", "UINT8", frame(9))]
        for _ in range(2):
            client.async_infer("bright", given, lambda result, error: answers.put((result, error)))
        wait_until(lambda: shelf.pool.waiting == 1, 10, "one request to run and one to wait")
        with pytest.raises(InferenceServerException) as refused:
            client.infer("bright", given)
        assert refused.value.status() == "StatusCode.UNAVAILABLE"
        assert client.is_server_live()
        gate.open.set()
        assert [answers.get(timeout=60)[1] for _ in range(2)] == [None, None]


def test_a_swap_loses_no_request(gated: tuple[ModelShelf, Gate, GrpcServer]) -> None:
    """Those under way finish on the model on which they began."""
    shelf, gate, server = gated
    with triton.InferenceServerClient(address(server)) as client, ThreadPoolExecutor(1) as pool:
        given = [tensor("frame", "UINT8", frame(100))]
        waiting = pool.submit(client.infer, "bright", given)
        wait_until(lambda: not shelf.pool.idle, 10, "the request to begin")
        shelf.put(load_model("bright", "4", models.brightness_model(threshold=50)))
        gate.open.set()
        assert waiting.result(60).get_response().model_version == "3"
        after = client.infer("bright", given)
    assert after.get_response().model_version == "4"
    assert after.as_numpy("logits").argmax() == 1


def test_requests_under_way_are_answered_before_the_end(gated: tuple[ModelShelf, Gate, GrpcServer]) -> None:
    shelf, gate, server = gated
    with triton.InferenceServerClient(address(server)) as client, ThreadPoolExecutor(1) as pool:
        given = [tensor("frame", "UINT8", frame(100))]
        waiting = pool.submit(client.infer, "bright", given)
        wait_until(lambda: not shelf.pool.idle, 10, "the request to begin")
        server.ask_to_stop()
        with pytest.raises(InferenceServerException) as refused:
            client.infer("bright", given)
        # A call that crosses with the server's goodbye on the wire is ended by gRPC itself.
        assert refused.value.status() in ("StatusCode.UNAVAILABLE", "StatusCode.CANCELLED")
        gate.open.set()
        assert waiting.result(60).get_response().model_version == "3"
        server.close(5)


def test_open_streams_leave_room_for_others(gated: tuple[ModelShelf, Gate, GrpcServer]) -> None:
    """With two calls at a time one stream may be open; the second is turned away, questions are answered."""
    _, _, server = gated
    with grpc.insecure_channel(address(server)) as channel:
        stream = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
        silent = threading.Event()

        def nothing() -> Iterator[bytes]:
            silent.wait(60)
            yield from ()

        first = stream(nothing(), timeout=60)
        first.initial_metadata()
        with pytest.raises(grpc.RpcError) as refused:
            next(stream(iter([]), timeout=60))
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        live = channel.unary_unary(f"/{SERVICE}/ServerLive")
        assert read_message("ServerLiveResponse", live(b"", timeout=60)).live
        silent.set()
        assert list(first) == []


def test_who_sends_nothing_is_not_waited_for(shelf: ModelShelf) -> None:
    """A call that was begun and never sent gives its thread back."""
    server = started(shelf, header_timeout_s=0.2, max_body_bytes=1024)
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    try:
        with grpc.insecure_channel(address(server)) as channel:
            call = channel.stream_unary(f"/{SERVICE}/ModelInfer")
            with pytest.raises(grpc.RpcError) as given_up:
                call(nothing(), timeout=60)
            assert given_up.value.code() == grpc.StatusCode.CANCELLED
            silent.set()
            with pytest.raises(grpc.RpcError) as empty:
                call(iter([]), timeout=60)
            assert empty.value.code() == INVALID
    finally:
        server.ask_to_stop()
        server.close(5)


def test_many_silent_calls_do_not_hold_up_others(shelf: ModelShelf) -> None:
    """Messages of the usual size may take over a minute; who sends none must not keep all threads for so long."""
    server = started(shelf)
    silent = threading.Event()

    def nothing() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    apart = [("grpc.use_local_subchannel_pool", 1)]
    try:
        with ExitStack() as stack:
            channels = [stack.enter_context(grpc.insecure_channel(address(server), apart)) for _ in range(3)]
            calls = [
                channel.stream_unary(f"/{SERVICE}/ModelInfer").future(nothing())
                for channel in channels
                for _ in range(60)
            ]
            client = stack.enter_context(triton.InferenceServerClient(address(server)))
            wait_until(lambda: any(call.done() for call in calls), 20, "the first of them to be given up")
            assert client.is_server_live(client_timeout=60)
            assert client.infer("bright", [tensor("frame", "UINT8", frame(1))], client_timeout=60)
            assert not all(call.done() for call in calls), "those that are no crowd may still send"
            silent.set()
    finally:
        silent.set()
        server.ask_to_stop()
        server.close(5)


def test_no_more_connections_than_allowed(shelf: ModelShelf) -> None:
    server = started(shelf, max_connections=1)
    apart = [("grpc.use_local_subchannel_pool", 1)]
    try:
        with (
            grpc.insecure_channel(address(server), apart) as first,
            grpc.insecure_channel(address(server), apart) as more,
        ):
            calls = [channel.unary_unary(f"/{SERVICE}/ServerLive") for channel in (first, more)]
            calls[0](b"", timeout=60)
            with pytest.raises(grpc.RpcError) as refused:
                calls[1](b"", timeout=60)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
            calls[0](b"", timeout=60)
    finally:
        server.ask_to_stop()
        server.close(5)


def test_large_messages_do_not_fill_the_memory() -> None:
    """Room for four of the largest; the workers' queue alone would take more."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    large = [tensor("frame", "UINT8", frame(9, batch=2**18))]
    with (
        gate_before(max_waiting=8, max_body_bytes=2**24) as (shelf, gate, server),
        triton.InferenceServerClient(address(server)) as client,
    ):
        for _ in range(4):
            client.async_infer("bright", large, lambda result, error: answers.put((result, error)))
        wait_until(lambda: shelf.pool.waiting == 3, 10, "one request to run and three to wait")
        with pytest.raises(InferenceServerException, match="large messages") as refused:
            client.infer("bright", large, client_timeout=60)
        assert refused.value.status() == "StatusCode.UNAVAILABLE"
        gate.open.set()
        assert [answers.get(timeout=60)[1] for _ in range(4)] == [None] * 4
        assert client.infer("bright", large)


def test_two_servers_cannot_share_an_address(server: GrpcServer, shelf: ModelShelf) -> None:
    with pytest.raises(AlreadyExists, match="cannot listen"):
        GrpcServer(shelf, Inference(grpc=address(server)))


def test_only_who_has_the_token_may_ask(shelf: ModelShelf, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    server = started(shelf, token_file=str(path))
    try:
        with triton.InferenceServerClient(address(server)) as client:
            given = [tensor("frame", "UINT8", frame(1))]
            assert client.is_server_live()
            assert client.is_server_ready()
            for headers in (None, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
                calls: tuple[Callable[[], object], ...] = (
                    partial(client.infer, "bright", given, headers=headers),
                    partial(client.get_server_metadata, headers),
                )
                for call in calls:
                    with pytest.raises(InferenceServerException) as refused:
                        call()
                    assert refused.value.status() == "StatusCode.UNAUTHENTICATED"
            with grpc.insecure_channel(address(server)) as channel, pytest.raises(grpc.RpcError) as turned_away:
                next(channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(iter([b""]), timeout=60))
            assert turned_away.value.code() == grpc.StatusCode.UNAUTHENTICATED
            for scheme in ("Bearer", "bearer"):
                assert client.infer("bright", given, headers={"authorization": f"{scheme} {TOKEN}"})
    finally:
        server.ask_to_stop()
        server.close(5)
