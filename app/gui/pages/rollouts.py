"""Rollouts: how far a release has come on its staged way onto the boxes."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.dialogs import Confirm
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.pages.measures import state_width
from app.gui.pages.start_rollout import StartRollout
from app.gui.session import Session
from app.gui.states import ROLLOUT_STATES, state
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Chip, Empty, Facts, card, clear, column, label, row
from app.store import records
from app.store.records import Box, Model, Rollout, RolloutBox
from app.usecases import boxes, models, rollouts


class RolloutsPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"rollouts", "models", "boxes"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Rollouts"))
        self.box_names: dict[str, str] = {}
        self.model_names: dict[str, str] = {}
        self.model: PagedModel[Rollout] = PagedModel(
            (
                Column[Rollout](title=self.tr("Model"), text=self.model_of, width=160, stretch=True),
                Column[Rollout](
                    title=self.tr("State"),
                    text=lambda one: state(one.state).word,
                    state=lambda one: state(one.state),
                    width=state_width(self.tr("State"), ROLLOUT_STATES),
                ),
                Column[Rollout](title=self.tr("Boxes"), text=_done, number=True, width=96),
                Column[Rollout](
                    title=self.tr("Started"), text=lambda one: formats.ago(one.created_ms), width=116, spare=1
                ),
            ),
            lambda _cursor, _limit: records.Page(rows=tuple(rollouts.list_rollouts(self.context))),
            lambda one: one.rollout,
            session.tasks,
            self,
        )
        self.table = DataTable(self.model, self.tr("Rollouts"))
        self.main = self.table
        self.detail = RolloutDetail(self)
        self.start = Button(self.tr("Start rollout…"), "rollouts", kind="primary", clicked=self.start_rollout)
        self.buttons.addWidget(self.start)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(16)
        split.setChildrenCollapsible(False)
        split.addWidget(self.table)
        split.addWidget(scrolled(self.detail))
        split.setSizes([500, 560])
        self.body.addWidget(split, 1)
        self.set_empty(
            Empty(
                "rollouts",
                self.tr("No rollout yet: release a model, then send it to one box first and to the others after it."),
                Button(self.tr("Start a rollout…"), "rollouts", kind="primary", clicked=self.start_rollout),
            )
        )
        self.model.loaded.connect(self._loaded)
        self.table.picked.connect(self.detail.show_rollout)

    def reload(self) -> None:
        context = self.context
        self.query(
            "names", lambda: (boxes.list_boxes(context), models.list_models(context)), lambda got: self._know(*got)
        )
        self.model.reload()

    def pick(self, key: str) -> None:
        """A rollout's id; ``model:ID`` starts a rollout of that model."""
        if key.startswith("model:"):
            self.start_rollout(key.removeprefix("model:"))
        else:
            self.table.pick(key)

    def commands(self) -> list[Command]:
        offered = [Command(title=self.tr("Start rollout…"), icon="rollouts", run=self.start_rollout)]
        picked: Rollout | None = self.table.record
        if picked is not None and picked.state == "running":
            title = self.tr("Stop rollout of {model}…").format(model=self.model_of(picked))
            offered.append(Command(title=title, icon="stop", run=self.detail.ask_to_stop))
        return offered

    def start_rollout(self, model: str | None = None) -> StartRollout:
        dialog = StartRollout(self.session, self, chosen=model)
        dialog.started.connect(self.table.pick)
        dialog.open()
        return dialog

    def model_of(self, rollout: Rollout) -> str:
        """Name and version."""
        return f"{self.model_names.get(rollout.model, '')} {rollout.version}".strip()

    def _know(self, known: list[Box], library: list[Model]) -> None:
        self.box_names = {box.box: box.name for box in known}
        self.model_names = {model.model: model.name for model in library}
        self.table.viewport().update()
        self.detail.show_rollout(self.table.record)

    def _loaded(self) -> None:
        rows = self.model.rows
        self.show_empty(not rows)
        running = sum(one.state == "running" for one in rows)
        self.subtitle.setText(
            self.tr("{n} in all, {running} running").format(n=len(rows), running=running) if rows else ""
        )
        self.table.pick_first()


class RolloutDetail(QWidget):
    """One rollout, wave by wave."""

    def __init__(self, page: RolloutsPage) -> None:
        super().__init__()
        self._page = page
        self._rollout: Rollout | None = None
        self._title = label("", "section", selectable=True)
        self._chip = Chip()
        self._reason = label("", "muted", wrap=True, selectable=True)
        self._facts = Facts()
        self.stop = Button(self.tr("Stop rollout…"), "stop", kind="danger", clicked=self.ask_to_stop)
        self._waves: QVBoxLayout = column(gap=16)
        self._shown: tuple[str, tuple[int, ...]] | None = None
        """The rollout and its waves that have cards now."""
        self._parts: dict[int, Entries] = {}
        self._sections = [
            card(row(self._title, 1, self._chip), self._reason, self._facts, row(self.stop, 1), gap=12),
        ]
        self.setLayout(column(*self._sections, self._waves, 1, gap=16))
        self.show_rollout(None)

    def show_rollout(self, rollout: Rollout | None) -> None:
        """Show this rollout; None: nothing is picked."""
        self._rollout = rollout
        for section in self._sections:
            section.setVisible(rollout is not None)
        if rollout is None:
            self._build_waves(None)
            return
        self._title.setText(self._page.model_of(rollout))
        self._chip.set_state(state(rollout.state))
        self._reason.setText(rollout.reason or "")
        self._reason.setVisible(bool(rollout.reason))
        self._facts.show_facts(
            [
                (self.tr("Bundle"), formats.short(rollout.model, 24)),
                (self.tr("Started"), formats.clock(rollout.created_ms)),
                (self.tr("Ended"), formats.clock(rollout.finished_ms)),
            ]
        )
        self.stop.setVisible(rollout.state == "running")
        self._build_waves(rollout)
        for wave, entries in self._parts.items():
            entries.show_entries([self._part(part) for part in rollout.boxes if part.wave == wave])

    def _build_waves(self, rollout: Rollout | None) -> None:
        """One card a wave; made anew only for another rollout, so that a selected reason stays selected."""
        waves = tuple(sorted({part.wave for part in rollout.boxes})) if rollout is not None else ()
        wanted = (rollout.rollout, waves) if rollout is not None else None
        if wanted == self._shown:
            return
        self._shown = wanted
        clear(self._waves)
        self._parts = {}
        for wave in waves:
            title = self.tr("First wave: the canary") if wave == 0 else self.tr("Wave {n}").format(n=wave + 1)
            self._parts[wave] = Entries("")
            self._waves.addWidget(card(label(title, "section"), self._parts[wave], gap=12))

    def ask_to_stop(self) -> None:
        """Ask, naming the boxes that would not get it any more."""
        if self._rollout is None:
            return
        context, rollout = self._page.context, self._rollout
        waiting = [self._name(part) for part in rollout.boxes if part.state == "waiting"]
        dialog = Confirm(
            self.tr("Stop this rollout?"),
            self.tr("These boxes keep the model they have. Boxes that have begun finish by themselves.")
            if waiting
            else self.tr("No box is waiting any more; those that have begun finish by themselves."),
            waiting,
            self.tr("Stop rollout"),
            self,
            kind="danger",
        )
        dialog.accepted.connect(
            lambda: self._page.session.tasks.run_query(
                lambda: rollouts.abort_rollout(context, rollout.rollout), lambda _rollout: None, owner=self
            )
        )
        dialog.open()

    def _name(self, part: RolloutBox) -> str:
        return self._page.box_names.get(part.box, formats.short(part.box))

    def _part(self, part: RolloutBox) -> Entry:
        lines = [formats.clock(part.updated_ms)] if part.updated_ms else []
        if part.reason:
            lines.append(part.reason)
        return Entry(
            key=part.box,
            title=self._name(part),
            lines=tuple(Line(text=text) for text in lines),
            chip=state(part.state),
        )


def _done(rollout: Rollout) -> str:
    return f"{sum(part.state == 'committed' for part in rollout.boxes)} / {len(rollout.boxes)}"
