"""Small real models for the listeners' tests, and a session that a test can hold up."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx.parser
from onnx import TensorProto, helper

ONNX_TYPES = {
    "FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE", "BF16": "BFLOAT16", "BYTES": "STRING",
}  # fmt: skip
"""Where the protocol and ONNX do not use the same word."""

PAIR = """\
<ir_version: 10, opset_import: ["": 21]>
pair (int32[n, 3] left, int32[n, 3] right) => (int32[n, 3] sum, int32[n, 3] difference) {
    sum = Add(left, right)
    difference = Sub(left, right)
}
"""
RATIO = """\
<ir_version: 10, opset_import: ["": 21]>
ratio (float[n] above, float[n] below) => (float[n] ratio) {
    ratio = Div(above, below)
}
"""
PICK = """\
<ir_version: 10, opset_import: ["": 21]>
pick (float[n] values, int64[k] places) => (float[k] picked) {
    picked = Gather(values, places)
}
"""
"""Fails while it runs, where a place is not there."""
SEQUENCE = """\
<ir_version: 10, opset_import: ["": 21]>
pieces (float[n] values) => (seq(float[m]) pieces, float[n] same) {
    pieces = SplitToSequence(values)
    same = Identity(values)
}
"""
SCORES = """\
<ir_version: 10, opset_import: ["": 21]>
digits (float[n, 4] pixels) => (float[n, 2] scores) <float[4, 2] w = {1, 0, 1, 0, 1, 0, 1, 1}> {
    scores = MatMul(pixels, w)
}
"""
CONSTANT = """\
<ir_version: 10, opset_import: ["": 21]>
always (float[n] asked) => (float[1] said) <float[1] word = {{{word}}}> {{
    zero = Sub(asked, asked)
    none = ReduceMax <keepdims = 0> (zero)
    said = Add(none, word)
}}
"""


EXPAND = """\
<ir_version: 10, opset_import: ["": 21]>
expand (float[1] value, int64[1] times) => (float[n] values) {
    values = Expand(value, times)
}
"""
"""A few bytes that ask for an answer of any size."""
ENDLESS = """\
<ir_version: 10, opset_import: ["": 21]>
endless (float[n] x) => (float y, float[n] same) <bool yes = {1}, float zero = {0}> {
    same = Identity (x)
    y = Loop ("", yes, zero) <body = body (int64 turn, bool go, float so_far) => (bool on, float next)
        <float one = {1}> {
        on = Identity (go)
        next = Add (so_far, one)
    }>
}
"""
"""Counts without end."""
UNHURRIED = """\
<ir_version: 10, opset_import: ["": 21]>
unhurried (float[n] x) => (float y, float[n] same) <int64 turns = {300000}, float zero = {0}> {
    same = Identity (x)
    y = Loop (turns, "", zero) <body = body (int64 turn, bool go, float so_far) => (bool on, float next)
        <float one = {1}> {
        on = Identity (go)
        next = Add (so_far, one)
    }>
}
"""
"""Takes a while, whatever it is asked."""
BOUNDLESS = """\
<ir_version: 10, opset_import: ["": 21]>
boundless (float[n] x) => (float y) <int64[1] vast = {35184372088832}> {
    most = ReduceMax <keepdims = 0> (x)
    sea = Expand (most, vast)
    y = ReduceMax <keepdims = 0> (sea)
}
"""
"""Asks for 128 TiB, which no process has, whatever it is asked."""
UNCARRIED = """\
<ir_version: 10, opset_import: ["": 21]>
odd ({kind} x) => ({made} y) <float scale = {{1}}> {{
    y = {operator}
}}
"""
TEXT_TO_BF16 = """\
<ir_version: 10, opset_import: ["": 21]>
length (string[n] text) => (bfloat16[n] number) {
    wide = Cast <to = 1> (text)
    number = Cast <to = 16> (wide)
}
"""
"""Nothing that it says can be carried, as text goes in."""


def recurrent(operator: str, where: str = "graph") -> bytes:
    """``hidden`` of an LSTM, a GRU or an RNN over ``x``, of a sequence, a batch and three values.

    :param where: it stands in the ``graph``, in a ``loop``'s body or in a ``function``.
    """
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1, "DynamicQuantizeLSTM": 4, "AttnLSTM": 4}[operator]
    domain, inputs = "", ["x", "w", "r"]
    weights: dict[str, np.ndarray] = {
        "w": np.ones((1, 2 * gates, 3), np.float32),
        "r": np.ones((1, 2 * gates, 2), np.float32),
    }
    if operator == "DynamicQuantizeLSTM":
        domain, inputs = "com.microsoft", [*inputs, "", "", "", "", "", "scale", "zero", "scale", "zero"]
        weights = {name: each.swapaxes(1, 2).astype(np.int8) for name, each in weights.items()}
        weights |= {"scale": np.ones(1, np.float32), "zero": np.zeros(1, np.int8)}
    elif operator == "AttnLSTM":
        # It attends to a memory of two steps of two values, of which it makes three more that go in.
        domain, inputs = "com.microsoft", [*inputs, "", "", "", "", "", "query", "key", "v", "memory", "", "layer"]
        weights["w"] = np.ones((1, 8, 6), np.float32)
        shapes = {"query": (1, 2, 2), "key": (1, 2, 2), "v": (1, 2), "memory": (1, 2, 2), "layer": (1, 4, 3)}
        weights |= {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("own", 1)]
    node, functions = helper.make_node(operator, inputs, ["hidden"], domain=domain, hidden_size=2), []
    made = [helper.make_empty_tensor_value_info("hidden")]
    if where == "loop":
        scalars = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "go")]
        turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
        body = helper.make_graph(
            [node, helper.make_node("Identity", ["go"], ["on"])], "body", [turn, scalars[1]], [scalars[0], *made]
        )
        node = helper.make_node("Loop", ["once", ""], ["every"], body=body)
        made, weights["once"] = [helper.make_empty_tensor_value_info("every")], np.array(1)
    elif where == "function":
        functions = [helper.make_function("own", "Step", inputs, ["hidden"], [node], opsets[:1])]
        node = helper.make_node("Step", inputs, ["hidden"], domain="own")
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["s", "b", 3])],
        made,
        [onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=functions)
    return bytes(model.SerializeToString())


def attention(operator: str) -> bytes:
    """``read`` of an operator of ONNX Runtime's own, of two heads of 16 values."""
    taken: dict[str, tuple[int, list[str | int | None]]]
    taken = {name: (TensorProto.FLOAT, ["batch", "sequence", 32]) for name in ("q", "k", "v")}
    past: dict[str, tuple[int, list[str | int | None]]]
    past = {name: (TensorProto.FLOAT, ["batch", 2, "past", 16]) for name in ("keys", "values")}
    given: dict[str, np.ndarray] = {}
    names = [*taken, *(("", "", "") if operator == "MultiHeadAttention" else ()), *past]
    heads: dict[str, Any] = {"num_heads": 2}
    if operator == "GroupQueryAttention":
        past["lengths"] = (TensorProto.INT32, ["batch"])
        names += ["lengths", "total"]
        given, heads["kv_num_heads"] = {"total": np.array(2, np.int32)}, 2
    elif operator == "QAttention":
        taken, past = {"x": (TensorProto.UINT8, ["batch", "sequence", 32])}, {}
        given = {"w": np.ones((32, 96), np.uint8), "bias": np.ones(96, np.float32), "scale": np.array(1, np.float32)}
        names = ["x", "w", "bias", "scale", "scale"]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["read", *(["a", "b"] if past else [])], domain="com.microsoft", **heads)],
        "attention",
        [helper.make_tensor_value_info(name, *each) for name, each in {**taken, **past}.items()],
        [helper.make_empty_tensor_value_info("read")],
        [onnx.numpy_helper.from_array(each, name) for name, each in given.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def parsed(text: str) -> bytes:
    """The model that this text describes."""
    return bytes(onnx.parser.parse_model(text).SerializeToString())


def always(word: float) -> bytes:
    """Says this number, whatever it is asked."""
    return parsed(CONSTANT.format(word=word))


def with_defaults(kind: int = TensorProto.FLOAT) -> bytes:
    """``y = x * factor ** times``; ``factor`` is 10 for each, and ``times`` is 1, where they do not come."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["factor"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Pow", ["wide", "times"], ["power"]),
            helper.make_node("Cast", ["power"], ["narrow"], to=kind),
            helper.make_node("Cast", ["narrow"], ["by"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["x"], ["given"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["given", "by"], ["product"]),
            helper.make_node("Cast", ["product"], ["y"], to=kind),
        ],
        "scaled",
        [
            helper.make_tensor_value_info("x", kind, ["n"]),
            helper.make_tensor_value_info("factor", kind, ["k"]),
            helper.make_tensor_value_info("times", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("y", kind, ["n"])],
        [
            helper.make_tensor("factor", kind, [1], [10.0]),
            helper.make_tensor("times", TensorProto.INT64, [], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


def echo(datatype: str, shape: Sequence[int | str] | None = ("n", "m")) -> bytes:
    """Input ``x`` comes out as ``y``; without a shape it may have any."""
    kind = TensorProto.DataType.Value(ONNX_TYPES.get(datatype, datatype))
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "echo",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


def echoes(*datatypes: str) -> bytes:
    """For each datatype an input ``in_…`` of any shape with two axes, which comes out as ``out_…``."""
    kinds = {name: TensorProto.DataType.Value(ONNX_TYPES.get(name, name)) for name in datatypes}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in kinds],
        "echoes",
        [helper.make_tensor_value_info(f"in_{name}", kind, ["n", f"m_{name}"]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(f"out_{name}", kind, ["n", f"m_{name}"]) for name, kind in kinds.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


def counting(kind: int = TensorProto.FLOAT, shape: Sequence[int | str] = ("n",)) -> bytes:
    """Counts from 0 to the largest value of ``x``, one at a time, and says ``y``, the last number."""
    number, truth = TensorProto.INT64, TensorProto.BOOL
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["so_far", "one"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", number, []),
            helper.make_tensor_value_info("go", truth, []),
            helper.make_tensor_value_info("so_far", number, []),
        ],
        [helper.make_tensor_value_info("on", truth, []), helper.make_tensor_value_info("next", number, [])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["whole"], to=number),
            helper.make_node("ReduceMax", ["whole"], ["times"], keepdims=0),
            helper.make_node("Loop", ["times", "", "zero"], ["y"], body=body),
        ],
        "counting",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", number, [])],
        [helper.make_tensor("zero", number, [], [0]), helper.make_tensor("one", number, [], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


@dataclass(frozen=True, slots=True)
class Node:
    """An input or output as ONNX Runtime describes it."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class HeldSession:
    """Answers ``y = x`` only while its gate is open, and says when somebody is inside."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.inside = 0
        self.threads: list[str] = []
        """Names of those that ran it."""
        self._lock = threading.Lock()

    def get_inputs(self) -> list[Node]:
        return [Node("x", "tensor(float)", ("n",))]

    def get_outputs(self) -> list[Node]:
        return [Node("y", "tensor(float)", ("n",))]

    def get_overridable_initializers(self) -> list[Node]:
        return []

    def run(self, names: Sequence[str], feeds: Mapping[str, Any], _options: object) -> list[Any]:
        with self._lock:
            self.inside += 1
            self.threads.append(threading.current_thread().name)
        assert self.gate.wait(60)
        with self._lock:
            self.inside -= 1
        return [np.array(feeds["x"]) for _ in names]
