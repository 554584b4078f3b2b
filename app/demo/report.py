"""What the demo measured; every number is computed from what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_runtime.contracts import wire


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose about the demo."""

    directory: str | None = None
    """Keep everything there; without it a temporary folder is used and removed."""
    bucket: str | None = None
    """``s3://BUCKET/PREFIX`` or a folder; by default a folder of the demo's own."""
    endpoint_url: str | None = None
    seed: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstFigures:
    id: str
    host: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFigures:
    seen: int
    """Frames that the boxes looked at."""
    kept: int
    """Of these, what the boxes kept because it can teach something."""
    labelled: int
    """Of the kept ones, how many were labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    version: str
    fp32_accuracy: float
    int8_accuracy: float
    fp32_bytes: int
    int8_bytes: int
    gate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFigures:
    state: str
    boxes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAccuracy:
    """Share of right answers on a line's frames, against a truth that the box never saw."""

    before_change: float
    after_change: float
    after_update: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFigures:
    alert: bool
    frames_until_alert: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFigures:
    store: str
    objects: int
    bytes: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """The demo's last word."""

    boxes: int
    bursts: tuple[BurstFigures, ...]
    samples: SampleFigures
    models: tuple[ModelFigures, ...]
    rollout: RolloutFigures
    line1_accuracy: LineAccuracy
    """Line 1 never changes: the three figures show that the new model does it no harm."""
    line2_accuracy: LineAccuracy
    drift: DriftFigures
    sync: SyncFigures
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return wire.to_dict(self)
