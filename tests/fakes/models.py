"""Real ONNX models a few hundred bytes long, good and hostile, and the frames that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from edge_runtime.contracts.manifest import BundleManifest, ClassificationOutput, GoldenCase, ImageInput

SIDE = 8
LABELS = ("dark", "bright")
INPUT = ImageInput(name="frame", width=SIDE, height=SIDE, colour="GRAY")
OUTPUT = ClassificationOutput(name="logits", labels=LABELS)


def frame(brightness: int) -> bytes:
    """A PNG of one grey."""
    ok, encoded = cv2.imencode(".png", np.full((SIDE, SIDE), brightness, np.uint8))
    assert ok
    return bytes(encoded)


def brightness_model(*, threshold: float = 128.0, steepness: float = 0.05, padding: int = 0) -> bytes:
    """Says ``bright`` above ``threshold``, ``dark`` below.

    :param padding: so many bytes more, which nothing uses and which do not compress.
    """
    weights = np.array([[-steepness, steepness]], np.float32)
    filler = {"filler": np.random.default_rng(padding).integers(0, 256, padding, np.uint8)} if padding else {}
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "threshold"], ["above"]),
            helper.make_node("Reshape", ["above", "column"], ["tall"]),
            helper.make_node("MatMul", ["tall", "weights"], ["logits"]),
        ],
        {
            "axes": np.array([1, 2, 3], np.int64),
            "threshold": np.array(threshold, np.float32),
            "column": np.array([-1, 1], np.int64),
            "weights": weights,
            **filler,
        },
    )


def endless_model() -> bytes:
    """Loads well, and loops on its first frame until somebody ends it."""
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Slice", ["pixels", "from", "to", "axes"], ["piece"]),
            helper.make_node("Loop", ["rounds", "yes", "piece"], ["spun"], body=_idle()),
            helper.make_node("Reshape", ["spun", "shape"], ["logits"]),
        ],
        {
            "from": np.array([0, 0], np.int64),
            "to": np.array([1, 2], np.int64),
            "axes": np.array([2, 3], np.int64),
            "rounds": np.array(2**62, np.int64),
            "yes": np.array(True),
            "shape": np.array([-1, 2], np.int64),
        },
    )


_PATIENT = (
    helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
    helper.make_node("Sub", ["mean", "threshold"], ["above"]),
    helper.make_node("Reshape", ["above", "column"], ["tall"]),
    helper.make_node("MatMul", ["tall", "weights"], ["said"]),
    helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
    helper.make_node("Sub", ["most", "white"], ["glare"]),
    helper.make_node("Relu", ["glare"], ["too_bright"]),
    helper.make_node("Mul", ["too_bright", "vast"], ["patience"]),
)
"""What the models that take their time on a white frame begin with: what is *said* of a frame, and the *patience*."""
_PATIENT_NUMBERS: Mapping[str, np.ndarray] = {
    "axes": np.array([1, 2, 3], np.int64),
    "threshold": np.array(128.0, np.float32),
    "column": np.array([-1, 1], np.int64),
    "weights": np.array([[-0.05, 0.05]], np.float32),
    "white": np.array(250.0, np.float32),
}


def trapped_model(*, rounds: float = 5e15) -> bytes:
    """Says what :func:`brightness_model` says, and on a white frame loops without end, or so often."""
    return _model(
        [
            *_PATIENT,
            helper.make_node("Cast", ["patience"], ["rounds"], to=TensorProto.INT64),
            helper.make_node("Loop", ["rounds", "yes", "said"], ["logits"], body=_idle()),
        ],
        {
            **_PATIENT_NUMBERS,
            "vast": np.array(rounds / 5, np.float32),
            "yes": np.array(True),
        },
    )


def stubborn_model(*, rounds: int = 80_000) -> bytes:
    """Says what :func:`brightness_model` says, and on a white frame is at a single node for so many rounds, 50,000
    comparisons each, out of which the runtime does not let itself be called."""
    width = 50_000
    return _model(
        [
            *_PATIENT,
            helper.make_node("Cast", ["patience"], ["more"], to=TensorProto.INT64),
            helper.make_node("Add", ["more", "least"], ["length"]),
            helper.make_node("Expand", ["most", "length"], ["sea"]),
            helper.make_node("MaxPool", ["sea"], ["tops"], kernel_shape=[width], strides=[1]),
            helper.make_node("ReduceMax", ["tops"], ["top"], keepdims=0),
            helper.make_node("Mul", ["top", "nothing"], ["silence"]),
            helper.make_node("Add", ["said", "silence"], ["logits"]),
        ],
        {
            **_PATIENT_NUMBERS,
            "vast": np.array([0, 0, rounds / 5], np.float32),
            "least": np.array([1, 1, width], np.int64),
            "nothing": np.array(0.0, np.float32),
        },
    )


def greedy_model() -> bytes:
    """A few hundred bytes which ask for 4 GiB on the first frame."""
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
            helper.make_node("Expand", ["most", "vast"], ["sea"]),
            helper.make_node("ReduceMax", ["sea"], ["top"], keepdims=0),
            helper.make_node("Expand", ["top", "shape"], ["logits"]),
        ],
        {"vast": np.array([2**30], np.int64), "shape": np.array([1, 2], np.int64)},
    )


def vast_model() -> bytes:
    """Seventy-three bytes which ask for 4 GiB while they are loaded: a sparse tensor with one number in it."""
    model = onnx.ModelProto(ir_version=10)
    model.opset_import.add().version = 21
    graph = model.graph
    graph.name = "g"
    sea = graph.sparse_initializer.add(dims=[2**30])
    sea.values.MergeFrom(onnx.TensorProto(name="s", data_type=TensorProto.FLOAT, dims=[1], float_data=[1.0]))
    sea.indices.MergeFrom(onnx.TensorProto(data_type=TensorProto.INT64, dims=[1], int64_data=[0]))
    graph.node.add(op_type="ReduceMax", input=["s"], output=["y"])
    output = graph.output.add()
    output.name = "y"
    output.type.tensor_type.elem_type = TensorProto.FLOAT
    return bytes(model.SerializeToString())


def crashing_model() -> bytes:
    """Ends the whole process on x86: the smallest integer modulo minus one, which the processor refuses to divide.

    Where processors give 0 instead, it only answers wrongly.
    """
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.INT32),
            helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
            helper.make_node("Sub", ["most", "most"], ["nothing"]),
            helper.make_node("Add", ["nothing", "smallest"], ["dividend"]),
            helper.make_node("Add", ["nothing", "minus"], ["divisor"]),
            helper.make_node("Mod", ["dividend", "divisor"], ["rest"]),
            helper.make_node("Cast", ["rest"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Expand", ["number", "shape"], ["logits"]),
        ],
        {
            "smallest": np.array(-(2**31), np.int32),
            "minus": np.array(-1, np.int32),
            "shape": np.array([1, 2], np.int64),
        },
    )


def brittle_model() -> bytes:
    """Says what :func:`brightness_model` says, and does what :func:`crashing_model` does on a frame that is all but
    white."""
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "threshold"], ["above"]),
            helper.make_node("Reshape", ["above", "column"], ["tall"]),
            helper.make_node("MatMul", ["tall", "weights"], ["said"]),
            helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
            helper.make_node("Greater", ["most", "white"], ["glare"]),
            helper.make_node("Where", ["glare", "minus", "one"], ["divisor"]),
            helper.make_node("Mod", ["smallest", "divisor"], ["rest"]),
            helper.make_node("Cast", ["rest"], ["nothing"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["said", "nothing"], ["logits"]),
        ],
        {
            "axes": np.array([1, 2, 3], np.int64),
            "threshold": np.array(128.0, np.float32),
            "column": np.array([-1, 1], np.int64),
            "weights": np.array([[-0.05, 0.05]], np.float32),
            "white": np.array(250.0, np.float32),
            "minus": np.array(-1, np.int32),
            "one": np.array(1, np.int32),
            "smallest": np.array(-(2**31), np.int32),
        },
    )


def prying_model(path: str) -> bytes:
    """Wants to read its weights from another file."""
    model = onnx.load_from_string(brightness_model())
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", path), ("offset", "0"), ("length", "8")):
        weights.external_data.add(key=key, value=value)
    return bytes(model.SerializeToString())


def failing_model() -> bytes:
    """Loads well and fails on every frame: it makes of 64 pixels what they cannot be."""
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["pixels", "shape"], ["odd"]),
            helper.make_node("ReduceMax", ["odd", "axes"], ["most"], keepdims=1),
            helper.make_node("Expand", ["most", "wide"], ["logits"]),
        ],
        {
            "shape": np.array([-1, 7], np.int64),
            "axes": np.array([1], np.int64),
            "wide": np.array([1, 2], np.int64),
        },
    )


def numberless_model() -> bytes:
    """Answers every frame with not-a-number."""
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
            helper.make_node("Reshape", ["mean", "column"], ["tall"]),
            helper.make_node("MatMul", ["tall", "weights"], ["logits"]),
        ],
        {
            "axes": np.array([1, 2, 3], np.int64),
            "column": np.array([-1, 1], np.int64),
            "weights": np.array([[np.nan, np.nan]], np.float32),
        },
    )


def _idle() -> onnx.GraphProto:
    """The body of a loop that does nothing."""
    return helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["state"], ["state_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_out", TensorProto.FLOAT, None),
        ],
    )


def _model(nodes: Sequence[onnx.NodeProto], constants: Mapping[str, np.ndarray]) -> bytes:
    taken = helper.make_tensor_value_info("frame", TensorProto.UINT8, ["n", 1, SIDE, SIDE])
    return small_model(
        nodes, constants, taken, helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(LABELS)])
    )


def small_model(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray],
    taken: onnx.ValueInfoProto,
    *given: onnx.ValueInfoProto,
) -> bytes:
    """A model of these nodes, with one input."""
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "graph", [taken], list(given), weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return bytes(model.SerializeToString())


GOLDEN = {"golden/dark": frame(30), "golden/bright": frame(220)}
GOLDEN_CASES = (
    GoldenCase(path="golden/bright", label="bright", confidence=1.0),
    GoldenCase(path="golden/dark", label="dark", confidence=1.0),
)


def manifest(**changes: Any) -> BundleManifest:
    """A manifest that fits the models above."""
    fields: dict[str, Any] = {
        "name": "parts",
        "version": "1.0.0",
        "release": 1,
        "task": "classification",
        "input": INPUT,
        "output": OUTPUT,
        "files": (),
        "golden": GOLDEN_CASES,
        **changes,
    }
    return BundleManifest(**fields)
