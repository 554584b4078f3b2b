"""One burst in detail: where it stands, what it costs, its curves and the end of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QProgressBar, QWidget

from app.gui import formats
from app.gui.charts import Chart
from app.gui.dialogs import Confirm
from app.gui.states import state
from app.gui.widgets import Button, Chip, Facts, card, column, label, row
from app.store.records import Burst, CurvePoint
from app.usecases import bursts

if TYPE_CHECKING:
    from app.gui.pages.training import TrainingPage

LOG_LINES = 2000
"""Kept on the screen; the log itself is longer."""

_STANDS = bursts.ENDED | {"IMPORTED", "GATED"}


def under_way(burst: Burst) -> bool:
    """It still costs something, and can be cancelled."""
    return burst.state not in _STANDS


class BurstDetail(QWidget):
    def __init__(self, page: TrainingPage) -> None:
        super().__init__()
        self._page = page
        self._burst: Burst | None = None
        self._logged = 0
        self._title = label("", "section")
        self._chip = Chip()
        self._message = label("", "bad", wrap=True, selectable=True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName(self.tr("Progress of the burst"))
        self._step = label("", "caption")
        self._facts = Facts()
        self.stop = Button(self.tr("Cancel burst…"), "stop", kind="danger", clicked=self.ask_to_cancel)
        self.to_models = Button(self.tr("Import result…"), "models", clicked=self._import)
        self.loss = Chart(self.tr("Loss by step"))
        self._loss = self.loss.add_line("accent")
        self.accuracy = Chart(self.tr("Accuracy by step"), share=True)
        self._accuracy = self.accuracy.add_line("ok")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setProperty("role", "log")
        self.log.setMaximumBlockCount(LOG_LINES)
        self.log.setMinimumHeight(200)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setAccessibleName(self.tr("Log of the burst"))
        self.log.setTabChangesFocus(True)
        self._sections = [
            card(
                row(self._title, 1, self._chip),
                self._message,
                self._bar,
                self._step,
                self._facts,
                row(self.to_models, self.stop, 1),
                gap=12,
            ),
            card(self.loss, self.accuracy, gap=16),
            card(label(self.tr("Log"), "section"), self.log, gap=12),
        ]
        self.setLayout(column(*self._sections, 1, gap=16))
        self.show_burst(None)

    def show_burst(self, burst: Burst | None) -> None:
        """Show this burst; None: nothing is picked."""
        other = (burst.burst if burst else None) != (self._burst.burst if self._burst else None)
        self._burst = burst
        for section in self._sections:
            section.setVisible(burst is not None)
        if burst is None:
            return
        self._title.setText(self._page.dataset_name(burst.dataset))
        self._chip.set_state(state(burst.state))
        self._message.setText(burst.message or "")
        self._message.setVisible(bool(burst.message))
        self._bar.setValue(round(burst.progress * 1000))
        self._step.setText(burst.step)
        self._step.setVisible(bool(burst.step))
        self._facts.show_facts(self._facts_of(burst))
        self.stop.setVisible(under_way(burst))
        self.to_models.setVisible(burst.state in bursts.WITH_RESULT and burst.model is None)
        if other:
            self._logged = 0
            self.log.clear()
            self.reload()

    def reload(self) -> None:
        """Fetch curve and new log lines."""
        if self._burst is None:
            return
        context, burst, after = self._page.context, self._burst.burst, self._logged
        self._page.query(
            "burst",
            lambda: (bursts.burst_curve(context, burst), bursts.burst_log(context, burst, after)),
            lambda got: self._arrived(burst, after, *got),
        )

    def ask_to_cancel(self) -> None:
        """Ask, naming the burst, and cancel it."""
        if self._burst is None:
            return
        context, burst = self._page.context, self._burst
        dialog = Confirm(
            self.tr("Cancel this burst?"),
            self.tr("Training stops and its machine is given back. The checkpoints that it wrote stay."),
            [self.tr("{dataset} on {host}").format(dataset=self._page.dataset_name(burst.dataset), host=burst.host)],
            self.tr("Cancel burst"),
            self,
            kind="danger",
        )
        dialog.accepted.connect(
            lambda: self._page.session.tasks.run_command(
                self.tr("Cancel burst"),
                lambda _progress, _cancel: bursts.cancel_burst(context, burst.burst),
                owner=self,
            )
        )
        dialog.open()

    def _import(self) -> None:
        if self._burst is not None:
            self._page.session.open_requested.emit("models", f"burst:{self._burst.burst}")

    def _facts_of(self, burst: Burst) -> list[tuple[str, str]]:
        ended = burst.finished_ms or formats.now_ms()
        took = formats.duration((ended - burst.started_ms) / 1000) if burst.started_ms else formats.NONE
        return [
            (self.tr("Recipe"), burst.recipe),
            (self.tr("Host"), burst.host),
            (
                self.tr("Started from"),
                formats.short(burst.base_model) if burst.base_model else self.tr("nothing (new)"),
            ),
            (self.tr("Time"), took),
            (self.tr("Deadline"), formats.clock(burst.deadline_ms)),
            (
                self.tr("Cost"),
                self.tr("{cost}, at worst {worst}").format(
                    cost=formats.money(burst.cost_usd), worst=formats.money(burst.worst_case_usd)
                ),
            ),
            (self.tr("Id"), burst.burst),
        ]

    def _arrived(self, burst: str, after: int, curve: list[CurvePoint], lines: list[str]) -> None:
        if self._burst is None or self._burst.burst != burst:
            return
        steps = [float(point.step) for point in curve]
        self.loss.set_line(self._loss, steps, [point.loss for point in curve])
        judged = [(float(point.step), point.accuracy) for point in curve if point.accuracy is not None]
        self.accuracy.set_line(self._accuracy, [step for step, _ in judged], [share for _, share in judged])
        self.accuracy.setVisible(bool(judged))
        if lines and after == self._logged:
            self._logged += len(lines)
            bar = self.log.verticalScrollBar()
            at_end = bar.value() == bar.maximum()
            self.log.appendPlainText("\n".join(lines))
            if at_end:
                self.log.moveCursor(QTextCursor.MoveOperation.End)
                self.log.moveCursor(QTextCursor.MoveOperation.StartOfLine)
