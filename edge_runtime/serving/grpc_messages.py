"""Messages of the Open Inference Protocol over gRPC: read into requests, written from answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.grpc_contents import from_contents
from edge_runtime.serving.grpc_wire import LENGTH, Bulk, varint
from edge_runtime.serving.messages import InferAnswer, InferRequest
from edge_runtime.serving.tensors import BYTES, Array, Signature, check_text, from_raw, to_raw

SERVICE = "inference.GRPCInferenceService"
DESCRIPTOR_NAME = "open_inference.binpb"
MAX_QUESTION_BYTES = 16 * 1024
"""Of a call that names a model at most."""
FINAL = "triton_final_response"
"""With this parameter Triton says in a stream whether a request has had all its answers; clients wait for it."""
EMPTY_FINAL = "triton_enable_empty_final_response"
"""With this one they ask for a last answer without outputs where there would be none; here there always is one."""
Pieces = list[bytes | memoryview]
"""A message's bytes, one piece behind the other."""


@lru_cache(maxsize=1)
def protocol() -> Mapping[str, Callable[..., Any]]:
    """The protocol's messages by name, with those inside others as ``Outer.Inner``. They live in a pool of their own:
    a client's generated modules, which are full of the same names, may be loaded in the same process."""
    body = files("edge_runtime.serving").joinpath(DESCRIPTOR_NAME).read_bytes()
    described = descriptor_pb2.FileDescriptorSet.FromString(body)
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    # The inner ones too, though nobody asks for them here: protobuf would make their classes anew for each request and
    # leave them to the collector, and a thread that is handed one which is being collected crashes.
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))
        for file in described.file
        for name in _names(file.message_type)
    }


def _names(messages: Iterable[descriptor_pb2.DescriptorProto], within: str = "") -> Iterator[str]:
    for message in messages:
        yield within + message.name
        yield from _names(message.nested_type, f"{within}{message.name}.")


def parse(kind: str, body: bytes) -> Any:
    """A message of this kind.

    :raises InputInvalid: the bytes are none.
    """
    message: Any = protocol()[kind]()
    try:
        message.ParseFromString(body)
    except (DecodeError, RecursionError) as error:
        raise InputInvalid(f"This is no {kind}.") from error
    return message


def plain_message(kind: str, values: Mapping[str, Any]) -> bytes:
    """A message with these values, as bytes."""
    message: Message = protocol()[kind]()
    json_format.ParseDict(dict(values), message)
    body: bytes = message.SerializeToString()
    return body


def bulk_of(message: Any) -> Bulk:
    """The values in a small ModelInferRequest that was read as a whole."""
    contents = [[each.contents.SerializeToString()] if each.HasField("contents") else [] for each in message.inputs]
    return Bulk(list(message.raw_input_contents), contents)


def decode_infer(signature: Signature, message: Any, bulk: Bulk) -> InferRequest:
    """Read one ModelInferRequest. Its tensors alone hold its values from then on: ``bulk`` is emptied.

    :param message: its head, with the inputs in the order of ``bulk``.
    :raises InputInvalid: whatever is wrong with it, in plain words.
    """
    _refuse_parameters(message)
    raw, contents = bulk.raw, bulk.contents
    if raw and len(raw) != len(message.inputs):
        raise InputInvalid(
            f"There are {len(message.inputs)} inputs and {len(raw)} raw contents: one for each, or none."
        )
    if raw:
        check_text(sum(len(each) for each, given in zip(raw, message.inputs, strict=True) if given.datatype == BYTES))
    inputs: dict[str, Array] = {}
    for place, given in enumerate(message.inputs):
        spec = signature.input(given.name)
        if given.name in inputs:
            raise InputInvalid(f"Input {spec.name!r} comes twice.")
        if given.datatype != spec.datatype.name:
            raise InputInvalid(f"Input {spec.name!r} is {spec.datatype.name}, not {given.datatype[:40]!r}.")
        if raw:
            if contents[place]:
                raise InputInvalid(f"Input {spec.name!r} has both contents and raw contents.")
            inputs[spec.name] = from_raw(spec, list(given.shape), raw[place])
        else:
            inputs[spec.name] = from_contents(spec, list(given.shape), contents[place])
    raw.clear()
    contents.clear()
    return InferRequest(inputs, tuple([output.name for output in message.outputs]), message.id)


def encode_infer(answer: InferAnswer) -> Pieces:
    """A ModelInferResponse with raw contents, in pieces that only need to be joined; numbers without a copy.

    :raises InputInvalid: an output holds what bytes cannot say.
    """
    message: Any = protocol()["ModelInferResponse"](model_name=answer.model, model_version=answer.version, id=answer.id)
    pieces: Pieces = [b""]
    for spec, array in answer.outputs:
        message.outputs.add(name=spec.name, datatype=spec.datatype.name, shape=array.shape)
        raw = to_raw(spec.datatype, array)
        pieces += [_head_of_field("ModelInferResponse", "raw_output_contents", len(raw)), raw]
    # As the protocol has it, fields may stand one behind the other.
    pieces[0] = message.SerializeToString()
    return pieces


def in_stream(pieces: Pieces) -> Pieces:
    """A ModelStreamInferResponse around the pieces of a ModelInferResponse, the last one that its request gets."""
    pieces = [*pieces, _last_answer()]
    return [_head_of_field("ModelStreamInferResponse", "infer_response", size_of(pieces)), *pieces]


def error_in_stream(why: str, request_id: str) -> Pieces:
    """The same about a request that failed. By its id a client that has several under way knows which of them did."""
    message: Any = protocol()["ModelStreamInferResponse"](error_message=why)
    message.infer_response.id = request_id
    message.infer_response.parameters[FINAL].bool_param = True
    return [message.SerializeToString()]


def size_of(pieces: Pieces) -> int:
    """Bytes of a message in pieces."""
    return sum(map(len, pieces))


def _head_of_field(kind: str, name: str, size: int) -> bytes:
    """What stands in front of so many bytes of a field: its number and type, and the size."""
    return _tag(kind, name) + varint(size)


@lru_cache(maxsize=1)
def _last_answer() -> bytes:
    """The part of a ModelInferResponse that says so. A model here answers once."""
    message: Any = protocol()["ModelInferResponse"]()
    message.parameters[FINAL].bool_param = True
    body: bytes = message.SerializeToString()
    return body


@lru_cache
def _tag(kind: str, name: str) -> bytes:
    message: Any = protocol()[kind]
    return varint(message.DESCRIPTOR.fields_by_name[name].number << 3 | LENGTH)


def _refuse_parameters(message: Any) -> None:
    """Those that would change what the answer means, or say nothing; all others are passed over."""
    if EMPTY_FINAL in message.parameters and not message.parameters[EMPTY_FINAL].HasField("bool_param"):
        raise InputInvalid(f"The parameter {EMPTY_FINAL} is true or false.")
    for tensor in (*message.inputs, *message.outputs):
        if tensor.parameters and "shared_memory_region" in tensor.parameters:
            raise InputInvalid("This server shares no memory with its clients.")
    for wanted in message.outputs:
        if wanted.parameters and "classification" in wanted.parameters:
            raise InputInvalid("This server does not classify: ask for the whole output, without classification.")
