"""Figures in the settings: what is here, what waits for the store, what stands there, and how long each is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from PySide6.QtWidgets import QComboBox, QWidget

from app.gui import formats
from app.gui.pages.base import Page
from app.gui.widgets import Button, Facts, column, dropdown, label, row
from app.usecases.metrics import exporting, keeping, view
from app.usecases.metrics.exporting import ExportReport
from app.usecases.metrics.view import KindStatus, MetricsStatus
from app.usecases.progress import CancelToken, Progress

CHOICES = (7, 30, 90, 365, 400, 1100, None)
"""Days to choose from; None: for ever."""


class MetricsSettings(QWidget):
    """A choice is saved as soon as it is made."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._facts = Facts()
        self.export_button = Button(self.tr("Write to the store now"), "cloud-up", clicked=self.export)
        self.choices: dict[str, QComboBox] = {}
        rules = page.context.settings.retention
        lines = column(gap=8)
        for name, caption in (
            ("results", self.tr("Frames on this desktop, once they are in the store")),
            ("results_unsafe", self.tr("Frames on this desktop that never came to the store")),
            ("minutes", self.tr("Minutes on this desktop, once they are in the store")),
            ("bucket_results", self.tr("Frames in the store")),
            ("bucket_minutes", self.tr("Minutes in the store")),
        ):
            self.choices[name] = self._choice(name, caption, getattr(rules, name))
            line = row()
            line.addWidget(label(caption, wrap=True), 1)
            line.addWidget(self.choices[name])
            lines.addLayout(line)
        self.setLayout(
            column(
                self._facts,
                row(self.export_button, 1),
                label(self.tr("How long they are kept")),
                lines,
                label(
                    self.tr(
                        "Hours, days and labels are kept for ever. Nothing goes from here before the store was asked "
                        "whether it still has it."
                    ),
                    "caption",
                    wrap=True,
                ),
                gap=12,
            )
        )

    def reload(self) -> None:
        context = self._page.context
        self._page.query("metrics", lambda: view.metrics_status(context), self.show_status)

    def show_status(self, status: MetricsStatus) -> None:
        self.export_button.setEnabled(status.store is not None)
        captions = {
            "results": self.tr("Frames"),
            "minutes": self.tr("Minutes"),
            "hours": self.tr("Hours"),
            "days": self.tr("Days"),
            "labels": self.tr("Labels"),
        }
        facts = [(self.tr("Last written"), formats.ago(status.last_ms))]
        facts += [(captions[one.kind], self._words(one)) for one in status.kinds]
        self._facts.show_facts(facts)

    def export(self) -> None:
        """As a job of the tray."""
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> ExportReport:
            with context.open_store() as store:
                return exporting.export(context, store, progress=progress, cancel=cancel)

        self._page.session.tasks.run_command(
            self.tr("Write figures to the store"), work, lambda _report: self.reload(), owner=self
        )

    def _words(self, one: KindStatus) -> str:
        there = self.tr("in the store {rows} (files: {files}, {size})").format(
            rows=formats.count(one.rows), files=formats.count(one.files), size=formats.size(one.bytes)
        )
        waiting = self.tr("waiting {count}").format(count=formats.count(one.waiting))
        parts = [waiting, there]
        if one.here is not None:
            parts.insert(0, self.tr("here {count}").format(count=formats.count(one.here)))
        return self.tr(", ").join(parts)

    def _choice(self, name: str, caption: str, chosen: int | None) -> QComboBox:
        made = dropdown(caption)
        known = [days for days in (*CHOICES, chosen) if days is not None]
        for days in sorted(set(known)):
            made.addItem(self.tr("{count} days").format(count=formats.count(days)), days)
        # What is in the store already is not kept twice for ever without a need.
        if name not in ("results", "minutes"):
            made.addItem(self.tr("for ever"), None)
        made.setMinimumWidth(140)
        made.setCurrentIndex(made.findData(chosen) if chosen is not None else made.count() - 1)
        made.currentIndexChanged.connect(partial(self._choose, name))
        return made

    def _choose(self, name: str, index: int) -> None:
        context = self._page.context
        days = self.choices[name].itemData(index)
        keeping.change_retention(context, replace(context.settings.retention, **{name: days}))
