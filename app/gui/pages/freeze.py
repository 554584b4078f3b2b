"""Freezing what is labelled into a dataset version."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QSpinBox, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog
from app.gui.session import Session
from app.store.records import Dataset
from app.usecases import datasets, samples


class FreezeDataset(FormDialog):
    """``frozen`` carries the dataset's id."""

    frozen = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(
            self.tr("Freeze a dataset"),
            self.tr("Every labelled sample becomes part of an immutable version; what is labelled later is not in it."),
            self.tr("Freeze dataset"),
            parent,
        )
        self._session = session
        self.name = QLineEdit()
        self.name.setPlaceholderText(self.tr("For instance: line 2 after the lamp was changed"))
        self.add_field(self.tr("Name"), self.name)
        self.held_out = QSpinBox()
        self.held_out.setRange(1, 90)
        self.held_out.setValue(20)
        self.held_out.setSuffix(" %")
        self._below = self.add_field(
            self.tr("Held out"),
            self.held_out,
            self.tr("This share is kept away from training; the gate judges the model on it."),
        )
        context = session.context
        session.tasks.run_query(lambda: samples.counts(context), self._counted, owner=self)
        self.name.setFocus()

    def submit(self) -> None:
        context, name, share = self._session.context, self.name.text().strip(), self.held_out.value() / 100
        if not name:
            self.complain(self.tr("Give it a name first."))
            return
        self.attempt(self._session.tasks, lambda: datasets.freeze_dataset(context, name, held_out=share), self._frozen)

    def _counted(self, counts: samples.SampleCounts) -> None:
        self._below.setText(
            self.tr(
                "{n} samples with {labels} labels. This share of them is kept away from training for the gate."
            ).format(n=formats.count(counts.labelled), labels=len(counts.by_label))
        )

    def _frozen(self, dataset: Dataset) -> None:
        self.frozen.emit(dataset.dataset)
        self._session.open_requested.emit("training", "")
        self.accept()
