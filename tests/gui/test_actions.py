"""What the pages' buttons do, through the dialogs, on a real site."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialog, QWidget

from app.gui.dialogs import Confirm
from app.gui.pages.activity import ActivityPage
from app.gui.pages.boxes import BoxesPage
from app.gui.pages.models import ModelsPage
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.settings import SettingsPage
from app.gui.pages.training import TrainingPage
from app.gui.states import box_state
from app.gui.window import SMALLEST
from app.store import boxes as box_store
from app.store import models as model_store
from app.usecases import boxes, bursts, rollouts
from edge_runtime.contracts.errors import BoxRefusesDesktop, BoxWrongKey, DatabaseDamaged
from tests.gui.conftest import Bench
from tests.gui.filling import NEW_MODEL, OLD_MODEL, add_box, add_samples
from tests.gui.test_window import assert_nothing_cut, inputs


def confirm_in(widget: QWidget) -> Confirm:
    (dialog,) = [one for one in widget.findChildren(Confirm) if one.isVisible()]
    return dialog


def test_a_box_is_forgotten_only_after_naming_it(full_bench: Bench) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    page.table.selectRow(2)
    page.detail.ask_to_forget()
    dialog = confirm_in(page)
    assert "packing-north" in " ".join(one.text() for one in dialog.findChildren(type(dialog._problem)))
    dialog.reject()
    full_bench.settle()
    assert len(boxes.list_boxes(full_bench.context)) == 3
    page.detail.ask_to_forget()
    confirm_in(page).primary.click()
    full_bench.settle()
    assert [box.name for box in boxes.list_boxes(full_bench.context)] == ["line-1", "line-2"]
    assert page.model.rowCount() == 2


def test_adding_a_box_that_is_not_there_says_so_beside_the_button(bench: Bench, tmp_path: Path) -> None:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    dialog = page.add_box()
    dialog.way.choose("folder")
    dialog.submit()
    assert "Choose" in dialog.complaint
    dialog.folder.edit.setText(str(tmp_path))
    dialog.submit()
    bench.settle()
    assert dialog.complaint
    assert dialog.primary.isEnabled()
    dialog.reject()


def test_boxes_that_do_not_answer_are_no_error_in_refresh(full_bench: Bench, errors: list[BaseException]) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    page.refresh.click()
    full_bench.settle()
    assert errors == []
    assert all(box.problem for box in page.model.rows)
    assert page.subtitle.text() == "0 of 3 answering"


def test_who_answers_otherwise_than_it_should_is_not_called_silent(full_bench: Bench) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    database = full_bench.context.database
    line_1, line_2, _north = boxes.list_boxes(full_bench.context)
    box_store.set_status(database, line_1.box, problem=BoxWrongKey("What answers has another key."))
    box_store.set_status(database, line_2.box, problem=BoxRefusesDesktop("It does not trust this desktop's key."))
    more = "0 of 3 answering; Another key: 1; Refuses us: 1"
    full_bench.qtbot.waitUntil(lambda: page.subtitle.text() == more, timeout=60_000)
    assert [box_state(box).word for box in page.model.rows] == [
        "Another key",
        "Refuses us",
        "Not answering",
    ]
    assert full_bench.window.strip is not None
    strip = full_bench.window.strip.boxes
    full_bench.qtbot.waitUntil(lambda: "Another key: 1" in strip.text(), timeout=60_000)
    assert_nothing_cut(full_bench.window)
    full_bench.window.resize(SMALLEST)
    full_bench.settle()
    assert_nothing_cut(full_bench.window)


def test_burst_is_quoted_before_it_can_be_started(full_bench: Bench) -> None:
    full_bench.go("training")
    page = full_bench.window.pages["training"]
    assert isinstance(page, TrainingPage)
    dialog = page.start_burst()
    assert not dialog.primary.isEnabled()
    full_bench.qtbot.waitUntil(lambda: dialog.primary.isEnabled() or bool(dialog.complaint), timeout=60_000)
    assert dialog.dataset.count() == 1
    if not dialog.complaint:
        dialog.minutes.setValue(30)
        assert not dialog.primary.isEnabled()
        full_bench.qtbot.waitUntil(dialog.primary.isEnabled, timeout=60_000)
        assert dialog.request.minutes == 30
    dialog.reject()


def test_running_burst_can_be_cancelled_and_shows_curve_and_log(full_bench: Bench) -> None:
    full_bench.go("training")
    page = full_bench.window.pages["training"]
    assert isinstance(page, TrainingPage)
    page.table.selectRow(0)
    full_bench.settle()
    assert page.detail.stop.isVisible()
    assert "loss" in page.detail.log.toPlainText()
    page.table.selectRow(1)
    full_bench.settle()
    assert not page.detail.stop.isVisible()
    assert len(page.detail.log.toPlainText().splitlines()) == len(
        bursts.burst_log(full_bench.context, page.table.record.burst)
    )


def test_model_is_released_only_when_proved(full_bench: Bench) -> None:
    full_bench.go("models")
    page = full_bench.window.pages["models"]
    assert isinstance(page, ModelsPage)
    page.table.pick(NEW_MODEL)
    assert not page.detail.release.isEnabled()
    old = model_store.get_model(full_bench.context.database, OLD_MODEL)
    box, proof = next(iter(old.proofs.items()))
    model_store.add_proof(full_bench.context.database, NEW_MODEL, box, proof)
    full_bench.settle()
    assert page.detail.release.isEnabled()
    page.table.pick(OLD_MODEL)
    assert page.detail.roll_out.isVisible()
    assert not page.detail.release.isVisible()


def test_rollout_names_the_boxes_before_it_starts(full_bench: Bench) -> None:
    context = full_bench.context
    for rollout in rollouts.list_rollouts(context):
        if rollout.state == "running":
            rollouts.abort_rollout(context, rollout.rollout, "to begin anew")
    full_bench.go("rollouts")
    page = full_bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    before = page.model.rowCount()
    dialog = page.start_rollout()
    full_bench.settle()
    assert len(dialog.chosen_waves) == 2
    list(dialog.waves.values())[2].setCurrentIndex(3)
    dialog.submit()
    confirm = confirm_in(dialog)
    assert_nothing_cut(confirm)
    confirm.primary.click()
    full_bench.settle()
    assert page.model.rowCount() == before + 1
    started = rollouts.list_rollouts(context)[0]
    assert [part.wave for part in started.boxes] == [0, 1]
    assert page.table.record.rollout == started.rollout
    page.detail.ask_to_stop()
    confirm_in(page).primary.click()
    full_bench.settle()
    assert rollouts.get_rollout(context, started.rollout).state == "aborted"


def test_audit_chain_is_verified_and_damage_is_named(full_bench: Bench, errors: list[BaseException]) -> None:
    full_bench.go("activity")
    page = full_bench.window.pages["activity"]
    assert isinstance(page, ActivityPage)
    page.verify.click()
    full_bench.settle()
    assert page.verdict.accessibleName() == "Not witnessed", "no box answers"
    assert errors == []
    full_bench.context.database.write(
        lambda writer: writer.execute("UPDATE activity SET message = 'something else' WHERE seq = 2")
    )
    page.verify.click()
    full_bench.settle()
    assert page.verdict.accessibleName() == "Broken"
    assert [type(error) for error in errors] == [DatabaseDamaged]


def test_store_is_tried_saved_and_synced(bench: Bench, tmp_path: Path, errors: list[BaseException]) -> None:
    add_samples(bench.context, add_box(bench.context, tmp_path, "line-1"), 5)
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    (tmp_path / "file").write_text("in the way")
    page.store.address.setText(str(tmp_path / "file" / "store"))
    page.store.save.click()
    bench.settle()
    assert bench.context.settings.store is None
    (tmp_path / "stick").mkdir()
    page.store.address.setText(str(tmp_path / "stick"))
    page.store.save.click()
    bench.settle()
    assert bench.context.settings.store is not None
    page.store.sync_button.click()
    bench.settle()
    assert list((tmp_path / "stick").rglob("*.zst"))
    assert errors == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_dialogs_have_names_and_cut_nothing(full_bench: Bench, english: object, language: str) -> None:
    from app.gui.i18n import Translations

    assert isinstance(english, Translations)
    english.use("zh" if language == "zh" else "en")
    pages = full_bench.window.pages
    for name, ask in (
        ("boxes", "add_box"),
        ("samples", "freeze_dataset"),
        ("training", "start_burst"),
        ("models", "import_result"),
        ("rollouts", "start_rollout"),
    ):
        full_bench.go(name)
        dialog = getattr(pages[name], ask)()
        assert isinstance(dialog, QDialog)
        full_bench.settle()
        assert_nothing_cut(dialog)
        assert all(one.accessibleName() for one in inputs(dialog))
        dialog.reject()
