"""The job tray: what is being done, how far it is, and how to stop it. Never a modal."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.states import State, step
from app.gui.tasks import Job, Tasks
from app.gui.widgets import Button, Chip, column, label, restyle, row

LINGER_MS = 4000
"""A job that went well stays this long."""
TICK_MS = 1000


class JobRow(QWidget):
    """One job. ``gone`` comes when it need not be shown any more."""

    gone = Signal()

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
        titles = column(row(label(job.title), self._words, 1, self._elapsed, gap=12), self._bar, gap=6)
        box = row(gap=12)
        box.addLayout(titles, 1)
        box.addWidget(self._chip, 0, Qt.AlignmentFlag.AlignVCenter)
        box.addWidget(self.stop)
        self.setLayout(box)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._show_elapsed)
        self._tick.start()
        job.changed.connect(self._show)
        self._show()

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


class JobTray(QFrame):
    """All jobs, newest on top. ``counted`` carries how many there are."""

    counted = Signal(int)

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self.setObjectName("tray")
        self.setAccessibleName(self.tr("Jobs"))
        self._rows: list[JobRow] = []
        self._box: QVBoxLayout = column(gap=8)
        self._box.setContentsMargins(24, 12, 16, 12)
        self.setLayout(self._box)
        self.hide()
        tasks.job_added.connect(self.add)

    @property
    def rows(self) -> tuple[JobRow, ...]:
        return tuple(self._rows)

    def add(self, job: Job) -> None:
        row = JobRow(job)
        self._rows.append(row)
        self._box.insertWidget(0, row)
        row.gone.connect(lambda: self._drop(row))
        self.show()
        self.counted.emit(len(self._rows))

    def _drop(self, row: JobRow) -> None:
        if row in self._rows:
            self._rows.remove(row)
            row.hide()
            row.deleteLater()
            self.setVisible(bool(self._rows))
            self.counted.emit(len(self._rows))
