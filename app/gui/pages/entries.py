"""Lists in a detail panel that change only where something changed, so that a selected text stays selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.gui.states import State
from app.gui.widgets import Chip, IconLabel, column, label, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line below an entry's title; ``role`` is one of the style sheet's."""

    text: str
    role: str = "caption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of a list. ``key`` tells it from the others for as long as the list lives."""

    key: str
    title: str
    lines: tuple[Line, ...] = ()
    icon: State | None = None
    """Before the words; its own word is not shown."""
    chip: State | None = None


class Entries(QWidget):
    """Shows entries one below the other; ``otherwise`` where there are none."""

    def __init__(self, otherwise: str) -> None:
        super().__init__()
        self._none = label(otherwise, "muted")
        self._rows: dict[str, _Row] = {}
        self._box: QVBoxLayout = column(self._none, gap=12)
        self.setLayout(self._box)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these; an entry that was here keeps its widgets, and only changed words are set again."""
        keys = {entry.key for entry in entries}
        for key in [key for key in self._rows if key not in keys]:
            gone = self._rows.pop(key)
            self._box.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        for at, entry in enumerate(entries):
            shown = self._rows.get(entry.key)
            if shown is None:
                shown = self._rows[entry.key] = _Row()
                self._box.insertWidget(at, shown)
            elif self._box.indexOf(shown) != at:
                self._box.removeWidget(shown)
                self._box.insertWidget(at, shown)
            shown.show_entry(entry)
        self._none.setVisible(not entries)


class _Row(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._entry: Entry | None = None
        self._icon = IconLabel("idle")
        self._title = label("", wrap=True, selectable=True)
        self._lines: list[QLabel] = []
        # Below the title and the chip: a narrow panel has no room for words beside a chip.
        self._words: QVBoxLayout = column(gap=2)
        self._chip = Chip()
        head = row(gap=12)
        head.addWidget(self._title, 1)
        head.addWidget(self._chip, 0, Qt.AlignmentFlag.AlignTop)
        box = row(column(self._icon, 1), gap=12)
        box.addLayout(column(head, self._words, gap=2), 1)
        self.setLayout(box)

    def show_entry(self, entry: Entry) -> None:
        if entry == self._entry:
            return
        before, self._entry = self._entry, entry
        _say(self._title, entry.title)
        if before is None or [line.role for line in before.lines] != [line.role for line in entry.lines]:
            for gone in self._lines:
                self._words.removeWidget(gone)
                gone.hide()
                gone.deleteLater()
            self._lines = [label("", line.role, wrap=True, selectable=True) for line in entry.lines]
            for shown in self._lines:
                self._words.addWidget(shown)
        for shown, line in zip(self._lines, entry.lines, strict=True):
            _say(shown, line.text)
        self._icon.setVisible(entry.icon is not None)
        if entry.icon is not None:
            self._icon.set_icon(entry.icon.icon, entry.icon.tone)
        self._chip.setVisible(entry.chip is not None)
        if entry.chip is not None and (before is None or before.chip != entry.chip):
            self._chip.set_state(entry.chip)


def _say(shown: QLabel, text: str) -> None:
    """Setting the same text again would take the selection away."""
    if shown.text() != text:
        shown.setText(text)
