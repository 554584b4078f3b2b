"""A box's labels, and changing them."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui.dialogs import FormDialog
from app.gui.pages.base import Page
from app.gui.session import Session
from app.gui.widgets import Button, IconLabel, label, row
from app.store.records import Box
from app.usecases.labels import label_box

_COMMA = re.compile("[,\uff0c\u3001]")


class LabelPanel(QWidget):
    """What a box is labelled with, beside the button that changes it."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._words = label("", "muted", wrap=True, selectable=True)
        self.change = Button(self.tr("Labels…"), "tag", clicked=self.ask)
        line = row(IconLabel("tag", "muted"), gap=8)
        line.addWidget(self._words, 1)
        line.addWidget(self.change, 0, Qt.AlignmentFlag.AlignTop)
        self.setLayout(line)

    def show_box(self, box: Box) -> None:
        self._box = box
        words = self.tr(", ").join(box.labels) or self.tr("No labels")
        if self._words.text() != words:
            self._words.setText(words)

    def ask(self) -> LabelBox | None:
        """A dialog with the labels as they are; None where no box is picked."""
        if self._box is None:
            return None
        dialog = LabelBox(self._page.session, self, self._box)
        dialog.open()
        return dialog


class LabelBox(FormDialog):
    """The labels of one box, typed."""

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Labels of {box}").format(box=box.name),
            self.tr("All boxes with one label are a group: a rollout can go to them by it."),
            self.tr("Save labels"),
            parent,
        )
        self._session, self._box = session, box
        self.labels = QLineEdit(", ".join(box.labels))
        self.add_field(
            self.tr("Labels"), self.labels, self.tr("Plain words with commas between, such as: press, hall 2")
        )

    def submit(self) -> None:
        # People type the comma of the keyboard that they have.
        typed = [word.strip() for word in _COMMA.split(self.labels.text())]
        wanted, had = {word for word in typed if word}, set(self._box.labels)
        context, box = self._session.context, self._box.box
        self.attempt(
            self._session.tasks,
            lambda: label_box(context, box, add=sorted(wanted - had), remove=sorted(had - wanted)),
            lambda _box: self.accept(),
        )
