"""Boxes that were copied: a notice, the machines side by side, and a new identity for the copy."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog, back_with, refusal
from app.gui.pages.base import Page
from app.gui.session import Session
from app.gui.widgets import Button, Facts, IconLabel, card, clear, column, label, row
from app.store.records import Box, Sighting
from app.usecases import boxes, clones
from app.usecases.clone_rules import Clone
from app.usecases.clones import Begun
from edge_runtime.contracts.errors import LinesideError

SIDES_IN_A_ROW = 2


class CloneNotice(QWidget):
    """Says on the page that some boxes were copied; hidden where none was."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._words = label("", wrap=True)
        self.compare = Button(self.tr("Compare them…"), "copy", clicked=self.open_comparison)
        line = row(IconLabel("warn", "warn"), gap=12)
        line.addWidget(self._words, 1)
        line.addWidget(self.compare)
        inside = column(card(line, padding=12))
        self.setLayout(inside)
        self.hide()

    def reload(self) -> None:
        """Look at what the contacts told; nobody is asked."""
        context = self._page.context
        self._page.query(
            "clones",
            lambda: (clones.known_clones(context), clones.begun_renewals(context)),
            lambda seen: self.show_clones(*seen),
        )

    def show_clones(self, found: tuple[Clone, ...], begun: tuple[Begun, ...]) -> None:
        self.setVisible(bool(found or begun))
        if any(one.new is not None for one in begun):
            self._words.setText(self.tr("A copy was being given a new identity, and its last word was not heard."))
        elif any("key" in clone.marks for clone in found):
            self._words.setText(self.tr("A box was copied: two machines answer with one key."))
        elif begun:
            self._words.setText(self.tr("A new identity was meant for a copy, and did not get there."))
        elif found:
            self._words.setText(self.tr("Two boxes were made from one image: their machines have one identity."))

    def open_comparison(self) -> CloneDialog:
        if (dialog := back_with(self, CloneDialog)) is None:
            dialog = CloneDialog(self._page.session, self)
            dialog.open()
        return dialog


class CloneDialog(FormDialog):
    """The machines of each finding side by side; asks them again when it is opened."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Boxes that were copied"),
            self.tr(
                "Each machine should have an identity of its own. A copy that is given one keeps what it has seen, "
                "its models and its settings."
            ),
            self.tr("Done"),
            parent,
        )
        self._session = session
        self.setMinimumWidth(760)
        self.cancel.hide()
        self.ask_again = Button(self.tr("Ask them again"), "refresh", kind="ghost", clicked=self.look)
        self._list: QVBoxLayout = column(gap=16)
        self.fields.addLayout(row(self.ask_again, 1))
        self.fields.addLayout(self._list)
        self.look()

    def look(self) -> None:
        """Ask every box at every address where it has answered."""
        context = self._session.context
        self.ask_again.setEnabled(False)
        clear(self._list)
        self._list.addWidget(label(self.tr("Asking the boxes…"), "muted"))
        self._session.tasks.run_background(
            lambda: (clones.look_for_clones(context), boxes.list_boxes(context), clones.begun_renewals(context)),
            lambda seen: self.show_clones(*seen),
            owner=self,
            failed=self._failed,
        )

    def show_clones(self, found: tuple[Clone, ...], known: list[Box], begun: tuple[Begun, ...] = ()) -> None:
        self.ask_again.setEnabled(True)
        clear(self._list)
        for one in begun:
            self._list.addWidget(self._unfinished(one))
        if not found and not begun:
            self._list.addWidget(label(self.tr("No box has been copied, as far as can be told from here."), "muted"))
        names = {box.box: box.name for box in known}
        for clone in found:
            self._list.addWidget(self._finding(clone, names))
        self.fit()

    def ask_to_renew(self, side: Sighting, name: str) -> NewIdentity:
        """Ask for a name, and give the machine on this side a new identity."""
        if (away := back_with(self, NewIdentity)) is not None:
            return away
        dialog = NewIdentity(self._session, self, side, name)
        dialog.renewed.connect(self.look)
        dialog.open()
        return dialog

    def go_on(self, begun: Begun) -> None:
        """End a renewal that was cut off, from where it was."""
        context = self._session.context
        self.attempt(
            self._session.tasks,
            lambda: clones.renew(context, begun.box, begun.address, new_name=begun.name),
            lambda _box: self.look(),
        )

    def forget(self, begun: Begun) -> None:
        """Let go of one that never got there."""
        context = self._session.context
        self.attempt(
            self._session.tasks,
            lambda: clones.forget_renewal(context, begun.box, begun.address),
            lambda _nothing: self.look(),
        )

    def _set_busy(self, busy: bool) -> None:
        super()._set_busy(busy)
        self._inside.setEnabled(not busy)

    def _unfinished(self, begun: Begun) -> QWidget:
        if begun.new is None:
            words = self.tr("A new identity was meant for the machine at {address}, which was not told to take it.")
            button = Button(self.tr("Forget that"), "close", clicked=lambda: self.forget(begun))
        else:
            words = self.tr(
                "The machine at {address} was being given a new identity, and may have it already. To go on ends it, "
                "wherever it was."
            )
            button = Button(self.tr("Go on"), "key", clicked=lambda: self.go_on(begun))
        button.setAccessibleName(f"{button.text()} {begun.address}")
        return card(label(words.format(address=begun.address), wrap=True), row(button, 1), gap=8)

    def _failed(self, error: BaseException) -> None:
        self.ask_again.setEnabled(True)
        clear(self._list)
        if isinstance(error, LinesideError):
            self._list.addWidget(label(refusal(error), "bad", wrap=True, selectable=True))
        else:
            self._session.tasks.report(error)

    def _finding(self, clone: Clone, names: dict[str, str]) -> QWidget:
        sides = column(gap=12)
        for start in range(0, len(clone.sides), SIDES_IN_A_ROW):
            pair = row(gap=12)
            for side in clone.sides[start : start + SIDES_IN_A_ROW]:
                pair.addWidget(self._side(clone, side, names.get(side.box, side.box[:12])), 1)
            sides.addLayout(pair)
        shown = QWidget()
        heading = label(self._heading(clone), "section", wrap=True)
        shown.setLayout(column(heading, sides, label(self._advice(clone), "muted", wrap=True, selectable=True), gap=8))
        return shown

    def _heading(self, clone: Clone) -> str:
        count = len(clone.sides)
        if "key" in clone.marks:
            return self.tr("One key on {n} machines").format(n=count)
        if clone.proved:
            return self.tr("One machine-id or SSH host key on {n} machines").format(n=count)
        return self.tr("One machine-id or SSH host key under {n} keys").format(n=count)

    def _advice(self, clone: Clone) -> str:
        if "key" in clone.marks:
            return self.tr("Choose the machine that is the copy. The other one stays the box that it is.")
        words = self.tr(
            "Each box has a key of its own. On the copy, as root: rm /etc/machine-id /etc/ssh/ssh_host_*; "
            "systemd-machine-id-setup; ssh-keygen -A; reboot"
        )
        return words if clone.proved else self.tr("It may be one machine that was set up anew.") + " " + words

    def _side(self, clone: Clone, side: Sighting, name: str) -> QWidget:
        facts = Facts()
        facts.show_facts(
            [
                (self.tr("Address"), side.address),
                (self.tr("Fingerprint"), formats.short(side.box, 20)),
                (self.tr("This start"), formats.short(side.boot)),
                (self.tr("Machine"), formats.short(side.machine or None)),
                (self.tr("SSH host key"), formats.short(side.host_key.removeprefix("SHA256:") or None, 20)),
                (self.tr("Last seen"), formats.clock(side.last_ms)),
            ]
        )
        if "key" not in clone.marks:
            return card(label(name, "section"), facts, gap=8)
        renew = Button(self.tr("This is the copy: new identity…"), "key", clicked=lambda: self.ask_to_renew(side, name))
        renew.setAccessibleName(f"{renew.text()} {side.address}")
        return card(label(name, "section"), facts, row(renew, 1), gap=8)


class NewIdentity(FormDialog):
    """``renewed``: the copy is another box by now."""

    renewed = Signal()

    def __init__(self, session: Session, parent: QWidget, side: Sighting, name: str) -> None:
        super().__init__(
            self.tr("Give the copy a new identity?"),
            self.tr(
                "The machine at {address} makes a new key and is another box from then on. Its line goes on meanwhile; "
                "what it has seen, its models and its settings stay. {name} keeps its own identity."
            ).format(address=side.address, name=name),
            self.tr("Give the copy a new identity"),
            parent,
        )
        self._session, self._side = session, side
        self.name = QLineEdit()
        self.name.setMaxLength(200)
        self.name.setText(f"{name}-2")
        self.add_field(
            self.tr("Name of the copy"), self.name, self.tr("Written to its edge.toml; nothing else there changes.")
        )
        self.primary.setDefault(False)
        self.cancel.setDefault(True)

    def submit(self) -> None:
        name = self.name.text().strip()
        if not name:
            self.complain(self.tr("Give it a name."))
            return
        context, side = self._session.context, self._side
        self.attempt(
            self._session.tasks,
            lambda: clones.renew(context, side.box, side.address, new_name=name),
            lambda _box: self._done(),
        )

    def _done(self) -> None:
        self.renewed.emit()
        self.accept()
