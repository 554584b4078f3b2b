"""Enrolment, update and release over SSH as jobs of the tray, and the dialogs that ask before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QWidget

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.sign_in import SignIn
from app.gui.dialogs import FormDialog, PathField, refusal
from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.pages.ssh_fields import SshFields
from app.gui.session import Session
from app.gui.ssh_notes import say_note
from app.gui.tasks import Job
from app.gui.widgets import Segments, label, row
from app.store.records import Box
from app.store.ssh_access import SshAccess
from app.usecases import enrolment, release
from app.usecases.enrolment import EnrolmentReport
from app.usecases.progress import CancelToken, Progress
from app.usecases.release import ReleaseReport, Rows
from edge_runtime.contracts.errors import Cancelled, InputInvalid, LinesideError

_BOOT_NOTES = {
    "cron": QT_TRANSLATE_NOOP(
        "ssh", "There is no systemd: a supervisor keeps the box running, and cron starts that at every boot."
    ),
    "by-hand": QT_TRANSLATE_NOOP(
        "ssh",
        "There is neither systemd nor cron: a supervisor keeps the box running, but nothing starts that at boot. Have "
        "/opt/lineside-edge/bin/supervise started as the user lineside-edge.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SshRequest:
    """What a person filled in."""

    target: SshTarget
    host_key: str
    sign_in: SignIn = field(repr=False)
    name: str | None = None
    bundle: Path | None = None
    rows: Rows = Rows.KEEP
    any_site: bool = False


class Told(FormDialog):
    """What a person should know once it is done."""

    def __init__(self, title: str, notes: list[str], parent: QWidget) -> None:
        super().__init__(title, "", QCoreApplication.translate("ssh", "Close"), parent)
        self.notes = notes
        self.cancel.hide()
        for note in notes:
            self.fields.addWidget(label(note, wrap=True, selectable=True))


def start_enrolment(
    session: Session,
    page: QWidget,
    request: SshRequest,
    enrolled: Callable[[str], object],
    refused: Callable[[LinesideError], object] | None = None,
) -> Job:
    """Begin it; what is worth knowing of the machine is told at the end.

    :param refused: takes why it was not done, instead of the dialog of errors.
    """
    context = session.context

    def failed(error: BaseException) -> None:
        if isinstance(error, Cancelled):
            return
        if refused is not None and isinstance(error, LinesideError):
            refused(error)
        else:
            session.tasks.report(error)

    def work(progress: Progress, cancel: CancelToken) -> EnrolmentReport:
        return enrolment.enrol_over_ssh(
            context,
            request.target,
            request.host_key,
            request.sign_in,
            name=request.name,
            bundle=request.bundle,
            progress=progress,
            cancel=cancel,
        )

    def done(report: EnrolmentReport) -> None:
        enrolled(report.box.box)
        notes = [say_note(note) for note in report.notes]
        if report.boot in _BOOT_NOTES:
            notes.append(QCoreApplication.translate("ssh", _BOOT_NOTES[report.boot]))
        if notes:
            title = QCoreApplication.translate("ssh", "{name} is enrolled").format(name=report.box.name)
            Told(title, notes, page).open()

    title = QCoreApplication.translate("ssh", "Enrol {host}").format(host=request.target.host)
    return session.tasks.run_command(title, work, done, owner=page, failed=failed)


def start_release(session: Session, page: QWidget, box: Box | None, request: SshRequest) -> Job:
    """Begin it; the proof is shown at the end.

    :param box: None: whatever is on the machine, which is on no list.
    """
    context, called = session.context, box.name if box else request.target.host

    def work(progress: Progress, cancel: CancelToken) -> ReleaseReport:
        where = (request.target, request.host_key, request.sign_in)
        if box is None:
            return release.release_machine(
                context, *where, rows=request.rows, any_site=request.any_site, progress=progress, cancel=cancel
            )
        return release.release_box(context, box.box, *where, rows=request.rows, progress=progress, cancel=cancel)

    def done(report: ReleaseReport) -> None:
        looked = QCoreApplication.translate("ssh", "Looked for, and not there any more: {things}.")
        notes = [looked.format(things=", ".join(report.looked_for))]
        if report.lost_rows is None:
            notes.append(QCoreApplication.translate("ssh", "It could not be told how many rows went with it."))
        elif report.lost_rows:
            lost = QCoreApplication.translate("ssh", "Rows that went with it, of which no desktop has a copy: {n}.")
            notes.append(lost.format(n=report.lost_rows))
        title = QCoreApplication.translate("ssh", "Nothing of Lineside is left on {name}").format(name=report.name)
        Told(title, notes, page).open()

    title = QCoreApplication.translate("ssh", "Take Lineside off {name}").format(name=called)
    return session.tasks.run_command(title, work, done, owner=page)


class SshDialog(FormDialog):
    """Asks how to sign in. ``wanted`` carries an :class:`SshRequest`."""

    wanted = Signal(object)

    def ask_for_ssh(self, session: Session, box: Box | None = None) -> None:
        """Add the fields.

        :param box: signed in to as before.
        """
        self.ssh = SshFields(self)
        self.ssh.recall(session)
        self.fields.addWidget(self.ssh.group)
        if box is not None:
            context = session.context
            session.tasks.run_query(lambda: release.ssh_access(context, box.box), self._known, owner=self)

    def request(self) -> SshRequest:
        """What was filled in.

        :raises InputInvalid: it cannot be used.
        """
        return SshRequest(target=self.ssh.target(), host_key=self.ssh.fingerprint(), sign_in=self.ssh.sign_in())

    def submit(self) -> None:
        if problem := self.ssh.missing():
            self.complain(problem)
            return
        try:
            request = self.request()
        except InputInvalid as error:
            self.complain(refusal(error))
            return
        self.wanted.emit(request)
        self.accept()

    def _known(self, known: tuple[Box, SshAccess | None]) -> None:
        access = known[1]
        if access is not None and not self.ssh.address.text():
            self.ssh.fill(SshTarget(access.user, access.host, access.port), access.host_key)


class UpdateBox(SshDialog):
    """Brings a newer program to an enrolled box."""

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Update the program of {box}").format(box=box.name),
            self.tr(
                "The same as to add it over SSH: what is missing there is brought, and the box runs the new version at "
                "the end. Its key, models and what it saw stay."
            ),
            self.tr("Update {box}").format(box=box.name),
            parent,
        )
        self.ask_for_ssh(session, box)
        self.bundle = PathField(self.tr("Edge bundle (optional)"), file=True)
        self.add_field(
            self.tr("Edge bundle (optional)"),
            self.bundle,
            self.tr("What `make edge-bundle` built; otherwise it is taken from where bundles usually lie."),
        )

    def request(self) -> SshRequest:
        bundle = Path(self.bundle.path).expanduser() if self.bundle.path else None
        return replace(super().request(), bundle=bundle)


class ReleaseMachine(SshDialog):
    """Takes off what is on no list: half an enrolment, or a box that was forgotten."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Take Lineside off a machine that is not listed?"),
            self.tr(
                "Whatever of Lineside is on it is removed over SSH: half an enrolment, or a box that was forgotten. A "
                "box that is on the list is released on its own page."
            ),
            self.tr("Take Lineside off it"),
            parent,
            kind="danger",
        )
        self.site = Segments(
            self.tr("Whose box it may be"),
            [(self.tr("This site's"), False), (self.tr("Anybody's"), True)],
        )
        self.rows = Segments(
            self.tr("What waits there"),
            [(self.tr("Stop if there is any"), Rows.KEEP), (self.tr("Let it go"), Rows.DISCARD)],
        )
        for caption, choice in (
            (self.tr("Whose box it may be"), self.site),
            (self.tr("What waits there for a desktop"), self.rows),
        ):
            self.fields.addWidget(label(caption, wrap=True))
            self.fields.addLayout(row(choice, 1))
        self.ask_for_ssh(session)
        self.primary.setDefault(False)
        self.cancel.setDefault(True)

    def request(self) -> SshRequest:
        return replace(super().request(), rows=Rows(str(self.rows.value)), any_site=bool(self.site.value))


class ReleaseBox(SshDialog):
    """Names the box, and asks how to sign in."""

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Take Lineside off {box}?").format(box=box.name),
            self.tr(
                "Programs, models, keys and everything that the box saw are removed from it over SSH, and it is shown "
                "that nothing is left. The machine itself stays as it is."
            ),
            self.tr("Take Lineside off {box}").format(box=box.name),
            parent,
            kind="danger",
        )
        self.rows = Segments(
            self.tr("What waits there"),
            [
                (self.tr("Collect it first"), Rows.COLLECT),
                (self.tr("Stop if there is any"), Rows.KEEP),
                (self.tr("Let it go"), Rows.DISCARD),
            ],
        )
        self.fields.addWidget(label(self.tr("What waits there for a desktop"), wrap=True))
        self.fields.addLayout(row(self.rows, 1))
        self.ask_for_ssh(session, box)
        self.primary.setDefault(False)
        self.cancel.setDefault(True)

    def request(self) -> SshRequest:
        return replace(super().request(), rows=Rows(str(self.rows.value)))
