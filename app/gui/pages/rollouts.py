"""Rollouts: how far a release has come on its staged way onto the boxes."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter

from app.gui import formats
from app.gui.pages import decisions
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.measures import state_width
from app.gui.pages.rollout_detail import RolloutDetail
from app.gui.pages.rollout_subject import subject_words
from app.gui.pages.start_rollout import StartRollout
from app.gui.session import Session
from app.gui.states import ROLLOUT_STATES, state
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Empty
from app.store import records
from app.store.records import Box, Model, Rollout
from app.usecases import boxes, models, rollout_decisions, rollouts
from app.usecases.rollout_conflicts import desktop_name
from app.usecases.rollout_progress import is_away
from app.usecases.rollout_words import outlook
from app.usecases.subjects.finding import change_of


class RolloutsPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"rollouts", "rollout_boxes", "models", "boxes"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Rollouts"))
        self.boxes: dict[str, Box] = {}
        self.box_names: dict[str, str] = {}
        self.model_names: dict[str, str] = {}
        self.silent: frozenset[str] = frozenset()
        """Boxes that do not answer."""
        self.model_titles: dict[str, str] = {}
        self.runs: dict[str, list[str]] = {}
        """Names of the boxes on which a bundle answers, by its id."""
        self.desktop_names: dict[str, str] = {}
        """What the site's desktops are called, by replica."""
        self.model: PagedModel[Rollout] = PagedModel(
            (
                Column[Rollout](title=self.tr("What"), text=self.model_of, width=160, stretch=True),
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
        self.decide = Button(self.tr("Decisions…"), "shield", clicked=self.ask_decisions)
        self.buttons.addWidget(self.decide)
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
        self.table.picked.connect(self._show)

    def reload(self) -> None:
        context = self.context

        def names() -> tuple[list[Box], list[Model], list[Rollout], dict[str, str]]:
            begun = rollouts.list_rollouts(context)
            desktops = {replica: desktop_name(context, replica) for replica in {one.replica for one in begun}}
            return boxes.list_boxes(context), models.list_models(context), begun, desktops

        self.query("names", names, lambda got: self._know(*got))
        self.model.reload()

    def pick(self, key: str) -> None:
        """A rollout's id; ``start:`` and a model's id, ``configuration`` or ``program`` starts one of that."""
        if key.startswith("start:"):
            self.start_rollout(key.removeprefix("start:"))
        else:
            self.table.pick(key)

    def commands(self) -> list[Command]:
        offered = [
            Command(title=self.tr("Start rollout…"), icon="rollouts", run=self.start_rollout),
            Command(title=self.tr("Decisions…"), icon="shield", run=self.ask_decisions),
        ]
        picked: Rollout | None = self.table.record
        if picked is not None and picked.state in ("running", "paused", "stopped"):
            title = self.tr("Abort rollout of {model}…").format(model=self.model_of(picked))
            offered.append(Command(title=title, icon="stop", run=self.detail.ask_to_stop))
        return offered

    def start_rollout(self, model: str | None = None) -> StartRollout:
        dialog = StartRollout(self.session, self, chosen=model)
        dialog.started.connect(self.table.pick)
        dialog.open()
        return dialog

    def ask_decisions(self) -> None:
        """Show what was decided, and decide about any box."""
        context = self.context
        self.session.tasks.run_query(
            lambda: decisions.look(context), lambda known: decisions.DecisionsDialog(self, known).open(), owner=self
        )

    def title_of(self, bundle: str) -> str:
        """What people call a model of the library, or what was rolled out; of another one the beginning of its id."""
        return self.model_titles.get(bundle, formats.short(bundle))

    def model_of(self, rollout: Rollout) -> str:
        """What people call that which it brings."""
        return subject_words(rollout, self.model_names)

    def _show(self, rollout: Rollout | None) -> None:
        self.detail.show_rollout(rollout)
        if rollout is not None:
            context = self.context
            self.query(
                "outlook",
                lambda: (outlook(context, rollout), change_of(context, rollout)),
                lambda found: self.detail.show_outlook(rollout, *found),
            )

    def _know(self, known: list[Box], library: list[Model], begun: list[Rollout], desktops: dict[str, str]) -> None:
        self.desktop_names = desktops
        self.boxes = {box.box: box for box in known}
        self.box_names = {box.box: box.name for box in known}
        self.silent = frozenset(box.box for box in known if is_away(box))
        ids = {one.model for one in library} | {one.model for one in begun}
        self.runs = {one: [box.name for box in known if rollout_decisions.runs(box, one, begun)] for one in ids}
        self.model_names = {model.model: model.name for model in library}
        self.model_titles = {one.model: subject_words(one, self.model_names) for one in begun}
        self.model_titles |= {model.model: f"{model.name} {model.version}" for model in library}
        self.table.viewport().update()
        self._show(self.table.record)

    def _loaded(self) -> None:
        rows = self.model.rows
        self.show_empty(not rows)
        running = sum(one.state == "running" for one in rows)
        overtaken = sum(part.state == "overtaken" for one in rows for part in one.boxes)
        said = [self.tr("{n} in all, {running} running").format(n=len(rows), running=running)] if rows else []
        if overtaken:
            said.append(self.tr("boxes that another desktop took: {n}").format(n=overtaken))
        self.subtitle.setText(self.tr(", ").join(said))
        self.table.pick_first()


def _done(rollout: Rollout) -> str:
    return f"{sum(part.state == 'committed' for part in rollout.boxes)} / {len(rollout.boxes)}"
