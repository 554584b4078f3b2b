"""Models: the library, with the gate's report and what each box measured."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter

from app.gui import formats
from app.gui.dialogs import Confirm
from app.gui.pages.base import Command, Page, scrolled
from app.gui.pages.measures import state_width
from app.gui.pages.model_detail import ModelDetail
from app.gui.pages.model_dialogs import ImportResult, ProveOnBox
from app.gui.session import Session
from app.gui.states import MODEL_STATES, model_state
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Empty
from app.store import records
from app.store.records import Box, Model
from app.usecases import boxes, models
from edge_runtime.contracts.errors import Cancelled


class ModelsPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"models", "proofs", "bursts", "boxes", "datasets"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Models"))
        self.box_names: dict[str, str] = {}
        self._releasing: set[str] = set()
        """Models whose release runs now."""
        self.model: PagedModel[Model] = PagedModel(
            (
                Column[Model](title=self.tr("Name"), text=lambda one: one.name, width=128, stretch=True),
                Column[Model](title=self.tr("Version"), text=lambda one: one.version, width=88),
                Column[Model](
                    title=self.tr("State"),
                    text=lambda one: model_state(one).word,
                    state=model_state,
                    width=state_width(self.tr("State"), MODEL_STATES),
                ),
                Column[Model](
                    title=self.tr("fp32"),
                    text=lambda one: formats.percent(one.gate.fp32_accuracy if one.gate else None),
                    number=True,
                    width=80,
                    spare=3,
                ),
                Column[Model](
                    title=self.tr("int8"),
                    text=lambda one: formats.percent(one.gate.int8_accuracy if one.gate else None),
                    number=True,
                    width=80,
                ),
                Column[Model](
                    title=self.tr("Size"),
                    text=lambda one: formats.size(one.gate.int8_bytes if one.gate else one.size),
                    number=True,
                    width=88,
                    spare=2,
                ),
                Column[Model](title=self.tr("Made"), text=lambda one: formats.ago(one.created_ms), width=104, spare=4),
            ),
            self._fetch,
            lambda one: one.model,
            session.tasks,
            self,
        )
        self.table = DataTable(self.model, self.tr("Models"))
        self.main = self.table
        self.detail = ModelDetail(self)
        self.importing = Button(self.tr("Import result…"), "collect", kind="primary", clicked=self.import_result)
        self.buttons.addWidget(self.importing)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(16)
        split.setChildrenCollapsible(False)
        split.addWidget(self.table)
        split.addWidget(scrolled(self.detail))
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([732, 356])
        self.body.addWidget(split, 1)
        self.set_empty(
            Empty(
                "models",
                self.tr("No model yet: import the result of a finished burst, and the gate will judge it."),
                Button(self.tr("Import a result…"), "collect", kind="primary", clicked=self.import_result),
            )
        )
        self.model.loaded.connect(self._loaded)
        self.table.picked.connect(self.detail.show_model)

    def reload(self) -> None:
        context = self.context
        self.query("boxes", lambda: boxes.list_boxes(context), self._know_boxes)
        self.model.reload()

    def pick(self, key: str) -> None:
        """A model's id; ``burst:ID`` starts to import that burst's result."""
        if key.startswith("burst:"):
            self.import_result(key.removeprefix("burst:"))
        else:
            self.table.pick(key)

    def commands(self) -> list[Command]:
        offered = [Command(title=self.tr("Import result…"), icon="collect", run=self.import_result)]
        model: Model | None = self.table.record
        if model is None:
            return offered
        names = {"name": model.name, "version": model.version}
        if self.can_prove(model):
            title = self.tr("Prove {name} {version} on a box…").format(**names)
            offered.append(Command(title=title, icon="gauge", run=lambda: self.prove_on_box(model)))
        if self.can_release(model):
            title = self.tr("Release {name} {version}…").format(**names)
            offered.append(Command(title=title, icon="shield", run=lambda: self.ask_to_release(model)))
        return offered

    def import_result(self, burst: str | None = None) -> ImportResult:
        dialog = ImportResult(self.session, self, chosen=burst, on_imported=self.table.pick)
        dialog.open()
        return dialog

    def prove_on_box(self, model: Model) -> ProveOnBox:
        dialog = ProveOnBox(self.session, self, model)
        dialog.open()
        return dialog

    def can_prove(self, model: Model) -> bool:
        return model.state in ("gated", "released") and bool(self.box_names)

    def can_release(self, model: Model) -> bool:
        """It passed gate and boxes, and is not being released at this moment."""
        proved = bool(model.proofs) and all(proof.passed for proof in model.proofs.values())
        return model.state == "gated" and proved and model.model not in self._releasing

    def ask_to_release(self, model: Model) -> Confirm:
        """Ask, naming the model, and sign it; it can be rolled out from then on."""
        dialog = Confirm(
            self.tr("Release this model?"),
            self.tr("It is signed for every box of this site, and can be rolled out from then on."),
            [f"{model.name} {model.version}"],
            self.tr("Release"),
            self,
        )
        dialog.accepted.connect(lambda: self._release(model))
        dialog.open()
        return dialog

    def _release(self, model: Model) -> None:
        if model.model in self._releasing:
            return
        context = self.context
        self._releasing.add(model.model)
        self.detail.show_model(self.table.record)

        def ended() -> None:
            self._releasing.discard(model.model)
            self.detail.show_model(self.table.record)

        def failed(error: BaseException) -> None:
            ended()
            if not isinstance(error, Cancelled):
                self.session.tasks.report(error)

        self.session.tasks.run_command(
            self.tr("Release {name} {version}").format(name=model.name, version=model.version),
            lambda _progress, _cancel: models.release_model(context, model.model),
            lambda _model: ended(),
            owner=self,
            failed=failed,
        )

    def _fetch(self, _cursor: str | None, _limit: int) -> records.Page[Model]:
        return records.Page(rows=tuple(models.list_models(self.context)))

    def _know_boxes(self, known: list[Box]) -> None:
        self.box_names = {box.box: box.name for box in known}
        self.detail.show_model(self.table.record)

    def _loaded(self) -> None:
        rows = self.model.rows
        self.show_empty(not rows)
        released = sum(one.state == "released" for one in rows)
        self.subtitle.setText(
            self.tr("{n} in all, {released} released").format(n=len(rows), released=released) if rows else ""
        )
        self.table.pick_first()
