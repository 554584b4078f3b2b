"""Asking: a form with one primary button, and the confirmation that names what it touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from app.gui import error_texts
from app.gui.tasks import Tasks
from app.gui.widgets import Button, Kind, column, label, row
from edge_runtime.contracts.errors import LinesideError

T = TypeVar("T")


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
        self._first: QWidget | None = None
        self.fields: QVBoxLayout = column(gap=16)
        self.fields.addWidget(label(title, "title", wrap=True))
        if intro:
            self.fields.addWidget(label(intro, "muted", wrap=True))
        box = column(self.fields, 1, self._problem, row(1, self.cancel, self.primary), gap=16)
        box.setContentsMargins(24, 24, 24, 16)
        self.setLayout(box)

    def add_field(self, caption: str, widget: QWidget, hint: str = "", *, beside: QWidget | None = None) -> QLabel:
        """A caption above its control, and a quiet line below; returns that line, to be changed later."""
        widget.setAccessibleName(caption)
        self._first = self._first or widget
        name = label(caption)
        name.setBuddy(widget)
        below = label(hint, "caption", wrap=True)
        below.setVisible(bool(hint))
        control: QHBoxLayout = row(widget)
        if beside is not None:
            control.addWidget(beside)
        self.fields.addLayout(column(name, control, below, gap=4))
        return below

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._first is not None:
            self._first.setFocus()

    def complain(self, text: str) -> None:
        """Say beside the buttons why it cannot go on; empty: all is well."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        self.fit()

    def fit(self) -> None:
        """Grow to what is shown now."""
        box = self.layout()
        if box is not None:
            box.activate()
            wanted = box.totalHeightForWidth(self.width()) if box.hasHeightForWidth() else box.totalSizeHint().height()
            if wanted > self.height():
                self.resize(self.width(), wanted)

    @property
    def complaint(self) -> str:
        return self._problem.text()

    def submit(self) -> None:
        self.accept()

    def attempt(self, tasks: Tasks, work: Callable[[], T], done: Callable[[T], object]) -> None:
        """Run ``work`` off the GUI thread; a refusal is shown beside the button, so that a field can be mended."""
        self.complain("")
        self.primary.setEnabled(False)

        def finished(result: T) -> None:
            self.primary.setEnabled(True)
            done(result)

        def refused(error: BaseException) -> None:
            self.primary.setEnabled(True)
            if isinstance(error, LinesideError):
                self.complain(f"{error.message} {error_texts.hint(error.code, error.hint)}")
            else:
                tasks.report(error)

        tasks.run_query(work, finished, owner=self, failed=refused)


class Confirm(FormDialog):
    """Before spending, rollouts and wipes: says what, and names each thing that it touches."""

    def __init__(
        self, title: str, sentence: str, names: Sequence[str], primary: str, parent: QWidget, *, kind: Kind = "primary"
    ) -> None:
        super().__init__(title, sentence, primary, parent, kind=kind)
        for name in names:
            self.fields.addWidget(label("•  " + name))
        self.cancel.setFocus()


class FolderField(QWidget):
    """A path that can be typed or chosen."""

    def __init__(self, caption: str) -> None:
        super().__init__()
        self.edit = QLineEdit()
        self.edit.setAccessibleName(caption)
        self._caption = caption
        browse = Button(self.tr("Browse…"), "folder", clicked=self._browse)
        browse.setAccessibleName(f"{caption}: {browse.text()}")
        self.setLayout(row(self.edit, browse))
        self.setFocusProxy(self.edit)

    @property
    def path(self) -> str:
        return self.edit.text().strip()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self._caption, self.path)
        if chosen:
            self.edit.setText(chosen)
