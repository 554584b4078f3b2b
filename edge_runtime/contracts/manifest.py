"""The bundle's manifest: everything a box must know to run a model, and everything a person wants to ask of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import Count, Digest, Name, Share

Task = Literal["classification", "detection", "anomaly", "regression", "text"]
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}\Z")]
Side = Annotated[int, Meta(ge=1, le=8192)]

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.onnx"
GOLDEN_PREFIX = "golden/"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """How a frame becomes the model's input tensor: uint8, NCHW; ``(x - mean) / std`` is folded into the graph."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What comes out, and what it means."""

    name: Name
    labels: tuple[Name, ...]
    kind: Literal["logits", "probabilities"] = "logits"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRules:
    """When the replay of the golden cases passes."""

    min_agreement: Share = 0.95
    """Share of cases whose label must come out the same."""
    max_confidence_delta: Share = 0.15
    """Largest difference of confidence, as the 95th percentile over the cases."""


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
