"""The two tests behind drift, and how much of a series is news. Pure; nothing here needs a statistics library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_EXPECTED = 5.0
"""Classes expected less often than this in the smaller sample are pooled, or the G-test's p-value is too small."""
_BLOCK = 10

Series = npt.NDArray[np.float64]


def kolmogorov_smirnov(first: Series, second: Series, evidence: float = 1.0) -> tuple[float, float]:
    """Two-sample test: the largest distance of the two distribution functions, and its p-value.

    Ties make the p-value larger than it need be, never smaller.

    :param evidence: share of the points that are news, where neighbours resemble each other.
    """
    first, second = np.sort(first), np.sort(second)
    both = np.concatenate([first, second])
    at_first = first.searchsorted(both, "right") / len(first)
    at_second = second.searchsorted(both, "right") / len(second)
    distance = float(np.abs(at_first - at_second).max())
    root = math.sqrt(evidence * len(first) * len(second) / (len(first) + len(second)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return distance, 1.0
    # The terms fall off like a Gaussian: five of them are enough from 1 on, twenty even at 0.2.
    terms = [(-1) ** (j - 1) * math.exp(-2 * j * j * scaled * scaled) for j in range(1, 6 if scaled > 1 else 21)]
    return distance, min(1.0, max(0.0, 2 * math.fsum(terms)))


def g_test(first: Series, second: Series, evidence: float = 1.0) -> tuple[float, float]:
    """Are two rows of counts from one distribution? Williams-corrected G and its p-value; rare classes are pooled.

    :param evidence: share of the points that are news, where neighbours resemble each other.
    """
    first, second = first * evidence, second * evidence
    total, smaller = first + second, min(first.sum(), second.sum())
    share = total / total.sum()
    rare = share * smaller < MIN_EXPECTED
    if rare.any():
        # Pooled with the least common of the others where the rare ones together are still too rare.
        if share[rare].sum() * smaller < MIN_EXPECTED and not rare.all():
            rare[int(np.argmin(np.where(rare, np.inf, share)))] = True
        first, second = (np.append(row[~rare], row[rare].sum()) for row in (first, second))
    table = np.array([first, second])
    classes, everything = table.shape[1], table.sum()
    if classes < 2:
        return 0.0, 1.0
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(rows, columns) / everything
    statistic = 2 * float(np.sum(table * np.log(np.where(table > 0, table, 1) / np.where(table > 0, expected, 1))))
    spread = (everything * (1 / rows).sum() - 1) * (everything * (1 / columns).sum() - 1)
    statistic /= 1 + float(spread) / (6 * float(everything) * (classes - 1))
    return statistic, chi_squared_tail(statistic, classes - 1)


def chi_squared_tail(statistic: float, degrees: int) -> float:
    """Probability that a chi-squared variable with ``degrees`` of freedom is larger; a finite sum for whole degrees."""
    half = max(0.0, statistic) / 2
    if half == 0.0:
        return 1.0
    start = 0.0 if degrees % 2 == 0 else 0.5
    powers = (start + i for i in range(degrees // 2))
    # In logarithms: with hundreds of classes the single factors overflow.
    terms = math.fsum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, terms + (math.erfc(math.sqrt(half)) if start else 0.0))


def memory(columns: npt.NDArray[Any]) -> tuple[float, float]:
    """How much a series resembles its own past.

    :param columns: (points, 1) for numbers, (points, classes) of 0 and 1 for classes, in the order of time.
    :returns: the correlation of neighbours, -1 to 1; and by how much the means of ten neighbours vary more than those
        of ten points drawn at random would. 0 and 1 where every point is news, or nothing ever changes.
    """
    centred = columns.astype(np.float64) - columns.mean(axis=0)
    variance = float((centred**2).sum()) / len(centred)
    blocks = len(centred) // _BLOCK
    if variance < 1e-18 or blocks < 2:
        return 0.0, 1.0
    correlation = float((centred[1:] * centred[:-1]).sum()) / len(centred) / variance
    means = centred[: blocks * _BLOCK].reshape(blocks, _BLOCK, -1).mean(axis=1)
    return correlation, float((means**2).sum()) / (blocks - 1) * _BLOCK / variance
