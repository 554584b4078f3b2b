"""Tasks whose answer is one number: how unusual an input is, and regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import AnomalyOutput, RegressionOutput
from edge_runtime.inference.answers.base import Prediction, Tensor, could_be, numbers_of, share
from edge_runtime.inference.inputs import Prepared


class AnomalyDecoder:
    """A score against its threshold."""

    def __init__(self, spec: AnomalyOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self._spec.name,)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        """A score or a map may have any shape, and what is rebuilt is only known to fit once the input is there."""

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        spec = self._spec
        numbers = numbers_of(tensors[0], spec.name)
        if not numbers.size:
            raise ModelUnusable(f"The model's output {spec.name!r} is empty.")
        if spec.kind == "reconstruction":
            numbers = _distances(numbers, prepared)
        score = float(numbers.max() if spec.reduce == "max" else numbers.mean(dtype=np.float64))
        # A score is a distance: one below zero is as usual as can be.
        against = max(0.0, score)
        unusual = against / (against + spec.threshold)
        anomalous = score >= spec.threshold
        confidence = share(unusual if anomalous else 1 - unusual)
        return Prediction(spec.labels[anomalous], confidence, share(2 * confidence - 1), value=score, telling="value")


def _distances(rebuilt: Tensor, prepared: Prepared) -> Tensor:
    if prepared.tensor.dtype == object:
        raise ModelUnusable("A text cannot be compared with what the model rebuilt.")
    if rebuilt.shape != prepared.tensor.shape:
        raise ModelUnusable(f"The model rebuilt {list(rebuilt.shape)} of an input of {list(prepared.tensor.shape)}.")
    distances: Tensor = np.abs(rebuilt - prepared.tensor.astype(np.float32, copy=False))
    return distances


class RegressionDecoder:
    """A number, and on which side of its range it lies."""

    def __init__(self, spec: RegressionOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self._spec.name,)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        if not any(could_be(shapes[0], shape) for shape in ((), (None,), (None, 1))):
            raise ModelUnusable(f"A regression puts out one number for an input; the model's output is {shapes[0]}.")

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        numbers = numbers_of(tensors[0], self._spec.name)
        if numbers.size != 1:
            raise ModelUnusable(f"The model put out {numbers.size} numbers for one input.")
        value = float(numbers.reshape(-1)[0])
        margin = _distance_from_range(value, self._spec.low, self._spec.high)
        return Prediction(self._label(value), 0.5 + 0.5 * margin, margin, value=value, telling="value", measured=True)

    def _label(self, value: float) -> str:
        low, inside, high = self._spec.labels
        if self._spec.low is not None and value < self._spec.low:
            return low
        return high if self._spec.high is not None and value > self._spec.high else inside


def _distance_from_range(value: float, low: float | None, high: float | None) -> float:
    """From the nearer end: 0 on it, 1 at half the range from it or further; 1 where there is no end."""
    ends = [end for end in (low, high) if end is not None]
    if not ends:
        return 1.0
    scale = (high - low) / 2 if low is not None and high is not None else abs(ends[0]) or 1.0
    nearest = min(abs(value - end) for end in ends)
    # Half of a range next to nothing is nothing: all that is not on it is far from it.
    return share(nearest / scale) if scale > 0 else float(nearest > 0)
