"""Starting a rollout: which model, which boxes, in which order."""

from __future__ import annotations

from collections import defaultdict

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from app.gui.dialogs import Confirm, FormDialog
from app.gui.session import Session
from app.gui.widgets import IconLabel, clear, column, dropdown, label, row
from app.store.records import Box, Model, Rollout
from app.usecases import boxes, models, rollouts

WAVES = 3


class StartRollout(FormDialog):
    """``started`` carries the rollout's id."""

    started = Signal(str)

    def __init__(self, session: Session, parent: QWidget, *, chosen: str | None) -> None:
        super().__init__(
            self.tr("Start a rollout"),
            self.tr("A wave begins only when every box of the wave before has committed the model."),
            self.tr("Start rollout…"),
            parent,
        )
        self._session = session
        self.model = dropdown()
        self.add_field(self.tr("Released model"), self.model)
        self.waves: dict[str, QComboBox] = {}
        self._names: dict[str, str] = {}
        self._rows: QVBoxLayout = column(gap=8)
        self.fields.addWidget(label(self.tr("Boxes")))
        self.fields.addLayout(self._rows)
        self.primary.setEnabled(False)
        context = session.context
        session.tasks.run_query(
            lambda: (models.list_models(context), boxes.list_boxes(context)),
            lambda got: self._offer(*got, chosen),
            owner=self,
        )

    @property
    def chosen_waves(self) -> list[list[str]]:
        """Box ids by wave, without empty waves."""
        by_wave: dict[int, list[str]] = defaultdict(list)
        for box, combo in self.waves.items():
            if combo.currentData() is not None:
                by_wave[combo.currentData()].append(box)
        return [by_wave[wave] for wave in sorted(by_wave)]

    def submit(self) -> None:
        """Ask once more, naming the boxes, then start."""
        waves = self.chosen_waves
        if not waves:
            self.complain(self.tr("Choose at least one box."))
            return
        confirm = Confirm(
            self.tr("Roll out {model}?").format(model=self.model.currentText()),
            self.tr("Each box tries the model on its live line and goes back by itself if it does badly."),
            [
                self.tr("{box}, wave {n}").format(box=self._names[box], n=number + 1)
                for number, wave in enumerate(waves)
                for box in wave
            ],
            self.tr("Roll out"),
            self,
        )
        confirm.accepted.connect(lambda: self._start(waves))
        confirm.open()

    def _start(self, waves: list[list[str]]) -> None:
        context, model = self._session.context, self.model.currentData()
        self.attempt(self._session.tasks, lambda: rollouts.start_rollout(context, model, waves=waves), self._started)

    def _started(self, rollout: Rollout) -> None:
        self.started.emit(rollout.rollout)
        self.accept()

    def _offer(self, library: list[Model], known: list[Box], chosen: str | None) -> None:
        for model in library:
            if model.state == "released":
                self.model.addItem(f"{model.name} {model.version}", model.model)
        if chosen is not None:
            self.model.setCurrentIndex(max(self.model.findData(chosen), 0))
        clear(self._rows)
        for number, box in enumerate(known):
            combo = dropdown()
            combo.setAccessibleName(self.tr("Wave of {box}").format(box=box.name))
            combo.setMinimumWidth(200)
            for wave in range(WAVES):
                combo.addItem(self.tr("First (canary)") if wave == 0 else self.tr("Wave {n}").format(n=wave + 1), wave)
            combo.addItem(self.tr("Not this time"), None)
            combo.setCurrentIndex(0 if number == 0 else 1)
            self.waves[box.box], self._names[box.box] = combo, box.name
            self._rows.addWidget(_entry(box.name, combo))
        self.fit()
        if not self.model.count():
            self.complain(self.tr("No model is released yet. Release one on the page Models."))
        elif not known:
            self.complain(self.tr("No box is enrolled yet. Add one on the page Boxes."))
        else:
            self.primary.setEnabled(True)


def _entry(name: str, combo: QComboBox) -> QWidget:
    """A box and its wave; a long name takes another line rather than room from the choice."""
    entry = QWidget()
    line = row(IconLabel("boxes"), gap=12)
    line.addWidget(label(name, wrap=True), 1)
    line.addWidget(combo)
    entry.setLayout(line)
    return entry
