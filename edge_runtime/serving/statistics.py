"""What each model has answered so far, and how long that took. Cheap enough to be counted for every request."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

BUCKETS_S: Sequence[float] = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the histogram of durations."""
_BUCKETS_NS = tuple(round(bound * 1e9) for bound in BUCKETS_S)


@dataclass(slots=True)
class Totals:
    """Sums since the model was loaded, times in nanoseconds."""

    succeeded: int = 0
    failed: int = 0
    inferences: int = 0
    """Answered rows: a request with a batch of eight counts eight."""
    executions: int = 0
    success_ns: int = 0
    failure_ns: int = 0
    queue_ns: int = 0
    decode_ns: int = 0
    infer_ns: int = 0
    encode_ns: int = 0
    last_unix_ms: int = 0


class ModelStatistics:
    """Counted from any thread, read as one consistent copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = Totals()
        self._histogram = [0] * (len(BUCKETS_S) + 1)

    def succeeded(
        self, rows: int, *, total_ns: int, queue_ns: int, decode_ns: int, infer_ns: int, encode_ns: int
    ) -> None:
        """A request was answered; ``total_ns`` counts from the moment at which it was here as a whole."""
        bucket = bisect_left(_BUCKETS_NS, total_ns)
        now_ms = time.time_ns() // 1_000_000
        with self._lock:
            totals = self._totals
            totals.succeeded += 1
            totals.inferences += rows
            totals.executions += 1
            totals.success_ns += total_ns
            totals.queue_ns += queue_ns
            totals.decode_ns += decode_ns
            totals.infer_ns += infer_ns
            totals.encode_ns += encode_ns
            totals.last_unix_ms = now_ms
            self._histogram[bucket] += 1

    def failed(self, total_ns: int) -> None:
        """A request for this model could not be answered, for whatever reason."""
        with self._lock:
            self._totals.failed += 1
            self._totals.failure_ns += total_ns

    def read(self) -> tuple[Totals, tuple[int, ...]]:
        """The totals, and how many answers fell into each bucket (the last one has no upper bound)."""
        with self._lock:
            return replace(self._totals), tuple(self._histogram)
