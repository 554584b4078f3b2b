"""The grid of samples: thumbnails loaded off the GUI thread, labelled by keyboard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.context import Context
from app.gui import formats, icons
from app.gui.pictures import load_picture, pixmap_of
from app.gui.tables import PAGE, ROW_ROLE, PagedModel
from app.gui.tasks import Tasks
from app.gui.theme import tokens
from app.store.records import Sample

if TYPE_CHECKING:
    from edge_runtime.inference.preprocess import Image

THUMBNAIL = 112
TILE = QSize(136, 168)
CACHED = 1500
BATCH = 24
_LETTERS = "123456789abcdefghijklmnopqrstuvwxyz"


def label_keys(labels: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Key to label. Labels of one character are their own key; the others get what is free, in order.

    :param given: keys that hands know already; they stay as they are, whatever labels come.
    """
    keys = dict(given or {})
    for name in labels:
        if len(name) == 1 and name.isalnum() and name not in keys.values():
            keys.setdefault(name.lower(), name)
    free = (letter for letter in _LETTERS if letter not in keys)
    for name in labels:
        if name not in keys.values():
            letter = next(free, None)
            if letter is None:
                break
            keys[letter] = name
    return keys


class Thumbnails:
    """Pictures by sample id, the least recently shown ones forgotten first."""

    def __init__(self, context: Context, tasks: Tasks, view: QAbstractItemView) -> None:
        self._context, self._tasks, self._view = context, tasks, view
        self._pictures: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._wanted: OrderedDict[str, None] = OrderedDict()
        self._loading = False
        self._timer = QTimer(view, interval=0, singleShot=True)
        self._timer.timeout.connect(self._load)

    def get(self, sample: str) -> QPixmap | None:
        """The picture, or None while it is on its way (or when there is none)."""
        if sample in self._pictures:
            self._pictures.move_to_end(sample)
            return self._pictures[sample]
        self._wanted[sample] = None
        self._wanted.move_to_end(sample)
        if not self._loading and not self._timer.isActive():
            self._timer.start()
        return None

    def _load(self) -> None:
        # Newest wish first: what was scrolled past can wait, and is dropped when there is too much of it.
        batch = [self._wanted.popitem(last=True)[0] for _ in range(min(BATCH, len(self._wanted)))]
        while len(self._wanted) > CACHED // 2:
            self._wanted.popitem(last=False)
        if not batch:
            return
        self._loading = True
        context = self._context
        side = round(THUMBNAIL * self._view.devicePixelRatioF())
        self._tasks.run_query(
            lambda: [(sample, load_picture(context, sample, side)) for sample in batch], self._arrived, owner=self._view
        )

    def _arrived(self, pictures: list[tuple[str, Image | None]]) -> None:
        self._loading = False
        ratio = self._view.devicePixelRatioF()
        for sample, picture in pictures:
            self._pictures[sample] = None if picture is None else pixmap_of(picture, ratio)
        while len(self._pictures) > CACHED:
            self._pictures.popitem(last=False)
        self._view.viewport().update()
        if self._wanted:
            self._timer.start()


class TileDelegate(QStyledItemDelegate):
    """Paints picture, label (or what the model guessed) and confidence."""

    def __init__(self, thumbnails: Thumbnails, view: QListView) -> None:
        super().__init__(view)
        self._thumbnails = thumbnails

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return TILE

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        sample: Sample = index.data(ROW_ROLE)
        style: Any = option  # the stubs do not know the option's fields
        now = tokens()
        tile: QRect = style.rect.adjusted(4, 4, -4, -4)
        selected = bool(style.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(now.accent if selected else now.border), 2 if selected else 1))
        painter.setBrush(QColor(now.accent_soft if selected else now.surface))
        painter.drawRoundedRect(tile, 8, 8)
        frame = QRect(tile.center().x() - THUMBNAIL // 2 + 1, tile.top() + 8, THUMBNAIL, THUMBNAIL)
        picture = self._thumbnails.get(sample.sample)
        if picture is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(now.sunken))
            painter.drawRoundedRect(frame, 4, 4)
            if sample.stored:  # it comes once somebody opens it
                middle = frame.center()
                painter.drawPixmap(middle.x() - 12, middle.y() - 12, icons.pixmap("cloud", now.muted, 24))
        else:
            size = picture.deviceIndependentSize()
            painter.drawPixmap(
                round(frame.center().x() - size.width() / 2 + 1),
                round(frame.center().y() - size.height() / 2 + 1),
                picture,
            )
        self._caption(painter, QRect(tile.left() + 10, frame.bottom() + 6, tile.width() - 20, 28), sample)
        painter.restore()

    def _caption(self, painter: QPainter, where: QRect, sample: Sample) -> None:
        now = tokens()
        left = where
        if sample.label is not None:
            icon, colour, text = "tag", now.ok, sample.label
        else:
            icon, colour, text = "question", now.muted, sample.predicted or self.tr("no guess")
        top = where.center().y() - 7
        painter.drawPixmap(where.left(), top, icons.pixmap(icon, colour, 16))
        left = where.adjusted(22, 0, 0, 0)
        font = QFont(painter.font())
        font.setPixelSize(14)
        font.setBold(sample.label is not None)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        middle = Qt.AlignmentFlag.AlignVCenter
        room = left.width() - (44 if sample.confidence is not None else 0)
        words = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
        painter.drawText(left, middle | Qt.AlignmentFlag.AlignLeft, words)
        if sample.confidence is not None:
            font.setPixelSize(12)
            font.setBold(False)
            painter.setFont(font)
            painter.setPen(QColor(now.muted))
            painter.drawText(left, middle | Qt.AlignmentFlag.AlignRight, formats.percent(sample.confidence, 0))


class SampleGrid(QListView):
    """Arrows move, letters and digits label what is selected."""

    key_typed = Signal(str)
    """A letter or digit, lower case; empty: take the label away."""
    selection_changed = Signal()

    def __init__(self, model: PagedModel[Sample], context: Context, tasks: Tasks, name: str) -> None:
        super().__init__()
        self._model = model
        self.setAccessibleName(name)
        self.setModel(model)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(48)
        self.setGridSize(TILE)
        self.setItemDelegate(TileDelegate(Thumbnails(context, tasks, self), self))
        model.needed_rows = self._needed_rows
        self.selectionModel().selectionChanged.connect(lambda _in, _out: self.selection_changed.emit())

    @property
    def selected(self) -> list[Sample]:
        """In the order of the grid."""
        return [index.data(ROW_ROLE) for index in sorted(self.selectedIndexes(), key=QModelIndex.row)]

    def advance(self) -> None:
        """Select the sample after the last selected one."""
        rows = [index.row() for index in self.selectedIndexes()]
        following = min(max(rows, default=-1) + 1, self._model.rowCount() - 1)
        if following >= 0:
            self.setCurrentIndex(self._model.index(following, 0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        text = event.text().lower()
        if plain and self.selectedIndexes():
            if event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
                self.key_typed.emit("")
                return
            if len(text) == 1 and text.isalnum():
                self.key_typed.emit(text)
                return
        super().keyPressEvent(event)

    def _needed_rows(self) -> int:
        last = self.indexAt(self.viewport().rect().bottomRight() - self.viewport().rect().center() / 8)
        return (last.row() if last.isValid() else self._model.rowCount()) + PAGE // 2
