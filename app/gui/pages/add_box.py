"""Adding a box: by its home folder on this machine or by its one-time code, helped by what announces itself."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.gui.dialogs import FormDialog, PathField
from app.gui.session import Session
from app.gui.widgets import Button, IconLabel, Segments, clear, column, label, line, row
from app.store.records import Box
from app.usecases import boxes, pairing
from edge_runtime.config import join_address
from edge_runtime.contracts.status import Announcement

LISTEN_S = 2.0


class AddBox(FormDialog):
    """``enrolled`` carries the new box's id."""

    enrolled = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Add a box"),
            self.tr("Box and desktop learn each other's key: through the box's home folder, or by its one-time code."),
            self.tr("Add box"),
            parent,
        )
        self._session = session
        self.way = Segments(
            self.tr("Way"), [(self.tr("Its home folder"), "folder"), (self.tr("With its code"), "code")]
        )
        self.way.chosen.connect(lambda _way: self._show_way())
        self.fields.addLayout(row(self.way, 1))
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
            self.tr("Its name or number in the network. Choose it below if the box was heard."),
            into=by_code,
        )
        for group, fields in ((self._by_folder, by_folder), (self._by_code, by_code)):
            group.setLayout(fields)
            self.fields.addWidget(group)
        self._show_way()
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
        """Enrol; a refusal is shown beside the button, so that the field can be mended."""
        if self.way.value == "code":
            self._pair()
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

    def _show_way(self) -> None:
        by_code = self.way.value == "code"
        self._by_folder.setVisible(not by_code)
        self._by_code.setVisible(by_code)
        self.complain("")
        (self.code if by_code else self.folder).setFocus()

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
                        "give the address instead."
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
        elif box.pair:
            advice = self.tr("Not enrolled yet: it takes its one-time code.")
        elif box.enrolled:
            advice = self.tr("Trusts another desktop. Add it here only if it belongs to this site.")
        else:
            advice = self.tr("Not enrolled yet: take its address and give its home folder above.")
        if box.pair:
            where = join_address(box.host, box.pair)
            take = Button(self.tr("Enter its code"), "key", kind="ghost", clicked=lambda: self.offer(where))
        else:
            take = Button(self.tr("Take address"), kind="ghost", clicked=lambda: self._take(address))
        take.setAccessibleName(f"{take.text()}: {box.name}")
        take.setVisible(not enrolled_here)
        entry = QWidget()
        words = column(label(f"{box.name}  ·  {address}"), label(advice, "caption", wrap=True), gap=0)
        box_row = row(icon, words, gap=12)
        box_row.setStretch(1, 1)
        box_row.addWidget(take)
        entry.setLayout(box_row)
        return entry
