"""What a rollout brings: chosen in the dialog that starts one, and named wherever one is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.gui.dialogs import PathField
from app.gui.widgets import Segments, column, dropdown, label
from app.store.records import Model, Rollout, SubjectKind
from app.usecases import rehearsal, rollout_starts, rollouts, subject_rehearsal
from app.usecases.progress import CancelToken
from app.usecases.rehearsal import Rehearsal
from cloud_sync.release.plan import Plan

if TYPE_CHECKING:
    from app.context import Context

KINDS: tuple[SubjectKind, ...] = ("model", "configuration", "program")
HEIGHT = 150
"""Of a text of a few lines, logical pixels."""
Waves = Sequence[Sequence[str]]
Start = Callable[["Context", Waves, Plan], Rollout]
Rehearse = Callable[["Context", Waves, Plan, CancelToken], Rehearsal]


def subject_words(rollout: Rollout, models: dict[str, str]) -> str:
    """What people call it: name and version of a model, or which configuration or program it is.

    :param models: names of the library's models, by id.
    """
    match rollout.subject:
        case "configuration":
            return QCoreApplication.translate("rollouts", "Configuration {id}").format(id=rollout.version)
        case "program":
            return QCoreApplication.translate("rollouts", "Program {version}").format(version=rollout.version)
        case "model":
            return f"{models.get(rollout.model, '')} {rollout.version}".strip()


class SubjectFields(QWidget):
    """A model, fields of the configuration, or an edge bundle. ``chosen`` comes with whatever is another one."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model = dropdown()
        self.change = QPlainTextEdit()
        self.change.setProperty("role", "code")
        self.change.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.change.setTabChangesFocus(True)
        self.change.setFixedHeight(HEIGHT)
        self.change.setPlaceholderText(
            '[update]\ntrial_seconds = 30.0\n\n[[pipeline]]\nname = "camera"\nkeep_random = 0.1'
        )
        self.program = PathField(self.tr("Edge bundle"), file=True)
        captions = (self.tr("Model"), self.tr("Configuration"), self.tr("Program"))
        self.kind = Segments(self.tr("What is rolled out"), tuple(zip(captions, KINDS, strict=True)))
        self.kind.chosen.connect(lambda _kind: self._show())
        groups: tuple[tuple[str, QWidget, str], ...] = (
            (self.tr("Released model"), self.model, ""),
            (
                self.tr("Fields of edge.toml to set"),
                self.change,
                self.tr(
                    "Each box keeps all else that it has. A section [[pipeline]] names the box's own pipeline. No "
                    "passwords: this comes to every desktop."
                ),
            ),
            (
                self.tr("Edge bundle"),
                self.program,
                self.tr("For boxes of the machine type that it was made for."),
            ),
        )
        self._groups: dict[SubjectKind, QWidget] = {}
        for kind, (caption, control, hint) in zip(KINDS, groups, strict=True):
            control.setAccessibleName(caption)
            below = label(hint, "caption", wrap=True)
            below.setVisible(bool(hint))
            group = QWidget()
            group.setLayout(column(label(caption), control, below, gap=4))
            self._groups[kind] = group
        self.setLayout(column(self.kind, *self._groups.values(), gap=12))
        for changed in (self.model.currentIndexChanged, self.change.textChanged, self.program.edit.textChanged):
            changed.connect(lambda *_: self.chosen.emit())
        self._show()

    @property
    def value(self) -> SubjectKind:
        return next(kind for kind in KINDS if kind == self.kind.value)

    def offer(self, library: list[Model], chosen: str | None) -> None:
        """The models that may be rolled out.

        :param chosen: a model's id, or another kind of subject.
        """
        for model in library:
            if model.state == "released":
                self.model.addItem(f"{model.name} {model.version}", model.model)
        if chosen in KINDS:
            self.kind.choose(chosen)
        elif chosen is not None:
            self.model.setCurrentIndex(max(self.model.findData(chosen), 0))
        self._show()

    @property
    def lacking(self) -> str:
        """What is still to be said; nothing where it can be started."""
        if self.value == "model" and not self.model.count():
            return self.tr("No model is released yet. Release one on the page Models.")
        if self.value == "configuration" and not self.change.toPlainText().strip():
            return self.tr("Write the fields that are to be set.")
        if self.value == "program" and not self.program.path:
            return self.tr("Choose an edge bundle.")
        return ""

    @property
    def words(self) -> str:
        """What is rolled out, in a question."""
        match self.value:
            case "model":
                return self.model.currentText()
            case "configuration":
                return self.tr("this change of the configuration")
            case "program":
                return Path(self.program.path).name

    def starter(self) -> Start:
        """Begins the rollout of what is chosen now; for a worker."""
        model, change, path = self.model.currentData(), self.change.toPlainText(), self.program.path
        match self.value:
            case "model":
                return lambda context, waves, plan: rollouts.start_rollout(context, model, waves=waves, plan=plan)
            case "configuration":
                return lambda context, waves, plan: rollout_starts.start_configuration(
                    context, change, waves=waves, plan=plan
                )
            case "program":
                return lambda context, waves, plan: rollout_starts.start_program(
                    context, Path(path).expanduser(), waves=waves, plan=plan
                )

    def rehearser(self) -> Rehearse:
        """As :meth:`starter`, for what it would do."""
        model, change, path = self.model.currentData(), self.change.toPlainText(), self.program.path
        match self.value:
            case "model":
                return lambda context, waves, plan, cancel: rehearsal.rehearse(
                    context, model, waves=waves, plan=plan, cancel=cancel
                )
            case "configuration":
                return lambda context, waves, plan, cancel: subject_rehearsal.rehearse_configuration(
                    context, change, waves=waves, plan=plan, cancel=cancel
                )
            case "program":
                return lambda context, waves, plan, cancel: subject_rehearsal.rehearse_program(
                    context, Path(path).expanduser(), waves=waves, plan=plan, cancel=cancel
                )

    def _show(self) -> None:
        for kind, group in self._groups.items():
            group.setVisible(kind == self.value)
        self.chosen.emit()
