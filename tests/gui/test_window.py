"""The window as a whole: every page empty and full, names, theme, language, palette, tray, banner."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.context import Context, open_context
from app.gui import geometry
from app.gui.i18n import Translations
from app.gui.pages.activity import ActivityPage
from app.gui.pages.boxes import BoxesPage
from app.gui.tables import REPAINT_MS
from app.gui.tasks import Tasks
from app.gui.theme import DARK, LIGHT, Theme, contrast, tokens
from app.gui.widgets import TOUCH, Button
from app.gui.window import SIZE, SMALLEST
from app.store import journal as journal_store
from app.usecases import boxes
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import BoxUnreachable
from tests.gui.conftest import Bench, page_of

PAGES = ("boxes", "samples", "training", "models", "rollouts", "activity", "settings")
INPUTS = (QAbstractButton, QLineEdit, QComboBox, QAbstractSpinBox, QPlainTextEdit)


def inputs(widget: QWidget) -> list[QWidget]:
    """Every control below, but not the parts that Qt itself makes its controls of."""
    found = [one for kind in INPUTS for one in widget.findChildren(kind)]
    return [
        one
        for one in found
        if not one.objectName().startswith("qt_") and not isinstance(one.parent(), (QComboBox, QAbstractSpinBox))
    ]


def assert_nothing_cut(widget: QWidget) -> None:
    """Every visible button is as wide and high as its text needs, once what was asked to be laid out anew has been."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
    for button in widget.findChildren(QAbstractButton):
        if button.isVisible() and button.text():
            assert button.width() >= button.sizeHint().width(), f"{button.text()!r} is cut"
            assert button.height() >= min(button.sizeHint().height(), TOUCH), f"{button.text()!r} is too low"


@pytest.mark.parametrize("page", PAGES[:5])
def test_empty_page_has_one_sentence_and_one_button(bench: Bench, page: str) -> None:
    bench.go(page)
    shown = bench.window.pages[page]
    assert shown.is_empty
    (button,) = [button for button in shown.findChildren(Button) if button.isVisible()]
    assert button.property("kind") == "primary"
    (sentence,) = [one for one in shown.findChildren(QLabel) if one.isVisible() and one.wordWrap() and one.text()]
    assert sentence.height() >= sentence.heightForWidth(sentence.width())


@pytest.mark.parametrize("page", PAGES)
def test_full_page_shows_its_rows(full_bench: Bench, page: str, errors: list[BaseException]) -> None:
    full_bench.go(page)
    shown = full_bench.window.pages[page]
    assert not shown.is_empty
    assert_nothing_cut(shown)
    model = getattr(shown, "model", None)
    if model is not None:
        assert model.rowCount() > 0
        assert all(
            isinstance(model.index(row, column).data(), str)
            for row in range(model.rowCount())
            for column in range(model.columnCount())
        )
    assert errors == []


def test_every_control_has_a_name_and_primary_ones_fit_a_finger(full_bench: Bench) -> None:
    for page in PAGES:
        full_bench.go(page)
    nameless = [one for one in inputs(full_bench.window) if not one.accessibleName()]
    assert nameless == []
    for button in full_bench.window.findChildren(Button):
        if button.property("kind") == "primary" and button.isVisible():
            assert button.height() >= TOUCH


def test_keyboard_reaches_the_pages(full_bench: Bench, qtbot: QtBot) -> None:
    window = full_bench.window
    for number, page in enumerate(PAGES, start=1):
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
        full_bench.settle()
        assert window.current == page
        assert window.buttons[page].isChecked()


def test_news_reload_only_what_shows_it(full_bench: Bench) -> None:
    full_bench.go("activity")
    model = page_of(full_bench.window, ActivityPage).model
    before = model.rowCount()
    boxes.forget_box(full_bench.context, "packing-north")
    full_bench.settle()
    assert model.rowCount() == before + 1
    full_bench.go("boxes")
    assert [box.name for box in page_of(full_bench.window, BoxesPage).model.rows] == ["line-1", "line-2"]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_words_can_be_read(theme: object) -> None:
    assert isinstance(theme, type(LIGHT))
    for ground in (theme.window, theme.surface, theme.rail, theme.sunken):
        assert contrast(theme.text, ground) >= 7
        assert contrast(theme.muted, ground) >= 4.5
    for tone in ("ok", "warn", "bad", "info", "idle"):
        assert contrast(theme.tone(tone), theme.soft(tone)) >= 4.5
        assert contrast(theme.tone(tone), theme.surface) >= 4.5
    assert contrast(theme.on_accent, theme.accent) >= 4.5


def test_theme_is_switched_and_remembered(full_bench: Bench, light: Theme) -> None:
    full_bench.window.theme_chosen.connect(light.choose)
    full_bench.go("settings")
    assert tokens() is LIGHT
    page = full_bench.window.pages["settings"]
    dark = next(button for button in page.findChildren(Button) if button.text() == "Dark")
    dark.click()
    assert tokens() is DARK
    assert full_bench.context.settings.theme == "dark"
    for name in PAGES:
        full_bench.go(name)


def test_chinese_cuts_no_text(
    qtbot: QtBot, light: Theme, english: Translations, full_site: Context, tasks: Tasks, qapp: QApplication
) -> None:
    english.use("zh")
    bench = Bench(qtbot, full_site, tasks)
    try:
        assert bench.window.buttons["boxes"].text() == "边缘盒"
        for width in (960, 1360):
            bench.window.resize(width, 760)
            for page in PAGES:
                bench.go(page)
                assert_nothing_cut(bench.window)
    finally:
        bench.session.close()


def test_english_cuts_no_text_in_the_smallest_window(full_bench: Bench) -> None:
    full_bench.window.resize(full_bench.window.minimumSize())
    for page in PAGES:
        full_bench.go(page)
        assert_nothing_cut(full_bench.window)


def test_palette_finds_pages_boxes_models_and_actions(full_bench: Bench, qtbot: QtBot) -> None:
    palette = full_bench.window.open_palette()
    assert palette is not None
    full_bench.settle()
    assert {"Boxes", "Settings", "Sync now", "Box line-2", "Model digit-counter 1.1.0"} <= set(palette.found)
    qtbot.keyClicks(palette.edit, "line-2")
    assert palette.found == ["Box line-2"]
    qtbot.keyClick(palette.edit, Qt.Key.Key_Return)
    full_bench.settle()
    assert full_bench.window.current == "boxes"
    table = page_of(full_bench.window, BoxesPage).table
    assert table.record is not None
    assert table.record.name == "line-2"
    palette = full_bench.window.open_palette()
    assert palette is not None
    full_bench.settle()
    qtbot.keyClick(palette.edit, Qt.Key.Key_Down)
    qtbot.keyClick(palette.edit, Qt.Key.Key_Return)
    full_bench.settle()
    assert full_bench.window.current == "samples"


def test_tray_shows_and_cancels_a_job(full_bench: Bench, qtbot: QtBot) -> None:
    going = threading.Event()

    def work(progress: Progress, cancel: CancelToken) -> None:
        progress(ProgressEvent(step="collect", message="line-2", fraction=0.4))
        going.set()
        cancel.wait(60)

    full_bench.tasks.run_command("Collect from line-2", work, owner=full_bench.window)
    tray = full_bench.window.tray
    assert tray.isVisible()
    assert len(tray.rows) == 1
    qtbot.waitUntil(going.is_set)
    row = tray.rows[0]
    assert row.stop.accessibleName() == "Cancel Collect from line-2"
    qtbot.mouseClick(row.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: row.job.state == "cancelled")
    assert row.stop.accessibleName() == "Dismiss Collect from line-2"
    qtbot.mouseClick(row.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not tray.isVisible())


def test_tray_says_why_a_job_failed_and_is_cleared_at_once(
    full_bench: Bench, qtbot: QtBot, errors: list[BaseException]
) -> None:
    def work(_progress: Progress, _cancel: CancelToken) -> None:
        raise BoxUnreachable("line-2 is off.")

    window, tray = full_bench.window, full_bench.window.tray
    for number in range(12):
        full_bench.tasks.run_command(f"Prove {number}", work, owner=window)
    full_bench.settle()
    assert len(tray.rows) == 12
    assert tray.height() < window.height() / 3
    row = tray.rows[-1]
    assert row.reason == "line-2 is off."
    errors.clear()
    qtbot.mouseClick(row, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert errors == [row.job.error]
    qtbot.mouseClick(row.why, Qt.MouseButton.LeftButton)
    assert errors == [row.job.error] * 2
    qtbot.mouseClick(tray.dismiss_all, Qt.MouseButton.LeftButton)
    assert tray.rows == ()
    assert not tray.isVisible()


def test_pages_follow_what_another_program_writes(full_bench: Bench, qtbot: QtBot) -> None:
    full_bench.go("boxes")
    model = page_of(full_bench.window, BoxesPage).model
    assert "packing-north" in [box.name for box in model.rows]
    with open_context(full_bench.context.home) as other:
        boxes.forget_box(other, "packing-north")
    qtbot.waitUntil(lambda: [box.name for box in model.rows] == ["line-1", "line-2"], timeout=60_000)


def test_own_writes_are_no_news_from_elsewhere(site: Context) -> None:
    site.database.write(lambda writer: writer.activity("test", "", "Written here."))
    assert not site.database.changed_elsewhere()
    with open_context(site.home) as other:
        other.database.write(lambda writer: writer.activity("test", "", "Written there."))
        assert not other.database.changed_elsewhere()
    assert site.database.changed_elsewhere()
    assert not site.database.changed_elsewhere()


def test_times_age_on_the_screen(full_bench: Bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    full_bench.go("boxes")
    table = page_of(full_bench.window, BoxesPage).table
    timers = [timer for timer in table.findChildren(QTimer) if timer.interval() == REPAINT_MS]
    assert [timer.isActive() for timer in timers] == [True]
    full_bench.settle()
    asked: list[int | None] = []

    def ago(at_ms: int | None) -> str:
        asked.append(at_ms)
        return "an age ago"

    monkeypatch.setattr("app.gui.formats.ago", ago)
    timers[0].timeout.emit()
    qtbot.waitUntil(lambda: bool(asked))


def test_window_fits_its_screen_and_comes_back_where_it_was(qtbot: QtBot, tmp_path: Path) -> None:
    window, again = QWidget(), QWidget()
    for one in (window, again):
        qtbot.addWidget(one)
    room = window.screen().availableGeometry()
    geometry.fit(window, QSize(9000, 864), SMALLEST)
    assert window.minimumSize() == SMALLEST
    assert window.width() < room.width()
    assert window.height() == 864
    geometry.fit(window, SIZE, QSize(9000, 9000))
    assert window.minimumHeight() < room.height()
    geometry.fit(window, SIZE, SMALLEST)
    window.setGeometry(40, 60, 1100, 700)
    geometry.restore(again, tmp_path)
    geometry.remember(window, tmp_path)
    geometry.restore(again, tmp_path)
    assert again.size() == QSize(1100, 700)


def test_offline_is_a_banner_with_what_waits(full_bench: Bench) -> None:
    window = full_bench.window
    assert not window.banner.isVisible()
    from dataclasses import replace

    full_bench.context.change_settings(replace(full_bench.context.settings, store="s3://plant/lineside"))
    journal_store.set_last_sync(full_bench.context.database, at_ms=None, problem="The store does not answer.")
    full_bench.qtbot.waitUntil(window.banner.isVisible)
    assert "wait here" in window.banner.accessibleName()
    journal_store.set_last_sync(full_bench.context.database, at_ms=1, problem=None)
    full_bench.qtbot.waitUntil(lambda: not window.banner.isVisible())
