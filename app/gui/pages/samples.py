"""Samples: what the boxes kept and what was imported, to be looked at and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QComboBox, QFileDialog

from app.gui import formats
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.freeze import FreezeDataset
from app.gui.pages.sample_detail import SampleDetail
from app.gui.pages.sample_grid import SampleGrid, label_keys
from app.gui.pages.sample_listing import Listing
from app.gui.session import Session
from app.gui.tables import Column, PagedModel
from app.gui.widgets import Button, Empty, Segments, dropdown, label, row
from app.store import records
from app.store.records import Box, Sample
from app.usecases import boxes, samples
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.errors import InputInvalid

SIDE_WIDTH = 336


class SamplesPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"samples", "label_events", "boxes"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Samples"))
        self.keys: dict[str, str] = {}
        self._undone: list[dict[str, str | None]] = []
        self.model: PagedModel[Sample] = PagedModel(
            (Column[Sample](title=self.tr("Sample"), text=lambda sample: sample.label or sample.predicted or ""),),
            lambda _cursor, _limit: records.Page(rows=()),
            lambda sample: sample.sample,
            session.tasks,
            self,
        )
        self.grid = SampleGrid(self.model, self.context, session.tasks, self.tr("Samples"))
        self.main = self.grid
        self.detail = SampleDetail(self)
        self.standing = Segments(
            self.tr("Labels"),
            ((self.tr("All"), None), (self.tr("Unlabelled"), False), (self.tr("Labelled"), True)),
        )
        self.box = _filter(self.tr("Box"), ((self.tr("Every box"), None),))
        self.reason = _filter(
            self.tr("Reason"),
            (
                (self.tr("Every reason"), None),
                (self.tr("Hard for the model"), "hard"),
                (self.tr("Kept at random"), "random"),
                (self.tr("Seen without a model"), "unlabelled"),
                (self.tr("Imported"), "import"),
            ),
        )
        self.undo = Button(self.tr("Undo"), "undo", kind="ghost", tip="Ctrl+Z", clicked=self.undo_label)
        self.undo.setEnabled(False)
        self.importing = Button(self.tr("Import folder…"), "folder", clicked=self.import_folder)
        self.freeze = Button(self.tr("Freeze dataset…"), "freeze", kind="primary", clicked=self.freeze_dataset)
        for button in (self.importing, self.freeze):
            self.buttons.addWidget(button)
        self.fresh = Button(self._new_words(0), "refresh", kind="ghost", clicked=self._ask_anew)
        self.fresh.hide()
        self._none = label(self.tr("No sample matches these filters."), "muted")
        self._none.hide()
        self.body.addLayout(row(self.standing, self.box, self.reason, self._none, 1, self.fresh, self.undo, gap=8))
        side = scrolled(self.detail)
        side.setFixedWidth(SIDE_WIDTH)
        content = row(self.grid, side, gap=16)
        content.setStretch(0, 1)
        self.body.addLayout(content, 1)
        self.set_empty(
            Empty(
                "samples",
                self.tr("No samples yet: collect them from a box, or import a folder with one sub-folder per label."),
                Button(self.tr("Import a folder…"), "folder", kind="primary", clicked=self.import_folder),
            )
        )
        self.standing.chosen.connect(lambda _value: self._ask_anew())
        self.box.currentIndexChanged.connect(lambda _index: self._ask_anew())
        self.reason.currentIndexChanged.connect(lambda _index: self._ask_anew())
        self.grid.selection_changed.connect(lambda: self.detail.show_samples(self.grid.selected))
        self.grid.key_typed.connect(self._typed)
        self.model.loaded.connect(self._loaded)
        QShortcut(
            QKeySequence.StandardKey.Undo, self, self.undo_label, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        self._listing = self._use_filters()

    def showEvent(self, event: QShowEvent) -> None:
        # Nobody looked meanwhile: nothing has to stay in its place.
        if self._stale:
            self._listing.release()
        super().showEvent(event)

    def reload(self) -> None:
        context = self.context
        self.model.reload()
        self.query(
            "counts", lambda: (samples.counts(context), boxes.list_boxes(context)), lambda got: self._counted(*got)
        )

    def pick(self, key: str) -> None:
        """Choose the filter of one box."""
        at = self.box.findData(key)
        if at >= 0:
            self.box.setCurrentIndex(at)

    def commands(self) -> list[Command]:
        return [
            Command(title=self.tr("Label what is unlabelled"), icon="tag", run=self._show_unlabelled),
            Command(title=self.tr("Import folder…"), icon="folder", run=self.import_folder),
            Command(title=self.tr("Freeze dataset…"), icon="freeze", run=self.freeze_dataset),
            *([Command(title=self.tr("Undo labelling"), icon="undo", run=self.undo_label)] if self._undone else []),
        ]

    def label_selected(self, name: str | None) -> None:
        """Label what is selected (None: take the label away) and go on to the next sample."""
        chosen = self.grid.selected
        if not chosen:
            return
        context = self.context
        labels = dict.fromkeys((sample.sample for sample in chosen), name)
        before = {sample.sample: sample.label for sample in chosen}
        self.grid.advance()

        def done(changed: int) -> None:
            if changed:
                self._undone.append(before)
                self.undo.setEnabled(True)

        self.session.tasks.run_query(
            lambda: samples.label_samples(context, labels), done, owner=self, failed=self._failed
        )

    def undo_label(self) -> None:
        """Give the samples labelled last the labels they had."""
        if not self._undone:
            return
        context, before = self.context, self._undone.pop()
        self.undo.setEnabled(bool(self._undone))
        self.session.tasks.run_query(lambda: samples.label_samples(context, before), lambda _n: None, owner=self)

    def import_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Import folder"))
        if folder:
            self.start_import(Path(folder))

    def start_import(self, folder: Path) -> None:
        """Import as a job of the tray."""
        context = self.context

        def work(progress: Progress, cancel: CancelToken) -> samples.ImportReport:
            return samples.import_folder(context, folder, progress=progress, cancel=cancel)

        self.session.tasks.run_command(
            self.tr("Import {name}").format(name=folder.name), work, self._imported, owner=self
        )

    def freeze_dataset(self) -> FreezeDataset:
        dialog = FreezeDataset(self.session, self)
        dialog.open()
        return dialog

    def _imported(self, report: samples.ImportReport) -> None:
        if report.imported and not self._undone:
            self._ask_anew()
        if report.skipped:
            first = report.skipped[0]
            self.session.tasks.report(
                InputInvalid(
                    self.tr("Files left out: {n} of {all}. The first: {path}. {reason}").format(
                        n=len(report.skipped), all=report.files, path=first.path, reason=first.reason
                    )
                )
            )

    def _failed(self, error: BaseException) -> None:
        self.session.tasks.report(error)
        self.reload()

    def _show_unlabelled(self) -> None:
        self.standing.choose(False)
        self._ask_anew()
        self.grid.setFocus()

    def _typed(self, key: str) -> None:
        if not key:
            self.label_selected(None)
        elif key in self.keys:
            self.label_selected(self.keys[key])

    def _new_words(self, fresh: int) -> str:
        return self.tr("{n} new – show").format(n=formats.count(fresh))

    def _use_filters(self) -> Listing:
        labelled = self.standing.value
        ask = partial(
            samples.page_samples,
            self.context,
            labelled=labelled if isinstance(labelled, bool) else None,
            box=self.box.currentData(),
            reason=self.reason.currentData(),
        )
        listing = Listing(ask)
        self.model.use(listing.fetch)
        return listing

    def _ask_anew(self) -> None:
        self.grid.clearSelection()
        self.grid.scrollToTop()
        self._listing = self._use_filters()

    def _loaded(self) -> None:
        self._listing.hold(self.model.rows)
        fresh = self._listing.held_back
        self.fresh.setVisible(fresh > 0)
        if fresh:
            self.fresh.rename(self._new_words(fresh))
        self._none.setVisible(not self.model.rows)
        if not self.grid.selectedIndexes() and self.model.rowCount():
            self.grid.setCurrentIndex(self.model.index(0, 0))
        self.detail.show_samples(self.grid.selected)

    def _counted(self, counts: samples.SampleCounts, known: Sequence[Box]) -> None:
        self.show_empty(counts.total == 0)
        self.freeze.setEnabled(counts.labelled > 0)
        self.subtitle.setText(
            self.tr("{n} in all, {labelled} labelled").format(
                n=formats.count(counts.total), labelled=formats.count(counts.labelled)
            )
            if counts.total
            else ""
        )
        guesses = {sample.predicted for sample in self.model.rows if sample.predicted}
        self.keys = label_keys(sorted(guesses | set(counts.by_label)), self.keys)
        self.detail.show_labels(self.keys)
        self._offer_boxes(known)

    def _offer_boxes(self, known: Sequence[Box]) -> None:
        offered = [self.box.itemData(index) for index in range(1, self.box.count())]
        if offered == [box.box for box in known]:
            return
        chosen = self.box.currentData()
        self.box.blockSignals(True)
        while self.box.count() > 1:
            self.box.removeItem(1)
        for box in known:
            self.box.addItem(box.name, box.box)
        at = self.box.findData(chosen)
        self.box.setCurrentIndex(max(at, 0))
        self.box.blockSignals(False)
        if at < 0:
            self._ask_anew()


def _filter(name: str, choices: Sequence[tuple[str, str | None]]) -> QComboBox:
    made = dropdown(name)
    for text, value in choices:
        made.addItem(text, value)
    made.setMinimumWidth(152)
    return made
