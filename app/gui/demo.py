"""The demo in the window: the real loop runs in a worker, and a strip on top tells its story."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QWidget

from app.context import Context
from app.gui import formats
from app.gui.states import demo_step
from app.gui.tasks import Job, Tasks
from app.gui.widgets import Button, Figure, IconLabel, column, label, row
from app.usecases import bursts
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from edge_runtime.contracts.errors import TrainingUnavailable

if TYPE_CHECKING:
    from app.demo.report import DemoOptions, DemoReport

TICK_MS = 1000
CHANGING_LINE = "line-2"


def can_train() -> bool:
    """Whether this program can train here, as the demo does; its site cannot name another Python to do it."""
    try:
        bursts.require_training_here()
    except TrainingUnavailable:
        return False
    return True


class DemoRun(QObject):
    """One play of the demo; outlives the window that shows it."""

    changed = Signal()
    line_changed = Signal()
    """The line that changes does so from now on."""

    def __init__(self, tasks: Tasks, parent: QObject) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self.headline = ""
        self.detail = ""
        self.fraction = 0.0
        self.report: DemoReport | None = None
        self.seconds: float | None = None
        self.job: Job | None = None
        self._began_s = time.monotonic()

    @property
    def broken(self) -> bool:
        """It has ended before its end: nothing of its site is left."""
        return self.seconds is not None and self.report is None

    @property
    def elapsed_s(self) -> float:
        return self.seconds if self.seconds is not None else time.monotonic() - self._began_s

    def start(self, options: DemoOptions, on_context: Callable[[Context], None]) -> None:
        """Play it in a worker. ``on_context`` gets the demo's site, in the GUI thread."""

        def work(progress: Progress, cancel: CancelToken) -> None:
            from app.demo.play import play

            def hold(report: DemoReport) -> None:
                # The lines go on running for whoever looks around, until the window is closed.
                self._tasks.post(lambda: self._finished(report))
                cancel.wait(threading.TIMEOUT_MAX)

            play(
                options,
                progress=self._telling(progress),
                cancel=cancel,
                on_context=lambda context: self._tasks.post(lambda: on_context(context)),
                hold=hold,
            )

        self.job = self._tasks.run_command(self.tr("Demo"), work, owner=self, failed=self._broke, in_tray=False)

    def _telling(self, progress: Progress) -> Progress:
        def tell(event: ProgressEvent) -> None:
            progress(event)
            self._tasks.post(lambda: self._told(event))

        return tell

    def _told(self, event: ProgressEvent) -> None:
        if event.step.startswith("…"):
            self.detail = event.message
        else:
            self.headline, self.detail = f"{demo_step(event.step)}: {event.message}", ""
        if event.fraction is not None:
            self.fraction = max(self.fraction, event.fraction)
        if event.step == "change":
            self.line_changed.emit()
        self.changed.emit()

    def _finished(self, report: DemoReport) -> None:
        self.report, self.fraction = report, 1.0
        self.seconds = report.seconds
        self.headline = self.tr("Done. Both lines still run: look around, and close the window to end the demo.")
        self.detail = ""
        self.changed.emit()

    def _broke(self, error: BaseException) -> None:
        self.seconds = self.elapsed_s
        self.headline = self.tr("The demo has ended.")
        self.changed.emit()
        if self.job is not None and self.job.state == "failed":
            self._tasks.report(error)


class DemoStrip(QFrame):
    """Shows a :class:`DemoRun`."""

    def __init__(self, run: DemoRun) -> None:
        super().__init__()
        self.setObjectName("demo")
        self._run = run
        self._headline = label("", "section", wrap=True)
        self._detail = label("", "caption")
        self._elapsed = label("", "muted")
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(self.tr("Progress of the demo"))
        self.back = Button(self.tr("Back"))
        self._figures = QWidget()
        self.before = Figure(self.tr("right answers on line 2, before the change"))
        self.after = Figure(self.tr("after the change"))
        self.updated = Figure(self.tr("after the update"))
        figures: QHBoxLayout = row(
            self.before,
            IconLabel("chevron-right"),
            self.after,
            IconLabel("chevron-right"),
            self.updated,
            1,
            gap=24,
        )
        self._figures.setLayout(figures)
        self._figures.hide()
        words = column(self._heading(), self._figures, self._bar, self._detail, gap=6)
        box = row(column(IconLabel("play", "accent", 24), 1), words, gap=16)
        box.setStretch(1, 1)
        box.setContentsMargins(24, 12, 24, 12)
        self.setLayout(box)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._show)
        self._tick.start()
        run.changed.connect(self._show)
        self._show()

    def _heading(self) -> QHBoxLayout:
        heading = row(gap=16)
        heading.addWidget(self._headline, 1)
        heading.addWidget(self._elapsed, 0, Qt.AlignmentFlag.AlignTop)
        heading.addWidget(self.back)
        return heading

    def _show(self) -> None:
        run = self._run
        self._headline.setText(run.headline or self.tr("A factory is being set up: two boxes, two lines."))
        self._detail.setText(run.detail)
        self._detail.setVisible(bool(run.detail))
        self._elapsed.setText(formats.duration(run.elapsed_s))
        self._bar.setValue(round(run.fraction * 1000))
        self._bar.setVisible(run.report is None and not run.broken)
        self.back.setVisible(run.broken)
        self._figures.setVisible(run.report is not None)
        if run.report is not None:
            line = run.report.line2_accuracy
            self.before.set_value(formats.percent(line.before_change))
            self.after.set_value(formats.percent(line.after_change), "bad")
            self.updated.set_value(formats.percent(line.after_update), "ok")
        if run.seconds is not None:
            self._tick.stop()
