"""The bundle's manifest: everything a box must know to run a model, and everything a person wants to ask of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
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


class ImageInput(Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """How an image becomes the model's input tensor, NCHW; uint8 has ``(x - mean) / std`` folded into the graph."""

    name: Name
    width: Side
    height: Side
    colour: Literal["RGB", "BGR", "GRAY"]
    resize: Literal["stretch", "letterbox", "centre-crop"] = "stretch"
    dtype: Literal["uint8", "float32"] = "uint8"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """``scale``, ``mean`` and ``std`` are applied by the runtime only where dtype is float32."""

    @property
    def channels(self) -> int:
        return 1 if self.colour == "GRAY" else 3


class SignalInput(Struct, frozen=True, kw_only=True, tag_field="kind", tag="signal"):
    """A window of a signal as the model's input tensor: float32, shape (N, channels, length)."""

    name: Name
    length: Annotated[int, Meta(ge=1, le=2**20)]
    """Points in a window."""
    channels: Annotated[int, Meta(ge=1, le=256)] = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """One for all channels, or one each."""


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
    """One score for each label, shape (N, labels)."""

    name: Name
    labels: tuple[Name, ...]
    kind: Literal["logits", "probabilities"] = "logits"


class DetectionOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="detection"):
    """Boxes around things.

    ``yolov8``: (N, 4 + labels, boxes) with centre, size, class scores. ``yolov5``: (N, boxes, 5 + labels) with an
    objectness before the class scores. ``boxes``: corners (N, boxes, 4) in ``name``, scores (N, boxes) in
    ``scores`` and class numbers (N, boxes) in ``classes``. Coordinates are pixels of the model's input, or shares
    of it where ``normalised``.
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


class SegmentationOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="segmentation"):
    """A class for each pixel: (N, labels, H, W); with one label besides the background also (N, 1, H, W)."""

    name: Name
    labels: tuple[Name, ...]
    """The first is the background."""
    kind: Literal["logits", "probabilities"] = "logits"
    min_area: Share = 0.0
    """Share of the image below which a class counts as not there."""


class AnomalyOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="anomaly"):
    """How unusual an input is: a score (N,) or a map of scores of any shape, or the input as the model rebuilt it."""

    name: Name
    threshold: Annotated[float, Meta(gt=0)]
    """A score from here up is an anomaly."""
    kind: Literal["score", "reconstruction"] = "score"
    reduce: Literal["max", "mean"] = "max"
    """How a map becomes one score."""

    @property
    def labels(self) -> tuple[str, ...]:
        return "normal", "anomalous"


class RegressionOutput(Struct, frozen=True, kw_only=True, tag_field="task", tag="regression"):
    """One number, shape (N,) or (N, 1), with the range in which it should be."""

    name: Name
    low: float | None = None
    high: float | None = None
    unit: Annotated[str, Meta(max_length=40)] = ""

    @property
    def labels(self) -> tuple[str, ...]:
        return "low", "in range", "high"


OutputSpec = ClassificationOutput | DetectionOutput | SegmentationOutput | AnomalyOutput | RegressionOutput


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
    """Largest difference of a value, as a share of the larger of it and the expected one's typical size; 95th
    percentile."""


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
