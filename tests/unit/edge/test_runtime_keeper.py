"""The trial of a version of the box's own program, as the box itself sees it: a box that stood still judges nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.awake import AwakeClock
from edge_runtime.contracts import wire
from edge_runtime.identity import create_identity
from edge_runtime.runtime.launcher import FOLDER, HANDOVER, VARIABLE, Launched, note_trial
from edge_runtime.runtime.trial import Handover
from edge_runtime.service.orders import Orders
from edge_runtime.service.runtime import RuntimeKeeper
from edge_runtime.service.turns import Turns
from edge_runtime.update.holdings import Holdings
from edge_runtime.update.inbox import Inbox
from tests.unit.edge.rows import open_spool

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
HANDED_OVER = Handover(healthy_s=10.0)
HOUR_S = 3600.0
TICK_S = 0.2


class Time:
    """Goes on by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def keeper(tmp_path: Path, now: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[RuntimeKeeper]:
    """Of a version on trial that nobody can reach: that is not well."""
    monkeypatch.setenv(VARIABLE, wire.encode(Launched(base=str(tmp_path / "none"), slot="a", on_trial=True)).decode())
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / HANDOVER).write_bytes(wire.encode(HANDED_OVER))
    note_trial(tmp_path)
    spool, identity = open_spool(tmp_path), create_identity(tmp_path / "keys", "box")
    yield RuntimeKeeper(
        tmp_path,
        inbox=Inbox(tmp_path / "inbox", Holdings(())),
        signed=lambda _target: pytest.fail("nothing is installed"),
        lines=lambda: (),
        lines_now=dict,
        address=lambda: None,
        identity=lambda: identity,
        spool=spool,
        alert=lambda *_: None,
        trial_seconds=lambda: HANDED_OVER.healthy_s,
        others=lambda: (1, ()),
        turns=Turns({}),
        submit=lambda _work: None,
        orders=Orders(),
        clock=AwakeClock(now),
    )
    spool.close()


def tick(keeper: RuntimeKeeper, now: Time, seconds: float) -> None:
    """As the daemon does, a few times a second."""
    for _ in range(round(seconds / TICK_S)):
        now.now_s += TICK_S
        keeper._next_look = 0.0
        keeper.tick()


def test_a_pause_neither_ends_a_trial_nor_lets_the_kernel_end_it(keeper: RuntimeKeeper, now: Time) -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        tick(keeper, now, 5.0)
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0, "none was set, and none is set here"
        # What is left of the kernel's alarm after a process was stopped for most of the time that it has.
        signal.alarm(20)
        now.now_s += HOUR_S
        tick(keeper, now, TICK_S)
        assert (keeper.under_way, keeper.leaving) == (True, False)
        left_s, _ = signal.getitimer(signal.ITIMER_REAL)
        assert HANDED_OVER.limit_s - 20 < left_s <= HANDED_OVER.limit_s
        tick(keeper, now, HANDED_OVER.limit_s / 2)
        assert (keeper.under_way, keeper.leaving) == (True, False)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
