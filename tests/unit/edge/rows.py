"""Rows and a source to make unit tests of the box short."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, RollupRow, SampleRow
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame

Reason = Literal["hard", "random", "unlabelled"]
BOX = "ab" * 32
MODEL = "cd" * 32
NO_RESERVE = SpoolLimits(reserve_bytes=0)


class Clock:
    """The box's time, set by hand."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def open_spool(
    home: Path,
    *,
    limits: SpoolLimits = NO_RESERVE,
    boot: str = "boot",
    clock: Clock | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Spool:
    return Spool(home, box=BOX, boot=boot, limits=limits, now_ms=clock or Clock(), monotonic=monotonic)


def result(spool: Spool, frame: str = "frame", label: str = "dark") -> ResultRow:
    return ResultRow(
        **spool.stamp("results"),
        pipeline="camera",
        frame=frame,
        sample=hashlib.sha256(frame.encode()).hexdigest(),
        model=MODEL,
        label=label,
        confidence=0.9,
        margin=0.8,
        latency_us=1500,
    )


def sample(spool: Spool, data: bytes, reason: Reason = "hard") -> SampleRow:
    return SampleRow(
        **spool.stamp("samples"),
        pipeline="camera",
        frame="frame",
        sample=hashlib.sha256(data).hexdigest(),
        media="image/jpeg",
        size=len(data),
        reason=reason,
    )


def alert(spool: Spool, kind: str = "drift.confidence") -> AlertRow:
    return AlertRow(**spool.stamp("alerts"), kind=kind, message="something happened")


def loss(spool: Spool, count: int = 1, reason: str = "frame.unreadable") -> LossRow:
    stamp = spool.stamp("losses")
    at_ms = stamp["at_ms"]
    return LossRow(**stamp, stream="frames", count=count, bytes=10, first_ms=at_ms, last_ms=at_ms, reason=reason)


class ListSource:
    """Gives what is put into ``frames``."""

    address = "list:test"
    problem: str | None = None
    finished = False
    dropped = 0

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.commits = 0
        self.closed = False

    def read(self, timeout_s: float) -> Frame | None:
        return self.frames.popleft() if self.frames else None

    def commit(self) -> None:
        self.commits += 1

    def close(self) -> None:
        self.closed = True


def rollup(spool: Spool, frames: int = 60) -> RollupRow:
    return RollupRow(
        **spool.stamp("rollups"),
        span_ms=60_000,
        pipeline="camera",
        model=MODEL,
        frames=frames,
        errors=0,
        kept=1,
        confidence_mean=0.9,
        latency_us_p50=1500,
        latency_us_p99=3000,
    )
