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


def brightness_model(*, threshold: float = 128.0, steepness: float = 0.05) -> bytes:
    """Says ``bright`` above ``threshold``, ``dark`` below."""
    weights = np.array([[-steepness, steepness]], np.float32)
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
        },
    )


def endless_model() -> bytes:
    """Loads well, and loops on its first frame until somebody ends it."""
    body = helper.make_graph(
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
    return _model(
        [
            helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Slice", ["pixels", "from", "to", "axes"], ["piece"]),
            helper.make_node("Loop", ["rounds", "yes", "piece"], ["spun"], body=body),
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


def _model(nodes: Sequence[onnx.NodeProto], constants: Mapping[str, np.ndarray]) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(LABELS)])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
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
