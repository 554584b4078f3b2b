"""Tables over keyset pages: rows are fetched by the workers, and only as far as somebody scrolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.gui import icons
from app.gui.states import State
from app.gui.tasks import Tasks
from app.gui.theme import tokens
from app.gui.widgets import plain_tip
from app.store.records import Page

T = TypeVar("T")
Index = QModelIndex | QPersistentModelIndex

PAGE = 100
"""Rows a fetch."""
ROW_HEIGHT = 44
REPAINT_MS = 5000
"""Texts such as "just now" are painted anew this often, because they age."""
ROW_ROLE = int(Qt.ItemDataRole.UserRole)
"""The record itself."""
_ROOT = QModelIndex()


@dataclass(frozen=True, kw_only=True)
class Column(Generic[T]):
    """One column: what it is called and what it shows of a record."""

    title: str
    text: Callable[[T], str]
    state: Callable[[T], State] | None = None
    """Icon and tone, where the column shows a state; ``text`` is its word."""
    number: bool = False
    width: int = 120
    spare: int = 0
    """Where the table is narrow, columns with the highest figure are hidden first; 0: never."""
    stretch: bool = False
    tip: Callable[[T], str] | None = None


class PagedModel(QAbstractTableModel, Generic[T]):
    """Records in the order in which ``fetch`` gives them.

    :param fetch: runs on a worker; cursor (None: from the start) and limit to a page.
    :param key: a record's id, by which a reload tells what changed.
    """

    loaded = Signal()
    """After every fetch, also one that brought nothing."""

    def __init__(
        self,
        columns: Sequence[Column[T]],
        fetch: Callable[[str | None, int], Page[T]],
        key: Callable[[T], str],
        tasks: Tasks,
        parent: QObject | None = None,
        *,
        page: int = PAGE,
    ) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.needed_rows: Callable[[], int] = lambda: 0
        """How many rows from the top are in use; set by the view."""
        self.ever_loaded = False
        self.total: int | None = None
        """How many records there are, where ``fetch`` says so."""
        self._fetch, self._key, self._tasks, self._page = fetch, key, tasks, page
        self._rows: list[T] = []
        self._cursor: str | None = None
        self._busy = False
        self._again = False
        self._generation = 0

    @property
    def rows(self) -> Sequence[T]:
        return self._rows

    def row_of(self, key: str) -> int | None:
        """Where the record with this id is, if it is loaded."""
        return next((number for number, row in enumerate(self._rows) if self._key(row) == key), None)

    def key_at(self, row: int) -> str | None:
        return self._key(self._rows[row]) if 0 <= row < len(self._rows) else None

    def use(self, fetch: Callable[[str | None, int], Page[T]]) -> None:
        """Another question, such as another filter: start again at the top."""
        self._fetch = fetch
        self._generation += 1
        self._busy = False
        self._load(0)

    def reload(self) -> None:
        """Fetch again what is in use, and tell the views only what changed."""
        self._load(self.needed_rows())

    def _load(self, needed: int) -> None:
        if self._busy:
            self._again = True
            return
        self._busy = True
        fetch, page, generation = self._fetch, self._page, self._generation
        wanted = max(page, min(needed, len(self._rows)))

        def work() -> Page[T]:
            part = fetch(None, page)
            rows, total = list(part.rows), part.total
            while part.cursor is not None and len(rows) < wanted:
                part = fetch(part.cursor, page)
                rows += part.rows
            return Page(rows=tuple(rows), cursor=part.cursor, total=total)

        def apply(found: Page[T]) -> None:
            self.total = found.total
            self._replace(list(found.rows), found.cursor)

        self._tasks.run_query(
            work,
            lambda found: self._arrived(generation, lambda: apply(found)),
            owner=self,
            failed=self._failed,
        )

    def canFetchMore(self, parent: Index = _ROOT) -> bool:
        return not parent.isValid() and self._cursor is not None and not self._busy

    def fetchMore(self, parent: Index) -> None:
        if not self.canFetchMore(parent):
            return
        self._busy = True
        fetch, cursor, page, generation = self._fetch, self._cursor, self._page, self._generation

        def arrived(part: Page[T]) -> None:
            self._arrived(generation, lambda: self._append(part))

        self._tasks.run_query(lambda: fetch(cursor, page), arrived, owner=self, failed=self._failed)

    def _failed(self, error: BaseException) -> None:
        self._busy = False
        self._tasks.report(error)

    def _arrived(self, generation: int, apply: Callable[[], None]) -> None:
        if generation != self._generation:
            return
        self._busy = False
        apply()
        self.ever_loaded = True
        self.loaded.emit()
        if self._again:
            self._again = False
            self.reload()

    def _append(self, part: Page[T]) -> None:
        self._cursor = part.cursor
        known = {self._key(row) for row in self._rows}
        fresh = [row for row in part.rows if self._key(row) not in known]
        if fresh:
            self.beginInsertRows(_ROOT, len(self._rows), len(self._rows) + len(fresh) - 1)
            self._rows += fresh
            self.endInsertRows()

    def _replace(self, rows: list[T], cursor: str | None) -> None:
        """Turn what is shown into ``rows`` with as little change as the order allows."""
        self._cursor = cursor
        new = [self._key(row) for row in rows]
        stays = set(new)
        old = [key for row in self._rows if (key := self._key(row)) in stays]
        if not old or not _is_subsequence(old, new):
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
            return
        self._remove(stays)
        self._insert(rows, new)
        for number, row in enumerate(rows):
            if row != self._rows[number]:
                self._rows[number] = row
                self.dataChanged.emit(self.index(number, 0), self.index(number, len(self.columns) - 1))

    def _remove(self, stays: set[str]) -> None:
        last = len(self._rows) - 1
        while last >= 0:
            first = last
            while first >= 0 and self._key(self._rows[first]) not in stays:
                first -= 1
            if first < last:
                self.beginRemoveRows(_ROOT, first + 1, last)
                del self._rows[first + 1 : last + 1]
                self.endRemoveRows()
            last = first - 1

    def _insert(self, rows: list[T], new: list[str]) -> None:
        first = 0
        while first < len(new):
            here = self.key_at(first)
            last = first
            while last < len(new) and new[last] != here:
                last += 1
            if last > first:
                self.beginInsertRows(_ROOT, first, last - 1)
                self._rows[first:first] = rows[first:last]
                self.endInsertRows()
            first = last + 1

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(self.columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        record, shown = self._rows[index.row()], self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown.text(record)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(shown)
        if role == ROW_ROLE:
            return record
        if role == Qt.ItemDataRole.ToolTipRole and shown.tip is not None:
            return plain_tip(shown.tip(record))
        if shown.state is not None:
            state = shown.state(record)
            if role == Qt.ItemDataRole.DecorationRole:
                return icons.icon(state.icon, tokens().tone(state.tone))
            if role == Qt.ItemDataRole.ForegroundRole:
                return QColor(tokens().tone(state.tone))
        return None


def _is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    rest = iter(whole)
    return all(key in rest for key in part)


def _alignment(column: Column[Any]) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


class DataTable(QTableView):
    """A table of records: one row is picked at a time, and stays picked through reloads."""

    picked = Signal(object)
    """The record that is picked now, or None."""

    def __init__(self, model: PagedModel[Any], name: str) -> None:
        super().__init__()
        self._model = model
        self._picked: str | None = None
        self._wanted: str | None = None
        self.setModel(model)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(18, 18))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setMinimumSectionSize(48)
        for number, column in enumerate(model.columns):
            self.setColumnWidth(number, column.width)
            if column.stretch:
                header.setSectionResizeMode(number, QHeaderView.ResizeMode.Stretch)
        model.needed_rows = self._needed_rows
        model.modelReset.connect(self._pick_again)
        model.loaded.connect(self._pick_wanted)
        model.dataChanged.connect(self._maybe_tell)
        self.selectionModel().currentRowChanged.connect(self._changed)
        ageing = QTimer(self, interval=REPAINT_MS)
        ageing.timeout.connect(self.viewport().update)
        ageing.start()

    @property
    def record(self) -> Any:
        """The picked record, or None."""
        index = self.currentIndex()
        return index.data(ROW_ROLE) if index.isValid() else None

    def pick(self, key: str) -> bool:
        """Pick a record by its id; False where it is not loaded yet, it is then picked as soon as it is."""
        row = self._model.row_of(key)
        self._wanted = key if row is None else None
        if row is None:
            return False
        self.selectRow(row)
        self.scrollTo(self._model.index(row, 0))
        return True

    def pick_first(self) -> None:
        """Pick the first record where none is picked."""
        if not self.currentIndex().isValid() and self._model.rowCount():
            self.selectRow(0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        columns = self._model.columns
        room = self.viewport().width() - sum(column.width for column in columns)
        hidden = set()
        for number in sorted(range(len(columns)), key=lambda one: -columns[one].spare):
            if room < 0 and columns[number].spare:
                room += columns[number].width
                hidden.add(number)
        for number in range(len(columns)):
            self.setColumnHidden(number, number in hidden)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.activated.emit(self.currentIndex())
            return
        super().keyPressEvent(event)

    def _needed_rows(self) -> int:
        last = self.rowAt(self.viewport().height() - 1)
        return (last if last >= 0 else self._model.rowCount()) + PAGE // 2

    def _changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._picked = self._model.key_at(current.row())
        self.picked.emit(self.record)

    def _pick_again(self) -> None:
        row = self._model.row_of(self._picked) if self._picked is not None else None
        if row is not None:
            self.selectRow(row)
        else:
            self.picked.emit(None)

    def _pick_wanted(self) -> None:
        if self._wanted is not None:
            self.pick(self._wanted)

    def _maybe_tell(self, first: QModelIndex, last: QModelIndex) -> None:
        if first.row() <= self.currentIndex().row() <= last.row():
            self.picked.emit(self.record)
