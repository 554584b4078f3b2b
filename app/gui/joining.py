"""From the first page to a site that exists: asking to join, joining, and taking over when all desktops are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QLineEdit, QWidget

from app.context import Context
from app.gui.dialogs import FormDialog, PathField
from app.gui.tasks import Tasks
from app.gui.widgets import Button, label, line
from app.usecases import joining
from app.usecases.sites import desktop_name
from cloud_sync.release.handover import JoinRequest


class JoinSite(FormDialog):
    """:param joined: gets the site's context; whoever gets it closes it."""

    def __init__(self, home: Path, tasks: Tasks, parent: QWidget, *, joined: Callable[[Context], object]) -> None:
        super().__init__(
            self.tr("Join a site"),
            self.tr(
                "Save a request to a stick and carry it to a desktop of the site. There, “Admit a desktop” in Settings "
                "turns it into an admission: bring that back."
            ),
            self.tr("Join"),
            parent,
        )
        self._home, self._tasks, self._joined = home, tasks, joined
        self.name = QLineEdit(desktop_name())
        self.add_field(self.tr("Name of this desktop"), self.name)
        self.request = PathField(self.tr("Request to write"), new=True)
        self.save = Button(self.tr("Save request"), clicked=self.ask)
        self.add_field(self.tr("Request to write"), self.request, beside=self.save)
        self.fingerprint = label("", "mono", wrap=True, selectable=True)
        self.fields.addWidget(self.fingerprint)
        self.fields.addWidget(line())
        self.admission = PathField(self.tr("Admission"), file=True)
        self.add_field(self.tr("Admission"), self.admission, self.tr("The file that the other desktop wrote."))
        self.setMinimumWidth(620)

    def ask(self) -> None:
        """Make this desktop's keys and write the request."""
        if not self.request.path:
            self.complain(self.tr("Choose where to write the file first."))
            return
        home, file, name = self._home, Path(self.request.path).expanduser(), self.name.text()
        self.attempt(self._tasks, lambda: joining.request_join(home, file, name=name), self._asked)

    def submit(self) -> None:
        if not self.admission.path:
            self.complain(self.tr("Choose the admission first."))
            return
        home, file = self._home, Path(self.admission.path).expanduser()
        self.attempt(self._tasks, lambda: joining.join(home, file), self._done)

    def _asked(self, request: JoinRequest) -> None:
        words = self.tr("Saved. This desktop's fingerprint, to compare there:")
        self.fingerprint.setText(f"{words}\n{request.fingerprint}")
        self.fit()

    def _done(self, context: Context) -> None:
        self._joined(context)
        self.accept()


class RecoverSite(FormDialog):
    """:param recovered: gets the site's context; whoever gets it closes it."""

    def __init__(self, home: Path, tasks: Tasks, parent: QWidget, *, recovered: Callable[[Context], object]) -> None:
        super().__init__(
            self.tr("Recover a site"),
            self.tr(
                "When every desktop of the site is lost: with the file from the safe and its passphrase this desktop "
                "takes over, and all others are struck off. Boxes that answer now hear of it at once."
            ),
            self.tr("Recover site"),
            parent,
            kind="danger",
        )
        self._home, self._tasks, self._recovered = home, tasks, recovered
        self.file = PathField(self.tr("File from the safe"), file=True)
        self.add_field(self.tr("File from the safe"), self.file, self.tr("What “Export the root key” wrote."))
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.add_field(self.tr("Passphrase"), self.passphrase)
        self.name = QLineEdit(desktop_name())
        self.add_field(self.tr("Name of this desktop"), self.name)
        self.setMinimumWidth(620)

    def submit(self) -> None:
        if not self.file.path:
            self.complain(self.tr("Choose the file from the safe first."))
            return
        home, file = self._home, Path(self.file.path).expanduser()
        passphrase, name = self.passphrase.text(), self.name.text()
        self.attempt(self._tasks, lambda: joining.recover(home, file, passphrase=passphrase, name=name), self._done)

    def _done(self, context: Context) -> None:
        self._recovered(context)
        self.accept()
