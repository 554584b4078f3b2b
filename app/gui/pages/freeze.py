"""Freezing what is labelled into a dataset version."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QSpinBox, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog
from app.gui.session import Session
from app.gui.widgets import figures, label
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
        self.held_out = figures(QSpinBox(), 1, 90, " %")
        self.held_out.setValue(20)
        self._below = self.add_field(
            self.tr("Held out"),
            self.held_out,
            self.tr("This share is kept away from training; the gate judges the model on it."),
        )
        context = session.context
        self._labelled = self._least = 0
        self._warning = label("", "bad", wrap=True)
        self._warning.hide()
        self.fields.addWidget(self._warning)
        self.held_out.valueChanged.connect(lambda _share: self._warn())
        session.tasks.run_query(
            lambda: (samples.counts(context), _needed_by_the_gate()), lambda got: self._counted(*got), owner=self
        )
        self.name.setFocus()

    def submit(self) -> None:
        context, name, share = self._session.context, self.name.text().strip(), self.held_out.value() / 100
        if not name:
            self.complain(self.tr("Give it a name first."))
            return
        self.attempt(self._session.tasks, lambda: datasets.freeze_dataset(context, name, held_out=share), self._frozen)

    @property
    def warning(self) -> str:
        """Why the gate would refuse what is trained on it; empty: it would not."""
        return self._warning.text()

    def _counted(self, counts: samples.SampleCounts, least: int) -> None:
        self._labelled, self._least = counts.labelled, least
        self._warn()
        self._below.setText(
            self.tr(
                "Labelled samples: {n}, labels: {labels}. This share of the samples is kept away from training "
                "for the gate."
            ).format(n=formats.count(counts.labelled), labels=len(counts.by_label))
        )

    def _warn(self) -> None:
        expected = round(self._labelled * self.held_out.value() / 100)
        words = ""
        if expected < self._least:
            words = self.tr(
                "Held-out samples: about {n}. The gate needs at least {least} to judge a model. "
                "Label more, or hold out a larger share."
            ).format(n=expected, least=self._least)
        self._warning.setText(words)
        self._warning.setVisible(bool(words))

    def _frozen(self, dataset: Dataset) -> None:
        self.frozen.emit(dataset.dataset)
        self._session.open_requested.emit("training", "")
        self.accept()


def _needed_by_the_gate() -> int:
    """On a worker, because the gate brings the inference engine along."""
    from cloud_sync.release.gate import GateRules

    return GateRules().min_samples
