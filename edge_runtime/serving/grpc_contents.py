"""Values in an input's ``contents``, read where they lie on the wire, a little at a time: Protocol Buffers would unpack
all of them in one call that holds up every other thread, into several times the memory. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.grpc_wire import FIXED32, FIXED64, LENGTH, MAX_ENTRIES, STEP_BYTES, VARINT, fields
from edge_runtime.serving.tensors import BYTES, MAX_STRINGS, Array, TensorSpec, check_shape

LONGEST = 10
"""Bytes of one packed number."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where the values of some datatypes stand."""

    number: int
    name: str
    kind: int
    """How one of them is written that is not packed together with others."""
    dtype: np.dtype[Any]
    """What one is in the protocol, which knows no short integers."""


_BOOL = Field(1, "bool_contents", VARINT, np.dtype(np.bool_))
_INT = Field(2, "int_contents", VARINT, np.dtype(np.int32))
_INT64 = Field(3, "int64_contents", VARINT, np.dtype(np.int64))
_UINT = Field(4, "uint_contents", VARINT, np.dtype(np.uint32))
_UINT64 = Field(5, "uint64_contents", VARINT, np.dtype(np.uint64))
_FP32 = Field(6, "fp32_contents", FIXED32, np.dtype("<f4"))
_FP64 = Field(7, "fp64_contents", FIXED64, np.dtype("<f8"))
_STRINGS = Field(8, "bytes_contents", LENGTH, np.dtype(np.object_))
FIELDS: Mapping[str, Field] = {
    "BOOL": _BOOL,
    "INT8": _INT,
    "INT16": _INT,
    "INT32": _INT,
    "INT64": _INT64,
    "UINT8": _UINT,
    "UINT16": _UINT,
    "UINT32": _UINT,
    "UINT64": _UINT64,
    "FP32": _FP32,
    "FP64": _FP64,
    BYTES: _STRINGS,
}
"""The half-precision ones come raw only."""
_NAMES = {field.number: field.name for field in FIELDS.values()}


def from_contents(spec: TensorSpec, shape: Sequence[int], contents: Sequence[bytes | memoryview]) -> Array:
    """A tensor of what its input holds as ``contents``, in one piece or several.

    :raises InputInvalid: the shape is not the model's, there are too many or too few values, or one does not fit.
    """
    count = check_shape(spec, shape)
    name = spec.datatype.name
    field = FIELDS.get(name)
    if field is None:
        raise InputInvalid(f"Input {spec.name!r} is {name}, which must come as raw contents.")
    views = [memoryview(piece) for piece in contents]
    # Counted before there is room for them: a shape may claim what it likes.
    came = sum(_count(field, part) for part in _parts(spec, field, views))
    if came != count:
        raise InputInvalid(f"Input {spec.name!r} of shape {list(shape)} takes {count} values; {came} came.")
    array = np.empty(count, spec.datatype.dtype)
    place = 0
    for part in _parts(spec, field, views):
        for values in _unpacked(spec, field, part):
            array[place : place + len(values)] = values
            place += len(values)
    return array.reshape(shape)


def _parts(spec: TensorSpec, field: Field, contents: Sequence[memoryview]) -> Iterator[memoryview]:
    """Strings one by one, numbers as they are packed: one that stands alone looks like a pack of one."""
    parts, most = 0, MAX_STRINGS if field is _STRINGS else MAX_ENTRIES
    for piece in contents:
        for number, kind, _, start, end in fields(piece):
            # Whatever it is, looking at it takes its time.
            parts += 1
            if parts > most:
                raise InputInvalid(f"Input {spec.name!r} has contents in more than {most} pieces: pack its numbers.")
            if number not in _NAMES or (kind == LENGTH and start == end and number != _STRINGS.number):
                continue
            if number != field.number:
                raise InputInvalid(
                    f"Input {spec.name!r} is {spec.datatype.name}: its values belong into {field.name}, "
                    f"not into {_NAMES[number]}."
                )
            if kind not in (LENGTH, field.kind):
                raise InputInvalid(f"Input {spec.name!r} has {field.name} that are written as something else.")
            yield piece[start:end]


def _count(field: Field, part: memoryview) -> int:
    if field.kind == LENGTH:
        return 1
    if field.kind != VARINT:
        return len(part) // field.dtype.itemsize
    octets = np.frombuffer(part, np.uint8)
    return sum(
        int(np.count_nonzero(octets[place : place + STEP_BYTES] < 0x80)) for place in range(0, octets.size, STEP_BYTES)
    )


def _unpacked(spec: TensorSpec, field: Field, part: memoryview) -> Iterator[Array | list[str]]:
    if field.kind == LENGTH:
        try:
            yield [str(part, "utf-8")]
        except UnicodeDecodeError as error:
            raise InputInvalid(f"Input {spec.name!r} has a string that is not UTF-8.") from error
    elif field.kind == VARINT:
        for numbers in _varints(spec, part):
            yield _narrowed(spec, field, numbers)
    elif len(part) % field.dtype.itemsize:
        raise _cut_off(spec)
    else:
        yield np.frombuffer(part, field.dtype)


def _varints(spec: TensorSpec, part: memoryview) -> Iterator[NDArray[np.uint64]]:
    """Packed numbers, seven bits to a byte, the lowest first; all but the last byte of each have the eighth."""
    octets, place = np.frombuffer(part, np.uint8), 0
    while place < octets.size:
        step = octets[place : place + STEP_BYTES]
        ends = np.flatnonzero(step < 0x80)
        if not ends.size:
            raise _cut_off(spec)
        if ends.size == step.size:
            place += step.size
            yield step.astype(np.uint64)
            continue
        place += int(ends[-1]) + 1
        starts = np.concatenate(([0], ends[:-1] + 1))
        lengths = ends - starts + 1
        if lengths.max() > LONGEST:
            raise _cut_off(spec)
        numbers = (step[starts] & 0x7F).astype(np.uint64)
        for turn in range(1, int(lengths.max())):
            (longer,) = np.nonzero(lengths > turn)
            numbers[longer] |= (step[starts[longer] + turn] & 0x7F).astype(np.uint64) << np.uint64(7 * turn)
        yield numbers


def _narrowed(spec: TensorSpec, field: Field, numbers: NDArray[np.uint64]) -> Array:
    if field is _BOOL:
        truths: Array = numbers != 0
        return truths
    # As the protocol has it, what is too long for its field loses what stands above.
    wide: Array = numbers.astype(field.dtype)
    array: Array = wide.astype(spec.datatype.dtype, copy=False)
    if array is not wide and not np.array_equal(array, wide):
        raise InputInvalid(f"Input {spec.name!r} has a number that does not fit into {spec.datatype.name}.")
    return array


def _cut_off(spec: TensorSpec) -> InputInvalid:
    return InputInvalid(f"Input {spec.name!r} has a number in its contents that is cut off.")
