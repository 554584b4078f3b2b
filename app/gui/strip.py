"""The strip below (boxes, sync, jobs) and the calm banner above that says what waits while the store is away."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame

from app.gui import formats
from app.gui.session import Session
from app.gui.states import with_strangers
from app.gui.sync_words import sync_state
from app.gui.widgets import Button, IconLabel, label, plain_tip, row
from app.store.records import Box, SyncStatus
from app.usecases import boxes, sync

REFRESH_MS = 1000


class Banner(QFrame):
    """Offline is no error: it says what waits here, and that work goes on."""

    retry = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._text = label("", wrap=True)
        self.button = Button(self.tr("Try now"), "refresh", clicked=self.retry.emit)
        box = row(IconLabel("cloud-off", "warn"), self._text, self.button, gap=12)
        box.setStretch(1, 1)
        box.setContentsMargins(24, 6, 24, 6)
        self.setLayout(box)
        self.hide()

    def show_status(self, status: SyncStatus) -> None:
        self.setVisible(status.store is not None and status.problem is not None)
        self._text.setText(
            self.tr("Offline. Changes that wait here: {changes}; objects: {objects} ({size}). Work goes on.").format(
                changes=formats.count(status.pending_changes),
                objects=formats.count(status.pending_objects),
                size=formats.size(status.pending_bytes),
            )
        )
        self.setToolTip(plain_tip(status.problem or ""))
        self.setAccessibleName(self._text.text())


class StatusStrip(QFrame):
    """Asks the database itself, at most once a second, and tells the banner."""

    told = Signal(object)
    """The :class:`SyncStatus` that was read."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("strip")
        self._session = session
        self._asking = False
        self.boxes = Button("", "boxes", kind="ghost", tip=self.tr("Boxes"))
        self.sync = Button("", "cloud", kind="ghost", tip=self.tr("Object store"))
        for button in (self.boxes, self.sync):
            button.setMinimumWidth(0)
            button.setMaximumWidth(16_777_215)
        self.jobs = label("")
        self.search = Button(self.tr("Search (Ctrl+K)"), "search", kind="ghost")
        box = row(self.boxes, self.sync, 1, self.jobs, self.search, gap=4)
        box.setContentsMargins(12, 2, 12, 2)
        self.setLayout(box)
        self.setFixedHeight(40)
        self._timer = QTimer(self, interval=REFRESH_MS, singleShot=True)
        self._timer.timeout.connect(self.refresh)
        session.changed.connect(self._changed)
        self.boxes.clicked.connect(lambda: session.open_requested.emit("boxes", ""))
        self.sync.clicked.connect(lambda: session.open_requested.emit("settings", ""))
        self.refresh()

    def refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        context = self._session.context
        self._session.tasks.run_query(
            lambda: (sync.sync_status(context), boxes.list_boxes(context)),
            lambda got: self._arrived(*got),
            owner=self,
            failed=self._failed,
        )

    def show_jobs(self, count: int) -> None:
        self.jobs.setText(self.tr("Jobs: {n}").format(n=count) if count else "")

    def _changed(self, _tables: object) -> None:
        """Whatever changed is something more to sync."""
        if not self._timer.isActive():
            self._timer.start()

    def _failed(self, error: BaseException) -> None:
        self._asking = False
        self._session.tasks.report(error)

    def _arrived(self, status: SyncStatus, known: Sequence[Box]) -> None:
        self._asking = False
        answering = sum(box.problem is None and box.last_seen_ms is not None for box in known)
        said = self.tr("Boxes that answer: {n} of {all}").format(n=answering, all=len(known))
        self.boxes.rename(with_strangers(said, known) if known else self.tr("No boxes"))
        shown = sync_state(status)
        waiting = status.pending_changes + status.pending_objects
        self.sync.rename(f"{shown.word} ({formats.count(waiting)})" if waiting and status.store else shown.word)
        self.sync.use_icon(shown.icon, shown.tone)
        self.told.emit(status)
