"""What one pipeline counts since the daemon's start; written by its thread, read by any."""

from __future__ import annotations

import threading
import time
from collections import deque

from edge_runtime.contracts.status import PipelineState, PipelineStatus

RATE_WINDOW_S = 5.0
SILENCE_S = 5.0


class PipelineCounters:
    """Outlives the pipeline's thread, so that a restart does not set the figures back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames = self._errors = self._kept = 0
        self._last_error: str | None = None
        self._last_frame_ms: int | None = None
        self._seconds: deque[tuple[int, int]] = deque(maxlen=int(RATE_WINDOW_S) + 1)
        self._last_arrival = -SILENCE_S
        self.last_failure: str | None = None
        """Why the pipeline itself failed last, rather than one frame."""
        self.changes = 0
        """Counts up with everything that :meth:`status` would show."""

    def frame(self) -> None:
        """A frame was dealt with."""
        with self._lock:
            self._frames += 1
            self._arrived()

    def error(self, message: str) -> None:
        """A frame came that could not be dealt with."""
        with self._lock:
            self._errors += 1
            self._last_error = message[:500]
            self._arrived()

    def failure(self, message: str) -> None:
        """The pipeline itself failed."""
        with self._lock:
            self._last_error = self.last_failure = message[:500]
            self.changes += 1

    def kept(self) -> None:
        with self._lock:
            self._kept += 1

    def _arrived(self) -> None:
        self._last_frame_ms = time.time_ns() // 1_000_000
        self._last_arrival = time.monotonic()
        self.changes += 1
        second = int(self._last_arrival)
        count = self._seconds.pop()[1] if self._seconds and self._seconds[-1][0] == second else 0
        self._seconds.append((second, count + 1))

    def status(
        self,
        name: str,
        source: str,
        *,
        has_model: bool,
        problem: str | None = None,
        failing: bool = False,
        drift: bool = False,
        drift_reference: float = 0.0,
    ) -> PipelineStatus:
        with self._lock:
            now = time.monotonic()
            state: PipelineState = "running" if has_model else "waiting-for-model"
            if failing:
                state = "failing"
            elif problem or (has_model and now - self._last_arrival > SILENCE_S):
                state = "no-input"
            # The second that is under way counts only for the part that is over.
            recent = [(second, count) for second, count in self._seconds if second > int(now) - RATE_WINDOW_S]
            span = now - recent[0][0] if recent else 1.0
            return PipelineStatus(
                name=name,
                source=source,
                state=state,
                frames=self._frames,
                errors=self._errors,
                kept=self._kept,
                frames_per_s=round(sum(count for _, count in recent) / max(span, 1.0), 2),
                last_frame_ms=self._last_frame_ms,
                last_error=problem or self._last_error,
                drift=drift,
                drift_reference=min(1.0, drift_reference),
            )
