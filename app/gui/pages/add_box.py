"""Adding a box: what the network shows on one side; its code, SSH or its home folder on the other."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui.dialogs import FormDialog, PathField, refusal
from app.gui.pages.found_boxes import FoundBoxes
from app.gui.pages.ssh_fields import SshFields
from app.gui.pages.ssh_jobs import SshRequest
from app.gui.session import Session
from app.gui.widgets import Segments, column, line, row
from app.store.records import Box
from app.usecases import boxes, pairing
from edge_runtime.contracts.errors import InputInvalid, LinesideError

LEAST_WIDTH = 960
"""Two columns, in logical pixels."""


class AddBox(FormDialog):
    """``enrolled`` carries the new box's id; ``ssh_wanted`` an :class:`SshRequest`, for that takes a while."""

    enrolled = Signal(str)
    ssh_wanted = Signal(object)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Add a box"),
            self.tr("Box and desktop learn each other's key: over SSH, by a one-time code, or through a home folder."),
            self.tr("Add box"),
            parent,
        )
        self._session = session
        self.way = Segments(
            self.tr("Way"),
            [
                (self.tr("With its code"), "code"),
                (self.tr("Over SSH"), "ssh"),
                (self.tr("Its home folder"), "folder"),
            ],
        )
        self.way.chosen.connect(lambda _way: self._show_way())
        ways = column(row(self.way, 1), gap=16)
        by_folder, by_code = column(gap=16), column(gap=16)
        self._by_folder, self._by_code = QWidget(), QWidget()
        self.folder = PathField(self.tr("Home folder of the box"))
        self.add_field(
            self.tr("Home folder of the box"),
            self.folder,
            self.tr("The folder given to `lineside-edge init --home`, on this machine or mounted here."),
            into=by_folder,
        )
        self.address = QLineEdit()
        self.address.setPlaceholderText("192.168.1.20:7443")
        self.add_field(
            self.tr("Address (optional)"),
            self.address,
            self.tr("Leave it empty to take the address that the running box wrote down."),
            into=by_folder,
        )
        self.code = QLineEdit()
        self.code.setPlaceholderText("7K3M-X9PD")
        self.add_field(
            self.tr("One-time code"),
            self.code,
            self.tr(
                "On the box's label or screen; `lineside-edge code` shows it there. After three wrong ones it changes."
            ),
            into=by_code,
        )
        self.pairing_address = QLineEdit()
        self.pairing_address.setPlaceholderText("192.168.1.20")
        self.add_field(
            self.tr("Address of the box"),
            self.pairing_address,
            self.tr("Its name or number in the network. Take it from the list if the box was heard."),
            into=by_code,
        )
        for group, fields in ((self._by_folder, by_folder), (self._by_code, by_code)):
            group.setLayout(fields)
            ways.addWidget(group)
        self.ssh = SshFields(self)
        self.ssh.recall(session)
        self.name = QLineEdit()
        self.name.setPlaceholderText("line-2")
        self.add_field(
            self.tr("Name of the box (optional)"),
            self.name,
            self.tr("Otherwise it is called as the machine."),
            into=self.ssh.inside,
        )
        self.bundle = PathField(self.tr("Edge bundle (optional)"), file=True)
        self.add_field(
            self.tr("Edge bundle (optional)"),
            self.bundle,
            self.tr("What `make edge-bundle` built; otherwise it is taken from where bundles usually lie."),
            into=self.ssh.inside,
        )
        ways.addWidget(self.ssh.group)
        ways.addStretch(1)
        self.found = FoundBoxes(session)
        self.found.taken.connect(self._take)
        self.found.code_offered.connect(self.offer)
        sides = row(self.found, line(upright=True), ways, gap=24)
        sides.setStretch(0, 1)
        sides.setStretch(2, 1)
        self.fields.addLayout(sides)
        self.setMinimumWidth(LEAST_WIDTH)
        self._show_way()
        self.found.look()

    def submit(self) -> None:
        """Enrol; a refusal is shown beside the button, so that the field can be mended."""
        if self.way.value == "code":
            self._pair()
            return
        if self.way.value == "ssh":
            self._enrol_over_ssh()
            return
        if not self.folder.path:
            self.complain(self.tr("Choose the box's home folder first."))
            return
        context = self._session.context
        home, address = Path(self.folder.path).expanduser(), self.address.text().strip() or None
        self.attempt(self._session.tasks, lambda: boxes.enrol_local(context, home, address=address), self._done)

    def offer(self, address: str) -> None:
        """Ask for the code of the box that takes one at this address."""
        self.way.choose("code")
        self.pairing_address.setText(address)
        self._show_way()

    def refill(self, request: SshRequest, error: LinesideError) -> None:
        """Ask once more for what was asked for before, and say why it could not be used."""
        self.way.choose("ssh")
        self._show_way()
        self.ssh.refill(request.target, request.host_key, request.sign_in)
        self.name.setText(request.name or "")
        self.bundle.edit.setText(str(request.bundle or ""))
        self.complain(refusal(error))

    def _show_way(self) -> None:
        way = self.way.value
        self._by_folder.setVisible(way == "folder")
        self._by_code.setVisible(way == "code")
        self.ssh.group.setVisible(way == "ssh")
        self.complain("")
        (self.code if way == "code" else self.folder if way == "folder" else self.ssh.address).setFocus()

    def _enrol_over_ssh(self) -> None:
        if problem := self.ssh.missing():
            self.complain(problem)
            return
        try:
            request = SshRequest(
                target=self.ssh.target(),
                host_key=self.ssh.fingerprint(),
                sign_in=self.ssh.sign_in(),
                name=self.name.text().strip() or None,
                bundle=Path(self.bundle.path).expanduser() if self.bundle.path else None,
            )
        except InputInvalid as error:
            self.complain(refusal(error))
            return
        self.ssh_wanted.emit(request)
        self.accept()

    def _pair(self) -> None:
        context, address, code = self._session.context, self.pairing_address.text().strip(), self.code.text()
        if not code.strip():
            self.complain(self.tr("Type the code that the box shows."))
        elif not address:
            self.complain(self.tr("Say where the box is: choose it below, or type its address."))
        else:
            self.attempt(
                self._session.tasks, lambda: pairing.pair_box(context, address, lambda _hello: code), self._done
            )

    def _done(self, box: Box) -> None:
        self.enrolled.emit(box.box)
        self.accept()

    def _take(self, address: str) -> None:
        self.way.choose("folder")
        self.address.setText(address)
        self._show_way()
