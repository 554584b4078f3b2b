"""What the desktop knows, as the use-cases hand it to the window and the command line.

Frozen; times are milliseconds since 1970; ids are those of the design (sha256 in hex unless said).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta

from cloud_sync.bursts.machine import State as BurstState
from cloud_sync.release.plan import BoxState, Plan
from edge_runtime.contracts.manifest import GateReport
from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.contracts.status import BoxStatus, ProbeReport

T = TypeVar("T")

ModelState = Literal["candidate", "gated", "refused", "released"]
RolloutState = Literal["running", "paused", "done", "stopped", "aborted"]
RolloutBoxState = BoxState
SubjectKind = Literal["model", "configuration", "program"]
"""What a rollout brings."""
VisitKind = Literal["begun", "note", "receipt", "ended"]
Choice = Literal["offer-again", "offered", "hold", "blacklist"]
"""What a person decided about the subject of rollouts and a box; ``offered``: it was offered again since."""
EVERY_BOX = "*"
Signature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One keyset page. ``cursor`` fetches the next one; None at the end."""

    rows: tuple[T, ...]
    cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The factory this desktop's database belongs to."""

    site: str
    """sha256 of the first root metadata."""
    name: str
    created_ms: int
    replica: str
    """This desktop's id in the journal: fingerprint of its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An enrolled box and what it last said."""

    box: str
    name: str
    address: str
    """``host:port`` of its management listener."""
    certificate: str
    """PEM; the only trust anchor for it."""
    enrolled_ms: int
    last_seen_ms: int | None = None
    problem: str | None = None
    """Why the last contact failed; None when it answered."""
    problem_code: str | None = None
    """The error's code."""
    status: BoxStatus | None = None
    skew_ms: float | None = None
    """How far its clock was ahead of this desktop's at the last contact, give or take ``skew_error_ms``."""
    skew_error_ms: float | None = None
    labels: tuple[str, ...] = ()
    """Plain words, sorted; all boxes with one are a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How an answer of a box was come by: where, and in which order with others."""

    address: str
    asked: int
    """How many sightings there were when it was asked; see :mod:`app.store.sightings`."""
    skew_ms: float
    skew_error_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One start of one box's program, as it answered at one address.

    The times count sightings on this desktop: what was *asked* when there were n, and *heard* as the m-th, happened
    after every sighting up to n was heard, and before every one that was asked for when there were m.
    """

    box: str
    address: str
    boot: str
    """Nothing: its key answered there, and it was not asked more."""
    machine: str
    host_key: str
    kernel_boot: str
    first_asked: int
    first_heard: int
    last_asked: int
    last_heard: int
    last_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A kept input and the label that stands now."""

    sample: str
    origin: Literal["box", "import"]
    box: str | None
    pipeline: str | None
    frame: str
    at_ms: int
    media: str
    size: int
    reason: str
    predicted: str | None
    confidence: float | None
    margin: float | None
    label: str | None
    labelled_ms: int | None
    stored: bool = False
    """Its bytes lie in the object store, and not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """An immutable list of (sample, label, split)."""

    dataset: str
    name: str
    created_ms: int
    train: int
    held_out: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetItem:
    sample: str
    label: str
    split: Literal["train", "held-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """One bounded piece of training."""

    burst: str
    """UUID4."""
    recipe: str
    host: str
    dataset: str
    base_model: str | None
    """Bundle id of the model whose checkpoint it starts from."""
    state: BurstState
    created_ms: int
    deadline_ms: int
    cap_usd: float
    cost_usd: float = 0.0
    worst_case_usd: float = 0.0
    attempt: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None
    progress: float = 0.0
    step: str = ""
    """What it does now, in words."""
    message: str | None = None
    """Why it failed or waits."""
    model: str | None = None
    """Bundle id of what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of a burst's curve."""

    step: int
    loss: float
    accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A bundle in this desktop's library."""

    model: str
    """Bundle id."""
    sha256: str
    """Of the bundle's file, by which it is stored and sent."""
    size: int
    name: str
    version: str
    release: int
    state: ModelState
    created_ms: int
    burst: str | None
    dataset: str | None
    gate: GateReport | None = None
    proofs: dict[str, ProbeReport] = field(default_factory=dict)
    """What each box measured before it was signed, by box id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutBox:
    """How far one box has come in a rollout."""

    box: str
    wave: int
    state: RolloutBoxState
    reason: str | None = None
    updated_ms: int = 0
    base: Count | None = None
    """Of a configuration: the box's number of the version that was in force there at the start, as far as is known."""
    mark: Count | None = None
    """Of a configuration: the box's number of the version that it tried."""
    signature: Signature | None = None
    """Of the desktop that started it, over what this box gets, in which wave and by which plan; of a model none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A model, a configuration or a program on its staged way onto boxes; the lowest wave is the canary."""

    rollout: str
    """UUID4."""
    model: str
    """By which the subject is known: bundle id, sha256 of what a configuration changes, or of a program's manifest."""
    version: str
    state: RolloutState
    created_ms: int
    boxes: tuple[RolloutBox, ...]
    finished_ms: int | None = None
    reason: str | None = None
    plan: Plan = field(default_factory=Plan)
    replica: str = ""
    """The desktop that started it."""
    stamp: str = ""
    """Of that desktop's hybrid clock, when it started it."""
    subject: SubjectKind = "model"
    object: Digest | None = None
    """The file with it, of a configuration or a program; a model's stands in the library."""
    size: Count | None = None
    """Of that file, bytes."""
    signature: Signature | None = None
    """Of the desktop that started it, over the rollout and that file: an object store alone brings boxes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDecision:
    """What a person decided about the subject of rollouts on one box, or on :data:`EVERY_BOX`."""

    box: str
    bundle: str
    choice: Choice
    reason: str
    who: str
    decided_ms: int
    subject: SubjectKind = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFigure:
    """How fast bytes went to a box the last time that enough of them went there."""

    box: str
    bytes_per_s: float
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """An entry of the audit chain: its digest covers the one before."""

    seq: int
    at_ms: int
    who: str
    what: str
    """Dotted and stable, such as ``box.enrolled``."""
    subject: str
    message: str
    digest: str


VisitId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}-[0-9a-f]{16}\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEntry:
    """An entry of a visit: its digest covers the one before, and the desktop that made it has signed that."""

    visit: VisitId
    """Random, and the beginning of ``replica``: no other desktop can add to it."""
    seq: Annotated[int, Meta(ge=1)]
    replica: Digest
    """The desktop's id in the journal."""
    at_ms: int
    kind: VisitKind
    who: str
    desktop: Digest
    """Fingerprint of the key that signed."""
    certificate: str
    """PEM, of that key."""
    body: str
    """Canonical JSON; what of, depends on the kind: see :mod:`app.usecases.visits.records`."""
    previous: Digest
    digest: Digest
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncProblem:
    """Why another desktop's changes do not come."""

    replica: str
    """Its id in the journal."""
    message: str


WaitReason = Literal["next-sync", "under-way", "metered", "hours", "store-away", "refused", "no-store"]
"""``hours``: it is not the time; ``refused``: the problem of the last sync says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something of one kind that is to go to the object store, or to come from it."""

    kind: str
    """``journal`` (changes, alerts), ``bundle``, ``dataset``, ``sample``, ``other``: to go; ``coming``: files that
    other desktops wrote of.
    """
    count: int
    bytes: int
    """0 for the journal, whose bytes are known when it goes."""
    reason: WaitReason = "next-sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Files on their way now."""

    done: int
    """Bytes that went, of ``bytes``."""
    bytes: int
    bytes_per_s: float
    """Of the last seconds."""
    at_ms: int

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this speed; None: nobody can say."""
        return max(self.bytes - self.done, 0) / self.bytes_per_s if self.bytes_per_s > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """Where this desktop stands with the object store."""

    store: str | None
    """The store's address without credentials; None: not set up."""
    last_ms: int | None
    pending_changes: int
    pending_objects: int
    pending_bytes: int
    objects: int
    """Objects of this desktop that are known to be in the store."""
    bytes: int
    problem: str | None = None
    """Why the last sync did not come to its end, or what it lacked."""
    queued: bool = False
    """Somebody asked for a sync while the store was away: it waits for the next one."""
    stored: int = 0
    """Samples whose bytes lie in the store alone, and come when somebody opens them."""
    conflicts: int = 0
    """That nobody has decided yet."""
    problems: tuple[SyncProblem, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    """What waits, in the order in which it goes, and why."""
    moving: Movement | None = None
    """None: no files are on their way."""
    left_s: float | None = None
    """Seconds until those on their way have gone."""
