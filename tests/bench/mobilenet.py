"""MobileNetV2 (1.0, 224×224, 1000 classes) as fp32 and as int8, built from a seed: the network that peers are measured
with. Its weights are random, and normalised layer by layer so that signals neither explode nor vanish on the way.

``python -m tests.bench.mobilenet FOLDER`` puts all variants into FOLDER.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.contracts.manifest import ClassificationOutput, ImageInput

SIDE = 224
CLASSES = 1000
INPUT_NAME, OUTPUT_NAME = "image", "logits"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, repeats, stride of the first: table 2 of arXiv 1801.04381."""
CALIBRATION_IMAGES = 12

OUTPUT = ClassificationOutput(name=OUTPUT_NAME, labels=tuple(f"class {number}" for number in range(CLASSES)))
UINT8_INPUT = ImageInput(name=INPUT_NAME, width=SIDE, height=SIDE, colour="RGB")
"""What a box is told about the ``uint8`` flavour; normalization is in the graph."""
FLOAT_INPUT = ImageInput(
    name=INPUT_NAME, width=SIDE, height=SIDE, colour="RGB", dtype="float32", scale=1 / 255, mean=MEAN, std=STD
)

Precision = Literal["fp32", "int8"]
Flavour = Literal["float32", "uint8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
Image = npt.NDArray[np.uint8]


def mobilenet(folder: Path, precision: Precision, flavour: Flavour = "float32") -> Path:
    """The model's file in ``folder``; built where it is not there yet, which takes some seconds.

    ``float32`` takes normalised images, ``uint8`` takes pixels and normalises them in the graph; both are
    (N, 3, 224, 224) with a dynamic batch. Answers are logits, (N, 1000).
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"mobilenetv2-{precision}-{flavour}.onnx"
    if not path.exists():
        fp32 = _Network(flavour).model
        body = fp32 if precision == "fp32" else _quantize(fp32, flavour)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(body)
        unfinished.replace(path)
    return path


def images(number: int, seed: int = 1) -> Image:
    """Smooth random pictures, uint8 (number, 3, 224, 224): different enough for different answers."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (number, 3, 7, 7)) * rng.uniform(0.2, 1.0, (number, 3, 1, 1))
    fine = rng.normal(0, 4, (number, 3, SIDE, SIDE))
    return np.clip(coarse.repeat(SIDE // 7, axis=2).repeat(SIDE // 7, axis=3) + fine, 0, 255).astype(np.uint8)


def inputs(pictures: Image, flavour: Flavour) -> npt.NDArray[np.generic]:
    """``pictures`` as this flavour takes them."""
    if flavour == "uint8":
        return pictures
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return np.ascontiguousarray((pictures.astype(np.float32) / 255 - mean) / std)


class _Network:
    """Writes the graph and, beside it, sends some pictures through, whose statistics normalise each layer: what a
    batch norm would have learned, folded into the convolution as an exporter folds it."""

    def __init__(self, flavour: Flavour) -> None:
        import torch

        self._torch = torch
        self._rng = np.random.default_rng(5)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._layers = 0
        self._flow = torch.from_numpy(inputs(images(CALIBRATION_IMAGES, seed=3), "float32"))
        name = self._normalisation() if flavour == "uint8" else INPUT_NAME
        with torch.no_grad():
            self._write_body(name)
        kind = TensorProto.UINT8 if flavour == "uint8" else TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "MobileNetV2",
            [helper.make_tensor_value_info(INPUT_NAME, kind, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["n", CLASSES])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        self.model = model.SerializeToString()

    def _normalisation(self) -> str:
        mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
        factor, offset = self._weight("factor", 1 / (255 * std)), self._weight("offset", -mean / std)
        self._node("Cast", [INPUT_NAME], "pixels", to=TensorProto.FLOAT)
        self._node("Mul", ["pixels", factor], "scaled")
        return self._node("Add", ["scaled", offset], "normalised")

    def _write_body(self, name: str) -> None:
        name = self._conv(name, 3, 32, kernel=3, stride=2)
        before = 32
        for expansion, channels, repeats, first_stride in BLOCKS:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                name = self._block(name, before, channels, expansion, stride)
                before = channels
        name = self._conv(name, before, 1280)
        pooled = self._node("GlobalAveragePool", [name], "pooled")
        flat = self._node("Flatten", [pooled], "flat")
        weight = self._rng.normal(0, 1, (CLASSES, 1280)).astype(np.float32)
        features = self._flow.mean((2, 3)).numpy()
        # Some classes speak louder than others, so that answers have a margin; centred, so that the pictures and not
        # the network's bias decide which one is the best.
        weight *= self._rng.lognormal(0, 1, (CLASSES, 1)) / (features @ weight.T).std()
        bias = -(features @ weight.T).mean(axis=0)
        self._node("Gemm", [flat, self._weight("w", weight), self._weight("b", bias)], OUTPUT_NAME, transB=1)

    def _block(self, name: str, before: int, channels: int, expansion: int, stride: int) -> str:
        entering, flow = name, self._flow
        hidden = before * expansion
        if expansion != 1:
            name = self._conv(name, before, hidden)
        name = self._conv(name, hidden, hidden, kernel=3, stride=stride, group=hidden)
        name = self._conv(name, hidden, channels, active=False)
        if stride == 1 and before == channels:
            self._flow = self._flow + flow
            name = self._node("Add", [entering, name], f"sum{self._layers}")
        return name

    def _conv(
        self,
        name: str,
        before: int,
        after: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        group: int = 1,
        active: bool = True,
    ) -> str:
        functional = self._torch.nn.functional
        fan_in = before // group * kernel * kernel
        weight = self._rng.normal(0, fan_in**-0.5, (after, before // group, kernel, kernel)).astype(np.float32)
        if group > 1:
            # Blurring more than sharpening: layers of white noise would turn int8's rounding into another answer.
            weight += 1 / kernel
        shift = self._rng.normal(0, 0.3, after).astype(np.float32)
        pad, layer = kernel // 2, self._layers
        self._layers += 1
        raw = functional.conv2d(self._flow, self._torch.from_numpy(weight), None, stride, pad, 1, group)
        mean, deviation = raw.mean((0, 2, 3)).numpy(), raw.std((0, 2, 3)).numpy() + 1e-5
        weight /= deviation.reshape(-1, 1, 1, 1)
        bias = shift - mean / deviation
        self._flow = functional.conv2d(
            self._flow, self._torch.from_numpy(weight), self._torch.from_numpy(bias), stride, pad, 1, group
        )
        parts = [name, self._weight(f"w{layer}", weight), self._weight(f"b{layer}", bias)]
        name = self._node(
            "Conv", parts, f"conv{layer}", strides=[stride] * 2, pads=[pad] * 4, group=group, kernel_shape=[kernel] * 2
        )
        if active:
            self._flow = self._flow.clip(0, 6)
            name = self._node("Clip", [name, *self._bounds()], f"relu{layer}")
        return name

    def _bounds(self) -> tuple[str, str]:
        if not any(weight.name == "zero" for weight in self._weights):
            self._weight("zero", np.array(0, np.float32))
            self._weight("six", np.array(6, np.float32))
        return "zero", "six"

    def _weight(self, name: str, values: npt.NDArray[np.float32 | np.float64]) -> str:
        self._weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def _node(self, kind: str, names: list[str], output: str, **attributes: object) -> str:
        node = helper.make_node(kind, names, [output], name=f"{kind}-{output}")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        return output


def _quantize(fp32: bytes, flavour: Flavour) -> bytes:
    """Static QDQ, weights int8 per channel, activations uint8, as Lineside's own bundles are made; without that
    module's search for layers to leave in fp32, which random weights would send round in circles."""
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader:
        """Has the one method that onnxruntime's quantizer calls."""

        def __init__(self) -> None:
            batches = inputs(images(CALIBRATION_IMAGES, seed=3), flavour)
            self._feeds: Iterator[dict[str, object]] = ({INPUT_NAME: batches[i : i + 1]} for i in range(len(batches)))

        def get_next(self) -> dict[str, object] | None:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source, prepared, quantized = (Path(name, part) for part in ("fp32", "prepared", "int8"))
        source.write_bytes(fp32)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantized,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            # Seven bits: processors without VNNI add up pairs of products in 16 bits, where eight would saturate.
            reduce_range=True,
            nodes_to_exclude=["Mul-scaled", "Add-normalised"],
        )
        return quantized.read_bytes()


if __name__ == "__main__":
    for wanted in PRECISIONS:
        for taken in FLAVOURS:
            print(mobilenet(Path(sys.argv[1]), wanted, taken))
