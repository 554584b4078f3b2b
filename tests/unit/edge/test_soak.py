"""What counts as sound after a long time at full load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.soak import MOST_GROWTH, SPARE_DESCRIPTORS, SWAPS, Judgement, Reading, judge

SOUND = Judgement(growth=0.0, descriptors=0, frames=1000, swaps=SWAPS, lost=1)


def readings(*, memory: float = 1.0, descriptors: int = 30) -> list[Reading]:
    """A fifth of warm-up, then a rise to so many times the memory, and so many descriptors at the end."""
    return [
        Reading(
            float(number),
            round(1e8 * (1 + (memory - 1) * max(0, number - 20) / 79)),
            descriptors if number >= 90 else 30,
            10 * number,
        )
        for number in range(100)
    ]


def test_what_is_flat_is_sound() -> None:
    judged = judge(readings())
    assert (judged.growth, judged.descriptors, judged.frames) == (0.0, 0, 990)
    assert SOUND.sound


def test_growth_is_seen() -> None:
    assert judge(readings(memory=1.2)).growth > MOST_GROWTH
    assert judge(readings(descriptors=50)).descriptors == 20


@pytest.mark.parametrize(
    "broken",
    [
        replace(SOUND, growth=MOST_GROWTH),
        replace(SOUND, descriptors=SPARE_DESCRIPTORS + 1),
        replace(SOUND, swaps=SWAPS - 1),
        replace(SOUND, lost=0),
        replace(SOUND, failed=("HTTPError: HTTP Error 503",)),
    ],
    ids=["memory", "descriptors", "swaps", "the spool's limit was never reached", "a request"],
)
def test_anything_else_is_not(broken: Judgement) -> None:
    assert not broken.sound
