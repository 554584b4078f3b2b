"""Where a window stands: never larger than the screen, and where it was the last time."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QSize
from PySide6.QtWidgets import QWidget

FILE_NAME = "window.ini"
FRAME = QSize(16, 48)
"""What the window manager puts around a window, at most."""


def fit(window: QWidget, wanted: QSize, smallest: QSize) -> None:
    """Give ``window`` these sizes, or as much of them as its screen has room for."""
    room = window.screen().availableGeometry().size() - FRAME
    window.setMinimumSize(smallest.boundedTo(room))
    window.resize(wanted.boundedTo(room))


def remember(window: QWidget, home: Path) -> None:
    """Keep in the site's home where ``window`` is; a home that cannot be written to is no reason to complain."""
    kept = _kept(home)
    kept.setValue("geometry", window.saveGeometry())
    kept.sync()


def restore(window: QWidget, home: Path) -> None:
    """Put ``window`` where it was the last time, if that is known and still on a screen."""
    geometry = _kept(home).value("geometry")
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)


def _kept(home: Path) -> QSettings:
    return QSettings(str(home / FILE_NAME), QSettings.Format.IniFormat)
