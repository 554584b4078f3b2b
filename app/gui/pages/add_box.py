"""Adding a box: by its home folder on this machine, helped by what announces itself on the network."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.gui.dialogs import FormDialog, PathField
from app.gui.session import Session
from app.gui.widgets import Button, IconLabel, clear, column, label, line, row
from app.store.records import Box
from app.usecases import boxes
from edge_runtime.contracts.status import Announcement

LISTEN_S = 2.0


class AddBox(FormDialog):
    """``enrolled`` carries the new box's id."""

    enrolled = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Add a box"),
            self.tr("The keys of box and desktop change hands through the box's home folder."),
            self.tr("Add box"),
            parent,
        )
        self._session = session
        self.folder = PathField(self.tr("Home folder of the box"))
        self.add_field(
            self.tr("Home folder of the box"),
            self.folder,
            self.tr("The folder given to `lineside-edge init --home`, on this machine or mounted here."),
        )
        self.address = QLineEdit()
        self.address.setPlaceholderText("192.168.1.20:7443")
        self.add_field(
            self.tr("Address (optional)"),
            self.address,
            self.tr("Leave it empty to take the address that the running box wrote down."),
        )
        self.rescan = Button(self.tr("Listen again"), "refresh", kind="ghost", clicked=self.listen)
        self._found: QVBoxLayout = column(gap=8)
        self.fields.addWidget(line())
        self.fields.addLayout(row(label(self.tr("Announced on this network"), "section"), 1, self.rescan))
        self.fields.addLayout(self._found)
        self.setMinimumWidth(620)
        self.listen()

    def listen(self) -> None:
        """Listen to the network for two seconds and list who was heard."""
        context = self._session.context
        self.rescan.setEnabled(False)
        clear(self._found)
        self._found.addWidget(label(self.tr("Listening…"), "muted"))
        self._session.tasks.run_background(
            lambda: (boxes.discover(LISTEN_S), boxes.list_boxes(context)),
            lambda heard: self._heard(*heard),
            owner=self,
            failed=self._deaf,
        )

    def submit(self) -> None:
        """Enrol; a refusal is shown beside the button, so that the path can be mended."""
        if not self.folder.path:
            self.complain(self.tr("Choose the box's home folder first."))
            return
        context = self._session.context
        home, address = Path(self.folder.path).expanduser(), self.address.text().strip() or None
        self.attempt(self._session.tasks, lambda: boxes.enrol_local(context, home, address=address), self._done)

    def _done(self, box: Box) -> None:
        self.enrolled.emit(box.box)
        self.accept()

    def _deaf(self, error: BaseException) -> None:
        self.rescan.setEnabled(True)
        clear(self._found)
        self._found.addWidget(label(str(error), "muted", wrap=True))

    def _heard(self, announced: list[Announcement], known: list[Box]) -> None:
        self.rescan.setEnabled(True)
        clear(self._found)
        if not announced:
            self._found.addWidget(
                label(
                    self.tr(
                        "No box was heard. Announcements do not cross routers or guest networks: "
                        "give the home folder and the address instead."
                    ),
                    "muted",
                    wrap=True,
                )
            )
        ours = {box.box for box in known}
        for box in announced:
            self._found.addWidget(self._entry(box, enrolled_here=box.box in ours))
        self.fit()

    def _entry(self, box: Announcement, *, enrolled_here: bool) -> QWidget:
        """One announced box, and what to do about it."""
        address = f"{box.host}:{box.port}"
        icon = IconLabel("ok", "ok") if enrolled_here else IconLabel("info", "info")
        if enrolled_here:
            advice = self.tr("Enrolled on this desktop.")
        elif box.enrolled:
            advice = self.tr("Trusts another desktop. Add it here only if it belongs to this site.")
        else:
            advice = self.tr("Not enrolled yet: take its address and give its home folder above.")
        take = Button(self.tr("Take address"), kind="ghost", clicked=lambda: self.address.setText(address))
        take.setAccessibleName(f"{take.text()}: {box.name}")
        take.setVisible(not enrolled_here)
        entry = QWidget()
        words = column(label(f"{box.name}  ·  {address}"), label(advice, "caption", wrap=True), gap=0)
        box_row = row(icon, words, gap=12)
        box_row.setStretch(1, 1)
        box_row.addWidget(take)
        entry.setLayout(box_row)
        return entry
