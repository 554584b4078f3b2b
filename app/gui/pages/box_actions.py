"""What can be asked of a box: a shadow model, and the way back to the model before."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui.dialogs import FormDialog
from app.gui.session import Session
from app.gui.widgets import dropdown
from app.store.records import Box, Model
from app.usecases import models


class StartShadow(FormDialog):
    """``chosen`` carries the model's id and what it is called."""

    chosen = Signal(str, str)

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Start a shadow run"),
            self.tr(
                "The model sees what {box} sees, but answers for nothing. Frames on which the two disagree are kept."
            ).format(box=box.name),
            self.tr("Start shadow run"),
            parent,
        )
        slots = box.status.slots if box.status else ()
        self._answers = {slot.bundle for slot in slots if slot.active}
        self.model = dropdown()
        self.add_field(
            self.tr("Released model"), self.model, self.tr("The box tries it in its sandbox first, and may refuse it.")
        )
        self.primary.setEnabled(False)
        context = session.context
        session.tasks.run_query(lambda: models.list_models(context), self._offer, owner=self)

    def submit(self) -> None:
        self.chosen.emit(self.model.currentData(), self.model.currentText())
        self.accept()

    def _offer(self, library: list[Model]) -> None:
        released = [model for model in library if model.state == "released" and model.model not in self._answers]
        for model in released:
            self.model.addItem(f"{model.name} {model.version}", model.model)
        self.primary.setEnabled(bool(released))
        if not released:
            self.model.setEnabled(False)
            self.complain(self.tr("No other model is released yet. Release one on the page Models."))


class RollBack(FormDialog):
    """Names the box, and asks why. ``reasoned`` carries the reason."""

    reasoned = Signal(str)

    def __init__(self, parent: QWidget, box: Box, *, answers: str, before: str) -> None:
        super().__init__(
            self.tr("Send {box} back?").format(box=box.name),
            self.tr("{before} answers for the line again instead of {answers}.").format(before=before, answers=answers),
            self.tr("Send back"),
            parent,
            kind="danger",
        )
        self.reason = QLineEdit()
        self.reason.setMaxLength(200)
        self.add_field(self.tr("Reason"), self.reason, self.tr("Kept on the box and in the activity."))
        self.primary.setDefault(False)
        self.cancel.setDefault(True)

    def submit(self) -> None:
        reason = self.reason.text().strip()
        if not reason:
            self.complain(self.tr("Say why: whoever comes next will ask."))
            return
        self.reasoned.emit(reason)
        self.accept()
