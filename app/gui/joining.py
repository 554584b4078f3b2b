"""From the first page to a site that exists: asking to join, joining, and taking over when all desktops are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QWidget

from app.context import Context
from app.gui.dialogs import FormDialog, PathField, refusal
from app.gui.tasks import Tasks
from app.gui.widgets import Button, label, line
from app.usecases import joining
from app.usecases.sites import desktop_name
from cloud_sync.release.handover import Handover, JoinRequest
from edge_runtime.contracts.errors import LinesideError


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
        self.site = label("", "mono", wrap=True, selectable=True)
        self.fields.addWidget(self.site)
        self.same = QCheckBox(self.tr("The other desktop shows the same number under “Desktops and keys”"))
        self.same.hide()
        self.fields.addWidget(self.same)
        self._read: Handover | None = None
        self.admission.changed.connect(self.read)
        self.setMinimumWidth(620)

    def ask(self) -> None:
        """Make this desktop's keys and write the request."""
        if not self.request.path:
            self.complain(self.tr("Choose where to write the file first."))
            return
        home, file, name = self._home, Path(self.request.path).expanduser(), self.name.text()
        self.attempt(self._tasks, lambda: joining.request_join(home, file, name=name), self._asked)

    def read(self) -> None:
        """Show of which site the admission is, to be compared."""
        self._read = None
        self.site.setText("")
        self.same.setChecked(False)
        self.same.hide()
        self.complain("")
        if not self.admission.path:
            return
        try:
            self._read = joining.read_admission(Path(self.admission.path).expanduser())
        except LinesideError as error:
            self.complain(refusal(error))
            return
        words = self.tr("The number of the site {name}:").format(name=self._read.name)
        self.site.setText(f"{words}\n{self._read.number}")
        self.same.show()
        self.fit()

    def submit(self) -> None:
        if self._read is None:
            self.read()
        if self._read is None:
            self.complain(self.complaint or self.tr("Choose the admission first."))
            return
        if not self.same.isChecked():
            self.complain(self.tr("Compare the number with what the other desktop shows, and say that it is the same."))
            return
        # Of what was compared: a file that was changed meanwhile is refused.
        home, file, number = self._home, Path(self.admission.path).expanduser(), self._read.number
        self.attempt(self._tasks, lambda: joining.join(home, file, number=number), self._done)

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
        self._context: Context | None = None
        """The site, once it is recovered and not yet handed on."""
        self.left: QLabel | None = None
        """Which boxes did not take it over, and why."""
        self.file = PathField(self.tr("File from the safe"), file=True)
        self.add_field(self.tr("File from the safe"), self.file, self.tr("What “Export the root key” wrote."))
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.add_field(self.tr("Passphrase"), self.passphrase)
        self.name = QLineEdit(desktop_name())
        self.add_field(self.tr("Name of this desktop"), self.name)
        self.setMinimumWidth(620)

    def submit(self) -> None:
        if self._context is not None:
            self._go_on()
            return
        if not self.file.path:
            self.complain(self.tr("Choose the file from the safe first."))
            return
        home, file = self._home, Path(self.file.path).expanduser()
        passphrase, name = self.passphrase.text(), self.name.text()

        def work() -> tuple[Context, dict[str, str]]:
            reasons: dict[str, str] = {}

            def told(box: str, problem: str | None) -> None:
                if problem is not None:
                    reasons[box] = problem

            return joining.recover(home, file, passphrase=passphrase, name=name, told=told), reasons

        self.attempt(self._tasks, work, self._done)

    def reject(self) -> None:
        # The site is there already: whoever closes the list of boxes wants to see it.
        if self._context is not None:
            self._go_on()
        else:
            super().reject()

    def _done(self, result: tuple[Context, dict[str, str]]) -> None:
        self._context, reasons = result
        if not reasons:
            self._go_on()
            return
        self.fields.addWidget(
            label(
                self.tr(
                    "The site is recovered. These boxes did not take it over, and until then they obey the desktops of "
                    "before. When you reach them, use “Introduce to boxes” in Settings:"
                ),
                "bad",
                wrap=True,
            )
        )
        self.left = label("\n".join(f"•  {box}: {why}" for box, why in reasons.items()), wrap=True, selectable=True)
        self.fields.addWidget(self.left)
        for field in (self.file, self.passphrase, self.name):
            field.setEnabled(False)
        self.cancel.hide()
        self.primary.setText(self.tr("Open the site"))
        self.fit()

    def _go_on(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            self._recovered(context)
            self.accept()
