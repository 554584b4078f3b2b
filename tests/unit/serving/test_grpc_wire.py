"""A request over gRPC is counted on the wire, before it is unpacked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving import grpc_wire
from edge_runtime.serving.grpc_messages import protocol
from edge_runtime.serving.grpc_wire import INPUTS, MAX_ENTRIES, MAX_UNPACKED_BYTES, OUTPUTS, RAW_CONTENTS, check_infer

HEAD = b"\x0a\x06digits"
FLOOD = MAX_ENTRIES + 1


def test_the_numbers_are_those_of_the_protocol() -> None:
    fields = protocol()["ModelInferRequest"].DESCRIPTOR.fields_by_name
    numbers = {name: fields[name].number for name in ("inputs", "outputs", "raw_input_contents")}
    assert numbers == {"inputs": INPUTS, "outputs": OUTPUTS, "raw_input_contents": RAW_CONTENTS}


@pytest.mark.parametrize(
    "entry",
    [b"\x22\x00", b"\x2a\x00", b"\x32\x00", b"\x3a\x00", b"\x22\x04\x0a\x02ab"],
    ids=["parameters", "inputs", "outputs", "raw contents", "named parameters"],
)
def test_a_flood_of_entries_is_refused(entry: bytes) -> None:
    body = HEAD + entry * max(FLOOD, grpc_wire.WORTH_COUNTING // len(entry))
    with pytest.raises(InputInvalid, match="more than 16384"):
        check_infer(body)


@pytest.mark.parametrize("entry", [b"\x22\x00", b"\x18\x01", b"\x0a\x00"], ids=["parameters", "shape", "name"])
def test_a_flood_within_one_tensor_is_refused(entry: bytes) -> None:
    tensor = entry * max(FLOOD, grpc_wire.WORTH_COUNTING // len(entry))
    message = protocol()["ModelInferRequest"](model_name="digits")
    head = HEAD + b"\x2a" + bytes([len(tensor) & 0x7F | 0x80, len(tensor) >> 7 & 0x7F | 0x80, len(tensor) >> 14])
    message.ParseFromString(head + tensor)
    with pytest.raises(InputInvalid, match="more than 16384"):
        check_infer(head + tensor)


def test_what_is_not_raw_has_a_limit_of_its_own_and_raw_contents_have_none() -> None:
    message = protocol()["ModelInferRequest"](model_name="digits")
    message.raw_input_contents.append(bytes(4 * MAX_UNPACKED_BYTES))
    check_infer(message.SerializeToString())
    tensor = message.inputs.add(name="x", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(bytes(MAX_UNPACKED_BYTES))
    with pytest.raises(InputInvalid, match="raw_input_contents"):
        check_infer(message.SerializeToString())


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(end: bytes) -> None:
    raw = b"\x3a\xff\xff\x03" + bytes(0xFFFF)
    try:
        check_infer(HEAD + raw + end)
    except InputInvalid:
        return


@pytest.mark.parametrize("end", [b"\x2a", b"\x2a\x05ab", b"\x2b", b"\x80" * 11, b"\x19abc", b"\x08\xff"])
def test_what_is_cut_off_or_no_message_is_refused(end: bytes) -> None:
    raw = b"\x3a\xff\xff\x03" + bytes(0xFFFF)
    with pytest.raises(InputInvalid, match="This is no"):
        check_infer(HEAD + raw + end)
