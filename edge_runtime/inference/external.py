"""Models that name other files are refused.

ONNX Runtime reads the weights of a model that was given as bytes from the working directory, if the model says so, and
follows links there. Nothing on a box is so written; whoever does it wants to see a file that is none of the model's.
"""

from __future__ import annotations

from typing import Literal

from edge_runtime.contracts.errors import ModelUnusable

Kind = Literal["model", "graph", "function", "node", "attribute", "sparse", "tensor"]
_FIELDS: dict[Kind, dict[int, Kind]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Where in ``onnx.proto`` tensors are: of each message the fields that lead to one."""
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def refuse_external_data(model: bytes) -> None:
    """Walk through a model's protobuf for a tensor whose data lies in another file.

    :raises ModelUnusable: there is one, or the bytes cannot be followed to their end.
    """
    # Such a tensor must have this word in it; few others do, and looking for it takes no time.
    if b"location" not in model or model[4:8] == b"ORTM":
        return
    pending: list[tuple[Kind, int, int]] = [("model", 0, len(model))]
    while pending:
        kind, at, end = pending.pop()
        while at < end:
            key, at = _varint(model, at, end)
            field, wire = key >> 3, key & 7
            if kind == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
                value, at = _varint(model, at, end)
                # An explicit "lies in here" is harmless.
                if field == _DATA_LOCATION and wire == _VARINT and value == 0:
                    continue
                raise ModelUnusable("The model wants to read weights from another file; it must have all in itself.")
            if wire == _VARINT:
                _, at = _varint(model, at, end)
            elif wire == _BYTES:
                size, at = _varint(model, at, end)
                if size > end - at:
                    raise ModelUnusable(f"The model of {len(model)} bytes is cut off.")
                if field in _FIELDS[kind]:
                    pending.append((_FIELDS[kind][field], at, at + size))
                at += size
            elif wire in (_FIXED64, _FIXED32):
                at += 8 if wire == _FIXED64 else 4
            else:
                raise ModelUnusable(f"The model of {len(model)} bytes is not written as ONNX models are.")
        if at != end:
            raise ModelUnusable(f"The model of {len(model)} bytes is cut off.")


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next thing begins."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ModelUnusable(f"The model of {len(data)} bytes is cut off.")
