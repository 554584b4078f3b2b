"""Labelling by keyboard writes labels, and can be undone."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.gui.pages.sample_grid import label_keys
from app.gui.pages.samples import SamplesPage
from app.usecases import datasets, samples
from tests.gui.conftest import Bench
from tests.gui.filling import add_box, add_samples, picture


def _page(bench: Bench) -> SamplesPage:
    bench.go("samples")
    page = bench.window.pages["samples"]
    assert isinstance(page, SamplesPage)
    return page


def test_keys_of_labels() -> None:
    assert label_keys(["0", "7", "A"]) == {"0": "0", "7": "7", "a": "A"}
    assert label_keys(["scratch", "dent", "1"]) == {"1": "1", "2": "scratch", "3": "dent"}
    assert len(label_keys([f"label {n}" for n in range(99)])) == 35


def test_keys_that_were_given_stay() -> None:
    given = label_keys(["dent", "scratch"])
    assert given == {"1": "dent", "2": "scratch"}
    assert label_keys(["1", "A", "chip", "dent", "scratch"], given) == {**given, "a": "A", "3": "1", "4": "chip"}


def test_new_labels_move_no_key(full_bench: Bench) -> None:
    page = _page(full_bench)
    before = dict(page.keys)
    page.label_selected("blister")
    full_bench.settle()
    page.label_selected("abrasion")
    full_bench.settle()
    assert "abrasion" in page.keys.values()
    assert {key: page.keys[key] for key in before} == before


def test_new_samples_wait_until_they_are_asked_for(full_bench: Bench, tmp_path: Path) -> None:
    page = _page(full_bench)
    before = [row.sample for row in page.model.rows]
    box = add_box(full_bench.context, tmp_path, "line-9")
    add_samples(full_bench.context, box, 5, start=1000)
    full_bench.settle()
    assert [row.sample for row in page.model.rows] == before
    assert page.fresh.isVisible()
    assert page.fresh.text() == "5 new – show"
    assert page.fresh.width() >= page.fresh.sizeHint().width()
    page.fresh.click()
    full_bench.settle()
    assert len(page.model.rows) == len(before) + 5
    assert not page.fresh.isVisible()
    full_bench.go("boxes")
    add_samples(full_bench.context, box, 1, start=2000)
    full_bench.settle()
    full_bench.go("samples")
    assert len(page.model.rows) == len(before) + 6


def test_undone_label_comes_back_to_its_place(full_bench: Bench, qtbot: QtBot) -> None:
    page = _page(full_bench)
    page.standing.choose(False)
    page._ask_anew()
    full_bench.settle()
    unlabelled = [row.sample for row in page.model.rows]
    qtbot.keyClick(page.grid, Qt.Key.Key_3)
    full_bench.settle()
    assert any(command.title == "Undo labelling" for command in page.commands())
    page.undo_label()
    full_bench.settle()
    assert [row.sample for row in page.model.rows] == unlabelled


def test_label_buttons_are_in_sight_on_a_low_screen(full_bench: Bench) -> None:
    full_bench.window.resize(1366, 728)
    page = _page(full_bench)
    area = page.detail.parentWidget()
    last = page.detail.other
    assert area is not None
    assert last.mapTo(area, last.rect().bottomLeft()).y() < area.height()


def test_digits_label_and_move_on(full_bench: Bench, qtbot: QtBot) -> None:
    page = _page(full_bench)
    page.standing.choose(False)
    page._ask_anew()
    full_bench.settle()
    unlabelled = [row.sample for row in page.model.rows]
    assert page.grid.selected[0].sample == unlabelled[0]
    qtbot.keyClick(page.grid, Qt.Key.Key_3)
    full_bench.settle()
    qtbot.keyClick(page.grid, Qt.Key.Key_8)
    full_bench.settle()
    assert samples.get_sample(full_bench.context, unlabelled[0]).label == "3"
    assert samples.get_sample(full_bench.context, unlabelled[1]).label == "8"
    assert [row.sample for row in page.model.rows] == unlabelled[2:]
    assert page.grid.selected[0].sample == unlabelled[2]


def test_arrows_several_at_once_and_backspace(full_bench: Bench, qtbot: QtBot) -> None:
    page = _page(full_bench)
    first = [row.sample for row in page.model.rows[:3]]
    qtbot.keyClick(page.grid, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(page.grid, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert [one.sample for one in page.grid.selected] == first
    qtbot.keyClick(page.grid, Qt.Key.Key_5)
    full_bench.settle()
    assert [samples.get_sample(full_bench.context, one).label for one in first] == ["5", "5", "5"]
    page.grid.setCurrentIndex(page.model.index(0, 0))
    qtbot.keyClick(page.grid, Qt.Key.Key_Backspace)
    full_bench.settle()
    assert samples.get_sample(full_bench.context, first[0]).label is None


def test_undo_gives_back_what_was_there(full_bench: Bench, qtbot: QtBot) -> None:
    page = _page(full_bench)
    page.standing.choose(True)
    page._ask_anew()
    full_bench.settle()
    before = page.grid.selected[0]
    qtbot.keyClick(page.grid, Qt.Key.Key_9 if before.label != "9" else Qt.Key.Key_1)
    full_bench.settle()
    assert samples.get_sample(full_bench.context, before.sample).label != before.label
    assert page.undo.isEnabled()
    page.undo.click()
    full_bench.settle()
    assert samples.get_sample(full_bench.context, before.sample).label == before.label
    assert not page.undo.isEnabled()


def test_a_new_label_is_typed(full_bench: Bench, qtbot: QtBot) -> None:
    page = _page(full_bench)
    chosen = page.grid.selected[0].sample
    qtbot.keyClicks(page.detail.other, "scratched")
    qtbot.keyClick(page.detail.other, Qt.Key.Key_Return)
    full_bench.settle()
    assert samples.get_sample(full_bench.context, chosen).label == "scratched"
    assert "scratched" in page.keys.values()


def test_import_and_freeze(bench: Bench, tmp_path: Path, errors: list[BaseException]) -> None:
    for number in range(40):
        folder = tmp_path / "import" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(picture(number))
    (tmp_path / "import" / "0" / "broken.jpg").write_bytes(b"not an image")
    page = _page(bench)
    assert page.is_empty
    page.start_import(tmp_path / "import")
    bench.settle()
    assert not page.is_empty
    assert page.model.rowCount() == 40
    assert len(errors) == 1
    assert "broken.jpg" in str(errors[0])
    dialog = page.freeze_dataset()
    dialog.submit()
    assert dialog.complaint
    dialog.name.setText("first")
    dialog.submit()
    bench.settle()
    (dataset,) = datasets.list_datasets(bench.context)
    assert (dataset.name, dataset.train + dataset.held_out) == ("first", 40)
    assert bench.window.current == "training"
