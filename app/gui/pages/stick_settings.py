"""A site on a stick, from the window: two buttons, two questions, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog, PathField
from app.gui.pages.base import Page
from app.gui.pages.key_dialogs import secret_field
from app.gui.session import Session
from app.gui.widgets import Button, column, label, row
from app.usecases.progress import CancelToken, Progress
from app.usecases.stick.exporting import Damage, ExportReport, export_to
from app.usecases.stick.importing import ImportReport, import_from
from app.usecases.stick.opening import Found, look
from edge_runtime.contracts.errors import Cancelled

T = TypeVar("T")

NAMED = 5
"""Things that were passed by and are named; of more the number is told."""


class StickDialog(FormDialog):
    """``chosen`` carries the folder and the passphrase, None without one, once the stick was looked at."""

    chosen = Signal(object, object)

    def __init__(self, session: Session, title: str, intro: str, primary: str, parent: QWidget) -> None:
        super().__init__(title, intro, primary, parent)
        self._session = session
        caption = self.tr("Stick, or a folder on it")
        self.folder = PathField(caption)
        self.passphrase = secret_field()
        self.add_field(caption, self.folder)
        self.setMinimumWidth(620)

    def submit(self) -> None:
        """Whose stick it is, and whether it is encrypted, is found out off the GUI thread."""
        if not self.folder.path:
            self.complain(self.tr("Choose a folder first."))
            return
        context, folder = self._session.context, Path(self.folder.path).expanduser()

        def looked(found: Found) -> None:
            if wrong := self.wrong(found):
                self.complain(wrong)
                return
            self.chosen.emit(folder, self.passphrase.text() or None)
            self.accept()

        self.attempt(self._session.tasks, lambda: look(context, folder), looked)

    def wrong(self, found: Found) -> str:
        """Why it cannot be done with this stick; empty: it can."""
        given = bool(self.passphrase.text())
        if found.encrypted and not given:
            return self.tr("This stick is encrypted: type its passphrase.")
        if found.used and not found.encrypted and given:
            return self.tr("This stick is not encrypted: leave the passphrase empty, or use another stick.")
        return ""


class ExportDialog(StickDialog):
    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            self.tr("Export to a stick"),
            self.tr(
                "Everything that this desktop has of the site and the stick lacks, in a folder of its own. Every file "
                "is read back. Several desktops may add to one stick."
            ),
            self.tr("Export"),
            parent,
        )
        self.again = secret_field()
        self.add_field(
            self.tr("Passphrase"),
            self.passphrase,
            self.tr("Leave it empty for a stick that is not encrypted. It cannot be recovered."),
        )
        self.add_field(self.tr("Once more, for a new stick"), self.again)
        self.without_samples = QCheckBox(self.tr("Leave the samples' bytes here: they are the most"))
        self.fields.addWidget(self.without_samples)

    def wrong(self, found: Found) -> str:
        if not found.used and self.passphrase.text() != self.again.text():
            return self.tr("The two passphrases differ.")
        return super().wrong(found)


class ImportDialog(StickDialog):
    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            session,
            self.tr("Import from a stick"),
            self.tr(
                "What other desktops of this site exported. Everything is checked before it is used; what is damaged "
                "is named and passed by."
            ),
            self.tr("Import"),
            parent,
        )
        self.add_field(self.tr("Passphrase"), self.passphrase, self.tr("Only of a stick that is encrypted."))


class StickSettings(QWidget):
    """Two buttons, and what the last one of them did."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self.export_button = Button(self.tr("Export to a stick…"), "send", clicked=self.ask_export)
        self.import_button = Button(self.tr("Import from a stick…"), "collect", clicked=self.ask_import)
        self.words = label(
            self.tr("For desktops that have no network in common: the same changes and files as in the object store."),
            "caption",
            wrap=True,
            selectable=True,
        )
        self.setLayout(column(self.words, row(self.export_button, self.import_button, 1), gap=8))

    def ask_export(self) -> ExportDialog:
        dialog = ExportDialog(self._page.session, self)
        dialog.chosen.connect(
            lambda folder, passphrase: self.export(folder, passphrase, samples=not dialog.without_samples.isChecked())
        )
        dialog.open()
        return dialog

    def ask_import(self) -> ImportDialog:
        dialog = ImportDialog(self._page.session, self)
        dialog.chosen.connect(self.import_)
        dialog.open()
        return dialog

    def export(self, folder: Path, passphrase: str | None, *, samples: bool) -> None:
        """As a job of the tray."""
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> ExportReport:
            return export_to(context, folder, samples=samples, passphrase=passphrase, progress=progress, cancel=cancel)

        self._run(self.tr("Export to a stick"), work, self._exported)

    def import_(self, folder: Path, passphrase: str | None) -> None:
        """As a job of the tray."""
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> ImportReport:
            return import_from(context, folder, passphrase=passphrase, progress=progress, cancel=cancel)

        self._run(self.tr("Import from a stick"), work, self._imported)

    def _run(self, title: str, work: Callable[[Progress, CancelToken], T], said: Callable[[T], str]) -> None:
        for button in (self.export_button, self.import_button):
            button.setEnabled(False)

        def done(report: T) -> None:
            self._ended()
            self.words.setText(said(report))

        def failed(error: BaseException) -> None:
            self._ended()
            if not isinstance(error, Cancelled):
                self._page.session.tasks.report(error)

        self._page.session.tasks.run_command(title, work, done, owner=self, failed=failed)

    def _ended(self) -> None:
        for button in (self.export_button, self.import_button):
            button.setEnabled(True)
        self._page.reload()

    def _exported(self, report: ExportReport) -> str:
        words = self.tr(
            "Exported to {folder}. Written and read back: {files} files, {size}. There already: {there}."
        ).format(
            folder=report.folder,
            files=formats.count(report.files),
            size=formats.size(report.bytes),
            there=formats.count(report.there),
        )
        if report.left_out:
            words += " " + self.tr("Samples left here: {n}.").format(n=formats.count(report.left_out))
        return words + self._problems(report.problems)

    def _imported(self, report: ImportReport) -> str:
        words = self.tr("Imported from {folder}. Changes: {changes}. Files: {files}, {size}.").format(
            folder=report.folder,
            changes=formats.count(report.changes + report.rows),
            files=formats.count(report.files),
            size=formats.size(report.bytes),
        )
        if report.missing:
            words += " " + self.tr("Files that are on no stick yet: {n}.").format(n=formats.count(report.missing))
        if report.root:
            words += " " + self.tr("The site's keys changed.")
        if report.admitted:
            words += " " + self.tr("Admitted: {names}.").format(names=", ".join(report.admitted))
        if report.struck_off:
            words += " " + self.tr("Struck off: {names}.").format(names=", ".join(report.struck_off))
        return words + self._problems(report.problems)

    def _problems(self, problems: Sequence[Damage]) -> str:
        if not problems:
            return ""
        named = "; ".join(f"{one.what}: {one.why}" for one in problems[:NAMED])
        if len(problems) > NAMED:
            named += " …"
        words = self.tr("Passed by ({n}): {what}")
        return " " + words.format(n=formats.count(len(problems)), what=named)
