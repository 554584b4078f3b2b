"""What a rollout's rows and its boxes say together: boxes that went back after their commit, clocks that are ahead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.store.records import Box, Rollout, RolloutBox
from app.usecases import boxes
from app.usecases.rollout_conflicts import went_back
from app.usecases.rollout_progress import decide
from cloud_sync.release.plan import MINUTE_MS, Plan
from edge_runtime.contracts.status import BoxStatus, SlotStatus
from tests.unit.app.rows import digest

NEW, OLD = digest("new"), digest("old")
WHY = "the box crashed 3 times"
STATUS = BoxStatus(
    box=digest("box"),
    name="press-1",
    version="1",
    boot="b",
    at_ms=0,
    uptime_s=1.0,
    serial=1,
    slots=(SlotStatus(slot="a", state="COMMITTED", bundle=OLD, active=True),),
    refused={NEW: WHY},
)
BOX = Box(
    box=STATUS.box, name="press-1", address="x:1", certificate="", enrolled_ms=0, status=STATUS, last_seen_ms=2000
)
PART = RolloutBox(box=BOX.box, wave=0, state="committed", updated_ms=1000)
ROLLOUT = Rollout(
    rollout="r", model=NEW, version="1", state="running", created_ms=1, boxes=(PART,), plan=Plan(pause_minutes=30)
)


def test_a_box_that_refuses_what_it_had_committed_went_back() -> None:
    assert went_back(BOX, ROLLOUT, PART) == f"It had committed it, and went back: {WHY}."


@pytest.mark.parametrize(
    ("box", "part"),
    [
        (None, PART),
        (replace(BOX, status=None), PART),
        (replace(BOX, last_seen_ms=1000), PART),
        (replace(BOX, status=replace(STATUS, refused={})), PART),
        (replace(BOX, status=replace(STATUS, refused={OLD: WHY})), PART),
        (replace(BOX, status=replace(STATUS, slots=(replace(STATUS.slots[0], bundle=NEW),))), PART),
        (BOX, replace(PART, state="waiting")),
        (BOX, replace(PART, state="overtaken")),
    ],
    ids=["struck off", "never heard", "heard before", "another model", "another refusal", "again", "open", "overtaken"],
)
def test_anything_else_says_nothing_against_it(box: Box | None, part: RolloutBox) -> None:
    assert went_back(box, ROLLOUT, part) is None


def test_a_wave_rests_from_when_its_commit_was_seen_here_where_a_clock_is_ahead() -> None:
    now = boxes.now_ms()
    later = replace(PART, updated_ms=now + 24 * 60 * MINUTE_MS)
    rollout = replace(ROLLOUT, boxes=(later, RolloutBox(box=digest("other"), wave=1, state="waiting")))
    known = {BOX.box: BOX}
    assert decide(rollout, known).start == ()
    assert decide(rollout, known, {BOX.box: now - 29 * MINUTE_MS}).start == ()
    assert decide(rollout, known, {BOX.box: now - 31 * MINUTE_MS}).start == (digest("other"),)
