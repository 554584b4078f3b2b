"""A request over gRPC is taken apart and counted on the wire, before it is unpacked."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving import grpc_wire
from edge_runtime.serving.grpc_contents import FIELDS, from_contents
from edge_runtime.serving.grpc_messages import bulk_of, decode_infer, parse, protocol
from edge_runtime.serving.grpc_wire import (
    CONTENTS,
    DATATYPE,
    INPUTS,
    MAX_CONTENTS_BYTES,
    MAX_ENTRIES,
    MAX_HEAD_BYTES,
    OUTPUTS,
    RAW_CONTENTS,
    take_apart,
)
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.tensors import DATATYPES, MAX_TEXT_BYTES, Signature, TensorSpec

HEAD = b"\x0a\x06digits"
FLOOD = MAX_ENTRIES + 1
MIB = 2**20
SLACK = 64 * 1024
"""What reading takes of anything."""


def field(number: int, content: bytes) -> bytes:
    return grpc_wire.varint(number << 3 | grpc_wire.LENGTH) + grpc_wire.varint(len(content)) + content


def asked(datatype: str, count: int, contents: bytes | None = None, raw: bytes | None = None) -> bytes:
    """A request with one input of so many values."""
    tensor = field(1, b"x") + field(2, datatype.encode()) + field(3, grpc_wire.varint(count))
    body = HEAD + field(INPUTS, tensor + (b"" if contents is None else field(CONTENTS, contents)))
    return body + (b"" if raw is None else field(RAW_CONTENTS, raw))


def spec_of(datatype: str) -> TensorSpec:
    return TensorSpec("x", DATATYPES[datatype], (None,))


def read(datatype: str, body: bytes) -> InferRequest:
    """As the listener reads it."""
    question = take_apart(body)
    message = parse("ModelInferRequest", question.head)
    return decode_infer(Signature([spec_of(datatype)], []), message, question.bulk or bulk_of(message))


def test_the_numbers_are_those_of_the_protocol() -> None:
    request: Any = protocol()["ModelInferRequest"]
    fields = request.DESCRIPTOR.fields_by_name
    numbers = {name: fields[name].number for name in ("inputs", "outputs", "raw_input_contents")}
    assert numbers == {"inputs": INPUTS, "outputs": OUTPUTS, "raw_input_contents": RAW_CONTENTS}
    inner = fields["inputs"].message_type.fields_by_name
    assert (inner["datatype"].number, inner["contents"].number) == (DATATYPE, CONTENTS)
    values = inner["contents"].message_type.fields_by_name
    assert {each.name: each.number for each in FIELDS.values()} == {name: values[name].number for name in values}


# -- floods


@pytest.mark.parametrize(
    "entry",
    [b"\x22\x00", b"\x2a\x00", b"\x32\x00", b"\x3a\x00", b"\x22\x04\x0a\x02ab", b"\x32\x02\x12\x00"],
    ids=["parameters", "inputs", "outputs", "raw contents", "named parameters", "outputs' parameters"],
)
def test_a_flood_of_entries_is_refused(entry: bytes) -> None:
    body = HEAD + entry * FLOOD
    with pytest.raises(InputInvalid, match="more than 16384"):
        take_apart(body)


@pytest.mark.parametrize("entry", [b"\x22\x00", b"\x18\x01", b"\x0a\x00", b"\x2a\x00"])
def test_a_flood_within_one_tensor_is_refused(entry: bytes) -> None:
    body = HEAD + field(INPUTS, entry * FLOOD)
    parse("ModelInferRequest", body)
    with pytest.raises(InputInvalid, match="more than 16384"):
        take_apart(body)


@pytest.mark.parametrize("body", [field(4, bytes(MAX_HEAD_BYTES)), field(INPUTS, field(3, bytes(MAX_HEAD_BYTES)))])
def test_what_is_no_value_has_a_limit(body: bytes) -> None:
    """A shape of packed sizes becomes many times as much."""
    with pytest.raises(InputInvalid, match="besides the values"):
        take_apart(HEAD + body)


def test_contents_have_a_limit_of_their_own_and_raw_contents_have_none() -> None:
    take_apart(asked("INT8", 32 * MIB, raw=bytes(32 * MIB)))
    take_apart(asked("INT64", 1, bytes(MAX_CONTENTS_BYTES)))
    with pytest.raises(InputInvalid, match="send them raw"):
        take_apart(asked("INT64", 1, bytes(MAX_CONTENTS_BYTES + 1)))


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(end: bytes) -> None:
    raw = b"\x3a\xff\xff\x03" + bytes(0xFFFF)
    try:
        take_apart(HEAD + raw + end)
    except InputInvalid:
        return


@pytest.mark.parametrize("end", [b"\x2a", b"\x2a\x05ab", b"\x2b", b"\x80" * 11, b"\x19abc", b"\x08\xff"])
def test_what_is_cut_off_or_no_message_is_refused(end: bytes) -> None:
    raw = b"\x3a\xff\xff\x03" + bytes(0xFFFF)
    with pytest.raises(InputInvalid, match="This is no"):
        take_apart(HEAD + raw + end)


# -- what is charged is what it takes


WIDE = "\u4e2d"
"""A character that takes three bytes on the wire."""


@pytest.mark.parametrize(
    ("datatype", "body"),
    [
        ("INT64", asked("INT64", 7 * MIB, field(3, bytes(7 * MIB)))),
        ("INT8", asked("INT8", 7 * MIB, field(2, bytes(7 * MIB)))),
        ("BOOL", asked("BOOL", 7 * MIB, field(1, b"\1" * (7 * MIB)))),
        ("FP32", asked("FP32", MIB, field(6, bytes(4 * MIB)))),
        ("UINT64", asked("UINT64", 2**14, b"\x28\x01" * 2**14)),
        ("BYTES", asked("BYTES", 2**15, field(8, WIDE.encode()) * 2**15)),
        ("BYTES", asked("BYTES", 1, field(8, "😀".encode() + b"a" * (7 * MIB)))),
        ("FP32", asked("FP32", 8 * MIB, raw=bytes(32 * MIB))),
        ("UINT8", asked("UINT8", 32 * MIB, raw=bytes(32 * MIB))),
        ("BYTES", asked("BYTES", 2**15, raw=(b"\3\0\0\0" + WIDE.encode()) * 2**15)),
        ("BYTES", asked("BYTES", 1, raw=(7 * MIB).to_bytes(4, "little") + "😀".encode() + b"a" * (7 * MIB - 4))),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{len(each) // 1024} KiB",
)
def test_reading_takes_no_more_memory_than_is_charged(datatype: str, body: bytes) -> None:
    """The charge has the message itself in it, which is there before."""
    tracemalloc.start()
    try:
        request = read(datatype, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert request.inputs["x"].size
    assert peak + len(body) <= take_apart(body).charge + SLACK


@pytest.mark.parametrize("entry", [b"\x2a\x00", b"\x32\x00", b"\x22\x05\x0a\x03%03d", b"\x2a\x02\x0a\x00"])
def test_a_head_is_charged_for_what_it_becomes(entry: bytes) -> None:
    """Objects of Protocol Buffers' are outside of what Python traces; those around them are not."""
    body = b"".join(entry % place if b"%" in entry else entry for place in range(1000))
    question = take_apart(body)
    tracemalloc.start()
    try:
        message = parse("ModelInferRequest", question.head)
        kept = [*message.inputs, *message.outputs, *message.parameters, bulk_of(message)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept
    assert peak + len(body) <= question.charge


def test_nothing_but_its_tensors_holds_a_request_that_was_read() -> None:
    body = asked("FP32", MIB, raw=bytes(4 * MIB))
    question = take_apart(body)
    message = parse("ModelInferRequest", question.head)
    assert question.bulk
    request = decode_infer(Signature([spec_of("FP32")], []), message, question.bulk)
    assert (question.bulk.raw, question.bulk.contents) == ([], [])
    assert len(question.head) < 100
    assert not message.raw_input_contents
    request.forget()
    assert not request.inputs


def test_text_has_a_limit() -> None:
    text = b"a" * (MAX_TEXT_BYTES - 3)
    with pytest.raises(InputInvalid, match="bytes of text"):
        read("BYTES", asked("BYTES", 1, raw=len(text).to_bytes(4, "little") + text))


# -- values in contents, as Protocol Buffers reads them


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, list[Any], int]:
    """A datatype, values of its field (which may be too wide for it), and how often they stand there."""
    datatype = draw(st.sampled_from(sorted(FIELDS.keys() - {"BYTES"})))
    kind = FIELDS[datatype].dtype
    values: st.SearchStrategy[Any]
    if kind.kind == "f":
        values = st.floats(width=32 if kind.itemsize == 4 else 64, allow_nan=False)
    elif kind.kind == "b":
        values = st.booleans()
    else:
        bounds = np.iinfo(kind)
        near = st.integers(max(-200, int(bounds.min)), 300)
        values = near | st.integers(int(bounds.min), int(bounds.max))
    return datatype, draw(st.lists(values, max_size=20)), draw(st.sampled_from([1, 2, 400]))


@given(numbers())
def test_numbers_are_those_that_protocol_buffers_reads(case: tuple[str, list[Any], int]) -> None:
    datatype, some, times = case
    values = some * times
    contents = protocol()["InferTensorContents"]()
    getattr(contents, FIELDS[datatype].name).extend(values)
    body = contents.SerializeToString()
    spec, dtype = spec_of(datatype), DATATYPES[datatype].dtype
    fits = dtype.kind not in "iu" or all(np.iinfo(dtype).min <= each <= np.iinfo(dtype).max for each in values)
    if not fits:
        with pytest.raises(InputInvalid, match="does not fit"):
            from_contents(spec, [len(values)], [body])
        return
    array = from_contents(spec, [len(values)], [body])
    assert array.dtype == dtype
    assert np.array_equal(array, np.array(values, dtype))


@given(st.binary(max_size=60), st.sampled_from(["BOOL", "INT64", "UINT32", "FP32", "BYTES"]))
def test_odd_contents_are_read_or_refused(body: bytes, datatype: str) -> None:
    for count in range(4):
        try:
            from_contents(spec_of(datatype), [count], [body])
        except InputInvalid:
            continue


def test_numbers_may_stand_alone_and_in_several_pieces() -> None:
    alone = b"".join(b"\x18" + grpc_wire.varint(each) for each in (1, 300))
    body = asked("INT64", 5, field(3, b"\5\6") + alone)
    assert read("INT64", asked("INT64", 4, field(3, b"\5\6") + alone)).inputs["x"].tolist() == [5, 6, 1, 300]
    with pytest.raises(InputInvalid, match="takes 5 values; 4 came"):
        read("INT64", body)
    large = bytes(5000)
    tensor = field(1, b"x") + field(2, b"INT64") + field(3, grpc_wire.varint(10_001))
    pieces = field(CONTENTS, field(3, large)) + field(CONTENTS, field(3, b"\7" + large))
    array = read("INT64", HEAD + field(INPUTS, tensor + pieces)).inputs["x"]
    assert (array.size, array[5000], array.sum()) == (10_001, 7, 7)


@pytest.mark.parametrize(
    ("datatype", "contents", "why"),
    [
        ("INT64", field(3, b"\1\x80"), "takes 2 values; 1 came"),
        ("INT64", field(3, b"\1\1\x80"), "cut off"),
        ("INT64", field(3, b"\1" + b"\x80" * 10 + b"\0"), "cut off"),
        ("FP32", field(6, bytes(9)), "cut off"),
        ("FP32", field(3, b"\1\1"), "belong into fp32_contents, not into int64_contents"),
        ("FP32", b"\x30\1\x30\1", "written as something else"),
        ("FP16", field(6, bytes(4)), "must come as raw"),
        ("BYTES", field(8, b"\xff") * 2, "not UTF-8"),
        ("UINT64", b"\x28\1" * (2**14 + 1), "in more than 16384 pieces"),
        # What nobody knows and what holds nothing has to be looked at all the same.
        ("INT64", field(3, b"\1\1") + b"\x78\0" * 2**14, "in more than 16384 pieces"),
        ("INT64", field(3, b"\1\1") + field(3, b"") * 2**14, "in more than 16384 pieces"),
    ],
)
def test_contents_that_are_wrong_are_refused(datatype: str, contents: bytes, why: str) -> None:
    with pytest.raises(InputInvalid, match=why):
        from_contents(spec_of(datatype), [2], [contents])


def test_a_number_may_stand_across_two_steps() -> None:
    values = np.full(200_000, 300, np.int64)
    values[::7] = -1
    contents = protocol()["InferTensorContents"](int64_contents=values.tolist())
    assert np.array_equal(from_contents(spec_of("INT64"), [values.size], [contents.SerializeToString()]), values)
