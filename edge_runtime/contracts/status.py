"""What a box says of itself over the management channel, and what it answers about a candidate model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edge_runtime.contracts.rows import Count, Digest, Name, Share

SlotState = Literal["EMPTY", "STAGED", "VERIFIED", "PROBED", "TRIAL", "COMMITTED", "REJECTED", "ROLLED_BACK"]
PipelineState = Literal["waiting-for-model", "running", "no-input", "failing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What a model did in the sandbox of the very box that would run it."""

    bundle: Digest
    passed: bool
    golden_total: Count
    golden_agreed: Count
    confidence_delta_p95: float
    latency_ms_p50: float
    latency_ms_p95: float
    """Decode, preprocess and inference of one golden case, one at a time."""
    load_ms: float
    memory_bytes: Count
    """Peak resident memory of the sandbox process."""
    runtime: str
    """onnxruntime's version."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """How the model did on the live line before it was committed or rolled back."""

    frames: Count
    errors: Count
    latency_ms_p95: float
    baseline_latency_ms_p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatus:
    """One of the two model slots."""

    slot: Literal["a", "b"]
    state: SlotState
    bundle: Digest | None = None
    name: str | None = None
    version: str | None = None
    release: Count = 0
    reason: str | None = None
    """Why it was rejected or rolled back."""
    active: bool = False
    """This slot's model answers for the line now."""
    probe: ProbeReport | None = None
    trial: TrialReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """One pipeline: source, model, counters since start."""

    name: Name
    source: str
    state: PipelineState
    frames: Count = 0
    errors: Count = 0
    kept: Count = 0
    frames_per_s: float = 0.0
    last_frame_ms: int | None = None
    last_error: str | None = None
    drift: bool = False
    """A drift alert stands for the model that runs now."""
    drift_reference: Share = 0.0
    """How much of the drift reference has been gathered, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """What waits on the box."""

    results: Count = 0
    samples: Count = 0
    alerts: Count = 0
    losses: Count = 0
    sample_bytes: Count = 0
    disk_free_bytes: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxStatus:
    """The answer to ``GET /v1/status``."""

    box: Digest
    name: Name
    version: str
    boot: Name
    at_ms: int
    """The box's clock."""
    uptime_s: float
    serial: Count
    """Counts up with every change worth telling; pass it as ``since`` to wait for the next."""
    pipelines: tuple[PipelineStatus, ...] = ()
    slots: tuple[SlotStatus, ...] = ()
    spool: SpoolStatus = field(default_factory=SpoolStatus)
    floors: dict[str, int] = field(default_factory=dict)
    """Lowest release of each model name that the box still accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """``POST /v1/install``: the name of a signed target whose metadata and bytes were delivered before."""

    target: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """``POST /v1/probe``: try a delivered bundle in the sandbox; changes nothing on the box."""

    sha256: Digest
    """Of the whole bundle file, as delivered to ``/v1/objects``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckRequest:
    """``POST /v1/spool/STREAM/ack``: rows up to and including this cursor are safe on a desktop."""

    through: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """The TXT record of ``_lineside._tcp``: only a hint, the key proves who it is."""

    box: Digest
    name: Name
    host: str
    port: Count
    enrolled: bool = False
