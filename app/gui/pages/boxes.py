"""Boxes: who is there, how they are, what they run and what they saw."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QSplitter, QStackedWidget, QWidget

from app.gui import formats
from app.gui.pages.add_box import AddBox
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.box_clock import may_set, wrong_by
from app.gui.pages.box_clones import CloneNotice
from app.gui.pages.box_detail import BoxDetail
from app.gui.pages.box_history import BoxHistory, Topic
from app.gui.pages.measures import state_width, text_width
from app.gui.pages.ssh_jobs import ReleaseMachine, SshRequest, start_enrolment, start_release
from app.gui.pages.visit import VisitView
from app.gui.session import Session
from app.gui.states import BOX_STATES, State, box_state, state, with_strangers
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Empty, column
from app.store import records
from app.store.records import Box
from app.usecases import boxes
from app.usecases.following import waiting
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.status import SlotStatus


def active_slot(box: Box) -> SlotStatus | None:
    """The slot whose model answers for the line now."""
    return next((slot for slot in box.status.slots if slot.active), None) if box.status else None


def drift_state(box: Box) -> State | None:
    """None: it cannot be said, because the box was not heard yet or does not answer now."""
    if box.status is None or box.problem is not None or not any(slot.active for slot in box.status.slots):
        return None
    if any(pipeline.drift for pipeline in box.status.pipelines):
        return state("drift")
    return state("steady")


class BoxesPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset(
        {
            "activity",
            "boxes",
            "box_status",
            "box_labels",
            "sightings",
            "alerts",
            "audits",
            "losses",
            "results",
            "rollups",
            "shadows",
        }
        | {"models", "rollouts", "rollout_boxes", "visit_entries"}
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Boxes"))
        rate, model, drift, waits = self.tr("Frames/s"), self.tr("Model"), self.tr("Drift"), self.tr("Waiting")
        seen = self.tr("Last seen")
        columns = (
            Column[Box](title=self.tr("Name"), text=lambda box: box.name, width=104, stretch=True),
            Column[Box](
                title=self.tr("State"),
                text=lambda box: box_state(box).word,
                state=box_state,
                width=state_width(self.tr("State"), BOX_STATES),
            ),
            Column[Box](title=rate, text=_rate, number=True, width=text_width(rate, "100.0"), spare=1),
            Column[Box](title=model, text=_model, width=text_width(model, "(1.10.0)"), tip=self._model_name),
            Column[Box](
                title=drift,
                text=lambda box: (drift_state(box) or _UNKNOWN).word,
                state=lambda box: drift_state(box) or _UNKNOWN,
                width=state_width(drift, ("drift", "steady")),
                spare=2,
            ),
            Column[Box](
                title=seen,
                text=lambda box: formats.ago(box.last_seen_ms),
                width=text_width(seen, formats.ago(0, now=59 * 60_000)),
                spare=4,
            ),
            Column[Box](title=waits, text=_waiting, number=True, width=text_width(waits, "10,000"), spare=3),
        )
        self.model: PagedModel[Box] = PagedModel(
            columns,
            lambda _cursor, _limit: records.Page(rows=tuple(boxes.list_boxes(self.context))),
            lambda box: box.box,
            session.tasks,
            self,
        )
        self.table = DataTable(self.model, self.tr("Boxes"))
        self.main = self.table
        self.detail = BoxDetail(self)
        self.refresh = Button(self.tr("Refresh all"), "refresh", clicked=self.refresh_boxes)
        self.collect = Button(self.tr("Collect all"), "collect", clicked=self.collect_boxes)
        self.visit_button = Button(self.tr("Visit…"), "site", clicked=self.plan_visit)
        self.add = Button(self.tr("Add box…"), "plus", kind="primary", clicked=self.add_box)
        for button in (self.refresh, self.collect, self.visit_button, self.add):
            self.buttons.addWidget(button)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(16)
        split.setChildrenCollapsible(False)
        left = QWidget()
        left_box = column(self.table, self.detail.chart_card, gap=16)
        left_box.setStretch(0, 1)
        left.setLayout(left_box)
        split.addWidget(left)
        split.addWidget(scrolled(self.detail))
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([732, 356])
        self.history = BoxHistory(self)
        self.notice = CloneNotice(self)
        self._views = QStackedWidget()
        list_view = QWidget()
        with_notice = column(self.notice, split, gap=16)
        with_notice.setStretch(1, 1)
        list_view.setLayout(with_notice)
        self._views.addWidget(list_view)
        self._views.addWidget(self.history)
        self.visit = VisitView(self)
        self._views.addWidget(self.visit)
        self.body.addWidget(self._views, 1)
        self.set_empty(
            Empty(
                "boxes",
                self.tr("No box yet: add the first one, and it will show here what it runs and what it sees."),
                Button(self.tr("Add a box…"), "plus", kind="primary", clicked=self.add_box),
            )
        )
        self.model.loaded.connect(self._loaded)
        self.table.picked.connect(self._picked)
        self.table.activated.connect(lambda _index: self.look_back())
        self.history.left.connect(self.show_list)
        self.visit.left.connect(self.show_list)
        for view in (self.history, self.visit):
            QShortcut(QKeySequence.StandardKey.Cancel, view, self.show_list)

    def reload(self) -> None:
        self.model.reload()
        self.detail.reload()
        self.notice.reload()
        if self.is_looking_back:
            self.history.reload()
        if self._views.currentWidget() is self.visit:
            self.visit.reload()

    def pick(self, key: str) -> None:
        self.show_list()
        self.table.pick(key)

    @property
    def is_looking_back(self) -> bool:
        return self._views.currentWidget() is self.history

    def look_back(self, topic: Topic | None = None) -> None:
        """Show what was collected of the picked box, with the whole width."""
        box: Box | None = self.table.record
        if box is None:
            return
        self._views.setCurrentWidget(self.history)
        self.header.hide()
        self.history.look(box, topic)
        self.history.back.setFocus()

    def plan_visit(self) -> None:
        """Show what a visit is for, with the whole width."""
        self._views.setCurrentWidget(self.visit)
        self.header.hide()
        self.show_empty(False)
        self.visit.reload()
        self.visit.back.setFocus()

    def show_list(self) -> None:
        """Back to all boxes."""
        if self._views.currentIndex() != 0:
            self._views.setCurrentIndex(0)
            self.header.show()
            self.show_empty(not self.model.rows)
            self.table.setFocus()

    def _picked(self, box: Box | None) -> None:
        self.detail.show_box(box)
        if not self.is_looking_back:
            return
        if box is not None and self.history.box is not None and box.box == self.history.box.box:
            self.history.show_box(box)
        else:
            # The box that was looked back on is gone: nobody asked for another one's history.
            self.show_list()

    def commands(self) -> list[Command]:
        return [
            Command(title=self.tr("Add box…"), icon="plus", run=self.add_box),
            Command(title=self.tr("Refresh all boxes"), icon="refresh", run=self.refresh_boxes),
            Command(title=self.tr("Collect from all boxes"), icon="collect", run=self.collect_boxes),
            Command(title=self.tr("Look for copied boxes"), icon="copy", run=self.notice.open_comparison),
            Command(title=self.tr("Take Lineside off a machine…"), icon="undo", run=self.ask_to_release_machine),
            Command(title=self.tr("Plan a visit"), icon="site", run=self.plan_visit),
            *self._commands_of_picked(),
        ]

    def _commands_of_picked(self) -> list[Command]:
        box: Box | None = self.table.record
        if box is None:
            return []
        look = self.tr("History of box {name}").format(name=box.name)
        shadow = self.tr("Start a shadow run on {name}…").format(name=box.name)
        forget = self.tr("Forget box {name}…").format(name=box.name)
        release = self.tr("Take Lineside off {name}…").format(name=box.name)
        update = self.tr("Update the program of {name} over SSH…").format(name=box.name)
        version = self.tr("Bring {name} another version of its program…").format(name=box.name)
        clock = self.tr("Set the clock of {name}…").format(name=box.name)
        drill = self.tr("Hold a drill on {name}…").format(name=box.name)
        wrong = (
            [Command(title=clock, icon="wait", run=self.detail.clock.ask_to_set)]
            if wrong_by(box) and may_set(box)
            else []
        )
        return [
            *wrong,
            Command(title=look, icon="activity", run=self.look_back),
            Command(title=shadow, icon="play", run=self.detail.shadow.ask_to_start),
            Command(title=drill, icon="shield", run=self.detail.drills.ask),
            Command(title=forget, icon="close", run=self.detail.ask_to_forget),
            Command(title=version, icon="send", run=self.detail.runtime.ask),
            Command(title=update, icon="send", run=self.detail.ask_to_update),
            Command(title=release, icon="undo", run=self.detail.ask_to_release),
        ]

    def refresh_boxes(self) -> None:
        context = self.context
        self.session.tasks.run_command(
            self.tr("Refresh boxes"), lambda _progress, _cancel: boxes.refresh(context), owner=self
        )

    def collect_boxes(self) -> None:
        context = self.context

        def work(progress: Progress, cancel: CancelToken) -> boxes.CollectReport:
            return boxes.collect(context, progress=progress, cancel=cancel)

        self.session.tasks.run_command(self.tr("Collect from boxes"), work, owner=self)

    def add_box(self) -> AddBox:
        dialog = AddBox(self.session, self)
        dialog.enrolled.connect(self.table.pick)
        dialog.ssh_wanted.connect(self._enrol_over_ssh)
        dialog.open()
        return dialog

    def _enrol_over_ssh(self, request: SshRequest) -> None:
        """What was refused can be mended: the form comes again as it was, but for the secrets."""
        start_enrolment(
            self.session, self, request, self.table.pick, lambda error: self.add_box().refill(request, error)
        )

    def ask_to_release_machine(self) -> ReleaseMachine:
        """Ask which, and take off it what is on no list."""
        dialog = ReleaseMachine(self.session, self)
        dialog.wanted.connect(lambda request: start_release(self.session, self, None, request))
        dialog.open()
        return dialog

    def _loaded(self) -> None:
        rows = self.model.rows
        self.show_empty(not rows and self._views.currentIndex() == 0)
        answering = sum(box.problem is None and box.last_seen_ms is not None for box in rows)
        said = self.tr("{n} of {all} answering").format(n=answering, all=len(rows))
        self.subtitle.setText(with_strangers(said, rows) if rows else "")
        for button in (self.refresh, self.collect):
            button.setEnabled(bool(rows))
        self.table.pick_first()
        # Whether its clock or rather this desktop's is wrong, the other boxes tell.
        self.detail.clock.show_box(self.table.record)

    def _model_name(self, box: Box) -> str:
        slot = active_slot(box)
        if slot is None or not slot.version:
            return ""
        name = f"{slot.name} {slot.version}"
        return name if box.problem is None else self.tr("Last known: {model}").format(model=name)


_UNKNOWN = State("idle", "idle", formats.NONE)


def _rate(box: Box) -> str:
    if box.status is None or box.problem is not None:
        return formats.NONE
    return f"{sum(pipeline.frames_per_s for pipeline in box.status.pipelines):.1f}"


def _model(box: Box) -> str:
    """In brackets where it is only what was last known."""
    slot = active_slot(box)
    if slot is None or not slot.version:
        return formats.NONE
    return slot.version if box.problem is None else f"({slot.version})"


def _waiting(box: Box) -> str:
    return formats.NONE if box.status is None else formats.count(waiting(box.status))
