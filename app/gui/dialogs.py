"""Asking: a form with one primary button, and the confirmation that names what it touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from app.gui import error_texts
from app.gui.tasks import Tasks
from app.gui.widgets import Button, Kind, column, label, row
from edge_runtime.contracts.errors import LinesideError

T = TypeVar("T")
D = TypeVar("D", bound="FormDialog")

SCREEN_SHARE = 0.85
"""A dialog grows to this share of the screen's height, and scrolls from there on."""
LEAST_FIELDS = 96
"""However low the screen is, this much of the fields is in sight, in logical pixels."""


def refusal(error: LinesideError) -> str:
    """What was wrong and what to do about it, for the line beside the buttons."""
    return f"{error.message} {error_texts.hint(error.code, error.hint)}".strip()


class FormDialog(QDialog):
    """Fields one below the other; ``submit`` is what the primary button does.

    A subclass adds fields in its ``__init__`` and overrides :meth:`submit`; it closes itself with ``accept``.
    """

    def __init__(self, title: str, intro: str, primary: str, parent: QWidget | None, *, kind: Kind = "primary") -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setMinimumWidth(520)
        self.primary = Button(primary, kind=kind, clicked=self.submit)
        self.primary.setDefault(True)
        self.cancel = Button(self.tr("Cancel"), clicked=self.reject)
        self._problem = label("", "bad", wrap=True)
        self._problem.hide()
        self._under_way = label(self.tr("Under way. To close this does not stop it."), "muted", wrap=True)
        self._under_way.hide()
        self._busy = self._put_away = self._over = self._without_cancel = False
        self.finished.connect(self._end)
        self._first: QWidget | None = None
        self.fields: QVBoxLayout = column(gap=16)
        self.fields.addWidget(label(title, "title", wrap=True))
        if intro:
            self.fields.addWidget(label(intro, "muted", wrap=True))
        self._inside = QWidget()
        # The fields may be taller than the screen; the buttons below them always stay in sight.
        self._content: QVBoxLayout = column(self.fields, 1, gap=0)
        self._inside.setLayout(self._content)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setAccessibleName(title)
        self._area.setWidget(self._inside)
        self._inside.installEventFilter(self)
        self._outer: QVBoxLayout = column(
            self._area, self._problem, self._under_way, row(1, self.cancel, self.primary), gap=16
        )
        self._outer.setContentsMargins(24, 24, 24, 16)
        self.setLayout(self._outer)

    def add_field(
        self,
        caption: str,
        widget: QWidget,
        hint: str = "",
        *,
        beside: QWidget | None = None,
        into: QVBoxLayout | None = None,
    ) -> QLabel:
        """A caption above its control, and a quiet line below; returns that line, to be changed later.

        :param into: a group of fields, instead of the dialog's own column.
        """
        widget.setAccessibleName(caption)
        self._first = self._first or widget
        name = label(caption)
        name.setBuddy(widget)
        below = label(hint, "caption", wrap=True)
        below.setVisible(bool(hint))
        control: QHBoxLayout = row(widget)
        if beside is not None:
            control.addWidget(beside)
        (into or self.fields).addLayout(column(name, control, below, gap=4))
        return below

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.fit()
        if self._first is not None:
            self._first.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._inside and event.type() == QEvent.Type.LayoutRequest:
            self.fit()
        return super().eventFilter(watched, event)

    def complain(self, text: str) -> None:
        """Say beside the buttons why it cannot go on; empty: all is well."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        self.fit()

    def fit(self) -> None:
        """Grow to what is shown now, but never beyond the screen: the fields scroll from there on."""
        self._content.activate()
        bar = self._area.verticalScrollBar().sizeHint().width()
        self._area.setMinimumWidth(self._inside.minimumSizeHint().width() + bar)
        margins = self._outer.contentsMargins()
        width = max(self.width(), self.minimumWidth()) - margins.left() - margins.right()
        fields = self._height_of_fields(width)
        others = self._height_of_others(width)
        room = max(int(self.screen().availableGeometry().height() * SCREEN_SHARE) - others, LEAST_FIELDS)
        scrolls = fields > room
        if scrolls:
            fields = min(self._height_of_fields(width - bar), room)
        self._area.setFocusPolicy(Qt.FocusPolicy.TabFocus if scrolls else Qt.FocusPolicy.NoFocus)
        self._area.setMinimumHeight(min(fields, room))
        self._outer.activate()
        if self.height() < fields + others:
            self.resize(self.width(), fields + others)

    def _height_of_fields(self, width: int) -> int:
        inside = self._content
        return inside.totalHeightForWidth(width) if inside.hasHeightForWidth() else inside.totalMinimumSize().height()

    def _height_of_others(self, width: int) -> int:
        """Margins, complaint and buttons."""
        box = self._outer
        margins = box.contentsMargins()
        height = margins.top() + margins.bottom() + box.spacing() + self.primary.sizeHint().height()
        for words in (self._problem, self._under_way):
            if not words.isHidden():
                height += box.spacing() + words.heightForWidth(width)
        return height

    @property
    def busy(self) -> bool:
        """Something is under way."""
        return self._busy

    @property
    def complaint(self) -> str:
        return self._problem.text()

    def submit(self) -> None:
        self.accept()

    def attempt(self, tasks: Tasks, work: Callable[[], T], done: Callable[[T], object]) -> None:
        """Run ``work`` off the GUI thread; a refusal is shown beside the button, so that a field can be mended.

        Nothing stops it, and the button beside says so: who closes the dialog has it back when it has something to say.
        While it is under way, nothing else is begun.
        """
        if self._busy:
            return
        self.complain("")
        self._set_busy(True)

        def finished(result: T) -> None:
            self._set_busy(False)
            done(result)
            self._come_back()

        def refused(error: BaseException) -> None:
            self._set_busy(False)
            if isinstance(error, LinesideError):
                self.complain(refusal(error))
            else:
                tasks.report(error)
            self._come_back()

        tasks.run_query(work, finished, owner=self, failed=refused)

    def reject(self) -> None:
        """Close; with work under way, only put it away."""
        if self._busy:
            self._put_away = True
            self.hide()
        else:
            super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._busy:
            self.reject()
            event.ignore()
        else:
            super().closeEvent(event)

    def _set_busy(self, busy: bool) -> None:
        if busy:
            # One that only shows something has but one button, and that is not to end what is under way.
            self._without_cancel = self.cancel.isHidden()
        self._busy = busy
        self.primary.setEnabled(not busy)
        self.cancel.setVisible(busy or not self._without_cancel)
        self.cancel.setText(self.tr("Close") if busy else self.tr("Cancel"))
        self._under_way.setVisible(busy)
        self.fit()

    def _come_back(self) -> None:
        if self._put_away and not self._over:
            self._put_away = False
            self.open()

    def _end(self) -> None:
        self._over = True


def back_with(parent: QWidget, kind: type[D]) -> D | None:
    """The dialog of this kind that was put away with work under way, if there is one; it is shown again."""
    away = next((one for one in parent.findChildren(kind) if one.busy), None)
    if away is not None:
        away.open()
    return away


class Confirm(FormDialog):
    """Before spending, rollouts and wipes: says what, and names each thing that it touches.

    Cancel has the focus and is the default: Enter alone never carries it out.
    """

    def __init__(
        self, title: str, sentence: str, names: Sequence[str], primary: str, parent: QWidget, *, kind: Kind = "primary"
    ) -> None:
        super().__init__(title, sentence, primary, parent, kind=kind)
        for name in names:
            self.fields.addWidget(label("•  " + name, wrap=True))
        self.primary.setDefault(False)
        self.cancel.setDefault(True)
        self._first = self.cancel


class PathField(QWidget):
    """A path that can be typed or chosen; a folder's, or with ``file`` a file's, or with ``new`` one to be written."""

    changed = Signal()
    """After it was chosen, or typed to the end."""

    def __init__(self, caption: str, *, file: bool = False, new: bool = False) -> None:
        super().__init__()
        self.edit = QLineEdit()
        self.edit.setAccessibleName(caption)
        self._caption, self._file, self._new = caption, file, new
        browse = Button(self.tr("Browse…"), "folder", clicked=self._browse)
        browse.setAccessibleName(f"{caption}: {browse.text()}")
        self.setLayout(row(self.edit, browse))
        self.setFocusProxy(self.edit)
        self.edit.editingFinished.connect(self.changed)

    @property
    def path(self) -> str:
        return self.edit.text().strip()

    def _browse(self) -> None:
        if self._new:
            chosen, _filter = QFileDialog.getSaveFileName(self, self._caption, self.path)
        elif self._file:
            chosen, _filter = QFileDialog.getOpenFileName(self, self._caption, self.path)
        else:
            chosen = QFileDialog.getExistingDirectory(self, self._caption, self.path)
        if chosen:
            self.edit.setText(chosen)
            self.changed.emit()
