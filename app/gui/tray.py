"""The job tray: what is being done, how far it is, and how to stop it. Never a modal."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QProgressBar, QScrollArea, QWidget

from app.gui import formats
from app.gui.errors import as_lineside, shown_text
from app.gui.states import State, step
from app.gui.tasks import Job, Tasks
from app.gui.widgets import Button, Chip, column, label, restyle, row

LINGER_MS = 4000
"""A job that went well stays this long."""
TICK_MS = 1000
HIGHEST = 148
"""A tray with more in it scrolls, so that the page above keeps its room."""


class JobRow(QWidget):
    """One job. ``gone`` comes when it need not be shown any more; ``ended`` when the job is over.

    ``asked`` carries the error of a failed job when somebody clicks on it.
    """

    gone = Signal()
    ended = Signal()
    asked = Signal(object)

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self._words = label("", "caption")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(job.title)
        self._elapsed = label("", "caption")
        self._chip = Chip()
        self._chip.hide()
        self.stop = Button("", "close", kind="ghost", tip=self.tr("Cancel"), clicked=self._press)
        self.stop.setAccessibleName(self.tr("Cancel {job}").format(job=job.title))
        self._reason = label("", "bad", wrap=True)
        self._reason.hide()
        self.why = Button(self.tr("Details"), kind="ghost", clicked=self._ask)
        self.why.hide()
        titles = column(row(label(job.title), self._words, 1, self._elapsed, gap=12), self._bar, self._reason, gap=6)
        box = row(gap=12)
        box.addLayout(titles, 1)
        box.addWidget(self._chip, 0, Qt.AlignmentFlag.AlignVCenter)
        box.addWidget(self.why)
        box.addWidget(self.stop)
        self.setLayout(box)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._show_elapsed)
        self._tick.start()
        job.changed.connect(self._show)
        self._show()

    @property
    def reason(self) -> str:
        """Why the job failed."""
        return self._reason.text()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if self.job.state == "failed" and self.rect().contains(event.position().toPoint()):
            self._ask()

    def _ask(self) -> None:
        self.asked.emit(self.job.error)

    def _press(self) -> None:
        if self.job.active:
            self.job.cancel()
        else:
            self.gone.emit()

    def _show_elapsed(self) -> None:
        self._elapsed.setText(formats.duration(time.monotonic() - self.job.began_s))

    def _show(self) -> None:
        now = self.job.progress
        self._words.setText("  ".join(part for part in (step(now.step), now.message) if part))
        self._bar.setRange(0, 0 if now.fraction is None and self.job.active else 1000)
        if now.fraction is not None:
            self._bar.setValue(round(now.fraction * 1000))
        self._show_elapsed()
        if self.job.state == "stopping":
            self._words.setText(self.tr("Stopping…"))
            self.stop.setEnabled(False)
        elif not self.job.active:
            self._end()

    def _end(self) -> None:
        self._tick.stop()
        states = {
            "done": State("ok", "ok", self.tr("Done")),
            "cancelled": State("stop", "idle", self.tr("Cancelled")),
            "failed": State("bad", "bad", self.tr("Failed")),
        }
        shown = states[self.job.state]
        self._bar.setValue(1000 if self.job.state == "done" else self._bar.value())
        self._bar.setProperty("tone", shown.tone)
        restyle(self._bar)
        self._chip.set_state(shown)
        self._chip.show()
        self.stop.setEnabled(True)
        self.stop.setToolTip(self.tr("Dismiss"))
        self.stop.setAccessibleName(self.tr("Dismiss {job}").format(job=self.job.title))
        if self.job.state != "failed":
            QTimer.singleShot(LINGER_MS, self, self.gone.emit)
        elif self.job.error is not None:
            self._reason.setText(shown_text(as_lineside(self.job.error).message))
            self._reason.show()
            self.why.show()
            self.why.setAccessibleName(self.tr("Details of {job}").format(job=self.job.title))
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.ended.emit()


class JobTray(QFrame):
    """All jobs, newest on top. ``counted`` carries how many there are."""

    counted = Signal(int)

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self.setObjectName("tray")
        self.setAccessibleName(self.tr("Jobs"))
        self._tasks = tasks
        self._rows: list[JobRow] = []
        self._box = column(gap=8)
        self._inside = QWidget()
        self._inside.setLayout(self._box)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(self._inside)
        self._inside.installEventFilter(self)
        self.dismiss_all = Button(self.tr("Dismiss all"), "close", kind="ghost", clicked=self._drop_ended)
        self.dismiss_all.hide()
        box = column(row(1, self.dismiss_all), self._scroll, gap=4)
        box.setContentsMargins(24, 12, 16, 12)
        self.setLayout(box)
        self.hide()
        tasks.job_added.connect(self.add)
        # Those that began in a window before this one.
        for job in tasks.jobs:
            if job.in_tray:
                self.add(job)

    @property
    def rows(self) -> tuple[JobRow, ...]:
        return tuple(self._rows)

    def add(self, job: Job) -> None:
        row = JobRow(job)
        self._rows.append(row)
        self._box.insertWidget(0, row)
        row.gone.connect(lambda: self._drop(row))
        row.ended.connect(self._count)
        row.asked.connect(self._tasks.report)
        self._count()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        width = self._scroll.viewport().width()
        needed = self._box.heightForWidth(width) if self._box.hasHeightForWidth() else self._box.sizeHint().height()
        self._scroll.setFixedHeight(min(needed, HIGHEST))

    def _count(self) -> None:
        self.setVisible(bool(self._rows))
        self.dismiss_all.setVisible(sum(not shown.job.active for shown in self._rows) > 1)
        self.counted.emit(len(self._rows))

    def _drop_ended(self) -> None:
        for ended in self.rows:
            if not ended.job.active:
                self._drop(ended)

    def _drop(self, row: JobRow) -> None:
        if row in self._rows:
            self._rows.remove(row)
            row.hide()
            row.deleteLater()
            self._count()
