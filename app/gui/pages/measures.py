"""How wide a column must be for its heading and the longest word that it may show, in this language."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QApplication

from app.gui.states import state

CELL_ROOM = 26
"""What the style sheet and the view leave free beside a cell's words."""
ICON_ROOM = 24
"""A state's icon and the gap behind it."""
HEADER_ROOM = 36
HEADER_FONT = 12
ROUNDING = 8


def text_width(title: str, *words: str, icon: bool = False) -> int:
    """Wide enough for a column with this heading and these words, in logical pixels."""
    heading = QFont(QApplication.font())
    heading.setPixelSize(HEADER_FONT)
    heading.setWeight(QFont.Weight.DemiBold)
    body = QFontMetrics(QApplication.font())
    cell = max((body.horizontalAdvance(word) for word in words), default=0) + CELL_ROOM + (ICON_ROOM if icon else 0)
    return max(cell, QFontMetrics(heading).horizontalAdvance(title) + HEADER_ROOM)


def roomy_width(title: str, *words: str, icon: bool = False) -> int:
    """As :func:`text_width` where the page's whole width is there: whatever a font's rounding adds has room too."""
    return text_width(title, *words, icon=icon) + ROUNDING


def state_width(title: str, keys: Iterable[str]) -> int:
    """Wide enough for the longest of these states."""
    return text_width(title, *(state(key).word for key in keys), icon=True)
