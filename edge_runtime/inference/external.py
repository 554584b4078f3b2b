"""Models that name other files are refused.

ONNX Runtime reads the weights of a model that was given as bytes from the working directory, if the model says so, and
follows links there. Nothing on a box is so written; whoever does it wants to see a file that is none of the model's.
"""

from __future__ import annotations

from typing import Literal

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.inference.protobuf import BYTES, VARINT, read_key, read_varint, skip_value

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
_HINT = (
    "Save it where the weights are, with them in it: onnx.save(onnx.load(PATH), NEW_PATH, save_as_external_data=False)"
    ". A model of more than 2 GB cannot be saved so: quantize it, or split it."
)


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
            field, wire, at = read_key(model, at, end)
            if kind == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
                value, at = read_varint(model, at, end)
                # An explicit "lies in here" is harmless.
                if field == _DATA_LOCATION and wire == VARINT and value == 0:
                    continue
                raise ModelUnusable(
                    "The model wants to read weights from another file; it must have all in itself.", hint=_HINT
                )
            begin, at = skip_value(model, wire, at, end)
            if wire == BYTES and field in _FIELDS[kind]:
                pending.append((_FIELDS[kind][field], begin, at))
