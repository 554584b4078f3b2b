"""What desktops that were apart decided differently, and the two answers to each."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.pages.base import Page
from app.gui.widgets import Button, card, clear, column, label, line, row
from app.usecases import conflicts
from app.usecases.conflicts import Conflict

MOST_SHOWN = 3
"""The newest; the others come up as these are decided."""


class ConflictPanel(QWidget):
    """One card for each of the newest; hidden where there are none."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._shown: tuple[Conflict, ...] = ()
        self._heading = label("", "section")
        self._cards: QVBoxLayout = column(gap=12)
        self.buttons: dict[tuple[str, bool], Button] = {}
        """By conflict, and whether the other value is taken."""
        self.values: dict[tuple[str, bool], QLabel] = {}
        """The same for what the two are."""
        self.setLayout(column(self._heading, self._cards, gap=8))
        self.hide()

    def reload(self) -> None:
        context = self._page.context
        self._page.query("conflicts", lambda: conflicts.list_conflicts(context), self.show_conflicts)

    def show_conflicts(self, found: list[Conflict]) -> None:
        """Made anew only where something changed, so that no button goes away under the pointer."""
        self.setVisible(bool(found))
        self._heading.setText(self.tr("Conflicts between desktops: {n}").format(n=formats.count(len(found))))
        wanted = tuple(found[:MOST_SHOWN])
        if wanted == self._shown:
            return
        self._shown = wanted
        clear(self._cards)
        self.buttons, self.values = {}, {}
        for one in wanted:
            self._cards.addWidget(self._card(one))

    def _card(self, one: Conflict) -> QWidget:
        choices = row(self._choice(one, take=False), line(upright=True), self._choice(one, take=True), gap=16)
        choices.setStretch(0, 1)
        choices.setStretch(2, 1)
        return card(label(self._title(one), "section", wrap=True, selectable=True), choices, gap=8, padding=12)

    def _choice(self, one: Conflict, *, take: bool) -> QVBoxLayout:
        """A value and its button. Both look alike: neither desktop is more right than the other."""
        if take:
            head, icon, word = self.tr("The other one"), "undo", self.tr("Take the other one")
            value, desktop, at_ms = one.other, one.other_by, one.other_ms
        else:
            head, icon, word = self.tr("What stands"), "ok", self.tr("Keep what stands")
            value, desktop, at_ms = one.stands, one.stands_by, one.stands_ms
        said = self.tr("{desktop}, {when}").format(desktop=desktop, when=formats.clock(at_ms))
        button = Button(word, icon, clicked=partial(self.decide, one, take=take))
        button.setAccessibleName(f"{self._title(one)}: {word}")
        shown = label(self._value(one, value), wrap=True, selectable=True)
        self.buttons[one.conflict, take] = button
        self.values[one.conflict, take] = shown
        words = column(label(head, "caption"), shown, label(said, "caption", wrap=True, selectable=True), gap=2)
        return column(words, 1, row(button, 1), gap=8)

    def decide(self, one: Conflict, *, take: bool) -> None:
        """Here and, with the next sync, on every desktop."""
        context = self._page.context
        for answer in (True, False):
            self.buttons[one.conflict, answer].setEnabled(False)
        work = conflicts.take_other if take else conflicts.keep
        self._page.session.tasks.run_query(
            lambda: work(context, one.conflict),
            lambda _done: self.reload(),
            owner=self,
            failed=self._failed,
        )

    def _failed(self, error: BaseException) -> None:
        self._shown = ()
        self.reload()
        self._page.session.tasks.report(error)

    def _title(self, one: Conflict) -> str:
        kinds = {
            "boxes": self.tr("Box {name}"),
            "box_labels": self.tr("Group of box {name}"),
            "label_events": self.tr("Label of sample {name}"),
            "datasets": self.tr("Dataset {name}"),
            "models": self.tr("Model {name}"),
            "rollouts": self.tr("Rollout {name}"),
            "decisions": self.tr("Decision about {name}"),
        }
        fields = {
            "name": self.tr("name"),
            "address": self.tr("address"),
            "label": self.tr("label"),
            "state": self.tr("state"),
            "plan": self.tr("plan"),
            "version": self.tr("version"),
            "choice": self.tr("choice"),
        }
        subject = kinds.get(one.kind, "{name}").format(name=one.subject)
        return f"{subject}: {fields.get(one.field, one.field)}" if one.field else subject

    def _value(self, one: Conflict, value: Any) -> str:
        if not one.field:
            return self.tr("it is there") if value else self.tr("it was deleted")
        return self.tr("none") if value is None else str(value)[:80]
