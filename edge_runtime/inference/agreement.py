"""Whether two models say the same about one input, for every task. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_runtime.contracts.manifest import GoldenRules
from edge_runtime.contracts.rows import FoundObject
from edge_runtime.inference.answers import Prediction
from edge_runtime.update.probe import value_deltas

MIN_OVERLAP = 0.5
"""Two boxes show the same object where they have this share of the place that they take together in common."""
MIN_COMMON_AREA = 0.8
"""Two masks are the same where this share of what they cover together, summed label by label, is common to both."""
MAX_VALUE_DELTA = GoldenRules().max_value_delta
"""As between a bundle's golden values and those that a box gets."""


def agree(one: Prediction, other: Prediction, earlier: Sequence[tuple[float, float]] = ()) -> bool:
    """The label; the value where it means the same to both; areas; and objects of the same kind in the same places.

    :param earlier: values of both on inputs before this one; they say what is typical.
    """
    return (
        one.label == other.label
        and _same_value(one, other, earlier)
        and _same_areas(one.areas, other.areas)
        and _same_objects(one.objects, other.objects)
    )


def values_of(one: Prediction, other: Prediction) -> tuple[float, float] | None:
    """What both measured; None where their values cannot be compared."""
    if not (one.measured and other.measured) or one.value is None or other.value is None:
        return None
    return one.value, other.value


def _same_value(one: Prediction, other: Prediction, earlier: Sequence[tuple[float, float]]) -> bool:
    values = values_of(one, other)
    return values is None or value_deltas([*earlier, values])[-1] <= MAX_VALUE_DELTA


def _same_areas(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    pairs = [(one.get(label, 0.0), other.get(label, 0.0)) for label in {*one, *other}]
    return sum(map(min, pairs)) >= MIN_COMMON_AREA * sum(map(max, pairs))


def _same_objects(one: Sequence[FoundObject], other: Sequence[FoundObject]) -> bool:
    """Each has a partner of its own in the other answer; the surest choose first."""
    left = list(other)
    for found in one:
        partner = max(
            (each for each in left if each.label == found.label), key=lambda each: _overlap(found, each), default=None
        )
        if partner is None or _overlap(found, partner) < MIN_OVERLAP:
            return False
        left.remove(partner)
    return not left


def _overlap(one: FoundObject, other: FoundObject) -> float:
    """The common share of the place that both take together."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(0.0, across) * max(0.0, down)
    together = one.width * one.height + other.width * other.height - common
    return common / together if together > 0 else float(one == other)
