"""Bodies of the Open Inference Protocol over HTTP: JSON, and the binary tensors that may follow it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Protocol, cast

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.messages import InferAnswer, InferRequest
from edge_runtime.serving.tensors import (
    BYTES,
    Array,
    Datatype,
    Signature,
    TensorSpec,
    check_shape,
    check_text,
    from_counted,
    from_values,
    to_raw,
    to_values,
)

MAX_JSON_BYTES = 8 * 2**20
"""A number that JSON writes in two bytes takes thirty-two while it is read; more than this must come as binary."""
MAX_JSON_ELEMENTS = 2**22
"""Of one output, for the same reason."""
MAX_RANK = 32
MAX_KEPT_BYTES = 2048
"""The JSON in front of binary tensors is read once for all requests in which it is the same, up to this length."""
Buffer = bytes | memoryview


class BodyTooLarge(Exception):
    """More than a body may have once it is unpacked."""


class Specs(Protocol):
    """What decoding must know of a model."""

    @property
    def signature(self) -> Signature: ...


class _Parameters(Struct, frozen=True):
    """Those of an input; what we do not know is passed over."""

    binary_data_size: Annotated[int, Meta(ge=0)] | None = None
    shared_memory_region: str | None = None


class _Input(Struct):
    name: str
    shape: Annotated[list[int], Meta(max_length=MAX_RANK)]
    datatype: str
    parameters: _Parameters | None = None
    data: Raw | UnsetType = UNSET


class _OutputParameters(Struct, frozen=True):
    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class _Output(Struct):
    name: str
    parameters: _OutputParameters | None = None


class _RequestParameters(Struct, frozen=True):
    binary_data_output: bool | None = None


class _Request(Struct):
    inputs: list[_Input]
    # Clients that write down what they leave out write null.
    outputs: list[_Output] | None = None
    id: str | None = None
    parameters: _RequestParameters | None = None


class _AnswerTensor(Struct, omit_defaults=True):
    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class _Answer(Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[_AnswerTensor]
    id: str = ""


class Wishes(Struct, frozen=True):
    """How a client wants its answer written."""

    binary: bool
    """Of outputs that are not named."""
    named: tuple[bool, ...] = ()
    """Of those that are, in their order."""


class AnswerBody(Struct, frozen=True):
    """An encoded answer: JSON, then the binary tensors in the order of the outputs."""

    json: bytes
    tensors: Sequence[Buffer] = ()


class _Plan(Struct, frozen=True):
    """How to read a request's tensors."""

    tensors: tuple[tuple[TensorSpec, tuple[int, ...], int, int | Raw], ...]
    """Spec, shape, number of elements; then the number of bytes behind the JSON, or the data in it."""
    binary_bytes: int
    outputs: tuple[str, ...]
    wishes: Wishes
    id: str


_DECODER = msgspec.json.Decoder(_Request)
_ENCODER = msgspec.json.Encoder()


def decode_request(model: Specs, body: Buffer, json_length: int | None) -> tuple[InferRequest, Wishes]:
    """Read one inference request.

    :param json_length: ``Inference-Header-Content-Length``; None where everything is JSON.
    :raises InputInvalid: whatever is wrong with it, in plain words.
    """
    if json_length is None:
        plan = _read_plan(model.signature, body)
    elif json_length < 0:
        raise InputInvalid("Inference-Header-Content-Length is no number of bytes.")
    elif not 0 < json_length <= len(body):
        raise InputInvalid(f"Inference-Header-Content-Length is {json_length}; the body has {len(body)} bytes.")
    elif json_length <= MAX_KEPT_BYTES:
        plan = _kept_plan(model.signature, bytes(body[:json_length]))
    else:
        plan = _read_plan(model.signature, body[:json_length])
    place, view = json_length or len(body), memoryview(body)
    if place + plan.binary_bytes != len(body):
        raise InputInvalid(
            f"The inputs claim {plan.binary_bytes} bytes of binary data; {len(body) - place} follow the JSON."
        )
    inputs: dict[str, Array] = {}
    for spec, shape, count, data in plan.tensors:
        if isinstance(data, int):
            inputs[spec.name] = from_counted(spec, shape, count, view[place : place + data])
            place += data
        else:
            inputs[spec.name] = from_values(spec, shape, _values(spec, data))
    return InferRequest(inputs, plan.outputs, plan.id), plan.wishes


def encode_answer(answer: InferAnswer, wishes: Wishes) -> AnswerBody:
    """Write one answer.

    :raises InputInvalid: an output that is wanted as JSON holds what JSON cannot say, or far too much of it.
    """
    said: list[tuple[str, str, tuple[int, ...], int]] = []
    tensors: list[Buffer] = []
    values: dict[int, list[Any]] = {}
    binary = wishes.named or (wishes.binary,) * len(answer.outputs)
    for (spec, array), as_binary in zip(answer.outputs, binary, strict=True):
        size = -1
        if as_binary:
            raw = to_raw(spec.datatype, array)
            tensors.append(raw)
            size = len(raw)
        elif array.size > MAX_JSON_ELEMENTS:
            raise InputInvalid(f"Output {spec.name!r} has {array.size} elements: ask for binary data of it.")
        else:
            values[len(said)] = to_values(spec.datatype, array)
        said.append((spec.name, spec.datatype.name, array.shape, size))
    if values or answer.id:
        return AnswerBody(_write_json(answer.model, answer.version, tuple(said), answer.id, values), tensors)
    return AnswerBody(_kept_json(answer.model, answer.version, tuple(said)), tensors)


def inflate(body: Buffer, encoding: str, most: int) -> bytes:
    """The body behind ``Content-Encoding: gzip`` or ``deflate``.

    :raises BodyTooLarge: more than ``most`` bytes.
    :raises InputInvalid: not compressed in that way, or cut off.
    """
    bits = {"gzip": 31, "deflate": 15}.get(encoding)
    if bits is None:
        raise InputInvalid(f"Content-Encoding {encoding[:40]!r} is not known here; gzip and deflate are.")
    inflater = zlib.decompressobj(bits)
    try:
        plain = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise InputInvalid(f"The body is not valid {encoding}.") from error
    if len(plain) > most:
        raise BodyTooLarge(f"The body is more than {most} bytes when unpacked.")
    if not inflater.eof or inflater.unused_data:
        raise InputInvalid(f"The body is not one whole {encoding} stream.")
    return plain


def _read_plan(signature: Signature, text: Buffer) -> _Plan:
    """Everything that the JSON says, checked against the model; of data that it holds only the place."""
    if len(text) > MAX_JSON_BYTES:
        raise InputInvalid(f"The JSON has {len(text)} bytes, more than {MAX_JSON_BYTES}: send the tensors as binary.")
    try:
        message = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(text, error) from error
    outputs = message.outputs or ()
    _refuse_what_we_lack(message.inputs, outputs)
    tensors: list[tuple[TensorSpec, tuple[int, ...], int, int | Raw]] = []
    for given in message.inputs:
        spec = signature.input(given.name)
        if any(spec is before[0] for before in tensors):
            raise InputInvalid(f"Input {spec.name!r} comes twice.")
        if given.datatype != spec.datatype.name:
            raise InputInvalid(f"Input {spec.name!r} is {spec.datatype.name}, not {given.datatype[:40]!r}.")
        size, data = given.parameters.binary_data_size if given.parameters else None, given.data
        if (size is not None) == isinstance(data, Raw):
            raise InputInvalid(f"Input {spec.name!r} needs either data or a binary_data_size.")
        count = check_shape(spec, given.shape)
        tensors.append((spec, tuple(given.shape), count, data if isinstance(data, Raw) else cast("int", size)))
    check_text(sum(size for spec, _, _, size in tensors if isinstance(size, int) and spec.datatype.name == BYTES))
    return _Plan(
        tuple(tensors),
        sum(each[3] for each in tensors if isinstance(each[3], int)),
        tuple([output.name for output in outputs]),
        _wishes(message.parameters, outputs),
        message.id or "",
    )


_kept_plan = lru_cache(maxsize=256)(_read_plan)
"""A client that sends binary tensors says the same in front of each of them."""


def _write_json(
    model: str,
    version: str,
    tensors: tuple[tuple[str, str, tuple[int, ...], int], ...],
    request_id: str = "",
    values: Mapping[int, list[Any]] = MappingProxyType({}),
) -> bytes:
    """The JSON of an answer. Tensors as name, datatype, shape and number of bytes behind it; values by place."""
    outputs = [
        _AnswerTensor(name, datatype, shape, {"binary_data_size": size} if size >= 0 else None, values.get(place))
        for place, (name, datatype, shape, size) in enumerate(tensors)
    ]
    return _ENCODER.encode(_Answer(model, version, outputs, request_id))


_kept_json = lru_cache(maxsize=256)(_write_json)
"""In front of binary tensors, where it is mostly the same; never with what a client may make long, such as its id."""


def _values(spec: TensorSpec, data: Raw) -> list[Any]:
    text = memoryview(data)
    depth = 0
    for byte in text[:4096]:
        if byte == 0x5B:
            depth += 1
        elif byte not in b" \t\r\n":
            break
    try:
        return cast("list[Any]", _values_decoder(spec.datatype, min(max(depth, 1), MAX_RANK)).decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = str(error).partition(" - at ")[0].replace("`", "")
        raise InputInvalid(f"The data of input {spec.name!r} is not {spec.datatype.name}: {problem}.") from error


@lru_cache(maxsize=512)
def _values_decoder(datatype: Datatype, depth: int) -> msgspec.json.Decoder[Any]:
    """For lists in lists of what this datatype holds."""
    kind: Any = {"b": bool, "i": int, "u": int, "f": float, "O": str}[datatype.dtype.kind]
    if datatype.name == "BF16":
        kind = float
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def _refuse_what_we_lack(inputs: Sequence[_Input], outputs: Sequence[_Output]) -> None:
    """What another server would do, and whose absence would make the answer another one."""
    tensors: tuple[_Input | _Output, ...] = (*inputs, *outputs)
    for tensor in tensors:
        if tensor.parameters and tensor.parameters.shared_memory_region is not None:
            raise InputInvalid("This server shares no memory with its clients.")
    for output in outputs:
        if output.parameters and output.parameters.classification:
            raise InputInvalid("This server does not classify: ask for the whole output, without classification.")


def _wishes(parameters: _RequestParameters | None, outputs: Sequence[_Output]) -> Wishes:
    default = bool(parameters and parameters.binary_data_output)
    each = [output.parameters.binary_data if output.parameters else None for output in outputs]
    return Wishes(default, tuple([default if one is None else one for one in each]))


def _unreadable(text: Buffer, error: Exception) -> InputInvalid:
    if not text:
        return InputInvalid("The body is empty: an inference takes JSON with its inputs.")
    if isinstance(error, RecursionError):
        return InputInvalid("The JSON is nested too deeply.")
    if isinstance(error, msgspec.ValidationError):
        return InputInvalid(f"The request is not of the protocol: {str(error).replace('`', '')}.")
    plain = bytes(text)
    if b"NaN" in plain or b"Infinity" in plain:
        return InputInvalid("The JSON has a number that is not finite, which JSON cannot say: send binary data.")
    return InputInvalid(f"The JSON cannot be read: {error}.")
