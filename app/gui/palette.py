"""Ctrl+K: pages, boxes, models and actions by a few letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListView, QWidget

from app.gui import icons
from app.gui.pages.base import Command
from app.gui.theme import tokens
from app.gui.widgets import column

WIDTH, HEIGHT = 560, 420
_ROOT = QModelIndex()


def rank(text: str, wanted: str) -> int | None:
    """How well ``text`` fits what was typed, 0 best; None: not at all. Every typed word must be in it."""
    lowered, words = text.casefold(), wanted.casefold().split()
    if not all(word in lowered for word in words):
        return None
    if not words or lowered.startswith(words[0]):
        return 0
    return 1 if f" {words[0]}" in lowered else 2


class _Found(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.commands: list[Command] = []

    def show_commands(self, commands: list[Command]) -> None:
        self.beginResetModel()
        self.commands = commands
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.commands)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        command = self.commands[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return command.title
        if role == Qt.ItemDataRole.DecorationRole:
            return icons.icon(command.icon, tokens().muted)
        return None


class Palette(QDialog):
    """Type, move with the arrows, Enter."""

    MOVES: ClassVar[frozenset[int]] = frozenset(
        {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
    )

    def __init__(self, parent: QWidget, commands: Sequence[Command]) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("palette")
        self.setAccessibleName(self.tr("Search"))
        self._commands = list(commands)
        self.edit = QLineEdit()
        self.edit.setPlaceholderText(self.tr("Go to a page, a box, a model, or do something"))
        self.edit.setAccessibleName(self.tr("Search"))
        self.edit.textChanged.connect(lambda _text: self._filter())
        self.edit.returnPressed.connect(self._run)
        self.edit.installEventFilter(self)
        self._model = _Found(self)
        self.list = QListView()
        self.list.setModel(self._model)
        self.list.setAccessibleName(self.tr("What was found"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setUniformItemSizes(True)
        self.list.setSpacing(2)
        self.list.setStyleSheet("QListView::item { min-height: 40px; padding: 0 8px; }")
        self.list.clicked.connect(lambda _index: self._run())
        box = column(self.edit, self.list, gap=4)
        box.setContentsMargins(8, 8, 8, 8)
        self.setLayout(box)
        self.resize(WIDTH, HEIGHT)
        self._filter()
        self.edit.setFocus()

    @property
    def found(self) -> list[str]:
        return [command.title for command in self._model.commands]

    def add(self, commands: Sequence[Command]) -> None:
        """More to find, such as boxes that were asked for when the palette opened."""
        self._commands += commands
        self._filter()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in self.MOVES:
            step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -8, Qt.Key.Key_PageDown: 8}
            last = self._model.rowCount() - 1
            at = min(max(self.list.currentIndex().row() + step[Qt.Key(event.key())], 0), last)
            self.list.setCurrentIndex(self._model.index(at, 0))
            return True
        return super().eventFilter(watched, event)

    def _filter(self) -> None:
        wanted = self.edit.text()
        ranked = [(fit, command) for command in self._commands if (fit := rank(command.title, wanted)) is not None]
        self._model.show_commands([command for _fit, command in sorted(ranked, key=lambda pair: pair[0])])
        self.list.setCurrentIndex(self._model.index(0, 0))

    def _run(self) -> None:
        index = self.list.currentIndex()
        if index.isValid():
            command = self._model.commands[index.row()]
            self.accept()
            command.run()
