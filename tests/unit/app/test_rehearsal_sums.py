"""What the boxes of a rehearsed rollout mean to each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.fleet.delivery import MIN_HANDOVER_BYTES
from app.usecases.rehearsal_sums import Share, hand_on, take_time

SIZE = 6_000_000
BOX = Share(wave=0, takes=True, answered=True, way="whole", bytes=SIZE, missing=SIZE, bytes_per_s=1e6)


def waves(*numbers: int) -> list[Share]:
    return [replace(BOX, wave=number) for number in numbers]


def test_later_waves_get_it_from_earlier_ones() -> None:
    found = hand_on(waves(0, 1, 1, 2))
    assert [(share.way, share.bytes) for share in found] == [("whole", SIZE), *[("neighbour", 0)] * 3]
    assert hand_on(waves(0, 0)) == waves(0, 0), "of one wave none has it before the others"


@pytest.mark.parametrize(
    "second",
    [
        replace(BOX, wave=1, answered=False),
        replace(BOX, wave=1, missing=MIN_HANDOVER_BYTES - 1, bytes=10),
        replace(BOX, wave=1, way="there", bytes=0, missing=0),
    ],
)
def test_who_gets_none_from_a_neighbour(second: Share) -> None:
    assert hand_on([BOX, second])[1] == second


def test_who_hands_none_on() -> None:
    refused = replace(BOX, takes=False)
    assert hand_on([refused, *waves(1, 1)]) == [refused, *waves(1, 1)]
    assert [share.way for share in hand_on([refused, *waves(1, 2)])] == ["whole", "whole", "neighbour"]
    there = replace(BOX, way="there", bytes=0, missing=0)
    assert hand_on([there, *waves(1)])[1].way == "neighbour", "one that has it already does"


def minutes(shares: list[Share], cap: int | None = None) -> tuple[list[float | None], float | None]:
    """Of each box and in all, to a thousandth."""
    timed, total = take_time(shares, cap=cap, at_a_time=8)
    return [_rounded(share.minutes) for share in timed], _rounded(total)


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)


def test_one_box_alone_takes_what_its_link_takes() -> None:
    assert minutes(waves(0)) == ([0.1], 0.1)
    assert minutes(waves(0), cap=100_000) == ([1.0], 1.0)
    assert minutes(waves(0, 1)) == ([0.1, 0.1], 0.2)


def test_boxes_of_a_wave_share_the_link_and_its_cap() -> None:
    assert minutes(waves(*[0] * 4)) == ([0.4] * 4, 0.4)
    assert minutes(waves(*[0] * 4), cap=100_000) == ([4.0] * 4, 4.0)
    found, total = minutes(waves(*[0] * 20))
    assert (found[0], total) == (0.8, 2.0), "eight at a time"


def test_a_slow_box_is_waited_for_and_one_that_needs_nothing_is_not() -> None:
    slow, there = replace(BOX, bytes_per_s=1e4), replace(BOX, bytes=0, way="there", bytes_per_s=None)
    assert minutes([BOX, slow, there]) == ([0.2, 10.0, 0.0], 10.0)


def test_what_is_not_known_is_not_said() -> None:
    unknown = replace(BOX, bytes_per_s=None)
    assert minutes([unknown]) == ([None], None)
    assert minutes([BOX, unknown]) == ([0.2, None], None)
    assert minutes([unknown], cap=1000) == ([None], None)
    assert minutes([replace(unknown, bytes=0)]) == ([0.0], 0.0)
