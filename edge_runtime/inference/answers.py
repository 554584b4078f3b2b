"""From the model's output tensors to an answer, for every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import ClassificationOutput, OutputSpec
from edge_runtime.contracts.rows import FoundObject
from edge_runtime.inference.inputs import Prepared

Tensor = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one input; the fields are those of a result row."""

    label: str
    confidence: float
    margin: float
    """How far from saying something else, 0 to 1: what makes an input hard is a small one."""
    value: float | None = None
    objects: tuple[FoundObject, ...] = ()
    areas: Mapping[str, float] = field(default_factory=dict)


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


class ClassificationDecoder:
    """The label with the highest score."""

    def __init__(self, spec: ClassificationOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self._spec.name,)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        classes = shapes[0][-1]
        if classes != len(self._spec.labels):
            raise ModelUnusable(f"The manifest has {len(self._spec.labels)} labels, the model {classes} outputs.")

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        scores = tensors[0][0]
        if self._spec.kind == "logits":
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        order = np.argsort(scores)
        best = float(scores[order[-1]])
        second = float(scores[order[-2]]) if len(order) > 1 else 0.0
        return Prediction(self._spec.labels[int(order[-1])], min(best, 1.0), max(0.0, min(best - second, 1.0)))


def decoder_for(spec: OutputSpec) -> Decoder:
    """The decoder of a manifest's output."""
    if isinstance(spec, ClassificationOutput):
        return ClassificationDecoder(spec)
    raise ModelUnusable(f"This box cannot read outputs of {type(spec).__name__}.")
