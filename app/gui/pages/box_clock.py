"""A box's clock: told of where it is wrong, and set after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.gui.dialogs import Confirm
from app.gui.formats import off_by
from app.gui.widgets import Button, IconLabel, column, label, row
from app.store.records import Box
from app.usecases import clocks

if TYPE_CHECKING:
    from app.gui.pages.boxes import BoxesPage


class ClockPanel(QWidget):
    """Hidden as long as the clock is right."""

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._words = label("", wrap=True, selectable=True)
        self.set_clock = Button(self.tr("Set its clock…"), "wait", clicked=self.ask_to_set)
        said = row(IconLabel("warn", "warn"), gap=8)
        said.addWidget(self._words, 1)
        self.setLayout(column(said, row(self.set_clock, 1), gap=8))
        self.hide()

    def show_box(self, box: Box | None) -> None:
        self._box = box
        off_ms = wrong_by(box) if box is not None else None
        self.setVisible(off_ms is not None)
        if off_ms is not None:
            self._words.setText(self.tr("Its clock is {off} this desktop's.").format(off=off_by(off_ms)))

    def ask_to_set(self) -> Confirm | None:
        """Ask, and set it to this desktop's; None where it is right."""
        box = self._box
        off_ms = wrong_by(box) if box is not None else None
        if box is None or off_ms is None:
            return None
        context = self._page.context
        dialog = Confirm(
            self.tr("Set the clock of this box?"),
            self.tr(
                "It takes this desktop's time: make sure that it is right. The box and this desktop keep who did it."
            ),
            [self.tr("{box}: {off} this desktop's clock").format(box=box.name, off=off_by(off_ms))],
            self.tr("Set its clock"),
            self,
        )
        dialog.accepted.connect(
            lambda: self._page.session.tasks.run_command(
                self.tr("Set the clock of {name}").format(name=box.name),
                lambda _progress, _cancel: clocks.set_clock(context, box.box),
                owner=self,
            )
        )
        dialog.open()
        return dialog


def wrong_by(box: Box) -> float | None:
    """Milliseconds by which its clock is wrong; None where it is right, or nobody can tell."""
    if box.problem is not None or box.skew_ms is None:
        return None
    return box.skew_ms if clocks.is_wrong(box) else None
