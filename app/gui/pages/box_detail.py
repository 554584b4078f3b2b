"""One box in detail: slots, pipelines, alerts, and how sure its model has been lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.gui import formats
from app.gui.box_words import kind_state, stages_words
from app.gui.charts import Chart, Mark, changes, rolling_mean, without_crowding
from app.gui.dialogs import Confirm
from app.gui.pages.box_actions import RollBack
from app.gui.pages.box_clock import ClockPanel
from app.gui.pages.box_config import ConfigPanel
from app.gui.pages.box_drill import DrillPanel
from app.gui.pages.box_labels import LabelPanel
from app.gui.pages.box_runtime import RuntimePanel
from app.gui.pages.box_shadow import ShadowPanel
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.pages.ssh_jobs import ReleaseBox, UpdateBox, start_enrolment, start_release
from app.gui.states import box_state, slot_state, state
from app.gui.widgets import Button, Chip, Facts, card, column, label, row
from app.store.records import Box
from app.usecases import boxes, models, results
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.errors import NotFound
from edge_runtime.contracts.rows import AlertRow, ResultRow
from edge_runtime.contracts.status import PipelineStatus, SlotStatus

if TYPE_CHECKING:
    from app.gui.pages.boxes import BoxesPage

RECENT = 1000
"""Results on the chart."""
ALERTS = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """What the chart and the list of alerts show."""

    results: tuple[ResultRow, ...]
    alerts: Sequence[AlertRow]
    versions: dict[str, str]
    """Version by bundle id."""


class BoxDetail(QWidget):
    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._name = label("", "section", selectable=True)
        self._chip = Chip()
        self._problem = label("", "bad", wrap=True, selectable=True)
        self._facts = Facts()
        self._disk = label("", "bad", wrap=True, selectable=True)
        self.clock = ClockPanel(page)
        self.labels = LabelPanel(page)
        self.refresh = Button(self.tr("Refresh"), "refresh", clicked=self._refresh)
        self.collect = Button(self.tr("Collect now"), "collect", clicked=self.collect_now)
        self.forget = Button(self.tr("Forget…"), "close", clicked=self.ask_to_forget)
        self.look_back = Button(self.tr("History"), "activity", clicked=lambda: page.look_back())
        self.look_back.setToolTip(self.tr("Minutes, shadow model, alerts, what was done to it, losses"))
        self.shadow = ShadowPanel(page)
        self.drills = DrillPanel(page)
        self.configuration = ConfigPanel(page)
        self.runtime = RuntimePanel(page)
        self.send_back = Button(self.tr("Send back…"), "undo", clicked=self.ask_to_send_back)
        self._slots = Entries(self.tr("Not heard yet."))
        self._pipelines = Entries(self.tr("No pipeline is configured."))
        self._alerts = Entries(self.tr("No alerts."))
        self.chart = Chart(self.tr("Confidence over time"), times=True, share=True)
        self._dots = self.chart.add_dots("muted")
        self._mean = self.chart.add_line("accent", 2.5)
        self._unheard = label(self.tr("No result was collected yet."), "muted")
        self.chart_card = card(label(self.tr("What the model said"), "section"), self._unheard, self.chart, gap=8)
        """Shown by the page, where there is room for its width."""
        self.release = Button(self.tr("Take Lineside off this box…"), "undo", clicked=self.ask_to_release)
        self.update_program = Button(self.tr("Update its program over SSH…"), "send", clicked=self.ask_to_update)
        panel = [
            card(
                row(self._name, 1, self._chip),
                self._problem,
                self._disk,
                self.clock,
                self._facts,
                self.labels,
                row(self.refresh, self.collect, 1),
                row(self.look_back, self.forget, 1),
                self.update_program,
                self.release,
                gap=12,
            ),
            card(self.configuration),
            card(label(self.tr("Model slots"), "section"), self._slots, row(self.send_back, 1), gap=12),
            card(self.shadow),
            card(self.drills),
            card(self.runtime),
            card(label(self.tr("Pipelines"), "section"), self._pipelines, gap=12),
            card(label(self.tr("Alerts"), "section"), self._alerts, gap=12),
        ]
        self._sections = [*panel, self.chart_card]
        self.setLayout(column(*panel, 1, gap=16))
        self.show_box(None)

    def show_box(self, box: Box | None) -> None:
        """Show this box; None: nothing is picked."""
        other = (box.box if box else None) != (self._box.box if self._box else None)
        self._box = box
        for section in self._sections:
            section.setVisible(box is not None)
        if box is None:
            return
        self._name.setText(box.name)
        self._chip.set_state(box_state(box))
        self._problem.setText(box.problem or "")
        self._problem.setVisible(box.problem is not None)
        disk = box.status.spool.problem if box.status else None
        self._disk.setText(self.tr("Its disk takes no rows: {problem}").format(problem=disk) if disk else "")
        self._disk.setVisible(disk is not None)
        self.clock.show_box(box)
        self._facts.show_facts(self._facts_of(box))
        self.labels.show_box(box)
        self.shadow.show_box(box)
        self.drills.show_box(box)
        self.configuration.show_box(box)
        self.runtime.show_box(box)
        self.send_back.setVisible(_way_back(box) is not None)
        heard = box.problem is None
        self._slots.show_entries([self._slot(slot, heard=heard) for slot in (box.status.slots if box.status else ())])
        pipelines = box.status.pipelines if box.status else ()
        self._pipelines.show_entries([self._pipeline(one, heard=heard) for one in pipelines])
        if other:
            self.reload()

    def reload(self) -> None:
        """Fetch what the box saw."""
        if self._box is None:
            return
        context, box = self._page.context, self._box.box

        def work() -> Seen | None:
            try:
                return Seen(
                    results.page_results(context, box, limit=RECENT).rows,
                    boxes.page_alerts(context, box, limit=ALERTS).rows,
                    {model.model: model.version for model in models.list_models(context)},
                )
            except NotFound:
                # Struck off the list a moment ago: the table is about to say so.
                return None

        self.drills.reload()
        self._page.query("seen", work, lambda seen: self._show_seen(box, seen) if seen else None)

    def ask_to_forget(self) -> None:
        """Ask, naming the box, and strike it off the list."""
        if self._box is None:
            return
        context, box = self._page.context, self._box
        dialog = Confirm(
            self.tr("Forget this box?"),
            self.tr("It leaves this desktop's list. What it sent stays here, and the box itself is not touched."),
            [box.name],
            self.tr("Forget box"),
            self,
            kind="danger",
        )
        dialog.accepted.connect(
            lambda: self._page.session.tasks.run_query(
                lambda: boxes.forget_box(context, box.box), lambda _none: None, owner=self
            )
        )
        dialog.open()

    def ask_to_update(self) -> UpdateBox | None:
        """Ask how to sign in, and bring a newer program over SSH; None where none is picked."""
        if self._box is None:
            return None
        page = self._page
        dialog = UpdateBox(page.session, self, self._box)
        dialog.wanted.connect(lambda request: start_enrolment(page.session, page, request, page.table.pick))
        dialog.open()
        return dialog

    def ask_to_release(self) -> ReleaseBox | None:
        """Ask, naming the box, and take everything off it over SSH; None where none is picked."""
        if self._box is None:
            return None
        page, box = self._page, self._box
        dialog = ReleaseBox(page.session, self, box)
        dialog.wanted.connect(lambda request: start_release(page.session, page, box, request))
        dialog.open()
        return dialog

    def ask_to_send_back(self) -> RollBack | None:
        """Ask why, and send the box back to the model before; None where there is none."""
        way = _way_back(self._box) if self._box is not None else None
        if self._box is None or way is None:
            return None
        context, box = self._page.context, self._box
        answers, before = (f"{slot.name} {slot.version}" for slot in way)
        dialog = RollBack(self, box, answers=answers, before=before)
        dialog.reasoned.connect(
            lambda reason: self._page.session.tasks.run_command(
                self.tr("Send {name} back").format(name=box.name),
                lambda _progress, _cancel: boxes.roll_back(context, box.box, reason),
                owner=self,
            )
        )
        dialog.open()
        return dialog

    def _refresh(self) -> None:
        if self._box is not None:
            context, box = self._page.context, self._box
            self._page.session.tasks.run_command(
                self.tr("Refresh {name}").format(name=box.name),
                lambda _progress, _cancel: boxes.refresh(context, box.box),
                owner=self,
            )

    def collect_now(self) -> None:
        """Bring over what waits on the box."""
        if self._box is None:
            return
        context, box = self._page.context, self._box

        def work(progress: Progress, cancel: CancelToken) -> boxes.CollectReport:
            return boxes.collect(context, box.box, progress=progress, cancel=cancel)

        self._page.session.tasks.run_command(self.tr("Collect from {name}").format(name=box.name), work, owner=self)

    def _facts_of(self, box: Box) -> list[tuple[str, str]]:
        facts = [(self.tr("Address"), box.address), (self.tr("Fingerprint"), formats.short(box.box, 20))]
        if box.status is not None:
            spool = box.status.spool
            answers = "\n".join(f"{where} {name.upper()}" for name, where in sorted(box.status.inference.items()))
            facts += [
                (self.tr("Inference"), answers or self.tr("Off")),
                (self.tr("Version"), box.status.version),
                (self.tr("Running for"), formats.duration(box.status.uptime_s)),
                (
                    self.tr("Waiting there"),
                    self.tr("Results: {results}, samples: {samples} ({size})").format(
                        results=formats.count(spool.results),
                        samples=formats.count(spool.samples),
                        size=formats.size(spool.sample_bytes),
                    ),
                ),
                (self.tr("Free disk"), formats.size(spool.disk_free_bytes)),
            ]
        return [*facts, (self.tr("Last seen"), formats.clock(box.last_seen_ms))]

    def _slot(self, slot: SlotStatus, *, heard: bool) -> Entry:
        what = f"{slot.name} {slot.version}" if slot.version else self.tr("No model")
        lines = []
        if slot.active and heard:
            lines.append(self.tr("Answers for the line now"))
        elif slot.active:
            lines.append(self.tr("Answered when the box was last heard"))
        if slot.reason:
            lines.append(slot.reason)
        elif slot.trial is not None:
            lines.append(
                self.tr("Frames on trial: {frames}, errors: {errors}, {ms} ms (p95)").format(
                    frames=slot.trial.frames, errors=slot.trial.errors, ms=f"{slot.trial.latency_ms_p95:.1f}"
                )
            )
        return Entry(
            key=slot.slot,
            title=f"{slot.slot.upper()}   {what}",
            lines=tuple(Line(text=text) for text in lines),
            chip=slot_state(slot, heard=heard),
        )

    def _pipeline(self, pipeline: PipelineStatus, *, heard: bool) -> Entry:
        words = self.tr("Frames: {frames} ({rate} per second), kept: {kept}, errors: {errors}").format(
            frames=formats.count(pipeline.frames),
            rate=f"{pipeline.frames_per_s:.1f}" if heard else formats.NONE,
            kept=formats.count(pipeline.kept),
            errors=formats.count(pipeline.errors),
        )
        lines = [Line(text=pipeline.source), Line(text=words)]
        if pipeline.stages_ms:
            lines.append(Line(text=self.tr("ms a frame: {stages}").format(stages=stages_words(pipeline.stages_ms))))
        if 0 < pipeline.drift_reference < 1:
            learned = formats.percent(pipeline.drift_reference, 0)
            lines.append(Line(text=self.tr("Learns what is normal, to notice drift: {share}").format(share=learned)))
        if pipeline.last_error:
            lines.append(Line(text=pipeline.last_error))
        return Entry(
            key=pipeline.name,
            title=pipeline.name,
            lines=tuple(lines),
            chip=state("drift" if pipeline.drift else pipeline.state) if heard else state("last-known"),
        )

    def _alert(self, alert: AlertRow) -> Entry:
        return Entry(
            key=f"{alert.boot} {alert.seq}",
            title=alert.message,
            lines=(Line(text=f"{formats.clock(alert.at_ms)}  ·  {kind_state(alert.kind).word}"),),
            icon=kind_state(alert.kind),
        )

    def _show_seen(self, box: str, seen: Seen) -> None:
        if self._box is None or self._box.box != box:
            return
        rows = seen.results[::-1]
        times = [row.at_ms / 1000 for row in rows]
        confidences = [row.confidence for row in rows]
        self.chart.setVisible(bool(rows))
        self._unheard.setVisible(not rows)
        self.chart.set_dots(self._dots, times, confidences)
        self.chart.set_line(self._mean, times, rolling_mean(confidences))
        marks = [
            Mark(times[at], seen.versions.get(rows[at].model, formats.short(rows[at].model, 6)), "ok")
            for at in changes([row.model for row in rows])
        ]
        if times:
            marks += [
                Mark(alert.at_ms / 1000, self.tr("drift"), "warn")
                for alert in seen.alerts
                if alert.kind.startswith("drift.") and times[0] <= alert.at_ms / 1000 <= times[-1]
            ]
        self.chart.set_marks(without_crowding(marks, times[-1] - times[0]) if times else [])
        self._alerts.show_entries([self._alert(alert) for alert in seen.alerts])


def _way_back(box: Box) -> tuple[SlotStatus, SlotStatus] | None:
    """The slot that answers and the one that would instead; None where there is no model to go back to."""
    slots = box.status.slots if box.status else ()
    answers = next((slot for slot in slots if slot.active), None)
    before = next((slot for slot in slots if not slot.active and slot.state == "COMMITTED"), None)
    return (answers, before) if answers and before else None
