"""What every task's answer is, and what all decoders check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.rows import FoundObject
from edge_runtime.inference.inputs import Prepared

Tensor = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one input; the fields are those of a result row."""

    label: str
    confidence: float
    margin: float
    """How far from saying something else, 0 to 1: what makes an input hard is a small one. The outputs of the
    manifest say what it is for each task."""
    value: float | None = None
    objects: tuple[FoundObject, ...] = ()
    areas: Mapping[str, float] = field(default_factory=dict)
    telling: Literal["confidence", "value"] = "confidence"
    """Which of the two shows best that the line has changed."""
    measured: bool = False
    """The value is in units of the line, so that another model's can be held against it. A score is not: it means
    something only beside its own model's threshold."""


class Decoder(Protocol):
    """Reads one task's answers; safe to call from several threads."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors to ask the model for, in order."""
        ...

    def check(self, shapes: Sequence[list[Any]]) -> None:
        """:raises ModelUnusable: the model's outputs of these names are not what the manifest says."""

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        """The answer about the one input of a batch.

        :raises ModelUnusable: what came out cannot be an answer.
        """
        ...


def could_be(shape: Sequence[Any], wanted: Sequence[int | None]) -> bool:
    """Whether an output of this shape (ONNX Runtime's words) may be one of ``wanted``, where None is any size."""
    if len(shape) != len(wanted):
        return False
    return all(must is None or not isinstance(has, int) or has == must for has, must in zip(shape, wanted, strict=True))


def numbers_of(tensor: Tensor, name: str) -> npt.NDArray[np.float32]:
    """An output as finite numbers; halves, doubles and integers become float32.

    :raises ModelUnusable: it is no array of real numbers, or not all of them are finite.
    """
    if not isinstance(tensor, np.ndarray) or tensor.dtype.kind not in "fiub":
        raise ModelUnusable(f"The model's output {name!r} is no tensor of real numbers.")
    numbers: npt.NDArray[np.float32] = tensor
    if tensor.dtype != np.float32:
        with np.errstate(over="ignore"):
            numbers = tensor.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ModelUnusable(f"The model's output {name!r} has something in it that is no number.")
    return numbers


def only(numbers: npt.NDArray[np.float32], name: str, dimensions: int) -> npt.NDArray[np.float32]:
    """The one input's part of a batch of one.

    :param dimensions: how many it must have, without the batch's axis.
    :raises ModelUnusable: it has others, or is of another batch.
    """
    if numbers.ndim != dimensions + 1 or numbers.shape[0] != 1:
        raise ModelUnusable(f"The model's output {name!r} has the shape {list(numbers.shape)} for one input.")
    part: npt.NDArray[np.float32] = numbers[0]
    return part


def softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities along the first axis."""
    powers = np.exp(scores - scores.max(axis=0))
    probabilities: npt.NDArray[np.float32] = powers / powers.sum(axis=0)
    return probabilities


def sigmoid(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each score as a probability of its own; no power overflows on the way."""
    probabilities: npt.NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * scores))
    return probabilities


def share(value: float) -> float:
    """Rounding can put a share a hair beyond 0 or 1."""
    return min(1.0, max(0.0, value))
