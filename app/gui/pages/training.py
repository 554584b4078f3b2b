"""Training: bursts and the datasets that they learn from."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QStackedWidget, QWidget

from app.gui import formats
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.burst_detail import BurstDetail, under_way
from app.gui.pages.freeze import FreezeDataset
from app.gui.pages.measures import state_width
from app.gui.pages.start_burst import StartBurst
from app.gui.session import Session
from app.gui.states import BURST_STATES, state
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Empty, column, label, row
from app.store import records
from app.store.records import Burst, Dataset
from app.usecases import bursts, datasets


class TrainingPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"bursts", "burst_points", "burst_log", "datasets", "models"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Training"))
        self._names: dict[str, str] = {}
        self.model: PagedModel[Burst] = PagedModel(
            (
                Column[Burst](
                    title=self.tr("State"),
                    text=lambda burst: state(burst.state).word,
                    state=lambda burst: state(burst.state),
                    width=state_width(self.tr("State"), BURST_STATES),
                ),
                Column[Burst](title=self.tr("Dataset"), text=self._dataset, width=136, stretch=True),
                Column[Burst](title=self.tr("Host"), text=lambda burst: burst.host, width=80, spare=3),
                Column[Burst](
                    title=self.tr("Started"), text=lambda burst: formats.ago(burst.created_ms), width=108, spare=1
                ),
                Column[Burst](
                    title=self.tr("Progress"),
                    text=lambda burst: formats.percent(burst.progress, 0),
                    number=True,
                    width=88,
                ),
                Column[Burst](
                    title=self.tr("Cost"),
                    text=lambda burst: formats.money(burst.cost_usd),
                    number=True,
                    width=104,
                    spare=2,
                ),
            ),
            lambda _cursor, _limit: records.Page(rows=tuple(bursts.list_bursts(self.context))),
            lambda burst: burst.burst,
            session.tasks,
            self,
        )
        self.table = DataTable(self.model, self.tr("Bursts"))
        self.main = self.table
        self.datasets: PagedModel[Dataset] = PagedModel(
            (
                Column[Dataset](title=self.tr("Dataset"), text=lambda one: one.name, width=136, stretch=True),
                Column[Dataset](
                    title=self.tr("To train"), text=lambda one: formats.count(one.train), number=True, width=88
                ),
                Column[Dataset](
                    title=self.tr("Held out"), text=lambda one: formats.count(one.held_out), number=True, width=88
                ),
                Column[Dataset](
                    title=self.tr("Labels"),
                    text=lambda one: str(len(one.labels)),
                    number=True,
                    width=72,
                    tip=lambda one: ", ".join(one.labels[:40]),
                ),
                Column[Dataset](
                    title=self.tr("Frozen"), text=lambda one: formats.ago(one.created_ms), width=108, spare=1
                ),
                Column[Dataset](
                    title=self.tr("Id"), text=lambda one: formats.short(one.dataset, 8), width=104, spare=2
                ),
            ),
            lambda _cursor, _limit: records.Page(rows=tuple(datasets.list_datasets(self.context))),
            lambda one: one.dataset,
            session.tasks,
            self,
        )
        self.dataset_table = DataTable(self.datasets, self.tr("Datasets"))
        self.detail = BurstDetail(self)
        self.start = Button(self.tr("Start burst…"), "play", kind="primary", clicked=self.start_burst)
        self.freeze = Button(self.tr("Freeze dataset…"), "freeze", clicked=self.freeze_dataset)
        for button in (self.freeze, self.start):
            self.buttons.addWidget(button)
        self._bursts = QStackedWidget()
        self._bursts.addWidget(_titled(self.tr("Bursts"), self.table))
        self._bursts.addWidget(
            Empty(
                "training",
                self.tr("No burst yet: start one, and a model learns from a dataset below."),
                Button(self.tr("Start a burst…"), "play", kind="primary", clicked=self.start_burst),
            )
        )
        left = QSplitter(Qt.Orientation.Vertical)
        left.setHandleWidth(16)
        left.setChildrenCollapsible(False)
        left.addWidget(self._bursts)
        left.addWidget(_titled(self.tr("Datasets"), self.dataset_table))
        left.setSizes([360, 220])
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(16)
        split.setChildrenCollapsible(False)
        split.addWidget(left)
        self._side = scrolled(self.detail)
        split.addWidget(self._side)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([692, 420])
        self.body.addWidget(split, 1)
        self.set_empty(
            Empty(
                "training",
                self.tr("Nothing trained yet: label samples, freeze them into a dataset, and start a burst from it."),
                Button(self.tr("Freeze a dataset…"), "freeze", kind="primary", clicked=self.freeze_dataset),
            )
        )
        self.model.loaded.connect(self._loaded)
        self.datasets.loaded.connect(self._loaded)
        self.table.picked.connect(self.detail.show_burst)

    def reload(self) -> None:
        self.datasets.reload()
        self.model.reload()
        self.detail.reload()

    def pick(self, key: str) -> None:
        self.table.pick(key)

    def commands(self) -> list[Command]:
        return [
            Command(title=self.tr("Start burst…"), icon="play", run=self.start_burst),
            *self._commands_of_picked(),
        ]

    def _commands_of_picked(self) -> list[Command]:
        burst: Burst | None = self.table.record
        if burst is None or not under_way(burst):
            return []
        title = self.tr("Cancel burst on {dataset}…").format(dataset=self.dataset_name(burst.dataset))
        return [Command(title=title, icon="stop", run=self.detail.ask_to_cancel)]

    def dataset_name(self, dataset: str) -> str:
        return self._names.get(dataset, formats.short(dataset))

    def start_burst(self) -> StartBurst:
        dialog = StartBurst(self.session, self, chosen=self.dataset_table.record, on_started=self.table.pick)
        dialog.open()
        return dialog

    def freeze_dataset(self) -> FreezeDataset:
        dialog = FreezeDataset(self.session, self)
        dialog.open()
        return dialog

    def _dataset(self, burst: Burst) -> str:
        return self.dataset_name(burst.dataset)

    def _loaded(self) -> None:
        if not (self.model.ever_loaded and self.datasets.ever_loaded):
            return
        names = {one.dataset: one.name for one in self.datasets.rows}
        if names != self._names:
            self._names = names
            self.table.viewport().update()
        self.show_empty(not self.model.rows and not self.datasets.rows)
        any_burst = bool(self.model.rows)
        self._bursts.setCurrentIndex(0 if any_burst else 1)
        self._side.setVisible(any_burst)
        self.start.setVisible(any_burst)
        self.start.setEnabled(bool(self.datasets.rows))
        active = sum(under_way(burst) for burst in self.model.rows)
        self.subtitle.setText(
            self.tr("{n} in all, {active} under way").format(n=len(self.model.rows), active=active)
            if self.model.rows
            else ""
        )
        self.table.pick_first()


def _titled(title: str, table: DataTable) -> QWidget:
    made = QWidget()
    made.setLayout(column(row(label(title, "section"), 1), table, gap=8))
    return made
