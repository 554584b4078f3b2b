"""A configuration and a program in the window: begun where a box's own is handled, and named on the page Rollouts."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QLabel

from app.gui.dialogs import Confirm
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.start_rollout import StartRollout
from app.store import rollouts as rollout_store
from app.usecases import rollouts
from tests.gui.conftest import Bench
from tests.gui.test_details import label_with

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
    assert not dialog.rehearse.isVisible(), "there is nothing to rehearse"
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


def test_a_program_is_chosen_from_the_panel_of_a_box_and_what_is_no_bundle_is_told(full_bench: Bench) -> None:
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
    dialog.primary.click()
    _confirm(dialog)
    full_bench.settle()
    assert label_with(dialog, "There is no edge bundle at").isVisible()
    dialog.subject.kind.choose("model")
    dialog.subject.kind.chosen.emit("model")
    assert dialog.model.isVisible()
    assert dialog.rehearse.isVisible()


def test_each_rollout_is_named_by_what_it_brings(full_bench: Bench) -> None:
    running = next(one for one in rollouts.list_rollouts(full_bench.context) if one.state == "running")
    program = replace(
        running,
        rollout="88bb6a1e-2222-4a52-9d3c-0d6a8b9c1e11",
        subject="program",
        model="c" * 64,
        version="1.2.0",
        object="d" * 64,
        size=10,
    )
    rollout_store.put_rollout(full_bench.context.database, program)
    full_bench.go("rollouts")
    page = page_of(full_bench)
    page.table.pick(program.rollout)
    full_bench.settle()
    shown = {one.text() for one in page.detail.findChildren(QLabel)}
    assert "Program 1.2.0" in shown
    assert page.title_of(program.model) == "Program 1.2.0"
    assert label_with(page.detail, "What it brings is not on this desktop yet").isVisible()
    assert page.model_of(running) != "Program 1.2.0"
