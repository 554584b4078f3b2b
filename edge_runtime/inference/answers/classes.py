"""Classification, of images, signals and texts alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import ClassificationOutput
from edge_runtime.inference.answers.base import Prediction, Tensor, could_be, numbers_of, only, share
from edge_runtime.inference.inputs import Prepared


class ClassificationDecoder:
    """The label with the highest score."""

    def __init__(self, spec: ClassificationOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self._spec.name,)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        labels = len(self._spec.labels)
        if not could_be(shapes[0], (None, labels)) and not (labels == 2 and could_be(shapes[0], (None, 1))):
            raise ModelUnusable(f"The manifest has {labels} labels, the model's output is {shapes[0]}.")

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        spec = self._spec
        scores = only(numbers_of(tensors[0], spec.name), spec.name, 1)
        if len(scores) == 1 and len(spec.labels) == 2:
            # The first label's logit is nought where the second's is alone.
            scores = np.concatenate([0 * scores if spec.kind == "logits" else 1 - scores, scores])
        elif len(scores) != len(spec.labels):
            raise ModelUnusable(f"The model put out {len(scores)} scores for {len(spec.labels)} labels.")
        best = int(scores.argmax())
        # Few steps, for all of this code has left the processor's caches while the model ran.
        powers = np.exp(scores - scores[best]) if spec.kind == "logits" else scores.copy()
        total = float(powers.sum()) if spec.kind == "logits" else 1.0
        first = float(powers[best]) / total
        powers[best] = 0.0
        return Prediction(spec.labels[best], share(first), share(first - float(powers.max()) / total))
