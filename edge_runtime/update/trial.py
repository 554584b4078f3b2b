"""How a model does on the live line before it is committed: judged on the box alone, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_runtime.contracts.status import TrialReport

ALLOWED_ERROR_SHARE = 0.05
"""Of the trial's frames; twice the share of the model before it, where that was more."""
FEWEST_ERRORS = 3
"""A broken frame or two prove nothing about a model."""
FEWEST_TIMED_FRAMES = 10
"""Below this a 95th percentile is one frame's accident."""
NOISE_MS = 20.0
"""What a busy machine adds to a fast model's 95th percentile by itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the trial ended."""

    healthy: bool
    reason: str
    report: TrialReport


@dataclass(slots=True)
class Trial:
    """The figures of one trial.

    :param frames: live frames after which it ends.
    :param seconds: time after which it ends, from the first call of :meth:`observe` or :meth:`tick`, which come
        only once the model is on the line.
    :param budget_ms: the manifest's latency budget, p95.
    :param baseline: how the model before it did on the same line.
    """

    frames: int
    seconds: float
    budget_ms: float | None
    baseline: TrialReport | None
    latencies_ms: list[float] = field(default_factory=list)
    errors: int = 0
    started_s: float | None = None

    def observe(self, *, latency_ms: float, ok: bool, now_s: float) -> Verdict | None:
        """Count one live frame; the verdict where it was the one that decides."""
        if ok:
            self.latencies_ms.append(latency_ms)
        else:
            self.errors += 1
        return self.tick(now_s)

    def tick(self, now_s: float) -> Verdict | None:
        """The verdict if the trial is over by now; errors beyond recovery end it at once."""
        if self.started_s is None:
            self.started_s = now_s
        seen = len(self.latencies_ms) + self.errors
        allowed = self._allowed_errors()
        if self.errors >= FEWEST_ERRORS and self.errors > allowed * max(seen, self.frames):
            return self._verdict(False, f"{self.errors} of {seen} frames failed")
        if seen < self.frames and now_s - self.started_s < self.seconds:
            return None
        if seen and self.errors == seen:
            return self._verdict(False, f"all of the {seen} frames failed")
        if self.errors >= FEWEST_ERRORS and self.errors > allowed * seen:
            return self._verdict(False, f"{self.errors} of {seen} frames failed")
        limit = self._latency_limit_ms()
        reached = percentile_95(self.latencies_ms)
        if limit is not None and len(self.latencies_ms) >= FEWEST_TIMED_FRAMES and reached > limit:
            return self._verdict(False, f"95 % of frames took up to {reached:.1f} ms; at most {limit:.1f} ms is right")
        return self._verdict(
            True,
            "no frame came; the golden cases had passed"
            if not seen
            else f"{seen} frames were answered in order and in time",
        )

    def report(self) -> TrialReport:
        """The figures up to now."""
        return TrialReport(
            frames=len(self.latencies_ms) + self.errors,
            errors=self.errors,
            latency_ms_p95=percentile_95(self.latencies_ms),
            baseline_latency_ms_p95=self.baseline.latency_ms_p95 if self.baseline else None,
        )

    def _allowed_errors(self) -> float:
        if self.baseline is None or self.baseline.frames == 0:
            return ALLOWED_ERROR_SHARE
        return max(ALLOWED_ERROR_SHARE, 2 * self.baseline.errors / self.baseline.frames)

    def _latency_limit_ms(self) -> float | None:
        known = [self.budget_ms or 0.0, 2 * self.baseline.latency_ms_p95 if self.baseline else 0.0]
        return max(*known, NOISE_MS) if max(known) > 0 else None

    def _verdict(self, healthy: bool, reason: str) -> Verdict:
        return Verdict(healthy, reason, self.report())


def percentile_95(values: list[float]) -> float:
    """The value that 95 % do not exceed (nearest rank); 0 where there is none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]
