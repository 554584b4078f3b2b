"""What all pages have in common: a header, an empty state, and reloading only when somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QStackedWidget, QWidget

from app.context import Context
from app.gui.session import Session
from app.gui.widgets import Empty, column, label, row

T = TypeVar("T")

DETAIL_WIDTH = 356
"""The narrowest that a detail panel may get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that the palette offers."""

    title: str
    icon: str
    run: Callable[[], object]


class Page(QWidget):
    """A page of the left rail.

    ``tables``: the database's tables that it shows; a change in one of them reloads it, at once where it is
    in sight and on its next showing otherwise.
    """

    tables: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: Session, title: str) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(title)
        self.session = session
        self.main: QWidget | None = None
        """What gets the focus when the page is shown."""
        self._stale = True
        self._flying: dict[str, Callable[[], None] | None] = {}
        self.subtitle: QLabel = label("", "muted", wrap=True)
        self.buttons: QHBoxLayout = row()
        self._stack = QStackedWidget()
        self.body: QBoxLayout = column(gap=16)
        full = QWidget()
        full.setLayout(self.body)
        self._stack.addWidget(full)
        self._toolbar = QWidget()
        self._toolbar.setLayout(self.buttons)
        # Where the window is narrow the words wrap; no button is cut.
        self._toolbar.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.header = QWidget()
        """Title and toolbar; hidden where what is shown has a header of its own."""
        self.header.setLayout(row(column(label(title, "title"), self.subtitle, gap=0), self._toolbar, gap=16))
        box = column(self.header, gap=16)
        box.addWidget(self._stack, 1)
        box.setContentsMargins(24, 16, 24, 16)
        self.setLayout(box)
        session.changed.connect(self._on_changed)

    @property
    def context(self) -> Context:
        return self.session.context

    def reload(self) -> None:
        """Ask the use-cases again; called when something shown here changed."""

    def pick(self, key: str) -> None:
        """Show this one, as soon as it is there."""

    def commands(self) -> list[Command]:
        """What the palette can start on this page."""
        return []

    def set_empty(self, empty: Empty) -> None:
        """What to show instead of the body while there is nothing."""
        self._stack.addWidget(empty)

    def show_empty(self, nothing: bool) -> None:
        self._stack.setCurrentIndex(1 if nothing and self._stack.count() > 1 else 0)
        # An empty page has one button, and that is in its middle.
        self._toolbar.setVisible(not self.is_empty)

    @property
    def is_empty(self) -> bool:
        return self._stack.currentIndex() == 1

    def query(self, slot: str, work: Callable[[], T], done: Callable[[T], Any]) -> None:
        """Ask off the GUI thread. While an answer in this slot is awaited only the newest question is kept."""
        if slot in self._flying:
            self._flying[slot] = lambda: self.query(slot, work, done)
            return
        self._flying[slot] = None

        def landed() -> bool:
            following = self._flying.pop(slot)
            if following is not None:
                following()
            return following is None

        def arrived(result: T) -> None:
            landed()
            done(result)

        def failed(error: BaseException) -> None:
            if landed():
                self.session.tasks.report(error)

        self.session.tasks.run_query(work, arrived, owner=self, failed=failed)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale:
            self._stale = False
            self.reload()

    def _on_changed(self, tables: frozenset[str]) -> None:
        if not tables & self.tables:
            return
        if self.isVisible():
            self.reload()
        else:
            self._stale = True


def scrolled(inside: QWidget) -> QScrollArea:
    """A detail panel that scrolls where the window is low."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setMinimumWidth(DETAIL_WIDTH)
    area.setWidget(inside)
    return area
