"""Small real models of every task and every kind of input, with inputs for which it is plain what they must say."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from edge_runtime.contracts.manifest import (
    AnomalyOutput,
    ClassificationOutput,
    DetectionOutput,
    ImageInput,
    InputSpec,
    OutputSpec,
    RegressionOutput,
    SegmentationOutput,
    SignalInput,
    Task,
    TextInput,
)
from tests.fakes.models import small_model

SIDE = 32
_FLOAT, _INT64, _STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
GREY = ImageInput(name="x", width=SIDE, height=SIDE, colour="GRAY", dtype="float32", scale=1 / 255)
LETTERBOX = ImageInput(
    name="x", width=SIDE, height=SIDE, colour="RGB", dtype="float32", scale=1 / 255, resize="letterbox"
)
SIGNAL = SignalInput(name="x", length=64, channels=2)
CODES = TextInput(name="x", dtype="int64", length=16)
STRINGS = TextInput(name="x")


@dataclass(frozen=True)
class TaskCase:
    """A model, how it is described, and two inputs with the labels that they must get."""

    task: Task
    model: bytes
    input: InputSpec
    output: OutputSpec
    examples: tuple[tuple[bytes, str], tuple[bytes, str]]


def png(image: npt.NDArray[np.uint8]) -> bytes:
    ok, encoded = cv2.imencode(".png", image)
    assert ok
    return bytes(encoded)


def grey(level: int, *, width: int = SIDE, height: int = SIDE) -> npt.NDArray[np.uint8]:
    return np.full((height, width), level, np.uint8)


def half_and_half() -> npt.NDArray[np.uint8]:
    """A quarter of the frame is bright: its upper left."""
    image = grey(10)
    image[: SIDE // 2, : SIDE // 2] = 250
    return image


def npy(window: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, window)
    return file.getvalue()


def _info(name: str, dtype: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, ["n", *shape])


def detection() -> TaskCase:
    """Three candidates in fixed places, two of which overlap; the brighter the frame, the surer."""
    boxes = np.array([[[8, 9, 24], [16, 16, 16], [8, 8, 4], [8, 8, 4]]], np.float32)
    weights = np.array([[[0.9, 0.8, 0.0], [0.0, 0.0, 0.6]]], np.float32)
    model = small_model(
        [
            # The letterbox's borders are grey: only what is brighter than they counts.
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Sub", ["most", "border"], ["above"]),
            helper.make_node("Relu", ["above"], ["positive"]),
            helper.make_node("Div", ["positive", "rest"], ["light"]),
            helper.make_node("Mul", ["weights", "light"], ["scores"]),
            helper.make_node("Concat", ["boxes", "scores"], ["y"], axis=1),
        ],
        {
            "boxes": boxes,
            "weights": weights,
            "border": np.array(0.45, np.float32),
            "rest": np.array(0.55, np.float32),
        },
        _info("x", _FLOAT, 3, SIDE, SIDE),
        helper.make_tensor_value_info("y", _FLOAT, [1, 6, 3]),
    )
    bright, black = (png(np.full((SIDE, 2 * SIDE, 3), level, np.uint8)) for level in (255, 0))
    output = DetectionOutput(name="y", labels=("screw", "dent"))
    return TaskCase("detection", model, LETTERBOX, output, ((bright, "screw"), (black, "nothing")))


def segmentation() -> TaskCase:
    """Bright pixels are rust; one channel, as logits."""
    model = small_model(
        [
            helper.make_node("Sub", ["x", "half"], ["above"]),
            helper.make_node("Mul", ["above", "steep"], ["y"]),
        ],
        {"half": np.array(0.5, np.float32), "steep": np.array(20.0, np.float32)},
        _info("x", _FLOAT, 1, SIDE, SIDE),
        _info("y", _FLOAT, 1, SIDE, SIDE),
    )
    output = SegmentationOutput(name="y", labels=("sound", "rust"))
    return TaskCase("segmentation", model, GREY, output, ((png(half_and_half()), "rust"), (png(grey(10)), "sound")))


def anomaly() -> TaskCase:
    """A map of how far each pixel is from black."""
    model = small_model(
        [helper.make_node("Identity", ["x"], ["y"])],
        {},
        _info("x", _FLOAT, 1, SIDE, SIDE),
        _info("y", _FLOAT, 1, SIDE, SIDE),
    )
    output = AnomalyOutput(name="y", threshold=0.5)
    examples = ((png(half_and_half()), "anomalous"), (png(grey(10)), "normal"))
    return TaskCase("anomaly", model, GREY, output, examples)


def regression() -> TaskCase:
    """The mean brightness in per cent, from a signal-free image."""
    model = small_model(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "hundred"], ["y"]),
        ],
        {"axes": np.array([1, 2, 3], np.int64), "hundred": np.array(100.0, np.float32)},
        _info("x", _FLOAT, 1, SIDE, SIDE),
        _info("y", _FLOAT),
    )
    output = RegressionOutput(name="y", low=20.0, high=60.0, unit="%")
    return TaskCase("regression", model, GREY, output, ((png(grey(102)), "in range"), (png(grey(10)), "low")))


def signal() -> TaskCase:
    """Which of two channels swings more."""
    model = small_model(
        [
            helper.make_node("Mul", ["x", "x"], ["energy"]),
            helper.make_node("ReduceMean", ["energy", "axes"], ["y"], keepdims=0),
        ],
        {"axes": np.array([2], np.int64)},
        _info("x", _FLOAT, 2, 64),
        _info("y", _FLOAT, 2),
    )
    calm, strong = (amplitude * np.sin(np.arange(64, dtype=np.float32)) for amplitude in (0.1, 3.0))
    left, right = npy(np.stack([strong, calm])), npy(np.stack([calm, strong]))
    output = ClassificationOutput(name="y", labels=("left", "right"))
    return TaskCase("classification", model, SIGNAL, output, ((left, "left"), (right, "right")))


def text_codes() -> TaskCase:
    """Long texts and short ones, told apart by how many codes are not padding."""
    model = small_model(
        [
            helper.make_node("Cast", ["x"], ["codes"], to=_FLOAT),
            helper.make_node("Sign", ["codes"], ["there"]),
            helper.make_node("ReduceMean", ["there", "axes"], ["share"], keepdims=1),
            helper.make_node("Sub", ["share", "half"], ["above"]),
            helper.make_node("MatMul", ["above", "weights"], ["y"]),
        ],
        {
            "axes": np.array([1], np.int64),
            "half": np.array(0.5, np.float32),
            "weights": np.array([[-20.0, 20.0]], np.float32),
        },
        _info("x", _INT64, 16),
        _info("y", _FLOAT, 2),
    )
    output = ClassificationOutput(name="y", labels=("short", "long"))
    return TaskCase("text", model, CODES, output, ((b"ok", "short"), ("größer als das".encode(), "long")))


def text_strings() -> TaskCase:
    """Knows one sentence."""
    encoder = helper.make_node(
        "LabelEncoder",
        ["x"],
        ["number"],
        domain="ai.onnx.ml",
        keys_strings=["motor läuft"],
        values_floats=[4.0],
        default_float=-4.0,
    )
    taken, given = _info("x", _STRING, 1), _info("y", _FLOAT, 2)
    nodes = [encoder, helper.make_node("MatMul", ["number", "weights"], ["y"])]
    model = small_model(nodes, {"weights": np.array([[1.0, -1.0]], np.float32)}, taken, given)
    output = ClassificationOutput(name="y", labels=("known", "unknown"))
    return TaskCase("text", model, STRINGS, output, (("motor läuft\n".encode(), "known"), (b"pump runs", "unknown")))


CASES = (detection, segmentation, anomaly, regression, signal, text_codes, text_strings)
