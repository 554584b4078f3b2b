"""A classifier of the size that the demo trains, with random weights: speed does not depend on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.contracts.manifest import ClassificationOutput, ImageInput

INPUT = ImageInput(name="image", width=48, height=48, colour="GRAY")
OUTPUT = ClassificationOutput(name="logits", labels=tuple(str(digit) for digit in range(10)))
CHANNELS = (1, 16, 32, 64)


def small_classifier() -> bytes:
    """Three strided convolutions, a mean over the plane, one dense layer; uint8 (N, 1, 48, 48) → (N, 10)."""
    rng = np.random.default_rng(1)
    nodes = [helper.make_node("Cast", ["image"], ["x0"], to=TensorProto.FLOAT)]
    weights = []

    def weight(name: str, *shape: int) -> str:
        values = rng.normal(0, 0.1, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, name))
        return name

    for layer, (before, after) in enumerate(pairwise(CHANNELS)):
        kernel, bias = weight(f"w{layer}", after, before, 3, 3), weight(f"b{layer}", after)
        nodes += [
            helper.make_node("Conv", [f"x{layer}", kernel, bias], [f"y{layer}"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"y{layer}"], [f"x{layer + 1}"]),
        ]
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{len(CHANNELS) - 1}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", weight("w", CHANNELS[-1], 10), weight("b", 10)], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small classifier",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, 48, 48])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
