"""Dialogs ask before anything is spent or lost, and fit the screen however much they name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.gui.dialogs import Confirm
from app.gui.pages.models import ModelsPage
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.samples import SamplesPage
from app.gui.pages.settings import SettingsPage
from app.gui.pages.start_burst import StartBurst
from app.gui.pages.training import TrainingPage
from app.gui.theme import Theme
from app.gui.widgets import TOUCH
from app.store import boxes as box_store
from app.store import models as model_store
from app.usecases import boxes, bursts
from tests.gui.conftest import Bench
from tests.gui.filling import NEW_MODEL, OLD_MODEL, add_box, add_samples, digest
from tests.gui.test_actions import confirm_in


@pytest.mark.parametrize("kind", ["primary", "danger"])
def test_enter_does_what_has_the_focus(qtbot: QtBot, light: Theme, kind: str) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    for tabs, carried_out in ((0, False), (1, True)):
        dialog = Confirm(
            "Forget?", "It is gone.", ["line-1"], "Forget", window, kind="danger" if kind == "danger" else "primary"
        )
        done: list[bool] = []
        dialog.finished.connect(lambda code, done=done: done.append(code == 1))
        dialog.open()
        assert dialog.focusWidget() is dialog.cancel
        for _ in range(tabs):
            qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab)
        qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Return)
        assert done == [carried_out]


def test_confirmation_of_many_boxes_fits_the_screen(qtbot: QtBot, light: Theme) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    dialog = Confirm("Roll out?", "Each box tries it.", [f"box {n}" for n in range(200)], "Roll out", window)
    dialog.open()
    assert dialog.height() <= dialog.screen().availableGeometry().height()
    assert dialog.rect().contains(dialog.primary.geometry())
    dialog.reject()


def test_waves_of_many_boxes_are_whole_and_fit_the_screen(full_bench: Bench) -> None:
    first = boxes.list_boxes(full_bench.context)[0]
    for number in range(40):
        box_store.put_box(
            full_bench.context.database, replace(first, box=digest(f"box {number}"), name=f"station-{number}")
        )
    full_bench.go("rollouts")
    page = full_bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    dialog = page.start_rollout()
    full_bench.settle()
    assert len(dialog.waves) == 43
    assert dialog.height() <= dialog.screen().availableGeometry().height()
    assert dialog.rect().contains(dialog.primary.geometry())
    for combo in dialog.waves.values():
        assert combo.height() >= TOUCH
        assert combo.width() >= combo.sizeHint().width()
    dialog.reject()


def test_waves_of_a_few_boxes_need_no_scrolling(full_bench: Bench) -> None:
    full_bench.go("rollouts")
    page = full_bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    dialog = page.start_rollout()
    full_bench.settle()
    full_bench.qtbot.waitUntil(lambda: dialog._area.verticalScrollBar().maximum() == 0)
    dialog.reject()


def test_release_asks_and_runs_only_once(full_bench: Bench, errors: list[BaseException]) -> None:
    full_bench.go("models")
    page = full_bench.window.pages["models"]
    assert isinstance(page, ModelsPage)
    old = model_store.get_model(full_bench.context.database, OLD_MODEL)
    box, proof = next(iter(old.proofs.items()))
    model_store.add_proof(full_bench.context.database, NEW_MODEL, box, proof)
    full_bench.settle()
    page.table.pick(NEW_MODEL)
    titles = [command.title for command in page.commands()]
    assert "Release digit-counter 1.1.0…" in titles
    assert "Prove digit-counter 1.1.0 on a box…" in titles
    page.detail.release.click()
    confirm = confirm_in(page)
    assert full_bench.tasks.jobs == ()
    confirm.primary.click()
    assert len(full_bench.tasks.jobs) == 1
    assert not page.detail.release.isEnabled()
    assert not any(command.title.startswith("Release") for command in page.commands())
    full_bench.settle()
    # The bench has no bundle file, so it is refused, said, and can be tried again.
    assert len(errors) == 1
    assert page.detail.release.isEnabled()


def test_spending_asks_with_the_worst_case(full_bench: Bench) -> None:
    full_bench.go("training")
    page = full_bench.window.pages["training"]
    assert isinstance(page, TrainingPage)
    dialog = page.start_burst()
    assert isinstance(dialog, StartBurst)
    full_bench.settle()
    dialog.show_quote(
        bursts.BurstQuote(host="cloud", source="a price list", usd_per_hour=2.5, worst_case_usd=12.5, samples=40)
    )
    before = len(bursts.list_bursts(full_bench.context))
    dialog.submit()
    confirm = confirm_in(dialog)
    assert "12.50 USD" in confirm.windowTitle()
    confirm.reject()
    full_bench.settle()
    assert len(bursts.list_bursts(full_bench.context)) == before
    assert full_bench.tasks.jobs == ()
    dialog.reject()


@pytest.mark.parametrize(
    ("address", "key", "secret", "complaint"),
    [
        ("", "", "", "address"),
        ("bucket-name", "", "", "s3://"),
        ("folder:stick", "", "", "s3://"),
        ("s3://", "", "", "s3://"),
        ("s3://plant/lineside", "AKIA", "", "both"),
        ("s3://plant/lineside", "", "hidden", "both"),
    ],
)
def test_store_address_and_keys_are_looked_at_first(
    bench: Bench, address: str, key: str, secret: str, complaint: str
) -> None:
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    page.store.address.setText(address)
    page.store.key.setText(key)
    page.store.secret.setText(secret)
    page.store.save.click()
    assert bench.tasks.idle
    assert complaint in page.store.said[-1]
    assert bench.context.settings.store is None


def test_python_for_training_is_kept(bench: Bench, tmp_path: Path) -> None:
    bench.go("settings")
    page = bench.window.pages["settings"]
    assert isinstance(page, SettingsPage)
    python = tmp_path / "python"
    field = page.training.python
    field.edit.setText("python3")
    page.training.save()
    assert page.training.problem
    assert bench.context.settings.training_python is None
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    field.edit.setText(str(python))
    bench.qtbot.keyClick(field.edit, Qt.Key.Key_Return)
    assert not page.training.problem
    assert bench.context.settings.training_python == str(python)
    field.edit.clear()
    page.training.save()
    assert bench.context.settings.training_python is None


def test_freezing_warns_of_what_the_gate_would_refuse(bench: Bench, tmp_path: Path) -> None:
    from app.usecases import samples

    ids = add_samples(bench.context, add_box(bench.context, tmp_path, "line-1"), 80)
    samples.label_samples(bench.context, {sample: str(number % 2) for number, sample in enumerate(ids)})
    bench.go("samples")
    page = bench.window.pages["samples"]
    assert isinstance(page, SamplesPage)
    dialog = page.freeze_dataset()
    bench.settle()
    assert "30" in dialog.warning
    dialog.held_out.setValue(50)
    assert not dialog.warning
    dialog.reject()


def test_datasets_without_a_burst_have_one_sentence_and_one_button(bench: Bench, tmp_path: Path) -> None:
    from app.usecases import datasets, samples

    ids = add_samples(bench.context, add_box(bench.context, tmp_path, "line-1"), 80)
    samples.label_samples(bench.context, {sample: str(number % 2) for number, sample in enumerate(ids)})
    datasets.freeze_dataset(bench.context, "first")
    bench.go("training")
    page = bench.window.pages["training"]
    assert isinstance(page, TrainingPage)
    assert not page.is_empty
    assert not page.table.isVisible()
    assert page.dataset_table.isVisible()
    assert not page.start.isVisible()
    assert not page.detail.isVisible()
