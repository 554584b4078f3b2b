"""What a model's file declares of its inputs, outputs and operators, where ONNX Runtime does not pass it on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from edge_runtime.inference.protobuf import BYTES, read_key, skip_value

_GRAPH, _FUNCTION = 7, 25
"""Of a model."""
_NODE, _FUNCTION_NODE = 1, 7
"""Of a graph, and of a function."""
_OPERATOR, _ATTRIBUTE = 4, 5
"""Of a node."""
_SUBGRAPHS = {6, 11}
"""Of an attribute: a loop's body, or the branches of an If."""
_INPUT, _OUTPUT = 11, 12
"""Of a graph."""
_NAME, _TYPE = 1, 2
"""Of an input or output."""
_TENSOR = 1
"""Of a type."""
_SHAPE = 2
"""Of a tensor's type."""

Empty = Literal["taken", "a past", "refused"]
"""Which tensors without a value a model may be given: any, only what it had seen before, or none."""
_DIE_OF_EMPTY = frozenset({b"LSTM", b"GRU", b"DynamicQuantizeLSTM", b"AttnLSTM"})
"""Operators whose threads ONNX Runtime 1.28 ends the process for, where a batch or a sequence of theirs is empty."""
_DIVIDE_BY_SIZES = frozenset({b"MultiHeadAttention", b"GroupQueryAttention", b"QAttention"})
"""Operators that divide by a batch or a sequence and end the process where that is empty. Their past, of four axes, has
nothing in it at first."""


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


def empty_inputs(model: bytes) -> Empty:
    """What becomes of an empty tensor: whether an operator is in it, in a loop's body or a function too, for which that
    ends the process.

    :raises ModelUnusable: the bytes cannot be followed to their end.
    """
    if model[4:8] == b"ORTM":
        known = _DIE_OF_EMPTY | _DIVIDE_BY_SIZES
        found = {name for name in known if len(name).to_bytes(4, "little") + name + b"\0" in model}
    else:
        found = _operators(model)
    if not found.isdisjoint(_DIE_OF_EMPTY):
        return "refused"
    return "taken" if found.isdisjoint(_DIVIDE_BY_SIZES) else "a past"


def _operators(model: bytes) -> set[bytes]:
    nodes = [node for graph in _inside(model, 0, len(model), {_GRAPH}) for node in _inside(model, *graph, {_NODE})]
    functions = _inside(model, 0, len(model), {_FUNCTION})
    nodes += [node for function in functions for node in _inside(model, *function, {_FUNCTION_NODE})]
    found: set[bytes] = set()
    while nodes:
        node = nodes.pop()
        found.update(model[begin:end] for begin, end in _inside(model, *node, {_OPERATOR}))
        for attribute in _inside(model, *node, {_ATTRIBUTE}):
            for graph in _inside(model, *attribute, _SUBGRAPHS):
                nodes += _inside(model, *graph, {_NODE})
    return found


def _inside(model: bytes, at: int, end: int, fields: set[int]) -> Iterator[tuple[int, int]]:
    """Where the values of these fields of a message begin and end."""
    while at < end:
        field, wire, at = read_key(model, at, end)
        begin, at = skip_value(model, wire, at, end)
        if field in fields and wire == BYTES:
            yield begin, at
