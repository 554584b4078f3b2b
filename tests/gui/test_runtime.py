"""A box's own program in the window: what runs, what became of others, and what another one would take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget

from app.gui.pages.boxes import BoxesPage
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases.runtime import UpdatePlan
from edge_runtime.contracts.status import RuntimeStatus, SlotStatus, TrialReport
from tests.gui.conftest import Bench
from tests.gui.filling import NOW_MS, add_box


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


@pytest.fixture
def box(bench: Bench, tmp_path: Path) -> Box:
    return add_box(bench.context, tmp_path, "line-1")


def show(bench: Bench, box: Box, runtime: RuntimeStatus | None) -> BoxesPage:
    status = box_store.get_box(bench.context.database, box.box).status
    assert status is not None
    box_store.set_status(bench.context.database, box.box, status=replace(status, runtime=runtime), seen_ms=NOW_MS)
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    bench.go("boxes")
    bench.settle()
    return page


def test_a_box_of_before_is_sent_over_ssh_once(bench: Bench, box: Box) -> None:
    panel = show(bench, box, None).detail.runtime
    assert "once over SSH" in words_in(panel)
    assert panel.bring.isHidden()
    assert panel.ask() is None


def test_what_became_of_a_version_can_be_read(bench: Bench, box: Box) -> None:
    reason = "it ended by itself 2 s after its start"
    slots = (
        SlotStatus(slot="a", state="COMMITTED", version="0.1.0", bundle="a" * 64, active=True),
        SlotStatus(slot="b", state="ROLLED_BACK", version="0.2.0", bundle="b" * 64, reason=reason),
    )
    panel = show(bench, box, RuntimeStatus(base="0.0.9", slot="a", bundle="a" * 64, slots=slots)).detail.runtime
    said = words_in(panel)
    assert "0.0.9" in said
    assert "0.2.0" in said
    assert reason in said
    assert "over SSH" not in said


def test_lines_that_no_trial_can_judge_are_named(bench: Bench, box: Box) -> None:
    trial = TrialReport(frames=40, errors=0, latency_ms_p95=0.0, unjudged=("hourly", "daily"))
    slots = (SlotStatus(slot="a", state="COMMITTED", version="0.1.0", bundle="a" * 64, active=True, trial=trial),)
    panel = show(bench, box, RuntimeStatus(base="0.0.9", slot="a", bundle="a" * 64, slots=slots)).detail.runtime
    assert "Not judged in its trial, for their frames come too seldom: hourly, daily" in words_in(panel)


def test_one_may_go_back_where_there_is_a_version_before(bench: Bench, box: Box) -> None:
    panel = show(bench, box, RuntimeStatus(base="0.1.0")).detail.runtime
    assert panel.back.isHidden()
    assert panel.ask_back() is None
    slots = (SlotStatus(slot="a", state="COMMITTED", version="0.2.0", bundle="a" * 64, active=True),)
    panel = show(bench, box, RuntimeStatus(base="0.1.0", slot="a", bundle="a" * 64, slots=slots)).detail.runtime
    dialog = panel.ask_back()
    assert dialog is not None
    assert box.name in words_in(dialog)
    dialog.reject()


def test_nothing_is_sent_before_it_was_shown_what_that_takes(bench: Bench, box: Box) -> None:
    panel = show(bench, box, RuntimeStatus(base="0.1.0")).detail.runtime
    dialog = panel.ask()
    assert dialog is not None
    assert not dialog.primary.isEnabled()
    dialog.look.click()
    bench.settle()
    # Nobody answers at its address.
    assert dialog.complaint
    assert not dialog.primary.isEnabled()
    assert dialog.look.isEnabled()
    dialog.reject()


@pytest.mark.parametrize(("there", "refusal"), [(False, ""), (True, ""), (False, "It takes nothing older.")])
def test_only_what_the_box_takes_can_be_sent(bench: Bench, box: Box, there: bool, refusal: str) -> None:
    panel = show(bench, box, RuntimeStatus(base="0.1.0")).detail.runtime
    dialog = panel.ask()
    assert dialog is not None
    wanted: list[tuple[str, bool]] = []
    dialog.wanted.connect(lambda path, again: wanted.append((path, again)))
    plan = UpdatePlan(
        box=box.box,
        name=box.name,
        running="0.1.0",
        version="0.2.0",
        bundle="c" * 64,
        files=2,
        bytes=1_200_000,
        whole_bytes=113_000_000,
        bytes_per_s=5e6,
        minutes=0.004,
        free_disk_bytes=52_000_000_000,
        there=there,
        refusal=refusal,
    )
    dialog.shown(plan, ("", True))
    said = words_in(dialog)
    assert "0.2.0" in said
    assert "it lacks: 2" in said
    ready = not there and not refusal
    assert dialog.primary.isEnabled() == ready
    dialog.submit()
    assert wanted == ([("", True)] if ready else [])
    # Another path is another question.
    if not ready:
        dialog.bundle.edit.setText("/elsewhere")
        assert not dialog.primary.isEnabled()
        dialog.reject()
