"""The sample that is picked: large, with what is known of it and the labels it can get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QGridLayout, QLineEdit, QWidget

from app.gui import formats
from app.gui.pictures import load_picture, pixmap_of
from app.gui.widgets import Button, Facts, card, clear, column, label, row
from app.store.records import Sample

if TYPE_CHECKING:
    from app.gui.pages.samples import SamplesPage
    from edge_runtime.inference.preprocess import Image

SIDE = 168
WIDE_ROW, NARROW_ROW = 2, 5
"""Label buttons in a row: of words, and of one or two characters with their keys."""
SHORT = 2
MOST = 30
"""Labels that get a button; the others are typed."""


class SampleDetail(QWidget):
    def __init__(self, page: SamplesPage) -> None:
        super().__init__()
        self._page = page
        self._shown: str | None = None
        self._picture = label()
        self._picture.setFixedHeight(SIDE)
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._picture.setAccessibleName(self.tr("Picture of the sample"))
        self._facts = Facts()
        self._heading = label(self.tr("Label"), "section")
        self._labels: QGridLayout = QGridLayout()
        self._labels.setSpacing(8)
        self._offered: dict[str, str] = {}
        self.other = QLineEdit()
        self.other.setPlaceholderText(self.tr("Another label"))
        self.other.setAccessibleName(self.tr("Another label"))
        self.other.returnPressed.connect(self._take_other)
        use = Button(self.tr("Use"), clicked=self._take_other)
        use.setAccessibleName(self.tr("Use the label that was typed"))
        self.remove = Button(
            self.tr("Take label away"), "close", kind="ghost", clicked=lambda: self._page.label_selected(None)
        )
        self._hint = label(
            self.tr("Arrows move, the key on a button labels, Backspace takes a label away."), "caption", wrap=True
        )
        self.setLayout(
            column(
                card(self._picture, gap=0, padding=8),
                card(self._heading, self._labels, row(self.other, use), self.remove, self._hint, gap=8, padding=12),
                card(self._facts, gap=12, padding=12),
                1,
                gap=16,
            )
        )

    def show_labels(self, keys: Mapping[str, str]) -> None:
        """One button a known label, with its key."""
        if self._offered == keys:
            return
        self._offered = dict(keys)
        clear(self._labels)
        offered = sorted(keys.items(), key=lambda item: item[1])[:MOST]
        texts = [name if key == name.lower() else f"{name}  ({key})" for key, name in offered]
        per_row = NARROW_ROW if all(len(text) <= SHORT for text in texts) else WIDE_ROW
        for number, ((_key, name), text) in enumerate(zip(offered, texts, strict=True)):
            button = Button(text, clicked=partial(self._page.label_selected, name))
            button.setAccessibleName(self.tr("Label as {name}").format(name=name))
            button.setProperty("kind", "label")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._labels.addWidget(button, number // per_row, number % per_row)

    def show_samples(self, chosen: Sequence[Sample]) -> None:
        """Show the last one of what is selected."""
        self.setEnabled(bool(chosen))
        self._heading.setText(
            self.tr("Label {n} samples").format(n=len(chosen)) if len(chosen) > 1 else self.tr("Label")
        )
        if not chosen:
            self._shown = None
            self._picture.setPixmap(QPixmap())
            self._facts.show_facts([])
            return
        sample = chosen[-1]
        self.remove.setEnabled(any(one.label is not None for one in chosen))
        self._facts.show_facts(
            [
                (self.tr("Label"), sample.label or self.tr("none yet")),
                (self.tr("Model's guess"), self._guess(sample)),
                (self.tr("Kept because"), self._reason(sample.reason)),
                (self.tr("Seen"), formats.clock(sample.at_ms)),
                (self.tr("Frame"), sample.frame),
                (self.tr("Size"), formats.size(sample.size)),
                (self.tr("Id"), formats.short(sample.sample)),
            ]
        )
        if sample.sample != self._shown:
            self._shown = sample.sample
            context, ratio = self._page.context, self.devicePixelRatioF()
            self._page.query(
                "picture",
                lambda: (sample.sample, load_picture(context, sample.sample, round(SIDE * ratio), bring=True)),
                lambda loaded: self._loaded(*loaded),
            )

    def _loaded(self, sample: str, picture: Image | None) -> None:
        if sample != self._shown:
            return
        if picture is None:
            self._picture.setText(self.tr("The picture is not on this desktop yet."))
            return
        self._picture.setPixmap(pixmap_of(picture, self.devicePixelRatioF()))

    def _take_other(self) -> None:
        name = self.other.text().strip()
        if name:
            self.other.clear()
            self._page.label_selected(name)
            self._page.grid.setFocus()

    def _guess(self, sample: Sample) -> str:
        if sample.predicted is None:
            return formats.NONE
        return f"{sample.predicted} ({formats.percent(sample.confidence)})"

    def _reason(self, reason: str) -> str:
        words = {
            "hard": self.tr("the model was not sure"),
            "random": self.tr("a random share is kept"),
            "unlabelled": self.tr("no model was there"),
            "recovered": self.tr("its row was lost on the box"),
            "import": self.tr("it was imported"),
        }
        return words.get(reason, reason)
