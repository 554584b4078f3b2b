"""What a model's file declares of its inputs and outputs, where ONNX Runtime does not pass it on."""

from __future__ import annotations

from collections.abc import Iterator

from edge_runtime.inference.protobuf import BYTES, read_key, skip_value

_GRAPH = 7
"""Of a model."""
_INPUT, _OUTPUT = 11, 12
"""Of a graph."""
_NAME, _TYPE = 1, 2
"""Of an input or output."""
_TENSOR = 1
"""Of a type."""
_SHAPE = 2
"""Of a tensor's type."""


def names_without_shape(model: bytes) -> set[str]:
    """The inputs and outputs that are tensors of any number of axes. To ONNX Runtime they look like single numbers.

    :raises ModelUnusable: the bytes cannot be followed to their end.
    """
    if model[4:8] == b"ORTM":
        return set()
    names: set[str] = set()
    for graph in _inside(model, 0, len(model), {_GRAPH}):
        for port in _inside(model, *graph, {_INPUT, _OUTPUT}):
            tensors = [tensor for kind in _inside(model, *port, {_TYPE}) for tensor in _inside(model, *kind, {_TENSOR})]
            if not any(True for tensor in tensors for _ in _inside(model, *tensor, {_SHAPE})):
                texts = [model[begin:end] for begin, end in _inside(model, *port, {_NAME})]
                names.update(text.decode("utf-8", "replace") for text in texts)
    return names


def _inside(model: bytes, at: int, end: int, fields: set[int]) -> Iterator[tuple[int, int]]:
    """Where the values of these fields of a message begin and end."""
    while at < end:
        field, wire, at = read_key(model, at, end)
        begin, at = skip_value(model, wire, at, end)
        if field in fields and wire == BYTES:
            yield begin, at
