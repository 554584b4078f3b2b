"""Our own stroke icons, tinted with the theme's colours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

SIZE = 20
"""Side of an icon beside text, in logical pixels."""


def folder() -> Path:
    """Where the SVG files lie."""
    return Path(__file__).resolve().parents[2] / "resources" / "icons"


@lru_cache(maxsize=64)
def _source(name: str) -> str:
    return (folder() / f"{name}.svg").read_text(encoding="utf-8")


@lru_cache(maxsize=512)
def pixmap(name: str, colour: str, size: int = SIZE, ratio: float = 2.0, gap: int = 0) -> QPixmap:
    """The icon as a pixmap of ``size`` logical pixels, drawn for a screen of ``ratio`` pixels per point.

    :param gap: logical pixels left free on its right, where a button's text would come too close.
    """
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))
    side = round(size * ratio)
    image = QPixmap(side + round(gap * ratio), side)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, side, side))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


@lru_cache(maxsize=512)
def icon(name: str, colour: str, disabled: str | None = None, gap: int = 0) -> QIcon:
    """The icon in ``colour``, selected or not; in ``disabled`` where its control is."""
    made = QIcon()
    for ratio in (1.0, 2.0, 3.0):
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
            made.addPixmap(pixmap(name, colour, SIZE, ratio, gap), mode)
        if disabled:
            made.addPixmap(pixmap(name, disabled, SIZE, ratio, gap), QIcon.Mode.Disabled)
    return made


def application_icon() -> QIcon:
    return QIcon(str(folder() / "lineside.svg"))
