"""Segmentation: how much of the frame each label covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import SegmentationOutput
from edge_runtime.inference.answers.base import Prediction, Tensor, could_be, numbers_of, only, share, sigmoid, softmax
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.preprocess import View

MAX_JUDGED = 2**20
"""Scores of which probabilities are made; of more, an even grid of pixels is taken. Areas are always counted whole."""
SURELY_BACKGROUND = 0.95
"""Probability of the background from which a pixel shows nothing."""
Floats = npt.NDArray[np.float32]


class SegmentationDecoder:
    """The label of each pixel, counted over the part of the mask that shows the frame."""

    def __init__(self, spec: SegmentationOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self._spec.name,)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        labels = len(self._spec.labels)
        if not could_be(shapes[0], (None, labels, None, None)) and not (
            labels == 2 and could_be(shapes[0], (None, 1, None, None))
        ):
            raise ModelUnusable(f"The manifest has {labels} labels, the model's mask is {shapes[0]}.")

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        spec = self._spec
        if prepared.view is None:
            raise ModelUnusable("Only an image can be divided into areas.")
        scores = only(numbers_of(tensors[0], spec.name), spec.name, 3)
        if len(scores) != len(spec.labels) and (len(scores), len(spec.labels)) != (1, 2):
            raise ModelUnusable(f"The model put out {len(scores)} masks for {len(spec.labels)} labels.")
        if not scores.size:
            raise ModelUnusable("The model put out a mask without a pixel.")
        scores, pixel = _shown(scores, prepared.view)
        counts = np.bincount(self._classes(scores), minlength=len(spec.labels))
        areas = {
            label: share(float(count) * pixel)
            for label, count in zip(spec.labels[1:], counts[1:], strict=True)
            if count and count * pixel >= spec.min_area
        }
        label = max(areas, key=lambda each: areas[each]) if areas else spec.labels[0]
        confidence, margin = self._sureness(scores)
        value = areas.get(label, share(float(counts[0]) * pixel))
        return Prediction(label, confidence, margin, value=value, areas=areas)

    def _classes(self, scores: Floats) -> npt.NDArray[np.intp]:
        if len(scores) == 1:
            threshold = 0.0 if self._spec.kind == "logits" else 0.5
            return np.asarray(scores[0] > threshold, np.intp).reshape(-1)
        return np.asarray(scores.argmax(axis=0), np.intp).reshape(-1)

    def _sureness(self, scores: Floats) -> tuple[float, float]:
        """Mean best probability, and mean best minus second best, of the pixels that might show something."""
        step = max(1, math.isqrt(scores.size // MAX_JUDGED))
        grid = scores[:, ::step, ::step].reshape(len(scores), -1)
        if len(grid) == 1:
            second = (sigmoid(grid) if self._spec.kind == "logits" else grid).clip(0.0, 1.0)
            chances = np.concatenate([1 - second, second])
        else:
            chances = softmax(grid) if self._spec.kind == "logits" else grid.clip(0.0, 1.0)
        doubtful = chances[0] < SURELY_BACKGROUND
        if not doubtful.any():
            return share(float(chances[0].mean(dtype=np.float64))), 1.0
        best = np.partition(chances[:, doubtful], len(chances) - 2, axis=0)[-2:]
        first, margin = best[1].mean(dtype=np.float64), (best[1] - best[0]).mean(dtype=np.float64)
        return share(float(first)), share(float(margin))


def _shown(scores: Floats, view: View) -> tuple[Floats, float]:
    """The part of the mask in which the frame is (not the borders), and what share of the frame a pixel of it is."""
    down, across = scores.shape[1:]
    high, wide = view.height / down, view.width / across
    top, bottom = (round(edge / high) for edge in (max(0, view.top), min(view.height, view.top + view.down)))
    left, right = (round(edge / wide) for edge in (max(0, view.left), min(view.width, view.left + view.across)))
    # A mask much coarser than the input can have no whole pixel between two borders.
    part = scores[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    if not part.size:
        part = scores
    # By the part's own size, not by the rounded edges, so that all of it is all of what is seen.
    seen = min(view.width, view.across) * min(view.height, view.down) / (view.across * view.down)
    return part, seen / (part.shape[1] * part.shape[2])
