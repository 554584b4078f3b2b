"""Detection: from thousands of candidate boxes to the objects of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contracts.errors import ModelUnusable
from edge_runtime.contracts.manifest import NOTHING, DetectionOutput
from edge_runtime.contracts.rows import FoundObject
from edge_runtime.inference.answers.base import Prediction, Tensor, could_be, numbers_of, only, share
from edge_runtime.inference.inputs import Prepared
from edge_runtime.inference.preprocess import View

MAX_CANDIDATES = 2000
"""The surest that are looked at; a model that has more to offer is not sure of anything."""
_FAR = 1e9
"""Beyond any frame, and so small still that an area is a number."""
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


class DetectionDecoder:
    """Boxes above ``min_score`` that do not overlap a surer one of their class."""

    def __init__(self, spec: DetectionOutput) -> None:
        self._spec = spec

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(name for name in (self._spec.name, self._spec.scores, self._spec.classes) if name is not None)

    def check(self, shapes: Sequence[list[Any]]) -> None:
        labels, layout = len(self._spec.labels), self._spec.layout
        wanted: dict[str, list[tuple[int | None, ...]]] = {
            "yolov8": [(None, 4 + labels, None)],
            "yolov5": [(None, None, 5 + labels)],
            "boxes": [(None, None, 4), (None, None), (None, None)],
        }
        for name, shape, must in zip(self.outputs, shapes, wanted[layout], strict=True):
            if not could_be(shape, must):
                raise ModelUnusable(
                    f"The layout {layout} with {labels} labels needs an output {name!r} of "
                    f"{['any' if size is None else size for size in must]}; the model's is {shape}."
                )

    def decode(self, tensors: Sequence[Tensor], prepared: Prepared) -> Prediction:
        view, spec = prepared.view, self._spec
        if view is None:
            raise ModelUnusable("Objects can only be found in an image.")
        corners, scores, classes = self._candidates(tensors)
        surest = float(scores.max(initial=0.0))
        # Candidates that just missed say how sure the answer is; but only those that are no shadow of a surer one.
        kept = np.flatnonzero(scores >= spec.min_score / 2)
        kept = kept[np.argsort(-scores[kept], kind="stable")][:MAX_CANDIDATES]
        if spec.normalised:
            corners = corners * np.array([view.width, view.height] * 2, np.float32)
        corners, scores, classes = corners[kept], scores[kept], classes[kept]
        alone = suppress(corners, classes, spec.max_overlap, most=2 * spec.max_objects)
        nearest = min((self._distance(float(scores[i])) for i in alone), default=self._distance(surest))
        found = [i for i in alone if scores[i] >= spec.min_score][: spec.max_objects]
        objects = tuple(found_object(corners[i], spec.labels[int(classes[i])], float(scores[i]), view) for i in found)
        label, confidence = (objects[0].label, objects[0].score) if objects else (NOTHING, share(1 - surest))
        return Prediction(label, confidence, nearest, value=float(len(objects)), objects=objects)

    def _distance(self, score: float) -> float:
        """From ``min_score``: 0 on it, 1 where a score can be no further."""
        line = self._spec.min_score
        return share((score - line) / (1 - line) if score >= line < 1 else (line - score) / line)

    def _candidates(self, tensors: Sequence[Tensor]) -> tuple[Floats, Floats, Indices]:
        """Corners (boxes, 4), the score of the best class, and its number, of every candidate."""
        spec, labels = self._spec, len(self._spec.labels)
        parts = [
            only(numbers_of(tensor, name), name, 2 if name == spec.name else 1)
            for name, tensor in zip(self.outputs, tensors, strict=True)
        ]
        if spec.layout == "boxes":
            corners, scores, numbers = parts
            classes = numbers.clip(-1, labels).astype(np.intp)
            if corners.shape != (len(scores), 4) or classes.shape != scores.shape:
                raise ModelUnusable("The model's boxes, scores and classes are not equally many.")
            # Rows that only fill up the tensor have a score of zero, and any number as their class.
            real = scores > 0
            if ((classes < 0) | (classes >= labels))[real].any():
                raise ModelUnusable(f"The model found a class that is none of its {labels} labels.")
            return corners[real].clip(-_FAR, _FAR), scores[real].clip(max=1.0), classes[real]
        table = parts[0] if spec.layout == "yolov8" else parts[0].T
        first = 4 if spec.layout == "yolov8" else 5
        if len(table) != first + labels:
            raise ModelUnusable(f"The model put out {len(table)} figures a box; {labels} labels make {first + labels}.")
        classes = table[first:].argmax(axis=0)
        scores = np.take_along_axis(table[first:], classes[np.newaxis], axis=0)[0].clip(0.0, 1.0)
        if spec.layout == "yolov5":
            scores = scores * table[4].clip(0.0, 1.0)
        centre, half = table[:2].clip(-_FAR, _FAR), table[2:4].clip(-_FAR, _FAR) / 2
        return np.concatenate([centre - half, centre + half]).T, scores, classes


def suppress(corners: Floats, classes: Indices, max_overlap: float, *, most: int) -> list[int]:
    """Class by class: which boxes (the surest first) overlap no surer one that stays by more than ``max_overlap``.

    :param corners: (boxes, 4): left, top, right, bottom.
    :param most: how many may stay.
    """
    stay: list[int] = []
    left = np.arange(len(corners))
    areas = (corners[:, 2:] - corners[:, :2]).clip(min=0).prod(axis=1)
    while len(left) and len(stay) < most:
        best, rest = left[0], left[1:]
        stay.append(int(best))
        size = np.minimum(corners[best, 2:], corners[rest, 2:]) - np.maximum(corners[best, :2], corners[rest, :2])
        common = size.clip(min=0).prod(axis=1)
        united = areas[best] + areas[rest] - common
        left = rest[(classes[rest] != classes[best]) | (common <= max_overlap * united)]
    return stay


def found_object(corners: Floats, label: str, score: float, view: View) -> FoundObject:
    """A box in pixels of the model's input as shares of the frame; what lies outside of the frame is cut off."""
    left, right = (share((float(corners[i]) - view.left) / view.across) for i in (0, 2))
    top, bottom = (share((float(corners[i]) - view.top) / view.down) for i in (1, 3))
    return FoundObject(
        label=label, score=score, x=left, y=top, width=max(0.0, right - left), height=max(0.0, bottom - top)
    )
