"""What a box says of itself over the management channel, and what it answers about a candidate model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts.rows import Count, Digest, MaybeDigest, Moment, Name, Share

MAX_PIPELINES = 256
"""Of one box."""
MAX_WORDS = 10_000
Words = Annotated[str, Meta(max_length=MAX_WORDS)]
"""Far more than a box of ours has to say, and no more than a desktop can show."""

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
    value_delta_p95: float = 0.0
    """Of the golden cases that have a value; see :class:`edge_runtime.contracts.manifest.GoldenRules`."""
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
    unjudged: Annotated[tuple[Name, ...], Meta(max_length=MAX_PIPELINES)] = ()
    """Lines that were at work whose frames come too seldom to tell how they do; of the box's own program alone."""


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
class ShadowStatus:
    """The model that sees the line's frames and answers for nothing."""

    target: Name
    bundle: Digest
    name: str
    version: str
    release: Count
    state: Literal["running", "given-up"]
    reason: str | None = None
    """Why it was given up."""
    probe: ProbeReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """One pipeline: source, model, counters since start."""

    name: Name
    source: Words
    state: PipelineState
    frames: Count = 0
    errors: Count = 0
    kept: Count = 0
    frames_per_s: float = 0.0
    last_frame_ms: int | None = None
    last_error: Words | None = None
    drift: bool = False
    """A drift alert stands for the model that runs now."""
    drift_reference: Share = 0.0
    """How much of the drift reference has been gathered, 0 to 1."""
    stages_ms: Annotated[dict[Name, float], Meta(max_length=64)] = field(default_factory=dict)
    """Where a frame's time goes: mean milliseconds by stage, in the order in which they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """What waits on the box."""

    results: Count = 0
    samples: Count = 0
    alerts: Count = 0
    losses: Count = 0
    audits: Count = 0
    shadows: Count = 0
    rollups: Count = 0
    sample_bytes: Count = 0
    disk_free_bytes: Count = 0
    in_memory: Count = 0
    """Rows on their way to the disk; many only where it does not take them."""
    problem: str | None = None
    """Why the disk does not take rows at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigStatus:
    """Which configuration the box has, by the numbers of its versions."""

    in_force: Count
    trial: Count | None = None
    waiting: Count | None = None
    """Edited on the box: it counts from the next start."""
    text: Count | None = None
    """The version that brought the text in force: an older one where somebody went back to it, or where nothing but the
    box's name was changed since. None: a box of before, which does not say."""

    @property
    def brought_by(self) -> int:
        """The version that brought what is in force, as far as the box says."""
        return self.in_force if self.text is None else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """Which version of the box's own program runs, and what became of the others."""

    problem: Annotated[str, Meta(max_length=500)] = ""
    """Why this box takes no versions over the management channel; nothing: it does."""
    base: Annotated[str, Meta(max_length=50)] = ""
    """The version that was installed on the machine itself."""
    release: Count = 0
    """The lowest that is taken."""
    slot: Literal["", "a", "b"] = ""
    """Which slot's version runs; nothing: the base."""
    bundle: MaybeDigest = ""
    """sha256 of the manifest of the version that runs; nothing: of the base it is not known."""
    slots: Annotated[tuple[SlotStatus, ...], Meta(max_length=2)] = ()
    refused: Annotated[dict[Digest, str], Meta(max_length=256)] = field(default_factory=dict)
    """Versions that were rolled back here, by the sha256 of their manifest, with the reason."""
    unsigned: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=2)] = ()
    """Targets of versions that ran here and do not start again: no desktop has signed them that still counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxStatus:
    """The answer to ``GET /v1/status``."""

    box: Digest
    name: Name
    version: str
    boot: Name
    at_ms: Moment
    """The box's clock."""
    uptime_s: float
    serial: Count
    """Counts up with every change worth telling; pass it as ``since`` to wait for the next."""
    pipelines: Annotated[tuple[PipelineStatus, ...], Meta(max_length=MAX_PIPELINES)] = ()
    slots: Annotated[tuple[SlotStatus, ...], Meta(max_length=16)] = ()
    shadow: ShadowStatus | None = None
    inference: Annotated[dict[Name, Words], Meta(max_length=16)] = field(default_factory=dict)
    """Where programs get answers: ``host:port`` by ``http`` and ``grpc``."""
    spool: SpoolStatus = field(default_factory=SpoolStatus)
    floors: Annotated[dict[str, int], Meta(max_length=10_000)] = field(default_factory=dict)
    """Lowest release of each model name that the box still accepts."""
    refused: Annotated[dict[Digest, str], Meta(max_length=256)] = field(default_factory=dict)
    """Bundles that were rolled back here and are not taken again until somebody lets them, with the reason."""
    machine: MaybeDigest = ""
    """sha256 over ``lineside machine `` and the machine-id; nothing where there is none."""
    host_key: Annotated[str, Meta(max_length=100)] = ""
    """Fingerprint of the machine's SSH host key; nothing where there is none."""
    kernel_boot: MaybeDigest = ""
    """The same for all boxes on one running machine, and for those alone."""
    former: Annotated[tuple[Digest, ...], Meta(max_length=64)] = ()
    """Ids that it had before it was given a new identity, oldest first: rows of those days are stamped with them."""
    root: Count = 0
    """Number of the site's newest root that the box has accepted; its desktops are those that it trusts."""
    root_digest: str = ""
    """sha256 of that root: two desktops may have made two of one number."""
    signed_s: Count = 0
    """When the newest release that it has accepted was signed, seconds since 1970: older signatures are refused."""
    sets_clock: bool | None = None
    """Whether the system lets a desktop set its clock through it; None: it does not say, being older."""
    arch: Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,20}\Z")] = ""
    """Of the machine, as ``uname -m`` says it: which edge bundle is for it."""
    config: ConfigStatus | None = None
    """None: it does not say, being older."""
    runtime: RuntimeStatus | None = None
    """None: a box of before, which does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootStatus:
    """The answer to ``GET /v1/roots`` and to a root that was brought."""

    newest: Count
    """Number of the newest root that the box has accepted; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """``POST /v1/install``: the name of a signed target whose metadata and bytes were delivered before."""

    target: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRequest:
    """``POST /v1/shadow``: a signed target that was delivered before is to see the line's frames beside the model that
    answers; null ends that."""

    target: Name | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRequest:
    """``POST /v1/withdraw``: end the trial of this bundle, and of no other; it is not held against it."""

    bundle: Digest
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """``POST /v1/forget``: this bundle was refused here and may come again."""

    bundle: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The answer to either: whether there was anything to do."""

    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The answer to ``POST /v1/measure``, whose body is thrown away: the sender timed its way."""

    bytes: Count


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
    pair: Count = 0
    """Port at which the box takes its one-time code; 0: it takes none."""
