"""The page Rollouts: what a rollout waits for, what can be done about it, and what a rehearsal shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict, Unpack

from app.gui.dialogs import Confirm
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.decisions import DecisionsDialog
from app.gui.pages.rollouts import RolloutsPage
from app.store import boxes as box_store
from app.store import decisions as decision_store
from app.store import rollouts as rollout_store
from app.store.records import Rollout, RolloutBox, RolloutState
from app.usecases import boxes, rollout_decisions, rollouts
from app.usecases.labels import label_box, list_labels
from cloud_sync.release.plan import Plan
from tests.gui.conftest import Bench
from tests.gui.filling import OLD_MODEL
from tests.gui.test_details import chips, label_with


class Changes(TypedDict, total=False):
    """What is otherwise with a rollout than in the filled site."""

    boxes: tuple[RolloutBox, ...]
    state: RolloutState
    reason: str
    plan: Plan


def shown(bench: Bench, **changes: Unpack[Changes]) -> tuple[RolloutsPage, Rollout]:
    """The page with the running rollout of the filled site, of the released model, picked."""
    running = next(one for one in rollouts.list_rollouts(bench.context) if one.state == "running")
    changed = replace(running, model=OLD_MODEL, version="1.0.0", **changes)
    rollout_store.put_rollout(bench.context.database, changed)
    bench.go("rollouts")
    page = bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    page.table.pick(running.rollout)
    bench.settle()
    return page, changed


def confirm_in(page: RolloutsPage) -> Confirm:
    (dialog,) = [one for one in page.findChildren(Confirm) if one.isVisible()]
    return dialog


def test_pause_resume_and_abort(full_bench: Bench) -> None:
    page, rollout = shown(full_bench)
    detail = page.detail
    assert (detail.pause.isVisible(), detail.resume.isVisible(), detail.stop.isVisible()) == (True, False, True)
    detail.pause.click()
    full_bench.settle()
    assert rollouts.get_rollout(full_bench.context, rollout.rollout).state == "paused"
    assert "Paused" in chips(detail)
    assert (detail.pause.isVisible(), detail.resume.isVisible()) == (False, True)
    detail.resume.click()
    full_bench.settle()
    assert rollouts.get_rollout(full_bench.context, rollout.rollout).state == "running"
    detail.ask_to_stop()
    confirm_in(page).primary.click()
    full_bench.settle()
    assert rollouts.get_rollout(full_bench.context, rollout.rollout).state == "aborted"
    assert "Withdrawn" in chips(detail)
    assert not any(button.isVisible() for button in (detail.pause, detail.resume, detail.stop))


def test_it_says_why_it_waits_and_who_is_away(full_bench: Bench) -> None:
    running = next(one for one in rollouts.list_rollouts(full_bench.context) if one.state == "running")
    first, second, third = running.boxes
    ago = boxes.now_ms() - 60_000
    parts = (replace(first, state="committed", updated_ms=ago), second, third)
    page, rollout = shown(full_bench, boxes=parts, plan=Plan(pause_minutes=30))
    assert label_with(page.detail, "The wave that is through rests until").isVisible()
    assert "Away" in chips(page.detail), "packing-north does not answer"
    assert label_with(page.detail, "1 of 1 have it").isVisible()
    begun = (replace(first, state="committed"), replace(second, state="committed"), third)
    rollout_store.put_rollout(full_bench.context.database, replace(rollout, boxes=begun))
    full_bench.settle()
    assert label_with(page.detail, "Waiting for boxes that are away: 1 (packing-north)").isVisible()


def test_after_a_rollback_the_three_choices_are_there_and_do_what_they_say(full_bench: Bench) -> None:
    running = next(one for one in rollouts.list_rollouts(full_bench.context) if one.state == "running")
    first, *others = running.boxes
    parts = (replace(first, state="rolled-back", reason="too slow"), *others)
    page, rollout = shown(full_bench, boxes=parts, state="stopped", reason="the canary did not take it")
    panel = page.detail.decisions
    assert {choice for _box, choice in panel.buttons} == {"offer-again", "hold", "blacklist"}
    panel.buttons[first.box, "hold"].click()
    full_bench.settle()
    assert rollouts.get_rollout(full_bench.context, rollout.rollout).boxes[0].state == "held"
    assert {choice for _box, choice in panel.buttons} == {"offer-again", "blacklist"}
    panel.buttons[first.box, "offer-again"].click()
    confirm_in(page).primary.click()
    full_bench.settle()
    again = rollouts.get_rollout(full_bench.context, rollout.rollout)
    assert (again.state, again.boxes[0].state) == ("running", "waiting")
    assert not panel.isVisible()
    rollout_store.put_rollout(full_bench.context.database, replace(rollout, boxes=parts, state="stopped"))
    full_bench.settle()
    panel.buttons[first.box, "blacklist"].click()
    confirm_in(page).primary.click()
    full_bench.settle()
    assert decision_store.blacklisted(full_bench.context.database, OLD_MODEL) is not None
    assert rollouts.get_rollout(full_bench.context, rollout.rollout).state == "aborted"


def decisions_of(page: RolloutsPage, bench: Bench) -> DecisionsDialog:
    page.decide.click()
    bench.settle()
    *_, dialog = [one for one in page.findChildren(DecisionsDialog) if one.isVisible()]
    return dialog


def test_any_model_is_held_from_any_box_or_blacklisted_for_all_and_both_are_listed(full_bench: Bench) -> None:
    box = replace(boxes.list_boxes(full_bench.context)[0], box="9" * 64, name="line-9", status=None)
    box_store.put_box(full_bench.context.database, box)
    page, _rollout = shown(full_bench)
    dialog = decisions_of(page, full_bench)
    assert label_with(dialog, "Nothing was decided yet.").isVisible()
    assert label_with(dialog, "No two desktops contradict each other.").isVisible()
    dialog.subject.setCurrentIndex(dialog.subject.findData(OLD_MODEL))
    dialog.box.setCurrentIndex(dialog.box.findData(box.box))
    dialog.reason.setText("the lens is another one")
    dialog.submit()
    full_bench.settle()
    held = decision_store.decision_of(full_bench.context.database, box.box, OLD_MODEL)
    assert held is not None
    assert (held.choice, held.reason) == ("hold", "the lens is another one")

    dialog = decisions_of(page, full_bench)
    assert label_with(dialog, "the lens is another one").isVisible()
    dialog.choice.choose("blacklist")
    dialog.subject.setCurrentIndex(dialog.subject.findData(OLD_MODEL))
    dialog.submit()
    (question,) = [one for one in dialog.findChildren(Confirm) if one.isVisible()]
    running = [box for box in boxes.list_boxes(full_bench.context) if rollout_decisions.runs(box, OLD_MODEL)]
    assert running, "the filled site has boxes that run it"
    for one in running:
        assert label_with(question, one.name).isVisible()
    question.primary.click()
    full_bench.settle()
    assert decision_store.blacklisted(full_bench.context.database, OLD_MODEL) is not None


def test_a_box_that_another_desktop_took_is_shown(full_bench: Bench) -> None:
    running = next(one for one in rollouts.list_rollouts(full_bench.context) if one.state == "running")
    first, *others = running.boxes
    reason = "Desktop 'night shift' gave this box parts 2.0.0 in rollout 77aa6a1e-222."
    page, _rollout = shown(full_bench, boxes=(replace(first, state="overtaken", reason=reason), *others))
    assert "Overtaken" in chips(page.detail)
    assert label_with(page.detail, "night shift").isVisible()
    assert "boxes that another desktop took: 1" in page.subtitle.text()


def test_a_rehearsal_shows_every_box_before_anything_is_sent(full_bench: Bench) -> None:
    for rollout in rollouts.list_rollouts(full_bench.context):
        if rollout.state == "running":
            rollouts.abort_rollout(full_bench.context, rollout.rollout)
    label_box(full_bench.context, "line-2", add=["press"])
    full_bench.go("rollouts")
    page = full_bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    dialog = page.start_rollout()
    full_bench.settle()
    before = len(rollouts.list_rollouts(full_bench.context))
    dialog.rehearse.click()
    full_bench.settle()
    assert len([chip for chip in chips(dialog.found) if chip.startswith("Away")]) == 3
    assert len(rollouts.list_rollouts(full_bench.context)) == before
    dialog.way.choose("label")
    dialog.group.setCurrentIndex(dialog.group.findData("press"))
    dialog.pause.setValue(30)
    dialog.cap.setValue(500)
    dialog.rehearse.click()
    full_bench.settle()
    assert len(chips(dialog.found)) == 1
    dialog.submit()
    full_bench.settle()
    (confirm,) = [one for one in dialog.findChildren(Confirm) if one.isVisible()]
    confirm.primary.click()
    full_bench.settle()
    started = rollouts.list_rollouts(full_bench.context)[0]
    assert started.plan == Plan(pause_minutes=30, cap_bytes_per_s=500_000)
    assert [part.box for part in started.boxes] == [boxes.get_box(full_bench.context, "line-2").box]


def test_labels_are_changed_on_the_boxs_page(full_bench: Bench) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    page.table.selectRow(0)
    dialog = page.detail.labels.ask()
    assert dialog is not None
    dialog.labels.setText("press\uff0chall 2, ")
    dialog.submit()
    full_bench.settle()
    assert list_labels(full_bench.context) == {"hall 2": 1, "press": 1}
    assert label_with(page.detail, "hall 2, press").isVisible()
    again = page.detail.labels.ask()
    assert again is not None
    again.labels.setText("a/b")
    again.submit()
    full_bench.settle()
    assert "is no label" in again.complaint
    again.labels.setText("press")
    again.submit()
    full_bench.settle()
    assert list_labels(full_bench.context) == {"press": 1}
