"""Boxes that went back by themselves, and what a person decides about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.gui.dialogs import Confirm
from app.gui.states import state
from app.gui.widgets import Button, Chip, card, clear, column, label, row
from app.store.records import Choice, Rollout, RolloutBox
from app.usecases import rollout_decisions

if TYPE_CHECKING:
    from app.gui.pages.rollouts import RolloutsPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """A box about which somebody should decide, or has decided to hold."""

    part: RolloutBox
    name: str


class DecisionPanel(QWidget):
    """One card for each of them, with the three choices in plain words; hidden where there are none."""

    def __init__(self, page: RolloutsPage) -> None:
        super().__init__()
        self._page = page
        self._rollout: Rollout | None = None
        self._shown: tuple[Undecided, ...] | None = None
        self._cards: QVBoxLayout = column(gap=12)
        self.buttons: dict[tuple[str, Choice], Button] = {}
        """By box and choice."""
        self.setLayout(self._cards)

    def show_boxes(self, rollout: Rollout | None, boxes: Sequence[Undecided]) -> None:
        """Made anew only where something changed, so that no button goes away under the pointer."""
        wanted = tuple(boxes)
        self.setVisible(bool(wanted))
        same = (rollout and rollout.rollout) == (self._rollout and self._rollout.rollout)
        self._rollout = rollout
        if same and wanted == self._shown:
            return
        self._shown = wanted
        clear(self._cards)
        self.buttons = {}
        for one in wanted:
            self._cards.addWidget(self._card(one))

    def _card(self, one: Undecided) -> QWidget:
        held = one.part.state == "held"
        offered: list[tuple[Choice, str, str, str]] = [
            (
                "offer-again",
                "undo",
                self.tr("Offer again…"),
                self.tr("The box forgets that it refused this, and gets it once more when its turn comes."),
            ),
            (
                "hold",
                "pause",
                self.tr("Hold"),
                self.tr("This box keeps what it has and is left alone with this, until it is offered again."),
            ),
            (
                "blacklist",
                "stop",
                self.tr("Blacklist…"),
                self.tr("No box of the site is ever offered this again; its rollouts are aborted."),
            ),
        ]
        rows: list[QWidget | QVBoxLayout] = []
        for choice, icon, word, meaning in offered:
            if held and choice == "hold":
                continue
            button = Button(word, icon, kind="danger" if choice == "blacklist" else "plain")
            button.setAccessibleName(f"{one.name}: {word}")
            button.clicked.connect(lambda _checked=False, what=choice: self.ask(one, what))
            self.buttons[one.part.box, choice] = button
            rows.append(column(row(button, 1), label(meaning, "caption", wrap=True), gap=2))
        head = self.tr("{box}: held").format(box=one.name) if held else self.tr("{box}: decide").format(box=one.name)
        return card(row(label(head, "section"), 1, Chip(state(one.part.state))), *rows, gap=12)

    def ask(self, one: Undecided, choice: Choice) -> Confirm | None:
        """Ask where it cannot be taken back or sends something, then decide."""
        if choice == "hold":
            self._decide(one, choice)
            return None
        if choice == "blacklist":
            title = self.tr("Blacklist {model}?").format(model=self._model())
            sentence = self.tr("No box of the site is ever offered it again. This cannot be taken back.")
            names = self._page.runs.get(self._rollout.model, []) if self._rollout is not None else []
            if names:
                sentence += " " + self.tr("These boxes run it and keep it, until they are sent back or get another:")
            elif self._rollout is None or self._rollout.subject != "configuration":
                sentence += " " + self.tr("No box is known to run it.")
            primary = self.tr("Blacklist")
        else:
            title = self.tr("Offer {model} again?").format(model=self._model())
            sentence = self.tr("The box tries it on its live line once more, and goes back by itself if it does badly.")
            primary = self.tr("Offer again")
            names = [one.name]
        dialog = Confirm(title, sentence, names, primary, self, kind="danger" if choice == "blacklist" else "primary")
        dialog.accepted.connect(lambda: self._decide(one, choice))
        dialog.open()
        return dialog

    def _decide(self, one: Undecided, choice: Choice) -> None:
        if self._rollout is None:
            return
        context, model = self._page.context, self._rollout.model
        self._page.session.tasks.run_query(
            lambda: rollout_decisions.decide(context, one.part.box, model, choice), lambda _done: None, owner=self
        )

    def _model(self) -> str:
        return self._page.model_of(self._rollout) if self._rollout is not None else ""
