"""Which Python trains on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QWidget

from app.gui.dialogs import PathField
from app.gui.pages.base import Page
from app.gui.widgets import column, label


class TrainingSettings(QWidget):
    """Saved as soon as the field is left, where it names a program."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        caption = self.tr("Python for training")
        self.python = PathField(caption, file=True)
        self.python.edit.setText(page.context.settings.training_python or "")
        self.python.edit.setPlaceholderText(self.tr("the one that runs Lineside"))
        self._problem = label("", "bad", wrap=True)
        self._problem.hide()
        self.setLayout(
            column(
                label(caption),
                self.python,
                label(
                    self.tr(
                        "Bursts on this machine run in this Python, which must have Lineside's training extra; "
                        "a change counts from the next burst."
                    ),
                    "caption",
                    wrap=True,
                ),
                self._problem,
                gap=4,
            )
        )
        self.python.changed.connect(self.save)

    @property
    def problem(self) -> str:
        return self._problem.text()

    def save(self) -> None:
        """Empty: back to the Python that runs Lineside."""
        context, text = self._page.context, self.python.path
        program = Path(text).expanduser()
        fits = not text or (program.is_absolute() and program.is_file() and os.access(program, os.X_OK))
        self._problem.setText("" if fits else self.tr("Give the whole path of a Python program on this machine."))
        self._problem.setVisible(not fits)
        chosen = str(program) if text else None
        if fits and chosen != context.settings.training_python:
            context.change_settings(replace(context.settings, training_python=chosen))
