"""The support bundle, from the window."""

from __future__ import annotations

import datetime
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QWidget

from app.gui.dialogs import FormDialog, PathField
from app.gui.pages.base import Page
from app.gui.widgets import Button, column, label, row
from app.usecases.progress import CancelToken, Progress
from app.usecases.support import SupportBundle, write_bundle


class MakeBundle(FormDialog):
    """Where it is to lie, and whether names are in it."""

    def __init__(self, page: Page, parent: SupportSettings) -> None:
        super().__init__(
            self.tr("Make a support bundle"),
            self.tr(
                "A zip of logs, settings, versions, audits, losses and figures of this desktop and of the boxes that "
                "answer. Secrets are taken out, samples and models are not in it, and it is sent nowhere."
            ),
            self.tr("Make it"),
            parent,
        )
        self._page, self._support = page, parent
        caption = self.tr("File")
        self.file = PathField(caption, new=True)
        today = datetime.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M")
        self.file.edit.setText(str(Path.home() / f"lineside-support-{today}.zip"))
        self.add_field(caption, self.file)
        self.hide_names = QCheckBox(self.tr("Leave out names and addresses, too"))
        self.fields.addWidget(self.hide_names)
        self.setMinimumWidth(620)

    def submit(self) -> None:
        context, support = self._page.context, self._support
        path, hide = self.file.path, self.hide_names.isChecked()
        crash = self._page.session.tasks.last_error
        if not path:
            self.complain(self.tr("Say where it is to lie."))
            return

        def work(progress: Progress, cancel: CancelToken) -> SupportBundle:
            return write_bundle(
                context, Path(path).absolute(), hide_names=hide, crash=crash, progress=progress, cancel=cancel
            )

        self._page.session.tasks.run_command(
            self.tr("Make a support bundle"), work, lambda made: support.show_made(made), owner=support
        )
        self.accept()


class SupportSettings(QWidget):
    """A button, and where the last one lies."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self.make = Button(self.tr("Make a support bundle…"), "shield", clicked=self.ask)
        self._words = label(
            self.tr("For whoever helps you: what this desktop and its boxes know of themselves, without secrets."),
            "caption",
            wrap=True,
            selectable=True,
        )
        self.setLayout(column(self._words, row(self.make, 1), gap=8))

    def ask(self) -> MakeBundle:
        dialog = MakeBundle(self._page, self)
        dialog.open()
        return dialog

    def show_made(self, made: SupportBundle) -> None:
        words = self.tr("{path}. Files: {count}. Look through it before you hand it on.")
        text = words.format(path=made.path, count=len(made.files))
        if made.left_out:
            text += " " + self.tr("Left out: {what}").format(what="; ".join(made.left_out))
        self._words.setText(text)
