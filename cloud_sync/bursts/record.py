"""What the desktop remembers of a burst, and what it shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cloud_sync.bursts.budget import AttemptTimes, spent_usd, worst_case_usd
from cloud_sync.bursts.hosts.base import HostHandle, Launch, Quote
from cloud_sync.bursts.machine import State
from cloud_sync.bursts.spec import BurstSpec, Done, Heartbeat
from edge_runtime.contracts.rows import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRecord:
    """A burst as it is persisted, before each act. Goes through ``contracts.wire`` unchanged."""

    spec: BurstSpec
    host: Name
    state: State = "DRAFT"
    quote: Quote | None = None
    attempts: tuple[AttemptTimes, ...] = ()
    launch: Launch | None = None
    """The request of the last attempt: repeated as it is after a crash."""
    handle: HostHandle | None = None
    """Not None: something may still be out there, also when the burst has ended."""
    heartbeat: Heartbeat | None = None
    """The last one that was seen of the last attempt."""
    done: Done | None = None
    message: str | None = None
    """Why it failed or waits."""
    finished_ms: int | None = None
    revision: int = 0
    """Counts the saves: two programs that look after the same burst notice one another by it."""


class RecordStale(Exception):
    """Another program has saved the record since it was loaded."""


class BurstRecords(Protocol):
    """Where burst records are kept."""

    def load(self, burst: str) -> BurstRecord:
        """:raises NotFound: there is none."""
        ...

    def save(self, record: BurstRecord) -> None:
        """Keep it in place of the one of the revision before; returns when it will survive a power cut.

        :raises RecordStale: another revision is kept now. Compared and written in one transaction.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstView:
    """A burst as people see it."""

    burst: str
    host: str
    state: State
    attempt: int
    """0: none was launched."""
    step: str
    """What it does now, in words."""
    progress: float
    """0 to 1."""
    loss: float | None
    accuracy: float | None
    """On the held-out split, 0 to 1."""
    cost_usd: float
    worst_case_usd: float
    deadline_ms: int
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    message: str | None
    done: Done | None


_WORDS: dict[State, tuple[str, float]] = {
    "DRAFT": ("Draft", 0.0),
    "QUOTED": ("Price known", 0.0),
    "QUEUED_OFFLINE": ("Waiting for the object store", 0.0),
    "STAGED": ("Ready to launch", 0.02),
    "LAUNCHING": ("Launching", 0.03),
    "BOOTING": ("Starting", 0.04),
    "RUNNING": ("Starting", 0.05),
    "UNKNOWN": ("Out of reach; the burst goes on by itself", 0.05),
    "CAPACITY_WAIT": ("Waiting for a free machine", 0.02),
    "PREEMPTED": ("Interrupted; goes on from the last checkpoint", 0.05),
    "CANCELLING": ("Being cancelled", 0.0),
    "CANCELLED": ("Cancelled", 0.0),
    "FAILED": ("Failed", 0.0),
    "FINISHING": ("Finished; the result waits to be imported", 1.0),
    "IMPORTED": ("Result imported", 1.0),
    "GATED": ("Result judged", 1.0),
    "CLOSED": ("Done", 1.0),
}
_TRAINING = 0.1, 0.85
"""Between which shares of the whole the training steps lie."""


def view_of(record: BurstRecord, now_ms: int) -> BurstView:
    """What to show of a record. Pure."""
    words, progress = _WORDS[record.state]
    beat = record.heartbeat
    if beat is not None and progress < 1.0:
        reached = _reached(beat)
        progress = max(progress, reached)
        if record.state == "RUNNING":
            words = _doing(beat)
    spec = record.spec
    worst_case = 0.0
    if record.quote is not None:
        worst_case = worst_case_usd(
            record.quote.price,
            now_ms=spec.created_ms,
            deadline_ms=spec.deadline_ms,
            cap_usd=spec.cap_usd,
            max_attempts=spec.max_attempts,
        )
    return BurstView(
        burst=spec.burst,
        host=record.host,
        state=record.state,
        attempt=record.attempts[-1].attempt if record.attempts else 0,
        step=words,
        progress=progress,
        loss=beat.loss if beat else None,
        accuracy=beat.accuracy if beat else None,
        cost_usd=spent_usd(record.attempts, now_ms),
        worst_case_usd=worst_case,
        deadline_ms=spec.deadline_ms,
        created_ms=spec.created_ms,
        started_ms=record.attempts[0].started_ms if record.attempts else None,
        finished_ms=record.finished_ms,
        message=record.message,
        done=record.done,
    )


def _reached(beat: Heartbeat) -> float:
    first, last = _TRAINING
    if beat.phase in ("starting", "fetching"):
        return 0.05
    if beat.phase == "uploading":
        return 0.95
    return first + (last - first) * (beat.step / beat.steps if beat.steps else 0.0)


def _doing(beat: Heartbeat) -> str:
    if beat.phase == "training" and beat.steps:
        return f"Training: step {beat.step} of {beat.steps}"
    return {
        "starting": "Starting",
        "fetching": "Fetching the samples",
        "training": "Training",
        "exporting": "Exporting and quantizing",
        "uploading": "Uploading the result",
        "stopping": "Stopping",
    }[beat.phase]
