"""The configuration of a box: shown, edited as a text, and gone back to. The box tries it before it counts."""

from __future__ import annotations

import re

from PySide6.QtCore import Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog, refusal
from app.gui.pages.base import Page
from app.gui.session import Session
from app.gui.states import state
from app.gui.widgets import Button, Chip, column, dropdown, label, row
from app.store.records import Box
from app.usecases import box_config
from app.usecases.box_config import Begun, BoxConfig, ConfigOutcome
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.configuring import ConfigVersion
from edge_runtime.contracts.errors import Cancelled, LinesideError

WIDTH, HEIGHT = 760, 380
"""Of a text with room for an address of a camera, logical pixels."""
_LINE = re.compile(r"line (\d{1,6})")


class ConfigPanel(QWidget):
    """Which version runs, and the ways to change it."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._chip = Chip()
        self._words = label("", "muted", wrap=True, selectable=True)
        self.edit = Button(self.tr("Configure…"), "settings", clicked=self.ask_to_edit)
        self.versions = Button(self.tr("Versions…"), "undo", clicked=self.ask_to_return)
        self.setLayout(
            column(
                row(label(self.tr("Configuration"), "section"), 1, self._chip),
                self._words,
                row(self.edit, self.versions, 1),
                gap=12,
            )
        )

    def show_box(self, box: Box) -> None:
        self._box = box
        status = box.status.config if box.status else None
        self._chip.setVisible(status is not None)
        if status is None:
            self._words.setText(self.tr("Not heard yet."))
            return
        words = self.tr("Version {number} counts.").format(number=status.in_force)
        shown = "in-force"
        if status.waiting is not None:
            shown = "waiting"
            words += " " + self.tr("It was edited on the box: that counts from its next start.")
        if status.trial is not None:
            shown = "trial"
            words += " " + self.tr("Version {number} is on trial.").format(number=status.trial)
        self._chip.set_state(state(f"config.{shown}"))
        self._words.setText(words)

    def ask_to_edit(self) -> EditConfig | None:
        """The text as it stands, to be changed; None where no box is picked."""
        if self._box is None:
            return None
        dialog = EditConfig(self._page.session, self, self._box)
        dialog.begun.connect(self._follow)
        dialog.open()
        return dialog

    def ask_to_return(self) -> ConfigVersions | None:
        """The versions that the box keeps; None where no box is picked."""
        if self._box is None:
            return None
        dialog = ConfigVersions(self._page.session, self, self._box)
        dialog.begun.connect(self._follow)
        dialog.open()
        return dialog

    def _follow(self, begun: Begun) -> None:
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> ConfigOutcome:
            return box_config.follow(context, begun, progress=progress, cancel=cancel)

        title = self.tr("Configure {name}").format(name=begun.box.name)
        self._page.session.tasks.run_command(title, work, owner=self, failed=self._failed)

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self._page.session.tasks.report(error)


def _code(caption: str) -> QPlainTextEdit:
    """A text whose lines are not broken; errors name them by their number."""
    text = QPlainTextEdit()
    text.setProperty("role", "code")
    text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    text.setMinimumSize(WIDTH, HEIGHT)
    text.setTabChangesFocus(True)
    text.setAccessibleName(caption)
    return text


class EditConfig(FormDialog):
    """The text as it stands on the box, to be changed. ``begun`` carries what the box has taken on trial."""

    begun = Signal(object)

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Configure {box}").format(box=box.name),
            self.tr(
                "The box checks this and tries it on its own lines. If a line that was at work stops delivering, or no "
                "desktop finds the box any more, it goes back by itself."
            ),
            self.tr("Try on the box"),
            parent,
        )
        self._session, self._box = session, box
        self._base = ""
        self.text = _code("edge.toml")
        self.notes = label("", "caption", wrap=True)
        self.notes.hide()
        self.fields.addWidget(self.notes)
        self.add_field(
            "edge.toml",
            self.text,
            self.tr("… stands for a password that the box keeps for itself; leave it, and it stays as it is."),
        )
        # Enter makes a line.
        self.primary.setAutoDefault(False)
        self.primary.setDefault(False)
        self.text.setEnabled(False)
        self._read()

    def submit(self) -> None:
        if not self._base:
            # The box did not answer before.
            self._read()
            return
        context, box, text, base = self._session.context, self._box.box, self.text.toPlainText(), self._base
        self.attempt(self._session.tasks, lambda: box_config.begin_set(context, box, text, base=base), self._taken)

    def complain(self, text: str) -> None:
        super().complain(text)
        if found := _LINE.search(text):
            self._go_to(int(found[1]))

    def _read(self) -> None:
        context, box = self._session.context, self._box.box
        self.attempt(self._session.tasks, lambda: box_config.read_config(context, box), self._show)

    def _show(self, found: BoxConfig) -> None:
        self._base = found.digest
        self.text.setPlainText(found.toml)
        self.text.setEnabled(True)
        self.text.setFocus()
        notes = []
        if (trial := found.in_state("trial")) is not None:
            notes.append(
                self.tr("Version {number} is on trial just now; this is what stands in edge.toml.").format(
                    number=trial.number
                )
            )
        if (edit := found.in_state("waiting")) is not None:
            notes.append(self.tr("It was edited on the box and counts from its next start, or once it is tried here."))
            if edit.reason:
                notes.append(edit.reason)
        self.notes.setText(" ".join(notes))
        self.notes.setVisible(bool(notes))
        self.fit()

    def _taken(self, begun: Begun) -> None:
        self.begun.emit(begun)
        self.accept()

    def _go_to(self, number: int) -> None:
        """Mark the line that is complained about."""
        block = self.text.document().findBlockByNumber(number - 1)
        if block.isValid():
            cursor = QTextCursor(block)
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            self.text.setTextCursor(cursor)
            self.text.setFocus()


class ConfigVersions(FormDialog):
    """What a box was configured with before, and the way back. ``begun`` carries what it has taken on trial."""

    begun = Signal(object)

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Configurations of {box}").format(box=box.name),
            self.tr("A version that you go back to is tried as any other: if it does badly, the box leaves it again."),
            self.tr("Go back to this version"),
            parent,
        )
        self._session, self._box = session, box
        self._found: dict[int, ConfigVersion] = {}
        self._base = ""
        self._shown = 0
        self.notes = label("", "caption", wrap=True)
        self.notes.hide()
        self.fields.addWidget(self.notes)
        self.version = dropdown()
        self.add_field(self.tr("Version"), self.version)
        self.chip = Chip()
        self.how = label("", "muted", wrap=True, selectable=True)
        self.why = label("", "bad", wrap=True, selectable=True)
        self.text = _code("edge.toml")
        self.text.setReadOnly(True)
        line = row(self.chip)
        line.addWidget(self.how, 1)
        self.fields.addLayout(line)
        self.fields.addWidget(self.why)
        self.add_field("edge.toml", self.text)
        self.primary.setAutoDefault(False)
        self.primary.setDefault(False)
        self.chip.hide()
        self.why.hide()
        self.version.currentIndexChanged.connect(lambda _at: self._choose())
        self._read()

    def submit(self) -> None:
        if not self._found:
            # The box did not answer before.
            self._read()
            return
        context, box, number, base = self._session.context, self._box.box, self.version.currentData(), self._base
        self.attempt(self._session.tasks, lambda: box_config.begin_return(context, box, number, base=base), self._taken)

    def _taken(self, begun: Begun) -> None:
        self.begun.emit(begun)
        self.accept()

    def _read(self) -> None:
        context, box = self._session.context, self._box.box
        self.attempt(self._session.tasks, lambda: box_config.read_config(context, box), self._offer)

    def _offer(self, found: BoxConfig) -> None:
        self._found = {one.number: one for one in found.versions}
        self._base = found.digest
        if (edit := found.in_state("waiting")) is not None:
            kept = self.tr(
                "It was edited on the box. That stays as version {number}, and counts no more if you go back."
            )
            self.notes.setText(kept.format(number=edit.number))
            self.notes.show()
        self.version.blockSignals(True)
        for one in reversed(found.versions):
            words = (str(one.number), formats.clock(one.at_ms), state(f"config.{one.state}").word)
            self.version.addItem("  ·  ".join(words), one.number)
        self.version.blockSignals(False)
        self._choose()

    def _choose(self) -> None:
        number = self.version.currentData()
        one = self._found.get(number)
        if one is None:
            return
        self.chip.set_state(state(f"config.{one.state}"))
        self.chip.show()
        self.how.setText(self._way(one))
        self.why.setText(one.reason)
        self.why.setVisible(bool(one.reason))
        self.text.clear()
        self._shown = number
        context, box = self._session.context, self._box.box

        def show(found: BoxConfig) -> None:
            if self._shown == number:
                self.text.setPlainText(found.toml)
                self.fit()

        def failed(error: BaseException) -> None:
            if not isinstance(error, LinesideError):
                self._session.tasks.report(error)
            elif self._shown == number:
                self.complain(refusal(error))

        self.complain("")
        self._session.tasks.run_query(
            lambda: box_config.read_config(context, box, number), show, owner=self, failed=failed
        )
        self.primary.setEnabled(one.state not in ("trial", "in-force"))
        self.fit()

    def _way(self, one: ConfigVersion) -> str:
        ways = {
            "found": self.tr("found on the box"),
            "sent": self.tr("sent by desktop {who}"),
            "edited": self.tr("edited on the box"),
            "returned-to": self.tr("desktop {who} went back to version {of}"),
            "renamed": self.tr("the box was given another name"),
        }
        return ways[one.origin].format(who=formats.short(one.who), of=one.of)
