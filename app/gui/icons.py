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
def pixmap(name: str, colour: str, size: int = SIZE, ratio: float = 2.0) -> QPixmap:
    """The icon as a pixmap of ``size`` logical pixels, drawn for a screen of ``ratio`` pixels per point."""
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))
    image = QPixmap(round(size * ratio), round(size * ratio))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, image.width(), image.height()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


@lru_cache(maxsize=512)
def icon(name: str, colour: str, disabled: str | None = None) -> QIcon:
    """The icon in ``colour``; in ``disabled`` where its control is."""
    made = QIcon()
    for ratio in (1.0, 2.0, 3.0):
        made.addPixmap(pixmap(name, colour, SIZE, ratio))
        if disabled:
            made.addPixmap(pixmap(name, disabled, SIZE, ratio), QIcon.Mode.Disabled)
    return made


def application_icon() -> QIcon:
    return QIcon(str(folder() / "lineside.svg"))
