"""The rows that a box writes and a desktop collects.

Each has a key on which every later step is idempotent: ``(box, boot, seq)`` for what happened, ``sample``
(the sha256 of the bytes) for what was seen. Times are milliseconds since 1970 by the box's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts.latency_buckets import MOST_BUCKETS

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A sha256 in lower-case hex: identities, samples, bundles, objects."""
MaybeDigest = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
"""As :data:`Digest`, or nothing."""
Count = Annotated[int, Meta(ge=0)]
EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
Moment = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
"""Milliseconds since 1970 by somebody's clock, however wrong: in the years from 1 to 9999."""
Bucket = Annotated[int, Meta(ge=0, lt=MOST_BUCKETS)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]

Stream = Literal["audits", "alerts", "samples", "shadows", "rollups", "results", "losses"]
STREAMS: tuple[Stream, ...] = ("audits", "alerts", "samples", "shadows", "rollups", "results", "losses")
"""What a desktop collects from a box, most precious first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """One detected thing; the box's corner and size are shares of the frame."""

    label: str
    score: Share
    x: Share
    y: Share
    width: Share
    height: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """What the model said about one frame."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    pipeline: Name
    frame: str
    """The source's own name of the frame: a file's name, a stream's counter."""
    sample: Digest
    """sha256 of the frame's bytes, whether or not the sample is kept."""
    model: Digest
    """Bundle id: the sha256 of the manifest."""
    label: str
    confidence: Share
    margin: Share
    """Confidence of the best label minus that of the second."""
    latency_us: Count
    """Decode to answer."""
    value: float | None = None
    """Regression: the number. Anomaly: the score. Segmentation: share of the frame that ``label`` covers.
    Detection: how many objects."""
    objects: tuple[FoundObject, ...] = ()
    areas: dict[str, Share] = field(default_factory=dict)
    """Segmentation: share of the frame by label, the background left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """One input that the box kept because it can teach something."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    pipeline: Name
    frame: str
    sample: Digest
    media: str
    size: Count
    """Bytes."""
    reason: Literal["hard", "random", "unlabelled", "disagreement", "recovered"]
    """Low margin; a random share for an unbiased estimate; seen while no model was there; the shadow model said
    otherwise; or its row was lost with the spool, and nothing but the bytes is known of it."""
    model: Digest | None = None
    label: str | None = None
    confidence: Share | None = None
    margin: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """Something that a person should know: drift, a frozen camera, a rollback."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    kind: Name
    """Dotted and stable: ``drift.confidence``, ``drift.value``, ``drift.classes``, ``input.brightness``,
    ``input.blur``, ``input.frozen``, ``input.blind``, ``update.rolled-back``…"""
    message: str
    pipeline: str | None = None
    model: Digest | None = None
    facts: dict[str, float] = field(default_factory=dict)
    """The figures behind it, such as ``frames`` seen since the window began, ``p_value``, ``statistic``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRow:
    """An entry of the loss ledger: what the box had to let go, and why."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    stream: Name
    """The class of what went: ``results``, ``samples``, ``frames``…"""
    count: Count
    bytes: Count
    first_ms: Moment
    last_ms: Moment
    reason: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRow:
    """A frame on which the shadow model and the model that answers do not agree."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    pipeline: Name
    frame: str
    sample: Digest
    model: Digest
    shadow: Digest
    label: str
    shadow_label: str
    confidence: Share
    shadow_confidence: Share
    latency_us: Count
    shadow_latency_us: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupRow:
    """One minute of one pipeline and model, which stays where single results had to go."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    """When the minute began."""
    span_ms: Count
    pipeline: Name
    model: Digest
    frames: Count
    errors: Count
    kept: Count
    confidence_mean: Share
    latency_us_p50: Count
    latency_us_p99: Count
    latency_first: Bucket = 0
    latency_counts: Annotated[tuple[Count, ...], Meta(max_length=MOST_BUCKETS)] = ()
    """All latencies, as :class:`~edge_runtime.contracts.latency_buckets.Counts`; from a box that counts none, empty."""
    labels: dict[str, Count] = field(default_factory=dict)
    """How often each answer came; beyond 64 labels the rest is counted under ``…``."""
    value_mean: float | None = None
    shadow: Digest | None = None
    shadow_frames: Count = 0
    shadow_agreed: Count = 0
    shadow_latency_us_p50: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What somebody did to the box, or it did by itself: never dropped before everything else."""

    box: Digest
    boot: Name
    seq: Count
    at_ms: Moment
    kind: Name
    """Dotted and stable: ``box.started``, ``config.changed``, ``update.installed``, ``update.rolled-back``…"""
    who: str
    """Fingerprint of the desktop that asked, or ``box``."""
    message: str
    entry: Count = 0
    """Its place in the box's chain, from 1; 0: it was not sealed, see :mod:`edge_runtime.contracts.audit_chain`."""
    previous: MaybeDigest = ""
    """Digest of the entry before it."""
    chain: MaybeDigest = ""
    """Its own digest, which covers the one before."""


Row = AuditRow | AlertRow | SampleRow | ShadowRow | RollupRow | ResultRow | LossRow
ROW_TYPES: Mapping[Stream, type[Row]] = {
    "audits": AuditRow,
    "alerts": AlertRow,
    "samples": SampleRow,
    "shadows": ShadowRow,
    "rollups": RollupRow,
    "results": ResultRow,
    "losses": LossRow,
}
"""What a row of each stream is."""
