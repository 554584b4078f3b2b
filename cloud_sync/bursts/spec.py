"""What desktop and agent say to each other through the object store, and under which keys.

Everything of a burst lies under ``bursts/<id>/``; its inputs (dataset, samples, base checkpoint) are read from
the shared ``objects/``. Each key has one writer; what is written is immutable, but for the heartbeat. What is
read is checked type by type and bound by bound: a store is not trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.rows import Count, Digest, Name, Share

BurstId = Annotated[str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\Z")]
Attempt = Annotated[int, Meta(ge=1, le=9999)]
Params = Annotated[dict[str, bool | int | float | Annotated[str, Meta(max_length=1000)]], Meta(max_length=64)]
Money = Annotated[float, Meta(ge=0.0, le=1_000_000.0)]
"""US dollars."""

STOP_GRACE_S = 15.0
"""How long past its deadline an agent may take to save and leave; counted in every worst case."""
MAX_MESSAGE_BYTES = 2**20
"""Largest spec, heartbeat, log segment, COMMIT or DONE that is read."""
MAX_DATASET_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstSpec:
    """What to train, on what, and until when at most. Written once, before the first attempt."""

    burst: BurstId
    recipe: Name
    dataset: Digest
    labels: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=10_000)]
    """In the order of the model's outputs."""
    created_ms: int
    deadline_ms: int
    """By when no attempt works any more, whatever happens."""
    params: Params = field(default_factory=dict)
    base_checkpoint: Digest | None = None
    """The ``checkpoint.npz`` of an earlier burst to start from."""
    cap_usd: Money = 0.0
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    checkpoint_every_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 5.0
    max_attempts: Attempt = 3
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels are not distinct")
        if self.deadline_ms <= self.created_ms:
            raise ValueError("the deadline is not after the creation")

    def to_bytes(self) -> bytes:
        return wire.encode(self)

    @staticmethod
    def from_bytes(body: bytes) -> BurstSpec:
        """:raises InputInvalid: not a spec; names the field."""
        return wire.decode(body, BurstSpec, what="burst's spec")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """One labelled sample of a dataset object."""

    sample: Digest
    label: Name
    split: Literal["train", "held-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetBody:
    """The dataset object: its id is the sha256 of its canonical JSON."""

    items: tuple[DatasetEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of the training curve."""

    step: Count
    loss: float
    accuracy: Share | None = None
    """On the held-out split."""


Phase = Literal["starting", "fetching", "training", "exporting", "uploading", "stopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Where an attempt is now; overwritten every two seconds."""

    burst: BurstId
    attempt: Attempt
    beat: Count
    """Counts up: a reader tells life by its change, never by comparing clocks."""
    at_ms: int
    phase: Phase
    step: Count = 0
    steps: Count = 0
    loss: float | None = None
    accuracy: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSegment:
    """The next piece of an attempt's log and curve."""

    burst: BurstId
    attempt: Attempt
    seq: Count
    lines: tuple[str, ...] = ()
    points: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object by its content."""

    sha256: Digest
    size: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """``COMMIT.json``: written after a checkpoint's file, it makes the checkpoint valid."""

    burst: BurstId
    attempt: Attempt
    step: Count
    state: Stored


DoneState = Literal["finished", "failed", "deadline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``DONE.json``: the burst's last word, written once. An attempt that is stopped or killed writes none."""

    burst: BurstId
    attempt: Attempt
    state: DoneState
    finished_ms: int
    reason: str = ""
    """Why it did not finish, in plain words; empty where it did."""
    seconds: Annotated[float, Meta(ge=0.0)] = 0.0
    """What the attempt took, start to end."""
    recipe: str = ""
    recipe_version: str = ""
    artifacts: dict[str, Stored] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


def decode_dataset(body: bytes) -> tuple[DatasetEntry, ...]:
    """:raises InputInvalid: not a dataset object, or an empty one."""
    items = wire.decode(body, DatasetBody, what="dataset").items
    if not items:
        raise InputInvalid("The dataset is empty.")
    return items


def spec_key(burst: str) -> str:
    return f"bursts/{burst}/spec.json"


def done_key(burst: str) -> str:
    return f"bursts/{burst}/DONE.json"


def heartbeat_key(burst: str, attempt: int) -> str:
    return f"bursts/{burst}/attempts/{attempt:04d}/heartbeat.json"


def log_prefix(burst: str) -> str:
    return f"bursts/{burst}/log/"


def log_key(burst: str, attempt: int, seq: int) -> str:
    """Keys sort in the order of writing."""
    return f"{log_prefix(burst)}{attempt:04d}-{seq:08d}.json"


def checkpoint_prefix(burst: str) -> str:
    return f"bursts/{burst}/checkpoints/"


def checkpoint_key(burst: str, step: int, attempt: int, name: str) -> str:
    """``name`` is ``state.npz`` or ``COMMIT.json``; keys sort by step, then attempt."""
    return f"{checkpoint_prefix(burst)}{step:010d}-{attempt:04d}/{name}"


def artifact_key(burst: str, sha256: str) -> str:
    return f"bursts/{burst}/objects/{sha256[:2]}/{sha256}"
