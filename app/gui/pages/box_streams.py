"""What was collected of one box, stream by stream: a paged table, the picked row in full, or why there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from PySide6.QtWidgets import QWidget

from app.gui.pages.base import Page as WindowPage
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Empty, column, label
from app.store.records import Page


class Keyed(Protocol):
    """What every stream's rows have."""

    @property
    def boot(self) -> str: ...
    @property
    def seq(self) -> int: ...


T = TypeVar("T", bound=Keyed)
Fetch = Callable[[str, str | None, int], Page[T]]
"""A page of a box's rows, off the GUI thread: box, cursor, limit."""


class StreamTable(QWidget, Generic[T]):
    """Rows of one stream of one box, newest first.

    :param words: the picked row in full, because a finger cannot hover over a cell that is too narrow for it.
    """

    def __init__(
        self,
        page: WindowPage,
        name: str,
        columns: Sequence[Column[T]],
        fetch: Fetch[T],
        words: Callable[[T], str],
        empty: Empty,
    ) -> None:
        super().__init__()
        self._fetch, self._words = fetch, words
        self._box: str | None = None
        self.model: PagedModel[T] = PagedModel(
            columns,
            lambda _cursor, _limit: Page(rows=()),
            lambda row: f"{row.boot} {row.seq}",
            page.session.tasks,
            self,
        )
        self.table = DataTable(self.model, name)
        self.empty = empty
        self.full = label("", "muted", wrap=True, selectable=True)
        self.full.setAccessibleName(name)
        self.full.hide()
        empty.hide()
        # Not in a stack: there the table could never be lower than what is shown instead of it.
        self.setLayout(column(self.table, self.full, empty, gap=8))
        self.model.loaded.connect(self._loaded)
        self.table.picked.connect(self._picked)

    @property
    def is_empty(self) -> bool:
        return not self.empty.isHidden()

    def show_box(self, box: str) -> None:
        """Show this box's rows, as they are now."""
        if box == self._box:
            self.model.reload()
            return
        self._box = box
        fetch = self._fetch
        self.model.use(lambda cursor, limit: fetch(box, cursor, limit))

    def _loaded(self) -> None:
        nothing = not self.model.rowCount()
        self.table.setVisible(not nothing)
        self.empty.setVisible(nothing)
        if nothing:
            self.full.hide()

    def _picked(self, row: T | None) -> None:
        self.full.setText(self._words(row) if row is not None else "")
        self.full.setVisible(row is not None)
