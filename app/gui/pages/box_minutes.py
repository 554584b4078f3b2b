"""A box minute by minute: how much it did, how fast, how often it failed, and how far a shadow model agreed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QGridLayout, QWidget

from app.gui import formats
from app.gui.charts import Chart
from app.gui.pages.box_streams import StreamTable
from app.gui.pages.measures import roomy_width
from app.gui.states import State, state
from app.gui.tables import Column
from app.gui.widgets import Button, Chip, Empty, Figure, card, column, dropdown, row
from app.store.records import Box
from app.usecases import boxes, models
from edge_runtime.contracts.rows import RollupRow, ShadowRow

if TYPE_CHECKING:
    from app.gui.pages.boxes import BoxesPage

CHARTED = 1440
"""Minutes on the charts: a day of one pipeline."""
CHART_HEIGHT = 128
MINUTE_MS = 60_000
PIPELINE_WIDTH = 240
MOST_ANSWERS = 5
MOMENT = "2026-12-28 23:59:59"


@dataclass(frozen=True, slots=True)
class Curve:
    """Figures over time, oldest first; a NaN where minutes are missing, so that no line lies about them."""

    times: list[float]
    values: list[float]


def curve(rows: Sequence[RollupRow], values: Sequence[float]) -> Curve:
    """``values`` of minutes, newest first, as a curve in seconds since 1970."""
    times: list[float] = []
    drawn: list[float] = []
    end_ms: int | None = None
    for minute, value in zip(reversed(rows), reversed(values), strict=True):
        if end_ms is not None and minute.at_ms - end_ms > MINUTE_MS:
            times.append(end_ms / 1000)
            drawn.append(math.nan)
        times.append(minute.at_ms / 1000)
        drawn.append(value)
        end_ms = minute.at_ms + minute.span_ms
    return Curve(times, drawn)


def per_minute(count: int, span_ms: int) -> float:
    """What a whole minute would have had; the first and the last one of a boot are shorter."""
    return count * MINUTE_MS / span_ms if span_ms else float(count)


def ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.1f}"


class MinutesTab(QWidget):
    """One row a minute for each pipeline, and three charts of the one that is chosen."""

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: str | None = None
        self._rows: tuple[RollupRow, ...] = ()
        self._versions: dict[str, str] = {}
        self.pipeline = dropdown(self.tr("Pipeline"))
        self.pipeline.currentIndexChanged.connect(self._draw)
        self.frames = Chart(self.tr("Frames per minute"), times=True, from_zero=True, height=CHART_HEIGHT)
        self._frames = self.frames.add_line("info")
        self.latency = Chart(self.tr("Latency in ms"), times=True, from_zero=True, height=CHART_HEIGHT)
        self._p50 = self.latency.add_line("info", name=self.tr("median"))
        self._p99 = self.latency.add_line("warn", name=self.tr("1 in 100"), dashed=True)
        self.errors = Chart(self.tr("Errors per minute"), times=True, from_zero=True, height=CHART_HEIGHT)
        self._errors = self.errors.add_line("bad")
        charts = row(self.frames, self.latency, self.errors, gap=16)
        for number in range(3):
            charts.setStretch(number, 1)
        self.pipeline.setMinimumWidth(PIPELINE_WIDTH)
        self.charts = card(row(self.pipeline, 1), charts, gap=8)
        self.stream: StreamTable[RollupRow] = StreamTable(
            page,
            self.tr("Minutes"),
            self._columns(),
            lambda box, cursor, limit: boxes.page_rollups(page.context, box, cursor=cursor, limit=limit),
            lambda one: self.tr("{pipeline} answered: {answers}").format(
                pipeline=one.pipeline, answers=_answers(one) or formats.NONE
            ),
            Empty(
                "activity",
                self.tr("No minute of this box was collected yet."),
                Button(self.tr("Collect now"), "collect", kind="primary", clicked=page.detail.collect_now),
            ),
        )
        whole = column(self.charts, self.stream, gap=16)
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.charts.hide()

    def show_box(self, box: Box) -> None:
        context, name = self._page.context, box.box
        self._box = name
        self.stream.show_box(name)
        self._page.query(
            "minutes",
            lambda: (
                boxes.page_rollups(context, name, limit=CHARTED).rows,
                {model.model: model.version for model in models.list_models(context)},
            ),
            lambda got: self._arrived(name, *got),
        )

    def _arrived(self, box: str, rows: tuple[RollupRow, ...], versions: dict[str, str]) -> None:
        if box != self._box:
            return
        self._rows = rows
        if versions != self._versions:
            self._versions = versions
            self.stream.table.viewport().update()
        names = sorted({minute.pipeline for minute in rows})
        if names != [self.pipeline.itemText(number) for number in range(self.pipeline.count())]:
            chosen = self.pipeline.currentText()
            self.pipeline.blockSignals(True)
            self.pipeline.clear()
            self.pipeline.addItems(names)
            self.pipeline.setCurrentIndex(max(self.pipeline.findText(chosen), 0))
            self.pipeline.blockSignals(False)
        self.pipeline.setVisible(len(names) > 1)
        self.charts.setVisible(bool(rows))
        self._draw()

    def _draw(self) -> None:
        chosen = [minute for minute in self._rows if minute.pipeline == self.pipeline.currentText()]
        for chart, number, values in (
            (self.frames, self._frames, [per_minute(one.frames, one.span_ms) for one in chosen]),
            (self.latency, self._p50, [one.latency_us_p50 / 1000 for one in chosen]),
            (self.latency, self._p99, [one.latency_us_p99 / 1000 for one in chosen]),
            (self.errors, self._errors, [per_minute(one.errors, one.span_ms) for one in chosen]),
        ):
            drawn = curve(chosen, values)
            chart.set_line(number, drawn.times, drawn.values)

    def _columns(self) -> list[Column[RollupRow]]:
        when, frames, errors, kept = self.tr("Minute"), self.tr("Frames"), self.tr("Errors"), self.tr("Kept")
        sure, p50, p99 = self.tr("Confidence"), self.tr("Median ms"), self.tr("1 in 100 ms")
        return [
            Column(title=when, text=lambda one: formats.clock(one.at_ms)[:16], width=roomy_width(when, MOMENT[:16])),
            Column(title=self.tr("Pipeline"), text=lambda one: one.pipeline, width=120, spare=1),
            Column(title=self.tr("Model"), text=lambda one: self._version(one.model), width=96, spare=3),
            Column(
                title=frames,
                text=lambda one: formats.count(one.frames),
                number=True,
                width=roomy_width(frames, "10,000"),
            ),
            Column(
                title=errors,
                text=lambda one: formats.count(one.errors),
                number=True,
                width=roomy_width(errors, "1,000"),
            ),
            Column(
                title=kept,
                text=lambda one: formats.count(one.kept),
                number=True,
                width=roomy_width(kept, "1,000"),
                spare=4,
            ),
            Column(
                title=sure,
                text=lambda one: formats.percent(one.confidence_mean),
                number=True,
                width=roomy_width(sure, "100.0 %"),
                spare=2,
            ),
            Column(title=p50, text=lambda one: ms(one.latency_us_p50), number=True, width=roomy_width(p50, "1000.0")),
            Column(title=p99, text=lambda one: ms(one.latency_us_p99), number=True, width=roomy_width(p99, "1000.0")),
            Column(title=self.tr("Answers"), text=_answers, width=120, spare=5, stretch=True, tip=_answers),
        ]

    def _version(self, model: str) -> str:
        return self._versions.get(model, formats.short(model, 8))


class ShadowTab(QWidget):
    """How far the newest shadow model agreed, and every frame on which it did not."""

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: str | None = None
        self._chip = Chip()
        self.agreed = Figure(self.tr("agreed"))
        self.frames = Figure(self.tr("frames compared"))
        self.latency = Figure(self.tr("ms, shadow"))
        self.baseline = Figure(self.tr("ms, answering"))
        self.chart = Chart(self.tr("Share that agreed, by minute"), times=True, share=True, height=CHART_HEIGHT)
        self._agreed = self.chart.add_line("info")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        for number, figure in enumerate((self.agreed, self.frames, self.latency, self.baseline)):
            grid.addWidget(figure, number // 2, number % 2)
        figures = row(column(grid, 1), gap=32)
        figures.addWidget(self.chart, 1)
        self.summary = card(row(self._chip, 1), figures, gap=8)
        self.start = Button(
            self.tr("Start a shadow run…"), "play", kind="primary", clicked=page.detail.shadow.ask_to_start
        )
        self.stream: StreamTable[ShadowRow] = StreamTable(
            page,
            self.tr("Disagreements"),
            self._columns(),
            lambda box, cursor, limit: boxes.page_shadows(page.context, box, cursor=cursor, limit=limit),
            self._in_full,
            Empty(
                "gauge",
                self.tr("No frame yet on which a shadow model said otherwise."),
                self.start,
            ),
        )
        whole = column(self.summary, self.stream, gap=16)
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.summary.hide()

    def show_box(self, box: Box) -> None:
        context, name = self._page.context, box.box
        self._box = name
        shadow = box.status.shadow if box.status else None
        self._chip.set_state(self._standing(box))
        self.start.setVisible(shadow is None)
        self.stream.show_box(name)
        self._page.query(
            "agreement",
            lambda: boxes.page_rollups(context, name, limit=CHARTED).rows,
            lambda rows: self._arrived(name, rows),
        )

    def _standing(self, box: Box) -> State:
        shadow = box.status.shadow if box.status else None
        if shadow is None:
            return State("idle", "idle", self.tr("None now: figures of the last one"))
        shown = state(f"shadow.{shadow.state}") if box.problem is None else state("last-known")
        words = self.tr("{state}: {model}").format(state=shown.word, model=f"{shadow.name} {shadow.version}")
        return State(shown.icon, shown.tone, words)

    def _arrived(self, box: str, rows: tuple[RollupRow, ...]) -> None:
        if box != self._box:
            return
        newest = next((minute.shadow for minute in rows if minute.shadow and minute.shadow_frames), None)
        minutes = [minute for minute in rows if minute.shadow == newest and minute.shadow_frames]
        self.summary.setVisible(newest is not None and bool(minutes))
        if newest is None or not minutes:
            return
        frames = sum(minute.shadow_frames for minute in minutes)
        self.agreed.set_value(formats.percent(sum(minute.shadow_agreed for minute in minutes) / frames))
        self.frames.set_value(formats.count(frames))
        self.latency.set_value(ms(sum(one.shadow_latency_us_p50 * one.shadow_frames for one in minutes) / frames))
        self.baseline.set_value(ms(sum(one.latency_us_p50 * one.shadow_frames for one in minutes) / frames))
        drawn = curve(minutes, [minute.shadow_agreed / minute.shadow_frames for minute in minutes])
        self.chart.set_line(self._agreed, drawn.times, drawn.values)

    def _columns(self) -> list[Column[ShadowRow]]:
        when, took, shadow_took = self.tr("When"), self.tr("ms"), self.tr("Shadow ms")
        return [
            Column(title=when, text=lambda one: formats.clock(one.at_ms), width=roomy_width(when, MOMENT)),
            Column(title=self.tr("Pipeline"), text=lambda one: one.pipeline, width=104, spare=2),
            Column(title=self.tr("Frame"), text=lambda one: one.frame, width=160, spare=1, stretch=True),
            Column(title=self.tr("Answered"), text=lambda one: _said(one.label, one.confidence), width=152),
            Column(
                title=self.tr("Shadow said"),
                text=lambda one: _said(one.shadow_label, one.shadow_confidence),
                width=152,
            ),
            Column(
                title=took, text=lambda one: ms(one.latency_us), number=True, width=roomy_width(took, "100.0"), spare=3
            ),
            Column(
                title=shadow_took,
                text=lambda one: ms(one.shadow_latency_us),
                number=True,
                width=roomy_width(shadow_took, "100.0"),
                spare=4,
            ),
        ]

    def _in_full(self, one: ShadowRow) -> str:
        return self.tr("{frame}: answered {label}, the shadow said {other}. Sample {sample}.").format(
            frame=one.frame,
            label=_said(one.label, one.confidence),
            other=_said(one.shadow_label, one.shadow_confidence),
            sample=formats.short(one.sample),
        )


def _said(answer: str, confidence: float) -> str:
    return f"{answer}  ({formats.percent(confidence, 0)})"


def _answers(minute: RollupRow) -> str:
    """The most frequent answers, the most frequent first."""
    most = sorted(minute.labels.items(), key=lambda item: -item[1])[:MOST_ANSWERS]
    return ", ".join(f"{answer} × {formats.count(count)}" for answer, count in most)
