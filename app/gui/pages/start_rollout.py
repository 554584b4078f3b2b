"""Starting a rollout: of what, to which boxes, in which order, how fast; and what it would do, before it does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QSpinBox, QVBoxLayout, QWidget

from app.gui.dialogs import Confirm, FormDialog
from app.gui.pages.entries import Entries
from app.gui.pages.rehearsal_words import entry_of, total_words
from app.gui.pages.rollout_subject import SubjectFields
from app.gui.session import Session
from app.gui.widgets import Button, IconLabel, Segments, clear, column, dropdown, figures, label, row
from app.store.records import Box, Model, Rollout, SubjectKind
from app.usecases import boxes, models, rollouts
from app.usecases.labels import GROUP, list_labels
from app.usecases.progress import CancelToken
from app.usecases.rehearsal import Rehearsal
from cloud_sync.release.plan import MAX_PAUSE_MINUTES, Plan

WAVES = 3
SHARES: Sequence[tuple[float, ...]] = ((1.0,), (0.5, 1.0), (0.1, 0.5, 1.0))
"""After the canary: how the others are divided."""


class StartRollout(FormDialog):
    """``started`` carries the rollout's id."""

    started = Signal(str)

    def __init__(self, session: Session, parent: QWidget, *, chosen: str | None) -> None:
        super().__init__(
            self.tr("Start a rollout"),
            self.tr(
                "A wave begins once a box of the wave before has committed it and none is at work any more. "
                "Boxes that are away get their turn when they are seen again."
            ),
            self.tr("Start rollout…"),
            parent,
        )
        self._session = session
        self._cancel = CancelToken()
        self.subject = SubjectFields()
        self.model = self.subject.model
        self.subject.chosen.connect(self._show_subject)
        self.fields.addWidget(self.subject)
        self._first = self.model
        self.waves: dict[str, QComboBox] = {}
        self._names: dict[str, str] = {}
        self._known: list[Box] = []
        self._asked = 0
        """Rehearsals that were asked for, or are of something else by now."""
        self.way = Segments(
            self.tr("Boxes"), ((self.tr("Box by box"), "boxes"), (self.tr("By label, in shares"), "label"))
        )
        self.way.chosen.connect(lambda _way: self._show_way())
        self.fields.addWidget(label(self.tr("Boxes")))
        self.fields.addWidget(self.way)
        self._rows: QVBoxLayout = column(gap=8)
        self._by_box = QWidget()
        self._by_box.setLayout(self._rows)
        self.fields.addWidget(self._by_box)
        self._by_label = QWidget()
        self.group = dropdown()
        self.canary = figures(QSpinBox(), 1, 100, "")
        self.shares = dropdown()
        for shares in SHARES:
            self.shares.addItem(" → ".join(f"{share:.0%}" for share in shares), shares)
        self._by_label.setLayout(self._share_fields())
        self.fields.addWidget(self._by_label)
        self.pause = figures(QSpinBox(), 0, MAX_PAUSE_MINUTES, self.tr(" min"))
        self.max_failures = figures(QSpinBox(), 0, 10_000, "")
        self.cap = figures(QSpinBox(), 0, 1_000_000, self.tr(" kB/s"))
        self.cap.setSpecialValueText(self.tr("No cap"))
        limits = row(gap=16)
        for caption, widget in (
            (self.tr("Rest between waves"), self.pause),
            (self.tr("Boxes that may fail"), self.max_failures),
            (self.tr("Cap for all boxes together"), self.cap),
        ):
            widget.setAccessibleName(caption)
            limits.addLayout(column(label(caption), widget, gap=4))
        self.fields.addLayout(limits)
        self.rehearse = Button(self.tr("Rehearse"), "gauge", clicked=self.ask_to_rehearse)
        self.rehearse.setToolTip(self.tr("Asks every box what it would need, and changes nothing"))
        self.fields.addLayout(row(self.rehearse, 1))
        self._total = label("", "muted", wrap=True, selectable=True)
        self.found = Entries("")
        self.found.hide()
        self._total.hide()
        self.fields.addWidget(self._total)
        self.fields.addWidget(self.found)
        self._show_way()
        self._enable(False)
        self.finished.connect(lambda _code: self._cancel.cancel())
        context = session.context
        session.tasks.run_query(
            lambda: (models.list_models(context), boxes.list_boxes(context), list_labels(context)),
            lambda got: self._offer(*got, chosen),
            owner=self,
        )

    @property
    def chosen_waves(self) -> list[list[str]]:
        """Box ids by wave, without empty waves, as they were chosen box by box."""
        by_wave: dict[int, list[str]] = defaultdict(list)
        for box, combo in self.waves.items():
            if combo.currentData() is not None:
                by_wave[combo.currentData()].append(box)
        return [by_wave[wave] for wave in sorted(by_wave)]

    @property
    def plan(self) -> Plan:
        """Pauses, failures and cap."""
        return Plan(
            pause_minutes=self.pause.value(),
            max_failures=self.max_failures.value(),
            cap_bytes_per_s=self.cap.value() * 1000 or None,
        )

    def submit(self) -> None:
        """Ask once more, naming the boxes, then start."""
        if lacking := self.subject.lacking:
            self.complain(lacking)
            return
        self._with_waves(self._confirm)

    def ask_to_rehearse(self) -> None:
        """Ask every box, and show what it would need."""
        if lacking := self.subject.lacking:
            self.complain(lacking)
            return
        self._with_waves(self._rehearse)

    def _with_waves(self, then: Callable[[list[list[str]]], object]) -> None:
        if self.way.value == "boxes":
            waves = self.chosen_waves
            if not waves:
                self.complain(self.tr("Choose at least one box."))
                return
            then(waves)
            return
        context, group = self._session.context, self.group.currentData()
        canary, shares = self.canary.value(), self.shares.currentData()
        self.attempt(
            self._session.tasks,
            lambda: rollouts.plan_waves(
                context,
                [f"{GROUP}{group}"] if group else [box.box for box in self._known],
                canary=canary,
                shares=shares,
            ),
            then,
        )

    def _confirm(self, waves: list[list[str]]) -> None:
        confirm = Confirm(
            self.tr("Roll out {model}?").format(model=self.subject.words),
            self.tr("Each box tries it on its live lines and goes back by itself if it does badly."),
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
        context, start, plan = self._session.context, self.subject.starter(), self.plan
        self.attempt(self._session.tasks, lambda: start(context, waves, plan), self._started)

    def _started(self, rollout: Rollout) -> None:
        self.started.emit(rollout.rollout)
        self.accept()

    def _rehearse(self, waves: list[list[str]]) -> None:
        context, rehearse, plan, cancel = self._session.context, self.subject.rehearser(), self.plan, self._cancel
        self.rehearse.setEnabled(False)
        self._total.setText(self.tr("Asking the boxes…"))
        self._total.show()
        self._asked += 1
        asked, kind = self._asked, self.subject.value
        self.attempt(
            self._session.tasks,
            lambda: rehearse(context, waves, plan, cancel),
            lambda found: self._show(found, kind) if asked == self._asked else None,
        )

    def _show(self, found: Rehearsal, kind: SubjectKind) -> None:
        self.rehearse.setEnabled(True)
        self._total.setText(total_words(found, kind))
        self.found.show_entries([entry_of(box) for box in found.boxes])
        self.found.show()
        self.fit()

    def complain(self, text: str) -> None:
        super().complain(text)
        if text and not self.rehearse.isEnabled() and self.primary.isEnabled():
            self.rehearse.setEnabled(True)
            self._total.hide()

    def _enable(self, ready: bool) -> None:
        self.primary.setEnabled(ready)
        self.rehearse.setEnabled(ready)

    def _show_subject(self) -> None:
        """What was found out is of something else. What is still lacking is said once somebody asks."""
        self._asked += 1
        self._total.hide()
        self.found.hide()
        none_released = self.subject.lacking if self.subject.value == "model" else ""
        if self._known:
            self.complain(none_released)
        self._enable(bool(self._known) and not none_released)
        self.fit()

    def _show_way(self) -> None:
        self._by_box.setVisible(self.way.value == "boxes")
        self._by_label.setVisible(self.way.value == "label")
        self.fit()

    def _share_fields(self) -> QVBoxLayout:
        line = row(gap=16)
        for caption, widget in (
            (self.tr("Label"), self.group),
            (self.tr("Canary: boxes that come first"), self.canary),
            (self.tr("The others, in shares"), self.shares),
        ):
            widget.setAccessibleName(caption)
            line.addLayout(column(label(caption), widget, gap=4), 1)
        return column(line, gap=0)

    def _offer(self, library: list[Model], known: list[Box], labels: dict[str, int], chosen: str | None) -> None:
        self.subject.offer(library, chosen)
        self._known = known
        self._names = {box.box: box.name for box in known}
        self.group.addItem(self.tr("All boxes ({n})").format(n=len(known)), None)
        for word, count in labels.items():
            self.group.addItem(f"{word} ({count})", word)
        clear(self._rows)
        for number, box in enumerate(known):
            combo = dropdown()
            combo.setAccessibleName(self.tr("Wave of {box}").format(box=box.name))
            combo.setMinimumWidth(200)
            for wave in range(WAVES):
                combo.addItem(self.tr("First (canary)") if wave == 0 else self.tr("Wave {n}").format(n=wave + 1), wave)
            combo.addItem(self.tr("Not this time"), None)
            combo.setCurrentIndex(0 if number == 0 else 1)
            self.waves[box.box] = combo
            self._rows.addWidget(_entry(box.name, combo))
        if not known:
            self.complain(self.tr("No box is enrolled yet. Add one on the page Boxes."))
        self._show_subject()


def _entry(name: str, combo: QComboBox) -> QWidget:
    """A box and its wave; a long name takes another line rather than room from the choice."""
    entry = QWidget()
    line = row(IconLabel("boxes"), gap=12)
    line.addWidget(label(name, wrap=True), 1)
    line.addWidget(combo)
    entry.setLayout(line)
    return entry
