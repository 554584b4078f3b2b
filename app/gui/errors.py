"""The one dialog in which every error ends: title, what happened, what to do, and details to copy."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import QCoreApplication, Qt, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QWidget

from app.gui import error_texts
from app.gui.widgets import Button, IconLabel, column, label, row
from app.redact import redact
from edge_runtime.contracts.errors import LinesideError

MOST_SHOWN = 4_000
"""Characters of a message."""
MOST_DETAILS = 200_000


def version() -> str:
    """The version of the installed program."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lineside")
    except PackageNotFoundError:
        return "unknown"


def as_lineside(error: BaseException) -> LinesideError:
    """A bug is shown like any other error, under the code for bugs."""
    if isinstance(error, LinesideError):
        return error
    return LinesideError(f"{type(error).__name__}: {error}")


def details(error: BaseException) -> str:
    """Everything that helps to find the cause, without secrets; in English, whatever the window speaks."""
    shown = as_lineside(error)
    lines = [
        f"{shown.title} [{shown.code}]",
        shown.message,
        shown.hint,
        "",
        f"Lineside {version()}, Python {platform.python_version()}, Qt {qVersion()}, {platform.platform()}",
        "",
        *traceback.format_exception(error),
    ]
    return shown_text("\n".join(lines), MOST_DETAILS).strip() + "\n"


def shown_text(text: str, most: int = MOST_SHOWN) -> str:
    """A message as it is shown, without secrets and no longer than anybody reads: a box may send megabytes."""
    if len(text) <= most:
        return redact(text)
    return redact(text[:most]) + f"… ({len(text) - most} more characters)"


class ErrorDialog(QDialog):
    """Shows one error. It never blocks the work behind it."""

    def __init__(self, error: BaseException, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        shown = as_lineside(error)
        self.error = error
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        heading = error_texts.title(shown.code, shown.title)
        self.setWindowTitle(heading)
        self.setAccessibleName(heading)
        self.setMinimumWidth(520)
        self.setMaximumWidth(640)
        self._copied = label("", "caption", wrap=True, selectable=True)
        copy = Button(self.tr("Copy details"), "copy", clicked=self.copy)
        close = Button(self.tr("Close"), kind="primary", clicked=self.accept)
        close.setDefault(True)
        title = label(heading, "section", wrap=True)
        title.setAccessibleDescription(shown.message)
        self._buttons = row(copy, 1, close)
        self._copied.hide()
        box = row(
            column(IconLabel("bad", "bad", 32), 1),
            column(
                title,
                label(shown_text(shown.message), wrap=True, selectable=True),
                label(shown_text(error_texts.hint(shown.code, shown.hint)), "muted", wrap=True, selectable=True),
                label(shown.code, "mono", selectable=True),
                8,
                self._copied,
                self._buttons,
                gap=12,
            ),
            gap=16,
        )
        box.setContentsMargins(24, 24, 24, 16)
        self.setLayout(box)
        close.setFocus()

    def copy(self) -> None:
        """Put the details on the clipboard."""
        QGuiApplication.clipboard().setText(details(self.error))
        self.say(self.tr("Copied, without secrets"))

    def say(self, text: str) -> None:
        """Tell quietly what became of what was asked for."""
        self._copied.setText(text)
        self._copied.show()
        # Words that wrap tell their height only for a width, and a dialog that is open does not ask again.
        layout = self.layout()
        if layout is not None:
            layout.activate()
            self.resize(self.width(), max(self.height(), layout.totalHeightForWidth(self.width())))

    def offer(self, word: str, icon: str, action: Callable[[], None]) -> Button:
        """One more thing that can be done about it."""
        button = Button(word, icon, clicked=action)
        self._buttons.insertWidget(1, button)
        return button


class ErrorDesk:
    """Brings errors to the dialog, from slots and workers alike; the same error is not stacked up."""

    def __init__(self) -> None:
        self.parent: QWidget | None = None
        self._open: list[ErrorDialog] = []
        self._hook = sys.excepthook

    def show(self, error: BaseException) -> None:
        """In the GUI thread: show ``error`` unless just this one is on the screen already."""
        shown = as_lineside(error)
        if any(str(as_lineside(other.error)) == str(shown) for other in self._open):
            return
        dialog = ErrorDialog(error, self.parent)
        self._open.append(dialog)
        dialog.finished.connect(lambda _result: self._forget(dialog))
        # A dialog that goes with its window is never finished.
        dialog.destroyed.connect(lambda: self._forget(dialog))
        dialog.open()

    @property
    def open(self) -> tuple[ErrorDialog, ...]:
        return tuple(self._open)

    def _forget(self, dialog: ErrorDialog) -> None:
        self._open = [other for other in self._open if other is not dialog]

    def install(self) -> None:
        """Catch what slots let through; the terminal still sees it too."""
        self._hook = sys.excepthook
        sys.excepthook = self._caught

    def uninstall(self) -> None:
        sys.excepthook = self._hook

    def _caught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._hook(kind, error, trace)
        if isinstance(error, Exception) and QCoreApplication.instance() is not None:
            self.show(error)
