"""Timing two ways of doing the same work against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure is to reach: a ratio of the reference, or a figure where only that means anything to a user."""

    ratio: float | None = None
    figure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table."""

    what: str
    reference: str
    """What it is compared with, in words."""
    unit: str
    ours: float
    theirs: float
    higher_is_better: bool
    goal: Goal | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        """Whether it reaches its goal; always where it has none."""
        if self.goal is None:
            return True
        pairs = (self.ratio, self.goal.ratio), (self.ours, self.goal.figure)
        return all(
            reached >= wanted if self.higher_is_better else reached <= wanted
            for reached, wanted in pairs
            if wanted is not None
        )


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int) -> tuple[float, float]:
    """Median seconds of each, after one unmeasured call; taken in turns, so that a busy machine disturbs both."""
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
