"""Who waits for whom, and that two that come at once do not both begin."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from edge_runtime.contracts.errors import BoxBusy
from edge_runtime.service.turns import Kind, Turns


class Box:
    def __init__(self) -> None:
        self.under_way: set[Kind] = set()
        kinds: tuple[Kind, ...] = ("configuration", "model", "drill", "program")
        self.turns = Turns({kind: partial(self._is_under_way, kind) for kind in kinds})

    def _is_under_way(self, kind: Kind) -> bool:
        return kind in self.under_way

    def begin(self, kind: Kind) -> bool:
        try:
            with self.turns.begin(kind):
                self.under_way.add(kind)
        except BoxBusy:
            return False
        return True


@pytest.mark.parametrize(
    ("first", "second", "begins"),
    [
        ("configuration", "model", False),
        ("configuration", "drill", False),
        ("model", "configuration", False),
        ("model", "drill", False),
        ("drill", "configuration", False),
        ("drill", "model", True),
        ("program", "configuration", False),
        ("program", "model", False),
        ("program", "drill", False),
        ("configuration", "program", False),
        ("model", "program", False),
        ("drill", "program", False),
    ],
)
def test_who_waits_for_whom(first: Kind, second: Kind, begins: bool) -> None:
    box = Box()
    assert box.begin(first)
    assert box.begin(second) is begins
    box.under_way.clear()
    assert box.begin(second)


def test_of_two_that_come_at_once_one_begins() -> None:
    for _ in range(200):
        box, gate = Box(), threading.Barrier(2)
        begun: list[bool] = []

        def come(kind: Kind, box: Box = box, gate: threading.Barrier = gate, begun: list[bool] = begun) -> None:
            gate.wait()
            begun.append(box.begin(kind))

        kinds: tuple[Kind, ...] = ("configuration", "model")
        threads = [threading.Thread(target=come, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(begun) == [False, True]
