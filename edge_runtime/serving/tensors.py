"""Tensors between the protocol and numpy: datatypes, shapes, raw bytes. Pure; shared by HTTP and gRPC."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.contracts.errors import InputInvalid

Array = NDArray[Any]
MAX_ELEMENTS = 2**31
"""Of one tensor; a shape that claims more is refused before anybody multiplies it out."""
MAX_STRINGS = 2**18
"""Of one tensor: a string that takes four bytes on the wire takes some seventy while it is read."""
MAX_TEXT_BYTES = 8 * 2**20
"""Of a request: one wide character makes all of its string as wide, and text is copied on its way in and out."""
CHARACTER_COST, STRING_COST = 4, 88
"""Bytes that one character takes at most, and a string besides."""
SHORT_TEXT_COST = 22
"""The most that a byte of text takes where strings are short: four on the wire are enough for one."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """What the protocol, ONNX Runtime and numpy call the same thing."""

    name: str
    runtime: str
    dtype: np.dtype[Any]
    """BF16, which numpy lacks, is held as its 16 bits; BYTES as Python strings."""


BF16, BYTES = "BF16", "BYTES"
DATATYPES: Mapping[str, Datatype] = MappingProxyType(
    {
        name: Datatype(name, f"tensor({runtime})", np.dtype(dtype))
        for name, runtime, dtype in (
            ("BOOL", "bool", np.bool_),
            ("INT8", "int8", np.int8),
            ("INT16", "int16", np.int16),
            ("INT32", "int32", np.int32),
            ("INT64", "int64", np.int64),
            ("UINT8", "uint8", np.uint8),
            ("UINT16", "uint16", np.uint16),
            ("UINT32", "uint32", np.uint32),
            ("UINT64", "uint64", np.uint64),
            ("FP16", "float16", np.float16),
            ("FP32", "float", np.float32),
            ("FP64", "double", np.float64),
            (BF16, "bfloat16", np.uint16),
            (BYTES, "string", np.object_),
        )
    }
)
BY_RUNTIME: Mapping[str, Datatype] = MappingProxyType({each.runtime: each for each in DATATYPES.values()})


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a model."""

    name: str
    datatype: Datatype
    shape: tuple[int | str | None, ...]
    """A number, or the name of a size that may vary, or None for one without a name; () for a scalar or any shape, of
    which the runtime takes any alike."""
    any_rank: bool = False
    """The model's file does not say how many axes there are."""

    @property
    def wire_shape(self) -> list[int]:
        """As metadata shows it: -1 where a size may vary."""
        return [size if isinstance(size, int) else -1 for size in self.shape]


class Signature:
    """A model's inputs and outputs by name; compared by identity, so that what was read for one model is never
    taken for another.

    :param optional: inputs for which the model has a value of its own where none comes.
    """

    def __init__(
        self, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec], optional: Iterable[TensorSpec] = ()
    ) -> None:
        self.inputs: Mapping[str, TensorSpec] = {spec.name: spec for spec in inputs}
        self.outputs: Mapping[str, TensorSpec] = {spec.name: spec for spec in outputs}
        self.optional: Mapping[str, TensorSpec] = {spec.name: spec for spec in optional}

    def input(self, name: str) -> TensorSpec:
        """:raises InputInvalid: there is none of this name."""
        spec = self.inputs.get(name) or self.optional.get(name)
        if spec is None:
            known = ", ".join([*self.inputs, *self.optional])
            raise InputInvalid(f"There is no input {name[:100]!r}; the model has {known}.")
        return spec


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> int:
    """The number of elements of a tensor of this shape.

    :raises InputInvalid: the model's input has another shape, or nobody could hold so much.
    """
    if spec.shape and len(shape) != len(spec.shape):
        raise _wrong_shape(spec, shape)
    count = bound = 1
    for size, wanted in zip(shape, spec.shape or shape, strict=True):
        count *= size
        # Sizes beside a zero must be bearable too: numpy multiplies them out.
        bound *= size or 1
        if size < 0 or (isinstance(wanted, int) and size != wanted):
            raise _wrong_shape(spec, shape)
        if bound > MAX_ELEMENTS:
            raise InputInvalid(
                f"Input {spec.name!r} came with shape {list(shape)[:16]}; at most {MAX_ELEMENTS} values are taken."
            )
    if spec.datatype.name == BYTES and count > MAX_STRINGS:
        raise InputInvalid(f"Input {spec.name!r} has {count} strings; at most {MAX_STRINGS} are taken at a time.")
    return count


def check_text(size: int) -> None:
    """:raises InputInvalid: a request has so many bytes of text, and may not."""
    if size > MAX_TEXT_BYTES:
        raise InputInvalid(f"The request has {size} bytes of text; at most {MAX_TEXT_BYTES} are taken at a time.")


def text_cost(size: int) -> int:
    """The most bytes of memory that one tensor of text takes which has so many on the wire."""
    return min(SHORT_TEXT_COST * size, CHARACTER_COST * size + STRING_COST * MAX_STRINGS)


def from_raw(spec: TensorSpec, shape: Sequence[int], raw: memoryview | bytes) -> Array:
    """A tensor of the protocol's little-endian bytes, without a copy where they are aligned.

    :raises InputInvalid: the shape is not the model's, or the bytes are too many, too few, or no such values.
    """
    return from_counted(spec, shape, check_shape(spec, shape), raw)


def from_counted(spec: TensorSpec, shape: Sequence[int], count: int, raw: memoryview | bytes) -> Array:
    """As :func:`from_raw`, for a shape that was checked and has ``count`` elements."""
    if spec.datatype.name == BYTES:
        return _from_raw_strings(spec, count, raw).reshape(shape)
    size = count * spec.datatype.dtype.itemsize
    if len(raw) != size:
        raise InputInvalid(
            f"Input {spec.name!r} of shape {list(shape)} and type {spec.datatype.name} takes {size} bytes; "
            f"{len(raw)} came."
        )
    if spec.datatype.name == "BOOL":
        bits = np.frombuffer(raw, np.uint8)
        if bits.size and bits.max() > 1:
            raise InputInvalid(f"Input {spec.name!r} is BOOL: each byte is 0 or 1.")
    array = np.frombuffer(raw, spec.datatype.dtype)
    if not array.flags.aligned:
        array = array.copy()
    return array.reshape(shape)


def to_raw(datatype: Datatype, array: Array) -> memoryview | bytes:
    """The protocol's bytes of a tensor; numbers without a copy."""
    if datatype.name == BYTES:
        raw = bytearray()
        for text in array.reshape(-1):
            encoded = text.encode()
            raw += struct.pack("<I", len(encoded))
            raw += encoded
        return memoryview(raw)
    if not array.size:
        return b""
    return np.ascontiguousarray(array).reshape(-1).data.cast("B")


def from_values(spec: TensorSpec, shape: Sequence[int], values: list[Any]) -> Array:
    """A tensor of JSON's values, flat or nested.

    :raises InputInvalid: the shape is not the model's, there are too many or too few values, or one does not fit.
    """
    count = check_shape(spec, shape)
    name, dtype = spec.datatype.name, spec.datatype.dtype
    try:
        if name == BYTES:
            strings = _flatten(values, shape) if values and isinstance(values[0], list) else values
            array = np.empty(len(strings), object)
            array[:] = strings
        else:
            with np.errstate(over="ignore"):
                array = np.array(values, np.float32 if name == BF16 else dtype)
    except OverflowError as error:
        raise InputInvalid(f"Input {spec.name!r} has a number that does not fit into {name}.") from error
    except ValueError as error:
        raise InputInvalid(
            f"Input {spec.name!r} of shape {list(shape)} takes {count} values, flat or nested in that shape; "
            "its rows are of other lengths, or nested otherwise."
        ) from error
    if array.size != count or (array.ndim != 1 and array.shape != tuple(shape)):
        raise InputInvalid(
            f"Input {spec.name!r} of shape {list(shape)} takes {count} values, flat or nested in that shape; "
            f"{array.size} came{' in shape ' + str(list(array.shape)) if array.ndim > 1 else ''}."
        )
    if name in ("FP16", "FP32", BF16) and not np.isfinite(array).all():
        raise InputInvalid(f"Input {spec.name!r} has a number that does not fit into {name}.")
    if name == BF16:
        array = _to_bf16(array)
        if ((array & 0x7F80) == 0x7F80).any():
            raise InputInvalid(f"Input {spec.name!r} has a number that does not fit into {name}.")
    return array.reshape(shape)


def to_values(datatype: Datatype, array: Array) -> list[Any]:
    """JSON's values of a tensor, flat.

    :raises InputInvalid: some of them are not finite, for which JSON has no words.
    """
    flat = array.reshape(-1)
    if datatype.name == BF16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise InputInvalid(
            "The answer has numbers that are not finite, which JSON cannot say; ask for binary data of this output."
        )
    values: list[Any] = flat.tolist()
    return values


def _wrong_shape(spec: TensorSpec, shape: Sequence[int]) -> InputInvalid:
    return InputInvalid(f"Input {spec.name!r} has shape {spec.wire_shape}, -1 for any size; {list(shape)[:16]} came.")


def _from_raw_strings(spec: TensorSpec, count: int, raw: memoryview | bytes) -> Array:
    """Each string stands behind its length in four bytes."""
    view, place = memoryview(raw), 0
    if count * 4 > len(view):
        raise InputInvalid(f"Input {spec.name!r} has {count} strings; {len(view)} bytes cannot hold them.")
    array = np.empty(count, object)
    for index in range(count):
        begin = place + 4
        length = int.from_bytes(view[place:begin], "little") if begin <= len(view) else math.inf
        if begin + length > len(view):
            raise InputInvalid(f"Input {spec.name!r} is cut off in string {index} of {count}.")
        place = begin + int(length)
        try:
            array[index] = str(view[begin:place], "utf-8")
        except UnicodeDecodeError as error:
            raise InputInvalid(f"Input {spec.name!r}: string {index} is not UTF-8.") from error
    if place != len(view):
        raise InputInvalid(f"Input {spec.name!r} has {len(view) - place} bytes too many behind its {count} strings.")
    return array


def _flatten(values: list[Any], shape: Sequence[int]) -> list[Any]:
    """The strings in nested lists of this shape, which numpy cannot tell from strings when they are uneven.

    :raises ValueError: they have another shape.
    """
    if not shape or len(values) != shape[0]:
        raise ValueError(shape)
    if len(shape) > 1:
        return [text for row in values for text in _flatten(row, shape[1:])]
    if any(isinstance(each, list) for each in values):
        raise ValueError(shape)
    return values


def _to_bf16(array: Array) -> Array:
    """The upper half of each FP32, rounded to the nearest, ties to even."""
    bits = array.view(np.uint32)
    rounded: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return rounded
