"""When files go to the object store, and how fast."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QCheckBox, QComboBox, QWidget

from app.gui import formats
from app.gui.pages.base import Page
from app.gui.widgets import column, dropdown, label, row
from app.settings import Traffic
from app.usecases.traffic import change_traffic

T = TypeVar("T")

RATES = (None, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)
"""Bytes a second to choose from; None: no limit."""
HOURS = (None, "18:00-06:00", "20:00-06:00", "22:00-06:00", "12:00-13:00")


class TrafficSettings(QWidget):
    """A choice is saved as soon as it is made, and counts for what is on its way."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self.rate = dropdown(self.tr("Files, at most"))
        self.hours = dropdown(self.tr("Files go"))
        self.metered = QCheckBox(self.tr("Metered link: changes and alerts go, files wait"))
        self.metered.setAccessibleName(self.metered.text())
        chosen = page.context.settings.traffic
        for rate in _with(RATES, chosen.bytes_per_s):
            words = (
                self.tr("{size} a second").format(size=formats.size(rate)) if rate else self.tr("as fast as they go")
            )
            self.rate.addItem(words, rate)
        for hours in _with(HOURS, chosen.hours):
            self.hours.addItem(hours.replace("-", "–") if hours else self.tr("always"), hours)
        for box, value in ((self.rate, chosen.bytes_per_s), (self.hours, chosen.hours)):
            box.setMinimumWidth(180)
            _choose(box, value)
        self.metered.setChecked(chosen.metered)
        lines = column(gap=8)
        for box in (self.rate, self.hours):
            lines.addLayout(row(label(box.accessibleName()), 1, box))
        self.setLayout(column(lines, self.metered, gap=8))
        self.rate.currentIndexChanged.connect(lambda _index: self._save())
        self.hours.currentIndexChanged.connect(lambda _index: self._save())
        self.metered.toggled.connect(lambda _on: self._save())

    def _save(self) -> None:
        limits = Traffic(
            bytes_per_s=self.rate.currentData(), hours=self.hours.currentData(), metered=self.metered.isChecked()
        )
        change_traffic(self._page.context, limits)
        self._page.reload()


def _with(choices: tuple[T, ...], chosen: T) -> tuple[T, ...]:
    return choices if chosen in choices else (*choices, chosen)


def _choose(box: QComboBox, value: object) -> None:
    for index in range(box.count()):
        if box.itemData(index) == value:
            box.setCurrentIndex(index)
