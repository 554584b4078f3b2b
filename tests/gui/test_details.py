"""Detail panels say how things stand, and leave alone what did not change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.context import Context
from app.gui.i18n import Translations
from app.gui.pages.boxes import BoxesPage, drift_state
from app.gui.pages.models import ModelsPage
from app.gui.pages.rollouts import RolloutsPage
from app.gui.pages.training import TrainingPage
from app.gui.states import slot_state
from app.gui.tables import DataTable
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.widgets import Chip, Segments
from app.store import boxes as box_store
from app.store import rollouts as rollout_store
from app.usecases import boxes, rollouts
from edge_runtime.contracts.status import SlotStatus
from tests.gui.conftest import Bench


def label_with(widget: QWidget, words: str) -> QLabel:
    (found,) = [one for one in widget.findChildren(QLabel) if words in one.text() and one.isVisible()]
    return found


def chips(widget: QWidget) -> list[str]:
    return [one.accessibleName() for one in widget.findChildren(Chip) if one.isVisible()]


def test_box_that_does_not_answer_is_not_steady(full_bench: Bench) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    here, drifting, gone = boxes.list_boxes(full_bench.context)
    steady, drift = drift_state(here), drift_state(drifting)
    assert steady is not None
    assert steady.word == "Steady"
    assert drift is not None
    assert drift.word == "Drift"
    assert drift_state(gone) is None
    columns = {column.title: column for column in page.model.columns}
    assert columns["Model"].text(here) == "1.0.0"
    assert columns["Model"].text(gone) == "(1.0.0)"
    tip = columns["Model"].tip
    assert tip is not None
    assert tip(gone) == "Last known: digit-counter 1.0.0"
    page.table.pick(gone.box)
    assert chips(page.detail).count("Last known") == 2


def test_slot_that_answers_stands_out() -> None:
    active = SlotStatus(slot="a", state="COMMITTED", active=True)
    kept = SlotStatus(slot="b", state="COMMITTED")
    assert (slot_state(active, heard=True).word, slot_state(active, heard=True).tone) == ("Answers now", "ok")
    assert (slot_state(kept, heard=True).word, slot_state(kept, heard=True).tone) == ("Kept", "idle")
    assert slot_state(replace(active, state="TRIAL"), heard=True).word == "On trial"


def test_selected_texts_survive_a_refresh(full_bench: Bench) -> None:
    page = full_bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    box = next(one for one in boxes.list_boxes(full_bench.context) if one.name == "line-2")
    page.table.pick(box.box)
    full_bench.settle()
    texts = [label_with(page.detail, "less sure than"), label_with(page.detail, "frame-000231.jpg")]
    for text in texts:
        text.setSelection(0, 10)
    assert box.status is not None
    (pipeline,) = box.status.pipelines
    status = replace(box.status, pipelines=(replace(pipeline, frames=pipeline.frames + 25),))
    box_store.set_status(full_bench.context.database, box.box, status=status, seen_ms=status.at_ms + 1000)
    full_bench.settle()
    assert label_with(page.detail, "8,437").isVisible()
    assert [text.selectedText() for text in texts] == ["The model ", "frame-0002"]


def test_selected_reason_of_a_rollout_survives_a_change_of_another_box(full_bench: Bench) -> None:
    context = full_bench.context
    running = next(one for one in rollouts.list_rollouts(context) if one.state == "running")
    first, second, *others = running.boxes
    first = replace(first, state="rolled-back", reason="Four frames in ten failed.")
    rollout_store.put_rollout(context.database, replace(running, boxes=(first, second, *others)))
    full_bench.go("rollouts")
    page = full_bench.window.pages["rollouts"]
    assert isinstance(page, RolloutsPage)
    page.table.pick(running.rollout)
    reason = label_with(page.detail, "Four frames")
    reason.setSelection(0, 4)
    changed = replace(second, state="sending")
    rollout_store.put_rollout(context.database, replace(running, boxes=(first, changed, *others)))
    full_bench.settle()
    assert "Sending" in chips(page.detail)
    assert reason.selectedText() == "Four"
    assert any(command.title == "Abort rollout of digit-counter 1.1.0…" for command in page.commands())


def test_palette_offers_what_applies_once(full_bench: Bench) -> None:
    titles = [command.title for page in full_bench.window.pages.values() for command in page.commands()]
    assert len(titles) == len(set(titles))
    assert {"Dark theme", "Light theme", "Language: 简体中文", "Freeze dataset…"} <= set(titles)
    assert "Theme as the system" not in titles
    assert "Undo labelling" not in titles
    assert "Forget box line-1…" in titles
    full_bench.go("training")
    page = full_bench.window.pages["training"]
    assert isinstance(page, TrainingPage)
    page.table.selectRow(0)
    assert "Cancel burst on Line 2, week 20…" in [command.title for command in page.commands()]


def assert_columns_fit(table: DataTable) -> None:
    header = table.horizontalHeader()
    for number in range(header.count()):
        if not table.isColumnHidden(number):
            assert header.sectionSize(number) >= header.sectionSizeHint(number), table.model().headerData(
                number, header.orientation()
            )
            assert table.columnWidth(number) >= table.sizeHintForColumn(number)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_columns_hold_headings_and_states(
    qtbot: QtBot, light: Theme, english: Translations, full_site: Context, tasks: Tasks, language: str
) -> None:
    english.use("zh" if language == "zh" else "en")
    box, *_others = boxes.list_boxes(full_site)
    assert box.status is not None
    waiting = tuple(replace(one, state="waiting-for-model") for one in box.status.pipelines)
    status = replace(box.status, pipelines=waiting)
    box_store.set_status(full_site.database, box.box, status=status, seen_ms=status.at_ms + 1)
    bench = Bench(qtbot, full_site, tasks)
    try:
        for name in ("boxes", "training", "models", "rollouts"):
            bench.go(name)
            page = bench.window.pages[name]
            assert isinstance(page, BoxesPage | TrainingPage | ModelsPage | RolloutsPage)
            assert_columns_fit(page.table)
    finally:
        bench.session.close()


def test_chosen_segment_is_not_cut(qtbot: QtBot, light: Theme) -> None:
    segments = Segments("Theme", (("As the system", 0), ("Light", 1), ("Dark", 2)))
    qtbot.addWidget(segments)
    segments.show()
    before = segments.width()
    for value in (0, 1, 2):
        segments.choose(value)
        assert segments.sizeHint().width() == before
        for button in segments.findChildren(QPushButton):
            assert button.width() >= button.sizeHint().width()
