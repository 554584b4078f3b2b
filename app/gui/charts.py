"""Charts: curves over a burst's steps, and what boxes measured over time. Colours follow the theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.gui.theme import Tone, tokens
from app.gui.widgets import label, row

HEIGHT = 176
MARK_ROOM = 0.08
"""Share of the width that a mark's word takes."""
_REPAINTS = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment worth a vertical line."""

    x: float
    text: str
    tone: Tone


class Chart(QWidget):
    """A titled plot without interaction: nothing in it can be dragged out of sight.

    :param times: the x axis shows seconds since 1970 as times of day.
    :param share: the y axis goes from 0 to 1.
    :param from_zero: the y axis begins at 0.
    """

    def __init__(
        self, title: str, *, times: bool = False, share: bool = False, from_zero: bool = False, height: int = HEIGHT
    ) -> None:
        super().__init__()
        self.setAccessibleName(title)
        axes = {"bottom": pg.DateAxisItem()} if times else None
        self._plot: Any = pg.PlotWidget(axisItems=axes)
        self._plot.setMenuEnabled(False)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._plot.setFixedHeight(height)
        if share:
            self._plot.setYRange(0, 1, padding=0.02)
        self._from_zero = from_zero
        self._tops: dict[int, float] = {}
        self._lines: list[tuple[Any, Tone, float, bool]] = []
        self._dots: list[tuple[Any, Tone]] = []
        self._marks: list[tuple[Any, Tone]] = []
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        self._legend = row(label(title, "caption"), 1, gap=12)
        box.addLayout(self._legend)
        box.addWidget(self._plot, 1)
        self._tint()

    def add_line(self, tone: Tone, width: float = 2.0, *, name: str = "", dashed: bool = False) -> int:
        """A new line, with a ``name`` in the legend; returns its number for :meth:`set_line`."""
        self._lines.append((self._plot.plot([], [], connect="finite"), tone, width, dashed))
        if name:
            shown = label(f"{'╌╌' if dashed else '━━'} {name}", "caption")
            shown.setProperty("tone", tone)
            self._legend.addWidget(shown)
        self._tint()
        return len(self._lines) - 1

    def add_dots(self, tone: Tone) -> int:
        """A new cloud of dots; returns its number for :meth:`set_dots`."""
        dots = pg.ScatterPlotItem(size=4, pen=None, pxMode=True)
        self._plot.addItem(dots)
        self._dots.append((dots, tone))
        self._tint()
        return len(self._dots) - 1

    def set_line(self, number: int, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Draw these; a NaN interrupts the line."""
        drawn = np.asarray(ys, dtype=float)
        self._lines[number][0].setData(np.asarray(xs, dtype=float), drawn)
        if self._from_zero:
            self._tops[number] = float(np.nanmax(drawn, initial=0.0))
            self._plot.setYRange(0, max(self._tops.values()) or 1.0, padding=0.1)

    def set_dots(self, number: int, xs: Sequence[float], ys: Sequence[float]) -> None:
        self._dots[number][0].setData(np.asarray(xs, dtype=float), np.asarray(ys, dtype=float))

    def set_marks(self, marks: Sequence[Mark]) -> None:
        for mark, _tone in self._marks:
            self._plot.removeItem(mark)
        self._marks = []
        for mark in marks:
            drawn = pg.InfiniteLine(pos=mark.x, angle=90, label=mark.text, labelOpts={"position": 0.08})
            self._plot.addItem(drawn)
            self._marks.append((drawn, mark.tone))
        self._tint()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in _REPAINTS:
            self._tint()

    def _tint(self) -> None:
        now = tokens()
        self._plot.setBackground(now.surface)
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(pg.mkPen(now.border_strong))
            axis.setTextPen(pg.mkPen(now.muted))
            axis.setStyle(tickLength=-4)
            axis.enableAutoSIPrefix(False)
        self._plot.showGrid(x=False, y=True, alpha=0.15)
        for drawn, tone, width, dashed in self._lines:
            style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
            drawn.setPen(pg.mkPen(now.tone(tone), width=width, style=style))
        for dots, tone in self._dots:
            colour = QColor(now.tone(tone))
            colour.setAlpha(70)
            dots.setBrush(pg.mkBrush(colour))
        for mark, tone in self._marks:
            mark.setPen(pg.mkPen(now.tone(tone), style=Qt.PenStyle.DashLine))
            mark.label.setColor(now.tone(tone))


def without_crowding(marks: Sequence[Mark], span: float) -> list[Mark]:
    """The marks by time; one whose word would lie on the word before it keeps only its line."""
    kept: list[Mark] = []
    word_at = -math.inf
    for mark in sorted(marks, key=lambda one: one.x):
        crowded = mark.x - word_at < span * MARK_ROOM
        kept.append(Mark(mark.x, "", mark.tone) if crowded else mark)
        word_at = word_at if crowded else mark.x
    return kept


def rolling_mean(values: Sequence[float], window: int = 30) -> list[float]:
    """The mean of the last ``window`` values at each point; shorter at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=float))])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    means: list[float] = ((sums[ends] - sums[starts]) / (ends - starts)).tolist()
    return means


def changes(values: Sequence[str]) -> list[int]:
    """Where a value differs from the one before it."""
    return [number for number, (before, after) in enumerate(pairwise(values), start=1) if before != after]
