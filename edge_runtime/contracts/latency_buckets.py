"""Latencies counted in buckets whose bounds never change, so that counts of different times and machines can be added.

Bucket ``n`` counts what took more than ``2 ** ((n - 1) / 16)`` and at most ``2 ** (n / 16)`` microseconds; bucket 0,
what took one or none. A quantile that is read from the counts is within 2.2 % of the true one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PER_OCTAVE = 16
RELATIVE_ERROR = (2 ** (1 / PER_OCTAVE) - 1) / (2 ** (1 / PER_OCTAVE) + 1)
"""How far a quantile may be off, as a share of the true one."""
MOST_BUCKETS = 63 * PER_OCTAVE + 1
"""Buckets that there are: enough for every 64-bit count of microseconds."""


@dataclass(frozen=True, slots=True)
class Counts:
    """``counts[i]`` is what bucket ``first + i`` counts. Neither end is 0, so equal counts are equal."""

    first: int = 0
    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.counts)


NONE = Counts()


def bucket_of(latency_us: int) -> int:
    """The bucket that counts a latency, 0 to :data:`MOST_BUCKETS` - 1."""
    if latency_us <= 1:
        return 0
    return min(math.ceil(math.log2(latency_us) * PER_OCTAVE), MOST_BUCKETS - 1)


def count(latencies_us: Iterable[int]) -> Counts:
    """Count latencies."""
    found: dict[int, int] = {}
    # Many are alike: the logarithm of each is taken once.
    for latency_us, number in Counter(latencies_us).items():
        bucket = bucket_of(latency_us)
        found[bucket] = found.get(bucket, 0) + number
    return from_buckets(found)


def add(one: Counts, other: Counts) -> Counts:
    """What both count together."""
    return _combine(one, other, 1)


def take_away(one: Counts, other: Counts) -> Counts:
    """What ``one`` counts without ``other``, which is a part of it; what is not in it is passed by."""
    return _combine(one, other, -1)


def quantile(counted: Counts, share: float) -> int:
    """The latency in microseconds that this share of all does not exceed; 0 where nothing was counted.

    :param share: more than 0, at most 1.
    """
    wanted = math.ceil(share * counted.total)
    reached = 0
    for offset, number in enumerate(counted.counts):
        reached += number
        if reached >= wanted > 0:
            return _middle(counted.first + offset)
    return 0


def read(first: int, counts: Sequence[int]) -> Counts:
    """Counts that came from elsewhere; none where they cannot be any."""
    if first < 0 or first + len(counts) > MOST_BUCKETS or any(number < 0 for number in counts):
        return NONE
    return from_buckets({first + offset: number for offset, number in enumerate(counts)})


def from_buckets(found: dict[int, int]) -> Counts:
    """Counts by bucket; those that are not above 0 are left out."""
    there = [bucket for bucket, number in found.items() if number > 0]
    if not there:
        return NONE
    first, last = min(there), max(there)
    return Counts(first, tuple(max(0, found.get(bucket, 0)) for bucket in range(first, last + 1)))


def _combine(one: Counts, other: Counts, sign: int) -> Counts:
    found = {one.first + offset: number for offset, number in enumerate(one.counts)}
    for offset, number in enumerate(other.counts):
        bucket = other.first + offset
        found[bucket] = found.get(bucket, 0) + sign * number
    return from_buckets(found)


def _middle(bucket: int) -> int:
    # Between the two bounds, where it is equally far from both as a share of them.
    return round(2 ** (bucket / PER_OCTAVE) * (1 - RELATIVE_ERROR)) if bucket else 1
