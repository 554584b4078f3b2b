from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.bursts.budget import (
    AttemptTimes,
    Price,
    attempt_deadline_ms,
    committed_usd,
    duration_usd,
    spent_usd,
    worst_case_usd,
)
from cloud_sync.bursts.spec import STOP_GRACE_S

HOUR = 3_600_000
GRACE = int(STOP_GRACE_S * 1000)
PRICE = Price(usd_per_hour=3.6, fixed_usd=0.1)


def test_an_hour_costs_the_hourly_price_and_what_is_fixed() -> None:
    assert duration_usd(PRICE, HOUR) == pytest.approx(3.7)


def test_a_short_attempt_is_billed_for_the_minimum() -> None:
    assert duration_usd(replace(PRICE, minimum_s=60), 1) == pytest.approx(0.1 + 0.06)


def test_this_machine_costs_nothing_and_leaves_the_deadline() -> None:
    assert attempt_deadline_ms(now_ms=0, deadline_ms=HOUR, cap_usd=0, attempts=[], price=Price()) == HOUR
    assert worst_case_usd(Price(), now_ms=0, deadline_ms=HOUR, cap_usd=0, max_attempts=3) == 0


def test_no_time_left_is_no_attempt() -> None:
    assert attempt_deadline_ms(now_ms=HOUR, deadline_ms=HOUR, cap_usd=9, attempts=[], price=Price()) is None


def test_no_money_is_no_attempt() -> None:
    assert attempt_deadline_ms(now_ms=0, deadline_ms=HOUR, cap_usd=0.05, attempts=[], price=PRICE) is None


def test_the_money_left_brings_the_deadline_forward() -> None:
    deadline = attempt_deadline_ms(now_ms=0, deadline_ms=10 * HOUR, cap_usd=3.7, attempts=[], price=PRICE)
    assert deadline == HOUR - GRACE


def test_an_attempt_whose_end_nobody_saw_counts_to_its_deadline_and_grace() -> None:
    lost = AttemptTimes(attempt=1, price=PRICE, started_ms=0, deadline_ms=HOUR)
    assert committed_usd([lost]) == pytest.approx(duration_usd(PRICE, HOUR + GRACE))
    assert committed_usd([replace(lost, ended_ms=HOUR // 2)]) == pytest.approx(1.9)
    assert spent_usd([lost], HOUR // 2) == pytest.approx(1.9)
    assert spent_usd([lost], 100 * HOUR) == committed_usd([lost])


prices = st.builds(
    Price,
    usd_per_hour=st.floats(0, 100),
    fixed_usd=st.floats(0, 2),
    minimum_s=st.floats(0, 600),
)


@given(
    price=prices,
    cap=st.floats(0, 50),
    span=st.integers(1, 48 * HOUR),
    lives=st.lists(st.tuples(st.floats(0, 1.2), st.booleans(), st.integers(0, HOUR)), max_size=8),
)
def test_no_course_of_attempts_costs_more_than_the_cap(
    price: Price, cap: float, span: int, lives: list[tuple[float, bool, int]]
) -> None:
    now = 0
    attempts: list[AttemptTimes] = []
    for number, (share, seen, pause) in enumerate(lives, 1):
        deadline = attempt_deadline_ms(now_ms=now, deadline_ms=span, cap_usd=cap, attempts=attempts, price=price)
        if deadline is None:
            break
        assert now < deadline <= span
        # It may end early, at its deadline, or use up its grace; and nobody may have seen it end.
        end = min(now + round(share * (deadline - now)), deadline + GRACE)
        ended = end if seen else None
        attempts.append(AttemptTimes(attempt=number, price=price, started_ms=now, deadline_ms=deadline, ended_ms=ended))
        now = end + pause
    if price != Price():
        assert committed_usd(attempts) <= cap + 1e-6
    assert spent_usd(attempts, now) <= committed_usd(attempts) + 1e-9


@given(price=prices, cap=st.floats(0, 50), span=st.integers(1, 48 * HOUR), attempts=st.integers(1, 9))
def test_the_worst_case_is_never_above_the_cap_nor_below_one_full_attempt(
    price: Price, cap: float, span: int, attempts: int
) -> None:
    worst = worst_case_usd(price, now_ms=0, deadline_ms=span, cap_usd=cap, max_attempts=attempts)
    assert worst <= cap or price == Price()
    full = AttemptTimes(attempt=1, price=price, started_ms=0, deadline_ms=span)
    assert worst >= min(cap, committed_usd([full])) - 1e-6 or price == Price()
