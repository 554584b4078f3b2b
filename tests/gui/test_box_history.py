"""What was collected of a box can be looked back on in the window, and a shadow model begins and ends there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.context import Context
from app.gui.box_words import kind_state, loss_reason, stages_words
from app.gui.i18n import Translations
from app.gui.pages.box_history import BoxHistory, Topic
from app.gui.pages.box_minutes import curve, per_minute
from app.gui.pages.box_streams import StreamTable
from app.gui.pages.boxes import BoxesPage
from app.gui.tables import PAGE
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.widgets import Button, Chip
from app.store import models as model_store
from app.usecases import boxes, rollouts
from app.usecases.rollout_runner import follow_rollout
from edge_runtime.contracts.errors import BoxUnreachable
from edge_runtime.contracts.rows import AlertRow, AuditRow, LossRow, RollupRow, ShadowRow
from tests.e2e.test_shadow import Box as RealBox
from tests.fakes.prepared_site import release
from tests.gui.conftest import Bench
from tests.gui.filling import NEW_MODEL, NOW_MS, add_box
from tests.gui.history import add_minutes
from tests.gui.test_window import assert_nothing_cut

TOPICS: tuple[Topic, ...] = ("minutes", "shadow", "alerts", "audits", "losses")


def boxes_page(bench: Bench) -> BoxesPage:
    page = bench.window.pages["boxes"]
    assert isinstance(page, BoxesPage)
    return page


Stream = (
    StreamTable[RollupRow]
    | StreamTable[ShadowRow]
    | StreamTable[AlertRow]
    | StreamTable[AuditRow]
    | StreamTable[LossRow]
)


def stream_of(history: BoxHistory, topic: Topic) -> Stream:
    streams: dict[Topic, Stream] = {
        "minutes": history.minutes.stream,
        "shadow": history.shadow.stream,
        "alerts": history.alerts,
        "audits": history.audits,
        "losses": history.losses.stream,
    }
    return streams[topic]


def words_in(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisible())


def assert_all_but_the_widest_fit(shown: Stream) -> None:
    """Every heading, and every cell of a column that does not just take what is left."""
    header = shown.table.horizontalHeader()
    for number, (title, stretch) in enumerate((one.title, one.stretch) for one in shown.model.columns):
        if not shown.table.isColumnHidden(number):
            assert header.sectionSize(number) >= header.sectionSizeHint(number), title
            assert stretch or shown.table.columnWidth(number) >= shown.table.sizeHintForColumn(number), title


@pytest.mark.parametrize(("topic", "name"), [(one, "line-2" if one == "alerts" else "line-1") for one in TOPICS])
def test_every_stream_of_a_box_is_shown_a_page_at_a_time(
    full_bench: Bench, topic: Topic, name: str, errors: list[BaseException]
) -> None:
    page = boxes_page(full_bench)
    box = boxes.get_box(full_bench.context, name)
    page.table.pick(box.box)
    full_bench.qtbot.mouseClick(page.detail.look_back, Qt.MouseButton.LeftButton)
    (segment,) = [
        one
        for one in page.history.choice.findChildren(Button)
        if one.text() == {"shadow": "Shadow model", "audits": "Audit"}.get(topic, topic.capitalize())
    ]
    full_bench.qtbot.mouseClick(segment, Qt.MouseButton.LeftButton)
    full_bench.settle()
    shown = stream_of(page.history, topic)
    assert shown.table.isVisible()
    fetch = getattr(boxes, f"page_{'rollups' if topic == 'minutes' else 'shadows' if topic == 'shadow' else topic}")
    stored = fetch(full_bench.context, name, limit=1000).rows
    assert list(shown.model.rows) == list(stored[:PAGE])
    while shown.model.canFetchMore():
        shown.table.scrollToBottom()
        full_bench.settle()
    assert list(shown.model.rows) == list(stored)
    assert not page.header.isVisible()
    shown.table.selectRow(0)
    assert shown.full.isVisible()
    assert shown.full.text()
    full_bench.qtbot.keyClick(page.history, Qt.Key.Key_Escape)
    assert page.table.isVisible()
    assert page.header.isVisible()
    assert errors == []


@pytest.mark.parametrize("topic", TOPICS)
def test_where_nothing_was_collected_there_is_a_sentence_and_one_button(
    bench: Bench, tmp_path: Path, topic: Topic
) -> None:
    add_box(bench.context, tmp_path, "line-9")
    bench.settle()
    page = boxes_page(bench)
    page.look_back(topic)
    bench.settle()
    shown = stream_of(page.history, topic)
    assert shown.is_empty
    (button,) = [one for one in shown.findChildren(Button) if one.isVisible()]
    assert button.property("kind") == "primary"
    (sentence,) = [one for one in shown.findChildren(QLabel) if one.isVisible() and one.wordWrap()]
    assert sentence.height() >= sentence.heightForWidth(sentence.width())


def test_new_minutes_appear_while_somebody_looks(full_bench: Bench) -> None:
    page = boxes_page(full_bench)
    box = boxes.get_box(full_bench.context, "line-2")
    page.table.pick(box.box)
    page.look_back("minutes")
    full_bench.settle()
    assert page.history.minutes.stream.is_empty
    assert not page.history.minutes.charts.isVisible()
    add_minutes(full_bench.context, box, 3)
    full_bench.settle()
    assert page.history.minutes.stream.model.rowCount() == 6
    assert page.history.minutes.charts.isVisible()
    assert [page.history.minutes.pipeline.itemText(at) for at in range(2)] == ["camera", "scanner"]
    before = page.history.minutes.frames.grab().toImage()
    page.history.minutes.pipeline.setCurrentIndex(1)
    assert page.history.minutes.frames.grab().toImage() != before


def test_history_ends_with_its_box_and_with_a_jump_to_another(full_bench: Bench) -> None:
    page = boxes_page(full_bench)
    names = {box.name: box.box for box in boxes.list_boxes(full_bench.context)}
    page.table.pick(names["line-1"])
    page.look_back("audits")
    full_bench.settle()
    full_bench.session.open_requested.emit("boxes", names["line-2"])
    full_bench.settle()
    assert not page.is_looking_back
    page.look_back()
    full_bench.settle()
    assert page.history.box is not None
    assert page.history.box.name == "line-2"
    assert page.history.audits.is_empty
    boxes.forget_box(full_bench.context, "line-2")
    full_bench.settle()
    assert page.table.isVisible()


def test_box_tells_where_it_answers_and_how_it_stands(full_bench: Bench) -> None:
    page = boxes_page(full_bench)
    page.table.pick(boxes.get_box(full_bench.context, "line-1").box)
    full_bench.settle()
    told = words_in(page.detail)
    for words in ("192.168.1.20:8000 HTTP", "read 0.2 · decode 0.7", "to notice drift: 43 %", "digit-counter 1.0.5"):
        assert words in told
    assert "Watching" in [one.accessibleName() for one in page.detail.findChildren(Chip) if one.isVisible()]
    page.look_back("losses")
    full_bench.settle()
    assert "Nobody collected it in time." in [page.history.losses.stream.model.index(row, 6).data() for row in range(2)]
    page.look_back("shadow")
    full_bench.settle()
    minutes = [one for one in boxes.page_rollups(full_bench.context, "line-1", limit=1000).rows if one.shadow_frames]
    frames = sum(one.shadow_frames for one in minutes)
    agreed = sum(one.shadow_agreed for one in minutes)
    assert page.history.shadow.agreed.findChildren(QLabel)[0].text() == f"{100 * agreed / frames:.1f} %"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_history_is_cut_nowhere(
    qtbot: QtBot,
    light: Theme,
    english: Translations,
    full_site: Context,
    tasks: Tasks,
    qapp: QApplication,
    language: str,
) -> None:
    english.use("zh" if language == "zh" else "en")
    bench = Bench(qtbot, full_site, tasks)
    try:
        page = boxes_page(bench)
        for width, height in ((960, 600), (1366, 768)):
            bench.window.resize(width, height)
            for topic in TOPICS:
                page.look_back(topic)
                bench.settle()
                assert_nothing_cut(bench.window)
                assert bench.window.width() == width
                shown = stream_of(page.history, topic)
                if not shown.is_empty:
                    assert_all_but_the_widest_fit(shown)
                    assert shown.table.height() > 2 * shown.table.rowHeight(0)
    finally:
        bench.session.close()


def test_shadow_run_asks_for_a_released_model_and_a_refusal_changes_nothing(
    full_bench: Bench, errors: list[BaseException]
) -> None:
    context, page = full_bench.context, boxes_page(full_bench)
    page.table.pick(boxes.get_box(context, "line-2").box)
    full_bench.settle()
    panel = page.detail.shadow
    dialog = panel.ask_to_start()
    assert dialog is not None
    full_bench.settle()
    assert not dialog.primary.isEnabled()
    assert "released" in dialog.complaint
    assert_nothing_cut(dialog)
    dialog.reject()
    model_store.put_model(
        context.database, replace(model_store.get_model(context.database, NEW_MODEL), state="released")
    )
    dialog = panel.ask_to_start()
    assert dialog is not None
    full_bench.settle()
    assert [dialog.model.itemData(at) for at in range(dialog.model.count())] == [NEW_MODEL]
    dialog.primary.click()
    assert not panel.start.isEnabled()
    assert [row.job.title for row in full_bench.window.tray.rows] == ["Shadow digit-counter 1.1.0 on line-2"]
    full_bench.settle()
    assert [type(error) for error in errors] == [BoxUnreachable]
    assert panel.start.isEnabled()
    assert not panel.undo.isVisible()


def test_words_for_what_boxes_tell() -> None:
    assert kind_state("input.frozen").word == "Input: frozen picture"
    assert kind_state("quantum.flux").word == "quantum.flux"
    assert loss_reason("limit.age") == "Nobody collected it in time."
    assert loss_reason("gnome.ate-it") == "gnome.ate-it"
    assert stages_words({"infer": 1.25, "read": 0.5, "new": 2.0}) == "read 0.5 · infer 1.2 · new 2.0"


def test_curve_is_interrupted_where_minutes_are_missing(site: Context, tmp_path: Path) -> None:
    box = add_box(site, tmp_path, "line-1")
    add_minutes(site, box, 4)
    rows = [one for one in boxes.page_rollups(site, "line-1").rows if one.pipeline == "camera"]
    drawn = curve(rows, [float(number) for number in range(4)])
    assert [time - NOW_MS / 1000 for time in drawn.times] == [0, 60, 120, 1320, 1380]
    assert [value for value in drawn.values if not math.isnan(value)] == [3.0, 2.0, 1.0, 0.0]
    assert math.isnan(drawn.values[2])
    assert per_minute(30, 15_000) == 120.0
    assert per_minute(30, 0) == 30.0


@pytest.fixture
def real_box(tmp_path: Path) -> Iterator[RealBox]:
    running = RealBox(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_shadow_begins_ends_and_comes_back_on_a_real_box_which_is_sent_back(
    bench: Bench, real_box: RealBox, tmp_path: Path, errors: list[BaseException]
) -> None:
    context, page = bench.context, boxes_page(bench)
    release(context, tmp_path, "1.0.0", threshold=128.0)
    release(context, tmp_path, "1.0.1", threshold=60.0)
    candidate = release(context, tmp_path, "1.0.2", threshold=90.0)
    boxes.enrol_local(context, real_box.home)
    for version in ("parts@1.0.0", "parts@1.0.1"):
        started = rollouts.start_rollout(context, version, waves=[["press-4"]])
        assert follow_rollout(context, started.rollout).state == "done"
    bench.settle()
    panel = page.detail.shadow

    def watching() -> str | None:
        status = boxes.refresh(context)[0].status
        return status.shadow.bundle if status and status.shadow else None

    dialog = panel.ask_to_start()
    assert dialog is not None
    bench.settle()
    dialog.model.setCurrentIndex(dialog.model.findData(candidate.model))
    dialog.primary.click()
    bench.settle()
    assert watching() == candidate.model
    assert panel.end.isVisible()
    assert not panel.start.isVisible()
    bench.qtbot.mouseClick(panel.end, Qt.MouseButton.LeftButton)
    bench.settle()
    assert watching() is None
    assert panel.undo.isVisible()
    bench.qtbot.mouseClick(panel.undo, Qt.MouseButton.LeftButton)
    bench.settle()
    assert watching() == candidate.model
    assert not panel.undo.isVisible()

    back = page.detail.ask_to_send_back()
    assert back is not None
    assert "press-4" in back.windowTitle()
    back.primary.click()
    assert back.complaint
    back.reason.setText("misses scratches")
    back.primary.click()
    bench.settle()
    status = boxes.get_box(context, "press-4").status
    assert status is not None
    assert [slot.version for slot in status.slots if slot.active] == ["1.0.0"]
    page.detail.collect_now()
    bench.settle()
    page.look_back("audits")
    bench.settle()
    told = [page.history.audits.model.index(row, 1).data() for row in range(page.history.audits.model.rowCount())]
    assert {"Rolled back", "Shadow chosen", "Model committed", "Started"} <= set(told)
    assert "This desktop" in [page.history.audits.model.index(row, 2).data() for row in range(len(told))]
    assert errors == []
