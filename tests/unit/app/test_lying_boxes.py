"""Boxes that say what no box would: one of them spoils nothing for the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from app.cli import text
from app.context import Context
from app.usecases import activity, clocks
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import ClockNotKept, InputInvalid
from edge_runtime.contracts.status import BoxStatus
from tests.fakes.lying_box import lying_box


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def status(at_ms: int) -> dict[str, Any]:
    return {"box": "a" * 64, "name": "x", "version": "1", "boot": "b", "at_ms": at_ms, "uptime_s": 1, "serial": 1}


@pytest.mark.parametrize("at_ms", [2**62, -(2**62), 10**30])
def test_a_clock_that_no_calendar_knows_spoils_only_its_own_reading(ctx: Context, tmp_path: Path, at_ms: int) -> None:
    with (
        lying_box(ctx, tmp_path, "liar", {"/v1/clock": lambda: {"at_ms": at_ms}}),
        lying_box(ctx, tmp_path, "right", {"/v1/clock": lambda: {"at_ms": now_ms(), "may_set": True}}),
    ):
        liar, right = clocks.read_clocks(ctx)
    assert liar.problem is not None
    assert (right.problem, right.matters, right.may_set) == (None, False, True)
    with pytest.raises(InputInvalid):
        wire.from_dict(status(at_ms), BoxStatus)
    assert text.moment(at_ms) == f"{at_ms} ms"


def test_a_clock_that_does_not_stay_set_is_an_error_and_is_entered_as_it_was(ctx: Context, tmp_path: Path) -> None:
    stuck = {"at_ms": 1_000_000, "may_set": True}
    with (
        lying_box(ctx, tmp_path, "stuck", {"/v1/clock": lambda: stuck, "/v1/status": lambda: status(1_000_000)}),
        pytest.raises(ClockNotKept),
    ):
        clocks.set_clock(ctx, "stuck")
    told = [(entry.what, entry.message) for entry in activity.page_activity(ctx).rows if "clock" in entry.what]
    assert [what for what, _message in told] == ["box.clock-not-kept"]
    assert told[0][1].startswith("Tried to set the clock of stuck: it was -")
