"""The bundle's manifest: everything a box must know to run a model, and everything a person wants to ask of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import Count, Digest, Name, Share

Task = Literal["classification", "detection", "segmentation", "anomaly", "regression", "text"]
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}\Z")]
Side = Annotated[int, Meta(ge=1, le=8192)]

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.onnx"
GOLDEN_PREFIX = "golden/"
NOTHING = "nothing"
"""What a detector answers where it finds no object."""
MAX_SIGNAL_POINTS = 2**22
"""In one window, all channels together."""


class ImageInput(Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """How an image becomes the model's input tensor; uint8 has ``(x - mean) / std`` folded into the graph."""

    name: Name
    width: Side
    height: Side
    colour: Literal["RGB", "BGR", "GRAY"]
    resize: Literal["stretch", "letterbox", "centre-crop"] = "stretch"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["uint8", "float16", "float32"] = "uint8"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """``(x * scale - mean) / std``, applied by the runtime only where dtype is a float. One for all channels, or one
    each in the order of ``colour``."""

    def __post_init__(self) -> None:
        _check_normalisation(self.mean, self.std, self.channels)
        if self.scale == 0 or not isfinite(self.scale):
            raise ValueError("scale must be a number other than 0")

    @property
    def channels(self) -> int:
        return 1 if self.colour == "GRAY" else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one input, without the batch's axis."""
        if self.layout == "NHWC":
            return self.height, self.width, self.channels
        return self.channels, self.height, self.width


class SignalInput(Struct, frozen=True, kw_only=True, tag_field="kind", tag="signal"):
    """A window of a signal as the model's input tensor: float32, shape (N, channels, length)."""

    name: Name
    length: Annotated[int, Meta(ge=1, le=2**20)]
    """Points in a window."""
    channels: Annotated[int, Meta(ge=1, le=256)] = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """``(x - mean) / std``. One for all channels, or one each."""

    def __post_init__(self) -> None:
        _check_normalisation(self.mean, self.std, self.channels)
        if self.channels * self.length > MAX_SIGNAL_POINTS:
            raise ValueError(f"a window has at most {MAX_SIGNAL_POINTS} points, all channels together")


class TextInput(Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """A line of text as the model's input tensor.

    ``string``: the line as it stands, shape (N, 1). Integers: its UTF-8 bytes, each plus one, cut or padded with
    zeros to ``length``, shape (N, length).
    """

    name: Name
    dtype: Literal["string", "int64", "int32"] = "string"
    length: Annotated[int, Meta(ge=1, le=2**16)] = 256


InputSpec = ImageInput | SignalInput | TextInput


class ClassificationOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="classification"):
    """One score for each label, shape (N, labels); of two labels also the second's alone, (N, 1).

    Margin: the best probability minus the second best.
    """

    name: Name
    labels: tuple[Name, ...]
    kind: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        _check_labels(self.labels)

    @property
    def answers(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return self.labels


class DetectionOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="detection"):
    """Boxes around things.

    ``yolov8``: (N, 4 + labels, boxes) with centre, size, class scores. ``yolov5``: (N, boxes, 5 + labels) with an
    objectness before the class scores. ``boxes``: corners (N, boxes, 4) in ``name``, scores (N, boxes) in
    ``scores`` and class numbers (N, boxes) in ``classes``. Coordinates are pixels of the model's input, or shares
    of it where ``normalised``. Scores are probabilities.

    Label and confidence are those of the surest object; where there is none, :data:`NOTHING`, and how far the best
    candidate was from being one. Margin: how near to ``min_score`` the nearest score is, as a share of what there is
    on its side. Value: the number of objects.
    """

    name: Name
    labels: tuple[Name, ...]
    layout: Literal["yolov8", "yolov5", "boxes"] = "yolov8"
    scores: Name | None = None
    classes: Name | None = None
    normalised: bool = False
    min_score: Share = 0.25
    max_overlap: Share = 0.45
    """Intersection over union above which the weaker of two boxes of one class is dropped."""
    max_objects: Annotated[int, Meta(ge=1, le=300)] = 100

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        if NOTHING in self.labels:
            raise ValueError(f"{NOTHING!r} is what a box answers where there is no object, and cannot be a label")
        if (self.scores is not None, self.classes is not None) != (self.layout == "boxes",) * 2:
            raise ValueError("scores and classes name tensors of the layout 'boxes': both there, and in no other")
        if len({self.name, self.scores, self.classes}) < 3 and self.layout == "boxes":
            raise ValueError("boxes, scores and classes must be three different tensors")
        if self.min_score == 0:
            raise ValueError("min_score must be above 0, or everything is an object")

    @property
    def answers(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return NOTHING, *self.labels


class SegmentationOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="segmentation"):
    """A class for each pixel: (N, labels, H, W); with one label besides the background also (N, 1, H, W).

    The label is that which covers most, the background left out; value is the share of the frame that it covers.
    Confidence and margin (best probability minus the second best) are means over the pixels which might show
    something; where none might, the frame is surely background.
    """

    name: Name
    labels: tuple[Name, ...]
    """The first is the background."""
    kind: Literal["logits", "probabilities"] = "logits"
    min_area: Share = 0.0
    """Share of the frame below which a class counts as not there."""

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        if len(self.labels) < 2:
            raise ValueError("labels are the background and at least one other")

    @property
    def answers(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return self.labels


class AnomalyOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="anomaly"):
    """How unusual an input is: a score (N,) or a map of scores of any shape, or the input as the model rebuilt it.

    The score of a rebuilt input is its distance from the input as the model was given it, in units of that tensor.
    Confidence is the share of the larger one in score + threshold (a half at the threshold); margin is that of the
    larger minus that of the smaller. Value: the score.
    """

    name: Name
    threshold: Annotated[float, Meta(gt=0)]
    """A score from here up is an anomaly."""
    kind: Literal["score", "reconstruction"] = "score"
    reduce: Literal["max", "mean"] = "max"
    """How a map, or the distances of all points, become one score."""

    def __post_init__(self) -> None:
        if not isfinite(self.threshold):
            raise ValueError("threshold must be a number")

    @property
    def labels(self) -> tuple[str, ...]:
        return "normal", "anomalous"

    @property
    def answers(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return self.labels


class RegressionOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="regression"):
    """One number, shape (N,) or (N, 1), with the range in which it should be.

    Margin: the distance from the range's nearer end as a share of half the range (of the end itself where there is
    one alone), 1 at most. Confidence: a half, and half of the margin. Value: the number.
    """

    name: Name
    low: float | None = None
    high: float | None = None
    unit: Annotated[str, Meta(max_length=40)] = ""

    def __post_init__(self) -> None:
        if any(end is not None and not isfinite(end) for end in (self.low, self.high)):
            raise ValueError("low and high must be numbers")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")

    @property
    def labels(self) -> tuple[str, ...]:
        return "low", "in range", "high"

    @property
    def answers(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return self.labels


OutputSpec = ClassificationOutput | DetectionOutput | SegmentationOutput | AnomalyOutput | RegressionOutput


def _check_normalisation(mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> None:
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise ValueError(f"{name} has {len(values)} values: one for all channels or one for each of {channels}")
        if not all(map(isfinite, values)):
            raise ValueError(f"{name} must be numbers")
    if 0 in std:
        raise ValueError("std must not be 0")


def _check_labels(labels: tuple[str, ...]) -> None:
    if not labels:
        raise ValueError("labels is empty")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"the label {twice!r} is there twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A member of the bundle other than the manifest."""

    path: Name
    sha256: Digest
    size: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase:
    """A real input with the answer expected of it; a box replays it before the model may see the line."""

    path: Name
    label: Name
    """The label the model gave where it was made (not the truth: what is checked is that it runs the same here)."""
    confidence: Share
    value: float | None = None
    """The number it gave, where the task has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRules:
    """When the replay of the golden cases passes."""

    min_agreement: Share = 0.95
    """Share of cases whose label must come out the same."""
    max_confidence_delta: Share = 0.15
    """Largest difference of confidence, as the 95th percentile over the cases."""
    max_value_delta: Annotated[float, Meta(ge=0)] = 0.05
    """Largest difference of a value, as a share of the largest of both and of what the cases' values typically are;
    95th percentile over the cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationFacts:
    """How the int8 model was made."""

    method: Name
    """For instance ``static-qdq-u8s8-per-channel``."""
    calibration_dataset: Digest | None = None
    calibration_samples: Count = 0
    float_nodes: tuple[str, ...] = ()
    """Nodes that stayed in fp32 because they were too sensitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What was measured on the held-out split before the bundle was built."""

    passed: bool
    samples: Count
    fp32_accuracy: Share
    int8_accuracy: Share
    fp32_bytes: Count
    int8_bytes: Count
    baseline_accuracy: Share | None = None
    """Accuracy of the model that runs now, on the same split."""
    reasons: tuple[str, ...] = ()
    """Why it did not pass; empty where it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where the model came from."""

    burst: str | None = None
    dataset: Digest | None = None
    recipe: str | None = None
    recipe_version: str | None = None
    base_model: Digest | None = None
    code_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleManifest:
    """``manifest.json``. The bundle's id is the sha256 of these bytes in canonical form."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]
    version: Version
    release: Count
    """Counts up with every release of this name; the box keeps a floor and never goes below it."""
    task: Task
    input: InputSpec
    output: OutputSpec
    files: tuple[FileEntry, ...]
    golden: tuple[GoldenCase, ...] = ()
    golden_rules: GoldenRules = field(default_factory=GoldenRules)
    min_runtime: str = "1.20.0"
    """Smallest onnxruntime that can run it."""
    latency_budget_ms: float | None = None
    """p95 on the box that it must keep; none: twice the model before it."""
    quantization: QuantizationFacts | None = None
    gate: GateReport | None = None
    lineage: Lineage = field(default_factory=Lineage)
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        written = "text" if isinstance(self.input, TextInput) else self.output.__struct_config__.tag
        if self.task != written:
            raise ValueError(f"the task is {self.task!r}, but input and output are those of {written!r}")
        if isinstance(self.input, TextInput) and not isinstance(self.output, ClassificationOutput):
            raise ValueError("of a text only the class can be told")
        if isinstance(self.output, DetectionOutput | SegmentationOutput) and not isinstance(self.input, ImageInput):
            raise ValueError(f"{self.task} needs an image")
        if self.latency_budget_ms is not None and not 0 <= self.latency_budget_ms < inf:
            raise ValueError("latency_budget_ms must be a number, 0 or more")

    def to_bytes(self) -> bytes:
        return wire.encode(self)

    @property
    def id(self) -> str:
        """Bundle id."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @staticmethod
    def from_bytes(body: bytes) -> BundleManifest:
        """:raises InputInvalid: not a manifest; names the field."""
        return wire.decode(body, BundleManifest, what="bundle manifest")
