"""The first run makes a real site."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QScrollArea
from pytestqt.qtbot import QtBot

from app.context import Context, open_context
from app.gui.demo import can_train
from app.gui.i18n import Translations
from app.gui.tasks import Tasks
from app.gui.theme import Theme
from app.gui.widgets import Button
from app.gui.wizard import CHOICE_HEIGHT, Wizard
from app.usecases import activity, sites


def _wizard(qtbot: QtBot, home: Path, tasks: Tasks) -> Wizard:
    wizard = Wizard(home, tasks)
    qtbot.addWidget(wizard)
    wizard.show()
    return wizard


def test_makes_a_site(qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, tmp_path: Path) -> None:
    wizard = _wizard(qtbot, tmp_path / "home", tasks)
    qtbot.mouseClick(wizard.new_site, Qt.MouseButton.LeftButton)
    assert wizard.step == 1
    assert not wizard.make.isEnabled()
    qtbot.keyClicks(wizard.name, "Plant North")
    qtbot.keyClicks(wizard.passphrase, "short")
    qtbot.keyClicks(wizard.again, "short")
    assert not wizard.make.isEnabled()
    wizard.passphrase.setText("a long passphrase")
    assert not wizard.make.isEnabled()
    wizard.again.setText("a long passphrase")
    assert wizard.make.isEnabled()
    qtbot.keyClick(wizard.again, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: wizard.step == 2, timeout=60_000)
    made: list[Context] = []
    wizard.created.connect(made.append)
    qtbot.mouseClick(wizard.finish, Qt.MouseButton.LeftButton)
    (context,) = made
    assert sites.get_site(context).name == "Plant North"
    assert context.places.root_key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert activity.verify_activity(context).entries >= 1
    context.close()
    with open_context(tmp_path / "home") as again:
        assert again.site.name == "Plant North"


def test_a_refusal_is_said_on_the_page(
    qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, tmp_path: Path, errors: list[BaseException]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "somebody's.txt").write_text("here already")
    wizard = _wizard(qtbot, tmp_path / "home", tasks)
    wizard.show_step(1)
    wizard.name.setText("Plant")
    for edit in (wizard.passphrase, wizard.again):
        edit.setText("a long passphrase")
    wizard.make_site()
    qtbot.waitUntil(lambda: tasks.idle)
    assert wizard.step == 1
    assert "not an empty folder" in wizard.problem
    assert wizard.make.isEnabled()
    assert errors == []


def test_demo_is_one_click_and_everything_has_a_name(
    qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, tmp_path: Path
) -> None:
    wizard = _wizard(qtbot, tmp_path / "home", tasks)
    with qtbot.waitSignal(wizard.demo_chosen):
        qtbot.mouseClick(wizard.demo, Qt.MouseButton.LeftButton)
    assert all(one.accessibleName() for one in wizard.findChildren(Button) + wizard.findChildren(QLineEdit))


def test_demo_that_cannot_train_says_so_and_cannot_be_chosen(
    qtbot: QtBot,
    light: Theme,
    english: Translations,
    tasks: Tasks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert can_train()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not can_train()
    wizard = Wizard(tmp_path / "home", tasks, can_train=can_train())
    qtbot.addWidget(wizard)
    wizard.show()
    chosen: list[None] = []
    wizard.demo_chosen.connect(lambda: chosen.append(None))
    qtbot.mouseClick(wizard.demo, Qt.MouseButton.LeftButton)
    assert chosen == []
    assert not wizard.demo.isEnabled()
    (sentence,) = [one for one in wizard.findChildren(QLabel) if one.isVisible() and "PyTorch" in one.text()]
    assert wizard.demo.accessibleDescription() == sentence.text()


def test_low_window_reaches_every_button(
    qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, tmp_path: Path
) -> None:
    wizard = _wizard(qtbot, tmp_path / "home", tasks)
    assert wizard.new_site.height() == wizard.demo.height() == CHOICE_HEIGHT
    # What a screen of 1366 by 768 has room for at a scale of two.
    wizard.resize(640, 336)
    assert wizard.size() == QSize(640, 336)
    for step in range(3):
        wizard.show_step(step)
        QApplication.processEvents()
        for one in wizard.findChildren(Button) + wizard.findChildren(QLineEdit):
            if one.isVisible():
                area = next((area for area in wizard.findChildren(QScrollArea) if area.isAncestorOf(one)), None)
                if area is not None:
                    area.ensureWidgetVisible(one)
                assert one.visibleRegion().boundingRect().size() == one.size(), one.accessibleName()


def test_chinese_fits(qtbot: QtBot, light: Theme, english: Translations, tasks: Tasks, tmp_path: Path) -> None:
    english.use("zh")
    wizard = _wizard(qtbot, tmp_path / "home", tasks)
    for step in range(3):
        wizard.show_step(step)
        QApplication.processEvents()
        for button in wizard.findChildren(Button):
            if button.isVisible() and button.text():
                assert button.width() >= button.sizeHint().width()
