"""A configuration and a program in the window: begun where a box's own is handled, and named on the page Rollouts."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import get_args

from PySide6.QtWidgets import QLabel

from app.gui.dialogs import Confirm
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.decisions import DecisionsDialog
from app.gui.pages.rehearsal_words import entry_of
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.start_rollout import StartRollout
from app.store import boxes as box_store
from app.store import decisions as decision_store
from app.store import rollouts as rollout_store
from app.store.records import Rollout, SubjectKind
from app.usecases import boxes, rollouts
from app.usecases.rehearsal import BoxRehearsal, Refusal, RefusalKind
from edge_runtime.contracts.status import RuntimeStatus, SlotStatus, TrialReport
from tests.fakes.runtime_bundles import runtime_bundle
from tests.gui.conftest import Bench
from tests.gui.filling import NOW_MS
from tests.gui.test_details import chips, label_with

CHANGE = "[update]\ntrial_seconds = 30.0\n"


def page_of(bench: Bench) -> RolloutsPage:
    page = bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    return page


def dialog_in(page: RolloutsPage) -> StartRollout:
    (dialog,) = [one for one in page.findChildren(StartRollout) if one.isVisible()]
    return dialog


def test_a_configuration_is_rolled_out_from_the_panel_of_a_box(full_bench: Bench) -> None:
    full_bench.go("boxes")
    boxes_page = full_bench.window.pages["boxes"]
    assert isinstance(boxes_page, BoxesPage)
    boxes_page.detail.configuration.roll_out.click()
    full_bench.settle()
    page = page_of(full_bench)
    dialog = dialog_in(page)
    assert dialog.subject.value == "configuration"
    assert dialog.subject.change.isVisible()
    assert not dialog.model.isVisible()
    dialog.rehearse.click()
    assert label_with(dialog, "Write the fields that are to be set.").isVisible()
    dialog.subject.change.setPlainText(CHANGE)
    assert not dialog.complaint
    dialog.rehearse.click()
    full_bench.settle()
    assert label_with(dialog, "the configuration that it has now").isVisible()
    assert dialog.found.isVisible()
    assert len([chip for chip in chips(dialog.found) if chip.startswith("Away")]) == 3
    assert not [one for one in rollouts.list_rollouts(full_bench.context) if one.subject == "configuration"]
    dialog.subject.change.setPlainText("")
    assert not dialog.found.isVisible(), "that was of something else"
    dialog.primary.click()
    assert label_with(dialog, "Write the fields that are to be set.").isVisible()
    dialog.subject.change.setPlainText("[update]\ntrial_secs = 30.0\n")
    dialog.primary.click()
    _confirm(dialog)
    full_bench.settle()
    assert label_with(dialog, "there is no such field").isVisible()
    dialog.subject.change.setPlainText(CHANGE)
    dialog.primary.click()
    _confirm(dialog)
    full_bench.settle()
    assert [one for one in page.findChildren(StartRollout) if one.isVisible()] == []
    started = next(one for one in rollouts.list_rollouts(full_bench.context) if one.subject == "configuration")
    assert page.table.record == started
    assert page.model_of(started) == f"Configuration {started.version}"
    assert label_with(page.detail, "trial_seconds = 30.0").isVisible(), "what is changed can be read"
    page.detail.ask_to_stop()
    (question,) = [one for one in page.findChildren(Confirm) if one.isVisible()]
    assert label_with(question, "A trial that is under way comes to its own end").isVisible()
    question.primary.click()
    full_bench.settle()
    assert rollouts.get_rollout(full_bench.context, started.rollout).state == "aborted"


def _confirm(dialog: StartRollout) -> None:
    (question,) = [one for one in dialog.findChildren(Confirm) if one.isVisible()]
    assert label_with(question, "Each box tries it on its live lines").isVisible()
    question.primary.click()


def test_a_program_is_chosen_from_the_panel_of_a_box_and_what_is_no_bundle_is_told(
    full_bench: Bench, tmp_path: Path
) -> None:
    full_bench.go("boxes")
    boxes_page = full_bench.window.pages["boxes"]
    assert isinstance(boxes_page, BoxesPage)
    boxes_page.detail.runtime.roll_out.click()
    full_bench.settle()
    dialog = dialog_in(page_of(full_bench))
    assert dialog.subject.value == "program"
    dialog.primary.click()
    assert label_with(dialog, "Choose an edge bundle.").isVisible()
    dialog.subject.program.edit.setText("/nowhere/at/all.zip")
    dialog.rehearse.click()
    full_bench.settle()
    assert label_with(dialog, "There is no edge bundle at").isVisible()
    assert dialog.rehearse.isEnabled()
    assert not dialog.found.isVisible()
    dialog.subject.program.edit.setText(str(runtime_bundle(tmp_path, "1.1.0", built=1_800_000_000)))
    dialog.rehearse.click()
    full_bench.settle()
    assert label_with(dialog, "the program that it runs now").isVisible()
    dialog.subject.program.edit.setText("/nowhere/at/all.zip")
    dialog.primary.click()
    _confirm(dialog)
    full_bench.settle()
    assert label_with(dialog, "There is no edge bundle at").isVisible()
    dialog.subject.kind.choose("model")
    dialog.subject.kind.chosen.emit("model")
    assert dialog.model.isVisible()
    assert dialog.rehearse.isVisible()


def rolled_out(bench: Bench, subject: SubjectKind, *, version: str) -> Rollout:
    """Another rollout to the boxes of the one that runs."""
    running = next(one for one in rollouts.list_rollouts(bench.context) if one.state == "running")
    other = replace(
        running,
        rollout=str(uuid.uuid5(uuid.NAMESPACE_OID, subject)),
        subject=subject,
        model=hashlib.sha256(subject.encode()).hexdigest(),
        version=version,
        object="d" * 64,
        size=10,
    )
    rollout_store.put_rollout(bench.context.database, other)
    return other


def test_each_rollout_is_named_by_what_it_brings(full_bench: Bench) -> None:
    running = next(one for one in rollouts.list_rollouts(full_bench.context) if one.state == "running")
    program = rolled_out(full_bench, "program", version="1.2.0")
    full_bench.go("rollouts")
    page = page_of(full_bench)
    page.table.pick(program.rollout)
    full_bench.settle()
    shown = {one.text() for one in page.detail.findChildren(QLabel)}
    assert "Program 1.2.0" in shown
    assert page.title_of(program.model) == "Program 1.2.0"
    assert label_with(page.detail, "What it brings is not on this desktop yet").isVisible()
    assert page.model_of(running) != "Program 1.2.0"


def test_each_reason_that_a_rehearsal_can_find_has_its_word() -> None:
    for kind in get_args(RefusalKind):
        found = BoxRehearsal(
            box="b",
            name="line-1",
            wave=0,
            way="whole",
            bytes=1,
            peak_disk_bytes=2,
            refusals=(Refusal(kind=kind, words="So."),),
        )
        assert [line.text for line in entry_of(found).lines][-1] == "So."


def test_lines_that_the_trial_of_a_program_could_not_judge_stand_beside_the_box(full_bench: Bench) -> None:
    program = rolled_out(full_bench, "program", version="1.2.0")
    first, *_others = program.boxes
    status = box_store.get_box(full_bench.context.database, first.box).status
    assert status is not None
    trial = TrialReport(frames=40, errors=0, latency_ms_p95=0.0, unjudged=("hourly",))
    slot = SlotStatus(slot="a", state="COMMITTED", version="1.2.0", bundle=program.model, active=True, trial=trial)
    runtime = RuntimeStatus(base="1.0.0", slot="a", bundle=program.model, slots=(slot,))
    box_store.set_status(
        full_bench.context.database, first.box, status=replace(status, runtime=runtime), seen_ms=NOW_MS
    )
    full_bench.go("rollouts")
    page = page_of(full_bench)
    page.table.pick(program.rollout)
    full_bench.settle()
    assert label_with(page.detail, "for their frames come too seldom: hourly").isVisible()


def decisions_in(page: RolloutsPage, bench: Bench) -> DecisionsDialog:
    page.decide.click()
    bench.settle()
    *_, dialog = [one for one in page.findChildren(DecisionsDialog) if one.isVisible()]
    return dialog


def test_a_configuration_is_held_and_a_program_blacklisted_where_decisions_are_listed(full_bench: Bench) -> None:
    context = full_bench.context
    configuration = rolled_out(full_bench, "configuration", version="abc123abc123")
    program = rolled_out(full_bench, "program", version="1.2.0")
    full_bench.go("rollouts")
    page = page_of(full_bench)
    box = replace(boxes.list_boxes(context)[0], box="9" * 64, name="line-9", status=None)
    box_store.put_box(context.database, box)
    dialog = decisions_in(page, full_bench)
    dialog.subject.setCurrentIndex(dialog.subject.findData(configuration.model))
    assert dialog.subject.currentText() == "Configuration abc123abc123"
    dialog.box.setCurrentIndex(dialog.box.findData(box.box))
    dialog.submit()
    full_bench.settle()
    held = decision_store.decision_of(context.database, box.box, configuration.model)
    assert held is not None
    assert (held.choice, held.subject) == ("hold", "configuration")

    dialog = decisions_in(page, full_bench)
    assert label_with(dialog, "Configuration abc123abc123: held from line-9").isVisible()
    dialog.choice.choose("blacklist")
    for one in (configuration, program):
        dialog.subject.setCurrentIndex(dialog.subject.findData(one.model))
        dialog.submit()
        (question,) = [asked for asked in dialog.findChildren(Confirm) if asked.isVisible()]
        said = label_with(question, "This cannot be taken back.").text()
        assert "No box is known to run it." in said
        if one is program:
            question.primary.click()
        else:
            question.reject()
    full_bench.settle()
    assert decision_store.blacklisted(context.database, program.model) is not None
    assert decision_store.blacklisted(context.database, configuration.model) is None
    assert rollouts.get_rollout(context, program.rollout).state == "aborted"
