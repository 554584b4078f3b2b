"""What a model without a manifest takes and gives, as far as its shapes and one answer of it tell."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edge_runtime.contracts.errors import InputInvalid, ModelUnusable
from edge_runtime.contracts.manifest import (
    ClassificationOutput,
    ImageInput,
    InputSpec,
    OutputSpec,
    RegressionOutput,
    SignalInput,
    TextInput,
)

_HINT = "Pack it into a bundle, whose manifest says what cannot be seen from outside."
_EXACT = 1e-3
"""How far from 1 a row of probabilities may be: int8 models round."""
_TRIES = 4
_PIXELS: dict[str, Literal["uint8", "float16", "float32"]] = {
    "tensor(uint8)": "uint8",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
}

Figures = tuple[float, ...]


def bare_specs(
    session: ort.InferenceSession,
    *,
    mean: Figures | None = None,
    std: Figures | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[InputSpec, OutputSpec]:
    """An input and an output with which an :class:`edge_runtime.inference.engine.Engine` can run the model.

    Images (N, 3 or 1, H, W) or (N, H, W, 3 or 1) are taken as RGB or grey, resized to the model's input, times 1/255
    where it takes floats; signals are (N, channels, length), texts strings (N, 1). An output (N, K) is taken for the
    scores of the labels ``0`` to ``K - 1``, through a softmax where its rows do not sum to 1 already; a single number
    is a regression.

    :param mean, std: subtracted and divided by, one for all channels or one each; for images after the 1/255.
    :param size: width and height of the images, for a model that leaves them open.
    :raises ModelUnusable: it cannot be told what the model takes or gives.
    :raises InputInvalid: ``mean``, ``std`` or ``size`` do not fit the model.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelUnusable(f"The model has {len(inputs)} inputs and {len(outputs)} outputs.", hint=_HINT)
    try:
        taken = _input(inputs[0].name, list(inputs[0].shape), inputs[0].type, mean, std, size)
    except ValueError as error:
        raise InputInvalid(f"These mean and std do not fit the model: {error}.") from error
    return taken, _output(session, outputs[0].name, taken)


def _input(
    name: str, shape: list[Any], dtype: str, mean: Figures | None, std: Figures | None, size: tuple[int, int] | None
) -> InputSpec:
    sizes = shape[1:]
    image = len(shape) == 4 and dtype in _PIXELS and (sizes[0] in (1, 3) or sizes[2] in (1, 3))
    if size and not image:
        raise InputInvalid("--size is for models of images, and this one takes something else.")
    if image:
        return _image(name, sizes, _PIXELS[dtype], mean, std, size)
    shift, spread = mean or (0.0,), std or (1.0,)
    if dtype == "tensor(string)" and len(shape) == 2 and shape[1] in (1, None) and not (mean or std):
        return TextInput(name=name)
    if not all(isinstance(length, int) for length in sizes):
        raise ModelUnusable(f"The model's input {name!r} leaves its size open: {shape}.", hint=_HINT)
    if len(shape) == 3 and dtype == "tensor(float)":
        return SignalInput(name=name, channels=sizes[0], length=sizes[1], mean=shift, std=spread)
    raise ModelUnusable(
        f"An input {dtype} of {shape} may be many things: {name!r} is not plainly an image, a signal or a text.",
        hint=_HINT,
    )


def _image(
    name: str,
    sizes: list[Any],
    dtype: Literal["uint8", "float16", "float32"],
    mean: Figures | None,
    std: Figures | None,
    size: tuple[int, int] | None,
) -> ImageInput:
    if dtype == "uint8" and (mean or std):
        raise InputInvalid("The model takes the pixels as they are (uint8): it has no use for mean and std.")
    planes = sizes[0] in (1, 3)
    channels, high, wide = sizes if planes else (sizes[2], sizes[0], sizes[1])
    width, height = size or (wide, high)
    if not (isinstance(width, int) and isinstance(height, int)):
        raise ModelUnusable(
            f"The model's input {name!r} leaves the size of its images open: say it with --size WIDTHxHEIGHT.",
            hint=_HINT,
        )
    if any(isinstance(has, int) and has != wanted for has, wanted in ((wide, width), (high, height))):
        raise InputInvalid(f"The model takes images of {wide}x{high}, not of the --size {width}x{height}.")
    return ImageInput(
        name=name,
        width=width,
        height=height,
        colour="RGB" if channels == 3 else "GRAY",
        layout="NCHW" if planes else "NHWC",
        dtype=dtype,
        scale=1 / 255,
        mean=mean or (0.0,),
        std=std or (1.0,),
    )


def _output(session: ort.InferenceSession, name: str, taken: InputSpec) -> OutputSpec:
    rows = [_answer(session, name, taken, number) for number in range(_TRIES)]
    shape = list(rows[0].shape)
    if any(row.dtype.kind != "f" for row in rows):
        raise ModelUnusable(f"The model's output {name!r} is not of real numbers.", hint=_HINT)
    if rows[0].size == 1 and len(shape) <= 2:
        return RegressionOutput(name=name)
    if len(shape) != 2 or shape[0] != 1:
        raise ModelUnusable(f"An output of {shape} may be many things: {name!r} is no row of scores.", hint=_HINT)
    sums = all(abs(float(row.sum()) - 1) < _EXACT and row.min() >= 0 for row in rows)
    labels = tuple(str(number) for number in range(shape[1]))
    return ClassificationOutput(name=name, labels=labels, kind="probabilities" if sums else "logits")


def _answer(session: ort.InferenceSession, name: str, taken: InputSpec, number: int) -> npt.NDArray[Any]:
    """What the model says to a blank input (the first), and to noise."""
    rng = np.random.default_rng(number)
    tensor: npt.NDArray[Any]
    if isinstance(taken, ImageInput):
        pixels = rng.integers(0, 256 if number else 1, (1, *taken.shape))
        tensor = (pixels if taken.dtype == "uint8" else pixels / 255).astype(taken.dtype)
    elif isinstance(taken, SignalInput):
        tensor = (rng.normal(0, 1 if number else 0, (1, taken.channels, taken.length))).astype(np.float32)
    else:
        tensor = np.array([["a line of text"[: 1 + 4 * number]]], object)
    try:
        answer: npt.NDArray[Any] = np.asarray(session.run([name], {taken.name: tensor})[0])
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelUnusable(f"The model failed on a first input: {lines[0][:300]}", hint=_HINT) from error
    return answer
