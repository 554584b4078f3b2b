"""What one pipeline counts since the daemon's start; written by its workers, read by any thread."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge_runtime.contracts.status import PipelineState, PipelineStatus
from edge_runtime.drills.machine import LineSeen

RATE_WINDOW_S = 5.0
SILENCE_S = 5.0
LONGEST_ERROR = 500
"""Characters of what is told of an error; what is said of a source may hold its whole address."""
MISSED = 3
"""On a slow line both are as long as so many of its frames take to come."""
STAGES = ("read", "decode", "preprocess", "infer", "postprocess", "spool", "watch")
"""What happens to a frame, in order: taken from the source (waiting for it included), decoded, made a tensor, run,
its answer read, named by its digest and written down, and looked at for drift, health and whether it is worth
keeping."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where time went."""

    name: str
    mean_ms: float
    longest_ms: float


class PipelineCounters:
    """Outlives the pipeline's thread, so that a restart does not set the figures back.

    :param clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._frames = self._errors = self._kept = 0
        self._last_error: str | None = None
        self._last_frame_ms: int | None = None
        self._seconds: deque[tuple[int, int]] = deque(maxlen=int(RATE_WINDOW_S) + 1)
        self._last_arrival = -math.inf
        self._first_arrival: float | None = None
        self._gaps_since, self._longest_gap_s = math.inf, 0.0
        self._timed = 0
        self._sums_ns = [0] * len(STAGES)
        self._longest_ns = [0] * len(STAGES)
        self.last_failure: str | None = None
        """Why the pipeline itself failed last, rather than one frame."""
        self.changes = 0
        """Counts up with everything that :meth:`status` would show."""

    def frame(self, stages_ns: Sequence[int] = ()) -> None:
        """A frame was dealt with; ``stages_ns`` is what each of :data:`STAGES` took, where it was answered."""
        with self._lock:
            self._frames += 1
            self._arrived()
            if not stages_ns:
                return
            self._timed += 1
            sums, longest = self._sums_ns, self._longest_ns
            for stage, took in enumerate(stages_ns):
                sums[stage] += took
                if took > longest[stage]:
                    longest[stage] = took

    @property
    def answered(self) -> int:
        """Frames that were dealt with; those that could not be are not among them."""
        return self._frames

    def stages(self) -> tuple[Stage, ...]:
        """Where the time of the answered frames went; nothing before the first."""
        with self._lock:
            timed = self._timed * 1e6
            rows = zip(STAGES, self._sums_ns, self._longest_ns, strict=True)
            return tuple(Stage(name, total / timed, most / 1e6) for name, total, most in rows) if timed else ()

    def error(self, message: str) -> None:
        """A frame came that could not be dealt with."""
        with self._lock:
            self._errors += 1
            self._last_error = message[:LONGEST_ERROR]
            self._arrived()

    def failure(self, message: str) -> None:
        """The pipeline itself failed."""
        with self._lock:
            self._last_error = self.last_failure = message[:LONGEST_ERROR]
            self.changes += 1

    def kept(self) -> None:
        with self._lock:
            self._kept += 1

    def absorb(self, other: PipelineCounters) -> None:
        """Go on from here with the figures of another line, too, which took this one's place or had it before."""
        with other._lock:
            frames, errors, kept, timed = other._frames, other._errors, other._kept, other._timed
            sums, longest, seconds = list(other._sums_ns), list(other._longest_ns), list(other._seconds)
            first, last, last_ms = other._first_arrival, other._last_arrival, other._last_frame_ms
            since, gap, changes = other._gaps_since, other._longest_gap_s, other.changes
            last_error, last_failure = other._last_error, other.last_failure
        with self._lock:
            self._frames, self._errors, self._kept = self._frames + frames, self._errors + errors, self._kept + kept
            self._timed += timed
            self._sums_ns = [ours + theirs for ours, theirs in zip(self._sums_ns, sums, strict=True)]
            self._longest_ns = [max(pair) for pair in zip(self._longest_ns, longest, strict=True)]
            counts = Counter(dict(self._seconds))
            counts.update(dict(seconds))
            self._seconds.clear()
            self._seconds.extend(sorted(counts.items()))
            self._first_arrival = min((at for at in (self._first_arrival, first) if at is not None), default=None)
            self._last_arrival = max(self._last_arrival, last)
            self._last_frame_ms = max((at for at in (self._last_frame_ms, last_ms) if at is not None), default=None)
            self._gaps_since, self._longest_gap_s = min(self._gaps_since, since), max(self._longest_gap_s, gap)
            self._last_error = self._last_error or last_error
            self.last_failure = self.last_failure or last_failure
            self.changes += changes + 1

    def watch_gaps(self) -> None:
        """From now on the longest time between two frames is noted."""
        with self._lock:
            self._gaps_since, self._longest_gap_s = self._clock(), 0.0

    def seen(self) -> LineSeen:
        """What a drill goes by."""
        with self._lock:
            frames = self._frames + self._errors
            lasts_s = self._clock() - max(self._last_arrival, self._gaps_since)
            return LineSeen(
                frames=frames,
                first_s=self._first_arrival,
                last_s=self._last_arrival if frames else None,
                longest_s=max(self._longest_gap_s, lasts_s),
            )

    def _arrived(self) -> None:
        self._last_frame_ms = time.time_ns() // 1_000_000
        before, self._last_arrival = self._last_arrival, self._clock()
        if self._first_arrival is None:
            self._first_arrival = self._last_arrival
        self._longest_gap_s = max(self._longest_gap_s, self._last_arrival - max(before, self._gaps_since))
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
        every_s: float = 0.0,
        problem: str | None = None,
        stopped: str | None = None,
        failing: bool = False,
        drift: bool = False,
        drift_reference: float = 0.0,
    ) -> PipelineStatus:
        """The figures now.

        :param every_s: what its configuration lets a frame take to come; 0.0 where it says nothing about that.
        :param problem: what is amiss with the source; frames may come from it all the same.
        :param stopped: why the pipeline does not run.
        """
        stages_ms = {stage.name: round(stage.mean_ms, 3) for stage in self.stages()}
        with self._lock:
            now, pace_s = self._clock(), self._pace_s()
            # Where the source knows better, how its frames came before is no reason to go on hoping.
            patience_s = max(SILENCE_S, MISSED * every_s, 0.0 if problem else MISSED * pace_s)
            last_error = stopped or problem or self._last_error
            state: PipelineState = "running" if has_model else "waiting-for-model"
            if failing:
                state = "failing"
            elif stopped or ((problem or has_model) and now - self._last_arrival > patience_s):
                state = "no-input"
            return PipelineStatus(
                name=name,
                source=source,
                state=state,
                frames=self._frames,
                errors=self._errors,
                kept=self._kept,
                frames_per_s=round(self._rate(now, max(every_s, pace_s)), 4),
                last_frame_ms=self._last_frame_ms,
                last_error=last_error[:LONGEST_ERROR] if last_error else None,
                drift=drift,
                drift_reference=min(1.0, drift_reference),
                stages_ms=stages_ms,
            )

    def _pace_s(self) -> float:
        """Seconds from one frame to the next of late, or from one burst of them; 0.0 where nobody can tell."""
        gaps = [after - before for (before, _), (after, _) in pairwise(self._seconds)]
        return float(statistics.median_low(gaps)) if gaps else 0.0

    def _rate(self, now: float, pace_s: float) -> float:
        """Frames a second of late; of a single one all that is known is how long nothing has followed it."""
        alone = len(self._seconds) == 1 and self._seconds[0][1] == 1
        window_s = math.inf if alone else max(RATE_WINDOW_S, MISSED * pace_s)
        recent = [(second, count) for second, count in self._seconds if second > int(now) - window_s]
        if not recent:
            return 0.0
        # The second that is under way counts only for the part that is over; on a slow line, so does the wait for the
        # next frame.
        span_s = max(now - recent[0][0], 1.0)
        if pace_s > 1.0:
            span_s = max(span_s, len(recent) * pace_s)
        return sum(count for _, count in recent) / span_s
