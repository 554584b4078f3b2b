"""Bodies as Triton's client writes and reads them, and as somebody who means harm writes them."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving import bodies
from edge_runtime.serving.bodies import BodyTooLarge, Wishes, decode_request, encode_answer, inflate
from edge_runtime.serving.messages import InferAnswer
from edge_runtime.serving.tensors import DATATYPES, Datatype, Signature, TensorSpec


class Model:
    """What decoding needs of one: inputs ``x`` of any size and ``flag`` of one element."""

    def __init__(self, datatype: str = "FP32") -> None:
        self.x, self.y = (TensorSpec(name, DATATYPES[datatype], ("n", "m")) for name in "xy")
        self.signature = Signature([self.x], [self.y])


def two_inputs() -> Model:
    model = Model()
    model.signature = Signature([model.x, TensorSpec("flag", DATATYPES["BOOL"], (1,))], [model.y])
    return model


def plain(**changes: Any) -> dict[str, Any]:
    """A request in JSON for :class:`Model`."""
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, -2], **changes}
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def decode(body: Any, model: Model | None = None) -> Any:
    return decode_request(model or Model(), json.dumps(body).encode(), None)


def client_array(datatype: Datatype, array: Any) -> Any:
    """As Triton's client wants it."""
    if datatype.name == "BF16":
        return array.view(ml_dtypes.bfloat16)
    return (
        np.array([text.encode() for text in array.ravel()], object).reshape(array.shape)
        if array.dtype == object
        else array
    )


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Datatype, Any]:
    datatype = draw(st.sampled_from(list(DATATYPES.values())))
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4))
    if datatype.name == "BYTES":
        return datatype, draw(arrays.arrays(object, shape, elements=st.text(st.characters(codec="utf-8"), max_size=5)))
    return datatype, draw(arrays.arrays(datatype.dtype, shape))


@given(tensors(), st.text(st.characters(codec="utf-8"), max_size=8))
def test_a_binary_round_trip_with_tritons_client(tensor: tuple[Datatype, Any], request_id: str) -> None:
    datatype, array = tensor
    model = Model(datatype.name)
    given_input = InferInput("x", list(array.shape), datatype.name)
    given_input.set_data_from_numpy(client_array(datatype, array), binary_data=True)
    body, length = InferenceServerClient.generate_request_body(
        [given_input], outputs=[InferRequestedOutput("y", binary_data=True)], request_id=request_id
    )
    request, wishes = decode_request(model, body, length)
    np.testing.assert_array_equal(request.inputs["x"], array, strict=True)
    assert (request.id, request.outputs, wishes) == (request_id, ("y",), Wishes(False, (True,)))

    encoded = encode_answer(InferAnswer("m", "1", request.id, ((model.y, array),)), wishes)
    result = InferenceServerClient.parse_response_body(
        b"".join((encoded.json, *encoded.tensors)), header_length=len(encoded.json)
    )
    theirs, ours = result.as_numpy("y"), client_array(datatype, array)
    # Bit by bit, for not every number equals itself.
    assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
    assert theirs.tolist() == ours.tolist() if datatype.name == "BYTES" else theirs.tobytes() == ours.tobytes()
    assert result.get_response().get("id", "") == request_id


@pytest.mark.parametrize("datatype", [each for each in DATATYPES.values() if each.name != "BF16"], ids=lambda d: d.name)
def test_a_json_round_trip_with_tritons_client(datatype: Datatype) -> None:
    array = (
        np.array([["é", ""], ["\0", "long" * 9]], object)
        if datatype.name == "BYTES"
        else np.array([[0, 1], [1, 1]], datatype.dtype)
    )
    model = Model(datatype.name)
    given_input = InferInput("x", [2, 2], datatype.name)
    given_input.set_data_from_numpy(client_array(datatype, array), binary_data=False)
    body, length = InferenceServerClient.generate_request_body(
        [given_input], outputs=[InferRequestedOutput("y", binary_data=False)]
    )
    assert length is None
    request, wishes = decode_request(model, body, None)
    np.testing.assert_array_equal(request.inputs["x"], array, strict=True)
    encoded = encode_answer(InferAnswer("m", "1", "", ((model.y, array),)), wishes)
    assert encoded.tensors == []
    result = InferenceServerClient.parse_response_body(encoded.json).as_numpy("y")
    if datatype.name == "BYTES":
        assert result.tolist() == [[text.encode() for text in row] for row in array.tolist()] or (
            result.tolist() == array.tolist()
        )
    else:
        np.testing.assert_array_equal(result, array)


def test_json_and_binary_inputs_go_together_and_what_is_unknown_is_passed_over() -> None:
    text = json.dumps(
        {
            "inputs": [
                {"name": "flag", "shape": [1], "datatype": "BOOL", "data": [True], "parameters": {"new": {"a": [1]}}},
                {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
            ],
            "outputs": [{"name": "y", "parameters": {"binary_data": False, "classification": 0, "new": 3}}],
            "parameters": {"binary_data_output": True, "priority": 1, "sequence_id": "s"},
            "later": None,
        }
    ).encode()
    request, wishes = decode_request(two_inputs(), text + struct.pack("<2f", 1, 2), len(text))
    assert request.inputs["flag"].tolist() == [True]
    assert request.inputs["x"].tolist() == [[1, 2]]
    assert wishes == Wishes(True, (False,))


def test_null_is_as_good_as_left_out() -> None:
    for without in (
        {"id": None},
        {"outputs": None},
        {"parameters": None},
        {"parameters": {"binary_data_output": None}},
    ):
        request, wishes = decode({**plain(), **without})
        assert (request.id, request.outputs, wishes) == ("", (), Wishes(False)), without
    tensor = plain()["inputs"][0]
    for parameters in (None, {"binary_data_size": None, "shared_memory_region": None}):
        asked = {"inputs": [{**tensor, "parameters": parameters}], "outputs": [{"name": "y", "parameters": None}]}
        request, wishes = decode(asked)
        assert (request.outputs, wishes) == (("y",), Wishes(False, (False,)))


def test_all_outputs_are_binary_when_the_request_says_so() -> None:
    request, wishes = decode({**plain(), "parameters": {"binary_data_output": True}})
    assert request.outputs == ()
    encoded = encode_answer(InferAnswer("m", "1", "", ((Model().y, request.inputs["x"]),)), wishes)
    assert json.loads(encoded.json)["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert b"".join(encoded.tensors) == struct.pack("<2f", 1.5, -2)


def test_what_tritons_client_asks_for_and_we_do_not_do_is_said() -> None:
    given_input = InferInput("x", [1, 2], "FP32")
    given_input.set_data_from_numpy(np.ones((1, 2), np.float32))
    shared = InferInput("x", [1, 2], "FP32")
    shared.set_shared_memory("region", 8)
    shared_output = InferRequestedOutput("y")
    shared_output.set_shared_memory("region", 8)
    for inputs, outputs, complaint in (
        ([given_input], [InferRequestedOutput("y", class_count=2)], "does not classify"),
        ([given_input], [shared_output], "shares no memory"),
        ([shared], None, "shares no memory"),
    ):
        body, length = InferenceServerClient.generate_request_body(inputs, outputs=outputs)
        with pytest.raises(InputInvalid, match=complaint):
            decode_request(Model(), body, length)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (plain(name="z"), "no input 'z'; the model has x"),
        (plain(datatype="FP64"), "is FP32, not 'FP64'"),
        (plain(datatype="TENSOR"), "is FP32, not 'TENSOR'"),
        (plain(shape=[1, 3]), "takes 3 values"),
        (plain(shape=[2]), r"has shape \[-1, -1\]"),
        (plain(shape=[1.5, 2]), "not of the protocol"),
        (plain(shape=[1] * 40), "not of the protocol"),
        (plain(data=None), "needs either data or a binary_data_size"),
        (plain(parameters={"binary_data_size": 8}), "needs either data"),
        (plain(parameters={"binary_data_size": -8}, data=None), "not of the protocol"),
        (plain(parameters={"binary_data_size": 2**70}, data=None), "takes 8 bytes|claim"),
        (plain(parameters={"binary_data_size": 8}, data=None), "0 follow the JSON"),
        (plain(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 8}, data=None), "shares no memory"),
        (plain(data="text"), "data of input 'x' is not FP32"),
        (plain(data=[True, 1]), "data of input 'x' is not FP32"),
        (plain(data=[1, [2]]), "data of input 'x' is not FP32"),
        (plain(data=[None, 1]), "data of input 'x' is not FP32"),
        (plain(data=[["1", "2"]]), "data of input 'x' is not FP32"),
        ({"inputs": plain()["inputs"] * 2}, "comes twice"),
        ({**plain(), "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]}, "shares no memory"),
        ({**plain(), "outputs": [{"name": "y", "parameters": {"classification": 2}}]}, "does not classify"),
        ({**plain(), "id": 7}, "not of the protocol"),
        ({"outputs": []}, "not of the protocol"),
        ([], "not of the protocol"),
        ("text", "not of the protocol"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(body: Any, complaint: str) -> None:
    with pytest.raises(InputInvalid, match=complaint):
        decode(body)


OPENING = b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "body is empty"),
        (b'{"inputs":', "cannot be read"),
        (b'{"inputs": [\xff]}', "cannot be read|not of the protocol"),
        (OPENING + b"[NaN]}]}", "not finite"),
        (OPENING + b"[-Infinity]}]}", "not finite"),
        (OPENING + b"[1e999]}]}", "out of range"),
        (OPENING + b"[" * 10**5 + b"]" * 10**5 + b"}]}", "deep"),
        (OPENING + b"[" * 900 + b"]" * 900 + b"}]}", "not FP32"),
        (b"[" * 10**6, "not of the protocol|deep"),
    ],
    ids=lambda each: str(each)[:80],
)
def test_hostile_json_is_refused(text: bytes, complaint: str) -> None:
    with pytest.raises(InputInvalid, match=complaint):
        decode_request(Model(), text, None)


@pytest.mark.parametrize(
    ("json_length", "complaint"), [(0, "is 0"), (-1, "is no number"), (10**9, "the body has"), (5, "cannot be read")]
)
def test_a_json_length_that_is_not_the_jsons_is_refused(json_length: int, complaint: str) -> None:
    with pytest.raises(InputInvalid, match=complaint):
        decode_request(Model(), json.dumps(plain()).encode(), json_length)


def test_bytes_must_be_neither_too_many_nor_too_few() -> None:
    text = json.dumps(plain(data=None, parameters={"binary_data_size": 8})).encode()
    for size in (0, 7, 9):
        with pytest.raises(InputInvalid, match=f"claim 8 bytes of binary data; {size} follow"):
            decode_request(Model(), text + bytes(size), len(text))
    assert decode_request(Model(), text + bytes(8), len(text))[0].inputs["x"].tolist() == [[0, 0]]


def test_json_that_would_take_too_much_memory_must_come_as_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_JSON_BYTES", 100)
    with pytest.raises(InputInvalid, match="send the tensors as binary"):
        decode(plain(shape=[1, 40], data=[0] * 40))
    monkeypatch.setattr(bodies, "MAX_JSON_ELEMENTS", 3)
    model, array = Model(), np.zeros((2, 2), np.float32)
    with pytest.raises(InputInvalid, match="ask for binary data"):
        encode_answer(InferAnswer("m", "1", "", ((model.y, array),)), Wishes(False))
    assert encode_answer(InferAnswer("m", "1", "", ((model.y, array),)), Wishes(True)).tensors


@given(st.binary(max_size=200), st.none() | st.integers(-2, 220))
def test_arbitrary_bytes_are_never_more_than_invalid(body: bytes, json_length: int | None) -> None:
    with pytest.raises(InputInvalid):
        decode_request(Model(), body, json_length)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


TENSORS = st.fixed_dictionaries(
    {"name": st.just("x"), "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON},
    optional={
        "datatype": st.just("FP32") | JSON,
        "data": JSON,
        "parameters": JSON | st.fixed_dictionaries({"binary_data_size": JSON}),
    },
)


@given(TENSORS, st.binary(max_size=32))
def test_arbitrary_tensors_are_read_or_refused(tensor: dict[str, Any], tail: bytes) -> None:
    text = json.dumps({"inputs": [tensor]}).encode()
    try:
        request, _ = decode_request(Model(), text + tail, len(text))
    except InputInvalid:
        return
    assert request.inputs["x"].shape == tuple(tensor["shape"])
    assert request.inputs["x"].dtype == np.float32


def test_compressed_bodies_are_unpacked_within_bounds() -> None:
    text = json.dumps(plain()).encode()
    assert inflate(gzip.compress(text), "gzip", 1000) == text
    assert inflate(zlib.compress(text), "deflate", 1000) == text
    bomb = gzip.compress(bytes(10**7))
    with pytest.raises(BodyTooLarge, match="more than 1000 bytes"):
        inflate(bomb, "gzip", 1000)
    for body, encoding, complaint in (
        (gzip.compress(text)[:-9], "gzip", "not one whole gzip"),
        (gzip.compress(text) + b"tail", "gzip", "not one whole gzip"),
        (text, "gzip", "not valid gzip"),
        (zlib.compress(text), "gzip", "not valid gzip"),
        (text, "br", "'br' is not known"),
    ):
        with pytest.raises(InputInvalid, match=complaint):
            inflate(body, encoding, 1000)


def test_what_a_client_can_make_long_is_not_kept() -> None:
    """Else a few hundred requests would fill the memory."""
    model, array = Model(), np.zeros((1, 1), np.float32)
    before = bodies._kept_json.cache_info().currsize
    for number in range(20):
        encode_answer(InferAnswer("m", "1", f"{number}" * 100, ((model.y, array),)), Wishes(True))
    assert bodies._kept_json.cache_info().currsize == before
    before = bodies._kept_plan.cache_info().currsize
    for number in range(20):
        text = json.dumps({**plain(), "id": f"{number:5}" * 500}).encode()
        decode_request(model, text, len(text))
    assert bodies._kept_plan.cache_info().currsize == before
