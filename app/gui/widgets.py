"""The few building blocks that every page is made of."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QBoxLayout,
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStyledItemDelegate,
    QVBoxLayout,
    QWidget,
)

from app.gui import icons
from app.gui.states import State
from app.gui.theme import Tone, tokens

Kind = Literal["primary", "plain", "ghost", "danger", "choice", "segment"]
Item = QWidget | QLayout | int
B = TypeVar("B", bound=QBoxLayout)
S = TypeVar("S", QSpinBox, QDoubleSpinBox)

TOUCH = 44
"""Smallest height of a control that a finger must hit, in logical pixels."""
SEGMENT_PADDING = 28
"""Left and right of a segment's word, borders included."""
SPIN_PADDING = 10
GAP = 8
_REPAINTS = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)


def restyle(widget: QWidget) -> None:
    """Apply the style sheet again after a property that it looks at has changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def label(text: str = "", role: str = "", *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """A label in one of the style sheet's roles. Its text is plain: nothing that arrives is ever markup."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if selectable:
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def plain_tip(text: str) -> str:
    """A tip that shows just this text: Qt would take one that looks like markup for it."""
    return f"<p style='white-space:pre-wrap'>{html.escape(text)}</p>" if "<" in text else text


class OneLine(QLabel):
    """Plain text on one line, however long: where it has no room the middle is left out, and the tip has all of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._whole = text
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        fits = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width())
        self.setText(fits)
        self.setToolTip("" if fits == self._whole else plain_tip(self._whole))


def row(*items: Item, gap: int = GAP) -> QHBoxLayout:
    """Items side by side; a number is a stretch."""
    return _fill(QHBoxLayout(), items, gap)


def column(*items: Item, gap: int = GAP) -> QVBoxLayout:
    """Items one below the other; a number is a stretch."""
    return _fill(QVBoxLayout(), items, gap)


def _fill(box: B, items: Iterable[Item], gap: int) -> B:
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(gap)
    for item in items:
        if isinstance(item, int):
            box.addStretch(item)
        elif isinstance(item, QWidget):
            box.addWidget(item)
        else:
            box.addLayout(item)
    return box


def card(*items: Item, gap: int = GAP, padding: int = 16) -> QFrame:
    """A framed surface."""
    frame = QFrame()
    frame.setProperty("role", "card")
    box = column(*items, gap=gap)
    box.setContentsMargins(padding, padding, padding, padding)
    frame.setLayout(box)
    return frame


def line(*, upright: bool = False) -> QFrame:
    """A hairline between two groups, or ``upright`` between two columns."""
    frame = QFrame()
    frame.setProperty("role", "upright-line" if upright else "line")
    return frame


def clear(box: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while (item := box.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear(inner)


class Button(QPushButton):
    """A button with one of our icons, in a colour that follows the theme."""

    def __init__(
        self,
        text: str = "",
        icon: str | None = None,
        *,
        kind: Kind = "plain",
        tip: str = "",
        clicked: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(text)
        self._icon = icon
        self._tone: Tone | None = None
        self._kind = kind
        self.setProperty("kind", kind)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._gap = 0
        self.setAccessibleName(text or tip)
        self.setAutoDefault(kind == "primary")
        if tip:
            self.setToolTip(tip)
        if not text:
            self.setFixedWidth(TOUCH)
        self._space(text)
        if clicked is not None:
            self.clicked.connect(lambda _checked=False: clicked())
        self._tint()

    def use_icon(self, icon: str, tone: Tone) -> None:
        """Another icon, in a tone of its own."""
        self._icon, self._tone = icon, tone
        self._tint()

    def rename(self, text: str) -> None:
        self.setText(text)
        self.setAccessibleName(text)
        self._space(text)
        self._tint()

    def _space(self, text: str) -> None:
        self._gap = 6 if text else 0
        self.setIconSize(QSize(icons.SIZE + self._gap, icons.SIZE))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses the button that has the focus, also where another one is the default."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
            return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in _REPAINTS:
            self._tint()

    def _tint(self) -> None:
        if self._icon is None:
            return
        now = tokens()
        colour = {"primary": now.on_accent, "ghost": now.muted, "danger": now.bad}.get(self._kind, now.text)
        if self._tone is not None:
            colour = now.tone(self._tone)
        self.setIcon(icons.icon(self._icon, colour, now.border_strong, self._gap))


class IconLabel(QLabel):
    """An icon that follows the theme; decoration only, so it has no name of its own."""

    def __init__(self, icon: str, tone: Tone = "muted", size: int = icons.SIZE) -> None:
        super().__init__()
        self._icon, self._tone, self._size = icon, tone, size
        self.setFixedSize(size, size)
        self._tint()

    def set_icon(self, icon: str, tone: Tone) -> None:
        self._icon, self._tone = icon, tone
        self._tint()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in _REPAINTS:
            self._tint()

    def _tint(self) -> None:
        self.setPixmap(icons.pixmap(self._icon, tokens().tone(self._tone), self._size))


class Chip(QFrame):
    """A state: icon and word on a quiet ground."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__()
        self.setProperty("role", "chip")
        self._icon = IconLabel("idle", "idle", 16)
        self._word = label()
        box = row(self._icon, self._word, gap=6)
        box.setContentsMargins(8, 3, 10, 3)
        self.setLayout(box)
        if state is not None:
            self.set_state(state)

    def set_state(self, state: State) -> None:
        self._icon.set_icon(state.icon, state.tone)
        self._word.setText(state.word)
        self.setAccessibleName(state.word)
        for widget in (self, self._word):
            widget.setProperty("tone", state.tone)
            restyle(widget)


class Empty(QWidget):
    """An empty page: one sentence and one button."""

    def __init__(self, icon: str, sentence: str, button: Button) -> None:
        super().__init__()
        self.button = button
        text = label(sentence, "muted", wrap=True)
        text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        text.setFixedWidth(440)
        # Rows between stretches, not alignment: only so does a sentence of two lines get its height.
        self.setLayout(
            column(1, row(1, IconLabel(icon, "muted", 48), 1), row(1, text, 1), row(1, button, 1), 1, gap=16)
        )


class Facts(QWidget):
    """Captions and values in two columns; values can be selected and copied."""

    def __init__(self, columns: int = 1) -> None:
        super().__init__()
        self._columns = columns
        self._values: dict[str, QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)

    def show_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show these; only what changed is touched, so that a selection survives a refresh."""
        if [caption for caption, _ in facts] != list(self._values):
            clear(self._grid)
            self._values = {}
            for number, (caption, _) in enumerate(facts):
                value = label(wrap=True, selectable=True)
                value.setAccessibleName(caption)
                at = number // self._columns, 2 * (number % self._columns)
                self._grid.addWidget(label(caption, "muted"), *at, Qt.AlignmentFlag.AlignTop)
                self._grid.addWidget(value, at[0], at[1] + 1, Qt.AlignmentFlag.AlignTop)
                self._grid.setColumnStretch(at[1] + 1, 1)
                self._values[caption] = value
        for caption, text in facts:
            if self._values[caption].text() != text:
                self._values[caption].setText(text)


class Figure(QWidget):
    """One large figure with its caption."""

    def __init__(self, caption: str, value: str = "", tone: Tone = "text") -> None:
        super().__init__()
        self._value = label(value, "figure")
        self._caption = label(caption, "caption")
        self.setLayout(column(self._value, self._caption, gap=0))
        self.set_value(value, tone)

    def set_value(self, value: str, tone: Tone = "text") -> None:
        self._value.setText(value)
        self._value.setProperty("tone", tone)
        self._value.setAccessibleName(f"{self._caption.text()}: {value}")
        restyle(self._value)


def dropdown(name: str = "") -> QComboBox:
    """A choice out of many. Only with this delegate do its items take the style sheet's height."""
    made = QComboBox()
    made.setItemDelegate(QStyledItemDelegate(made))
    if name:
        made.setAccessibleName(name)
    return made


def figures(spin: S, least: int, most: int, suffix: str) -> S:
    """Range and unit of a spin box, and room before its figure, which the style sheet cannot give."""
    spin.setRange(least, most)
    spin.setSuffix(suffix)
    edit = spin.findChild(QLineEdit)
    if edit is not None:
        edit.setTextMargins(SPIN_PADDING, 0, 0, 0)
    return spin


def _bold_width(text: str) -> int:
    """How wide the word is once it is the chosen one."""
    font = QFont(QApplication.font())
    font.setWeight(QFont.Weight.DemiBold)
    return QFontMetrics(font).horizontalAdvance(text)


class Segments(QFrame):
    """One choice out of a few, all of them in sight."""

    chosen = Signal(object)

    def __init__(self, name: str, choices: Sequence[tuple[str, object]]) -> None:
        super().__init__()
        self.setProperty("role", "segments")
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self._values = [value for _, value in choices]
        box = row(gap=2)
        box.setContentsMargins(2, 2, 2, 2)
        for number, (text, _) in enumerate(choices):
            button = Button(text, kind="segment")
            button.setCheckable(True)
            button.setAccessibleName(f"{name}: {text}")
            button.setMinimumWidth(_bold_width(text) + SEGMENT_PADDING)
            self._group.addButton(button, number)
            box.addWidget(button)
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(lambda number: self.chosen.emit(self._values[number]))
        self.setLayout(box)
        self.setSizePolicy(self.sizePolicy().Policy.Maximum, self.sizePolicy().Policy.Fixed)

    @property
    def value(self) -> object:
        return self._values[self._group.checkedId()]

    def choose(self, value: object) -> None:
        """Choose without telling anybody."""
        self._group.button(self._values.index(value)).setChecked(True)
