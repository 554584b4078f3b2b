"""Just enough of protobuf to walk through an ONNX file; the box has no package for it."""

from __future__ import annotations

from edge_runtime.contracts.errors import ModelUnusable

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types that ONNX uses."""


def read_key(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """A field's number, its wire type, and where its value begins."""
    key, at = read_varint(data, at, end)
    return key >> 3, key & 7, at


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next thing begins.

    :raises ModelUnusable: it does not end.
    """
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise _cut_off(data)


def skip_value(data: bytes, wire: int, at: int, end: int) -> tuple[int, int]:
    """Where a value begins, its length passed over, and where it ends.

    :raises ModelUnusable: it goes beyond ``end``, or is of no wire type that ONNX uses.
    """
    begin = at
    if wire == VARINT:
        _, at = read_varint(data, at, end)
    elif wire == BYTES:
        size, begin = read_varint(data, at, end)
        at = begin + size
    elif wire in (FIXED64, FIXED32):
        at += 8 if wire == FIXED64 else 4
    else:
        raise ModelUnusable(f"The model of {len(data)} bytes is not written as ONNX models are.")
    if at > end:
        raise _cut_off(data)
    return begin, at


def _cut_off(data: bytes) -> ModelUnusable:
    return ModelUnusable(f"The model of {len(data)} bytes is cut off.")
