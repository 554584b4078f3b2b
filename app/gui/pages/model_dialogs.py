"""Bringing a burst's result into the library, and trying a model on a box."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog
from app.gui.session import Session
from app.gui.widgets import dropdown
from app.store.records import Box, Burst, Dataset, Model
from app.usecases import boxes, bursts, datasets, models
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.status import ProbeReport


class ImportResult(FormDialog):
    """``on_imported`` gets the model\'s id, also after the dialog is gone."""

    def __init__(
        self, session: Session, parent: QWidget, *, chosen: str | None, on_imported: Callable[[str], object]
    ) -> None:
        super().__init__(
            self.tr("Import a result"),
            self.tr("The result is quantized to int8 and judged against fp32 on samples that training never saw."),
            self.tr("Import result"),
            parent,
        )
        self._session = session
        self._on_imported = on_imported
        self.burst = dropdown()
        self.add_field(self.tr("Finished burst"), self.burst)
        self.name = QLineEdit()
        self.add_field(
            self.tr("Model name"),
            self.name,
            self.tr("Small letters, digits and hyphens. A newer result under the same name is its next release."),
        )
        self.primary.setEnabled(False)
        context = session.context
        session.tasks.run_query(
            lambda: (bursts.list_bursts(context), datasets.list_datasets(context), models.list_models(context)),
            lambda got: self._offer(*got, chosen),
            owner=self,
        )

    def submit(self) -> None:
        name = self.name.text().strip()
        if not name:
            self.complain(self.tr("Give the model a name first."))
            return
        context, burst = self._session.context, self.burst.currentData()

        def work(progress: Progress, cancel: CancelToken) -> Model:
            return models.import_result(context, burst, name=name, progress=progress, cancel=cancel)

        on_imported = self._on_imported
        self._session.tasks.run_command(
            self.tr("Import {name}").format(name=name),
            work,
            lambda model: on_imported(model.model),
            owner=self.parentWidget() or self,
        )
        self.accept()

    def _offer(self, known: list[Burst], frozen: list[Dataset], library: list[Model], chosen: str | None) -> None:
        names = {one.dataset: one.name for one in frozen}
        for burst in known:
            if burst.state in bursts.WITH_RESULT and burst.model is None:
                what = names.get(burst.dataset, formats.short(burst.dataset))
                self.burst.addItem(f"{what}  ·  {formats.ago(burst.finished_ms)}", burst.burst)
        if chosen is not None:
            self.burst.setCurrentIndex(max(self.burst.findData(chosen), 0))
        self.name.setText(library[0].name if library else "")
        if self.burst.count():
            self.primary.setEnabled(True)
        else:
            self.complain(self.tr("No finished burst waits to be imported. Start one on the page Training."))


class ProveOnBox(FormDialog):
    """Sends the very bundle and lets the box's sandbox measure it."""

    def __init__(self, session: Session, parent: QWidget, model: Model) -> None:
        super().__init__(
            self.tr("Prove {name} {version}").format(name=model.name, version=model.version),
            self.tr(
                "The box replays the golden cases in a sandbox and measures its own latency. Nothing is installed."
            ),
            self.tr("Prove on box"),
            parent,
        )
        self._session, self._model = session, model
        self.box = dropdown()
        self.add_field(self.tr("Box"), self.box)
        self.primary.setEnabled(False)
        context = session.context
        session.tasks.run_query(lambda: boxes.list_boxes(context), self._offer, owner=self)

    def submit(self) -> None:
        context, model, box = self._session.context, self._model, self.box.currentData()

        def work(progress: Progress, cancel: CancelToken) -> ProbeReport:
            return models.prove_on_box(context, model.model, box, progress=progress, cancel=cancel)

        self._session.tasks.run_command(
            self.tr("Prove {version} on {box}").format(version=model.version, box=self.box.currentText()),
            work,
            owner=self.parentWidget() or self,
        )
        self.accept()

    def _offer(self, known: list[Box]) -> None:
        for box in known:
            self.box.addItem(box.name, box.box)
        self.primary.setEnabled(bool(known))
