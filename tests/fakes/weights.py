"""Weights like those of a quantized net, and ways in which a tenth of them is changed by another training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx

from tests.fakes import models

Weights = npt.NDArray[np.int8]
SHARE = 0.1
_SPREAD = 127 / 3.5
"""Per-channel quantization gives the largest of a few hundred normal values 127."""


def int8_weights(count: int, *, seed: int = 1) -> Weights:
    """So many weights."""
    return _normal(np.random.default_rng(seed), count)


def one_layer(before: Weights) -> Weights:
    """One part of the net was trained on."""
    after, count, start = before.copy(), int(len(before) * SHARE), len(before) // 3
    after[start : start + count] = _normal(np.random.default_rng(2), count)
    return after


def scattered(before: Weights) -> Weights:
    """Each tenth weight, here and there, has a new value."""
    rng = np.random.default_rng(3)
    after, count = before.copy(), int(len(before) * SHARE)
    after[rng.choice(len(before), count, replace=False)] = _normal(rng, count)
    return after


def small_steps(before: Weights) -> Weights:
    """Each tenth weight, here and there, went one or two steps further."""
    rng = np.random.default_rng(4)
    after, count = before.copy(), int(len(before) * SHARE)
    where = rng.choice(len(before), count, replace=False)
    after[where] = np.clip(after[where].astype(np.int16) + rng.choice([-2, -1, 1, 2], count), -127, 127)
    return after


CHANGES: Mapping[str, Callable[[Weights], Weights]] = {
    "one layer": one_layer,
    "scattered": scattered,
    "small steps": small_steps,
}


def _normal(rng: np.random.Generator, count: int) -> Weights:
    return np.clip(np.round(rng.normal(0, _SPREAD, count)), -127, 127).astype(np.int8)


def heavy_model(weights: Weights) -> bytes:
    """The model of :func:`tests.fakes.models.brightness_model`, with so many weights beside its own."""
    model = onnx.load_from_string(models.brightness_model())
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "more"))
    return bytes(model.SerializeToString())
