"""How a link is measured."""

from __future__ import annotations

import pytest

from app.fleet.link_speed import LARGEST_PIECE, measure_link


class Link:
    """So many bytes a second, after so many seconds of latency, by a clock of its own."""

    def __init__(self, bytes_per_s: float, latency_s: float) -> None:
        self.now = 0.0
        self.sent = 0
        self._speed, self._latency = bytes_per_s, latency_s

    def send(self, body: bytes) -> None:
        self.now += self._latency + len(body) / self._speed
        self.sent += len(body)

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize("latency_s", [0.0, 0.05, 0.6])
@pytest.mark.parametrize("speed", [2_000.0, 50_000.0, 1e6, 5e6])
def test_a_link_is_measured_without_its_latency(speed: float, latency_s: float) -> None:
    link = Link(speed, latency_s)
    assert measure_link(link.send, link.clock) == pytest.approx(speed, rel=0.15)
    assert link.sent <= 2 * LARGEST_PIECE


def test_a_link_that_takes_no_time_ends() -> None:
    link = Link(1e15, 0.0)
    assert measure_link(link.send, link.clock) > 1e9


def test_a_round_trip_that_took_long_by_accident_makes_no_link_fast() -> None:
    """The first exchange may well take longer than the piece that is measured."""
    link, sent = Link(100e6, 0.001), list[int]()

    def send(body: bytes) -> None:
        link.send(body)
        sent.append(len(body))
        if len(sent) == 2:
            link.now += 0.02

    assert measure_link(send, link.clock) == pytest.approx(100e6, rel=0.15)
