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
    """How far the box's clock is off, whether that matters, and whether it can be set from here.

    Hidden where nobody can tell.
    """

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._icon = IconLabel("ok", "ok")
        self._words = label("", wrap=True, selectable=True)
        self._advice = label("", "muted", wrap=True, selectable=True)
        self.set_clock = Button(self.tr("Set its clock…"), "wait", clicked=self.ask_to_set)
        said = row(self._icon, gap=8)
        said.addWidget(self._words, 1)
        self.setLayout(column(said, self._advice, row(self.set_clock, 1), gap=8))
        self.hide()

    def show_box(self, box: Box | None) -> None:
        self._box = box
        skew_ms = box.skew_ms if box is not None and box.problem is None else None
        self.setVisible(skew_ms is not None)
        if box is None or skew_ms is None:
            return
        wrong = clocks.is_wrong(box)
        words = (
            self.tr("Its clock is {off} this desktop's.") if wrong else self.tr("Its clock is right: {off} this one.")
        )
        self._icon.set_icon(*(("warn", "warn") if wrong else ("ok", "ok")))
        self._words.setText(words.format(off=off_by(skew_ms)))
        advice = self._advice_on(box) if wrong else ""
        self._advice.setText(advice)
        self._advice.setVisible(bool(advice))
        self.set_clock.setVisible(wrong and may_set(box))

    def _advice_on(self, box: Box) -> str:
        parts = []
        if clocks.accuses_this_desktop(self._page.model.rows):
            parts.append(
                self.tr("All boxes are off by the same: rather this desktop's clock is wrong. Look at it first.")
            )
        if not may_set(box):
            parts.append(self.tr("Its system does not let it be set from here: set it at the box, as root."))
        return " ".join(parts)

    def ask_to_set(self) -> Confirm | None:
        """Ask, and set it to this desktop's; None where it is right, or cannot be set."""
        box = self._box
        off_ms = wrong_by(box) if box is not None else None
        if box is None or off_ms is None or not may_set(box):
            return None
        context = self._page.context
        sentence = self.tr(
            "It takes this desktop's time: make sure that it is right. The box and this desktop keep who did it."
        )
        dialog = Confirm(
            self.tr("Set the clock of this box?"),
            " ".join(filter(None, (self._advice_on(box), sentence))),
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


def may_set(box: Box) -> bool:
    """Whether its clock can be set from here; where it does not say, it is worth a try."""
    return box.status is None or box.status.sets_clock is not False
