"""One rollout: how far each wave is, why it waits, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from app.gui import formats
from app.gui.dialogs import Confirm
from app.gui.pages.box_runtime import unjudged_lines
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.pages.rollout_decisions import DecisionPanel, Undecided
from app.gui.states import state
from app.gui.widgets import Button, Chip, Facts, IconLabel, card, clear, column, label, row
from app.store.records import Rollout, RolloutBox
from app.usecases import rollouts
from app.usecases.rollout_words import Outlook, unjudged_on
from cloud_sync.release.plan import ON_BOX, OPEN

if TYPE_CHECKING:
    from app.gui.pages.rollouts import RolloutsPage

UNDECIDED = frozenset({"failed", "rolled-back", "held"})


class RolloutDetail(QWidget):
    """One rollout, wave by wave."""

    def __init__(self, page: RolloutsPage) -> None:
        super().__init__()
        self._page = page
        self._rollout: Rollout | None = None
        self._outlook = Outlook()
        self._title = label("", "section", selectable=True)
        self._chip = Chip()
        self._reason = label("", "muted", wrap=True, selectable=True)
        self._waits = label("", wrap=True, selectable=True)
        waiting = row(IconLabel("wait", "info"), gap=8)
        waiting.addWidget(self._waits, 1)
        self._waiting = QWidget()
        self._waiting.setLayout(waiting)
        self._change = label("", "mono", wrap=True, selectable=True)
        self._facts = Facts()
        self.pause = Button(self.tr("Pause"), "pause", clicked=lambda: self._do(rollouts.pause_rollout))
        self.resume = Button(
            self.tr("Resume"), "play", kind="primary", clicked=lambda: self._do(rollouts.resume_rollout)
        )
        self.stop = Button(self.tr("Abort rollout…"), "stop", kind="danger", clicked=self.ask_to_stop)
        self._waves: QVBoxLayout = column(gap=16)
        self._shown: tuple[str, tuple[int, ...]] | None = None
        """The rollout and its waves that have cards now."""
        self._parts: dict[int, _Wave] = {}
        self.decisions = DecisionPanel(page)
        self._sections = [
            card(
                row(self._title, 1, self._chip),
                self._reason,
                self._waiting,
                self._facts,
                self._change,
                row(self.pause, self.resume, self.stop, 1),
                gap=12,
            ),
        ]
        self.setLayout(column(*self._sections, self.decisions, self._waves, 1, gap=16))
        self.show_rollout(None)

    def show_rollout(self, rollout: Rollout | None) -> None:
        """Show this rollout; None: nothing is picked."""
        if rollout is None or self._rollout is None or rollout.rollout != self._rollout.rollout:
            self._outlook = Outlook()
            self._change.hide()
        self._rollout = rollout
        for section in self._sections:
            section.setVisible(rollout is not None)
        if rollout is None:
            self._build_waves(None)
            self.decisions.show_boxes(None, ())
            return
        self._title.setText(self._page.model_of(rollout))
        self._chip.set_state(state(rollout.state))
        self._reason.setText(rollout.reason or "")
        self._reason.setVisible(bool(rollout.reason))
        self._facts.show_facts(self._facts_of(rollout))
        self.pause.setVisible(rollout.state == "running")
        self.resume.setVisible(rollout.state in ("paused", "stopped"))
        self.stop.setVisible(rollout.state in ("running", "paused", "stopped"))
        self._build_waves(rollout)
        self.show_outlook(rollout, self._outlook)
        self.decisions.show_boxes(
            rollout,
            [Undecided(part=part, name=self._name(part)) for part in rollout.boxes if part.state in UNDECIDED],
        )

    def show_outlook(self, rollout: Rollout, outlook: Outlook, change: str | None = None) -> None:
        """Say what it waits for, which of its boxes are away, and what it changes where it is a configuration."""
        if self._rollout is None or self._rollout.rollout != rollout.rollout:
            return
        self._outlook = outlook
        if change is not None:
            self._change.setText(change)
            self._change.show()
        words = self._words(outlook)
        self._waits.setText("\n".join(words))
        self._waiting.setVisible(bool(words))
        for wave, shown in self._parts.items():
            parts = [part for part in rollout.boxes if part.wave == wave]
            shown.show_boxes([(part, self._part(part, self._unjudged(rollout, part))) for part in parts])

    def _build_waves(self, rollout: Rollout | None) -> None:
        """One card a wave; made anew only for another rollout, so that a selected reason stays selected."""
        waves = tuple(sorted({part.wave for part in rollout.boxes})) if rollout is not None else ()
        wanted = (rollout.rollout, waves) if rollout is not None else None
        if wanted == self._shown:
            return
        self._shown = wanted
        clear(self._waves)
        self._parts = {}
        for wave in waves:
            title = self.tr("First wave: the canary") if wave == 0 else self.tr("Wave {n}").format(n=wave + 1)
            self._parts[wave] = _Wave(title, self.tr("{done} of {all} have it"))
            self._waves.addWidget(self._parts[wave])

    def ask_to_stop(self) -> None:
        """Ask, naming the boxes that would not get it any more."""
        if self._rollout is None:
            return
        rollout = self._rollout
        names = [self._name(part) for part in rollout.boxes if part.state in OPEN]
        dialog = Confirm(
            self.tr("Abort this rollout?"),
            self._kept(rollout)
            if names
            else self.tr("No box is waiting any more; those that have committed it keep it."),
            names,
            self.tr("Abort rollout"),
            self,
            kind="danger",
        )
        dialog.accepted.connect(lambda: self._do(rollouts.abort_rollout))
        dialog.open()

    def _kept(self, rollout: Rollout) -> str:
        if rollout.subject != "model":
            return self.tr(
                "These boxes keep what they have. A trial that is under way comes to its own end, and boxes that have "
                "committed it keep it."
            )
        return self.tr(
            "These boxes keep the model they have, or return to it if they have the new one on trial. "
            "Boxes that have committed it keep it."
        )

    def _do(self, change: Callable[..., Rollout]) -> None:
        if self._rollout is None:
            return
        context, rollout = self._page.context, self._rollout.rollout
        self._page.session.tasks.run_query(lambda: change(context, rollout), lambda _changed: None, owner=self)

    def _facts_of(self, rollout: Rollout) -> list[tuple[str, str]]:
        cap = rollout.plan.cap_bytes_per_s
        facts = [
            (
                self.tr("Id") if rollout.subject == "configuration" else self.tr("Bundle"),
                formats.short(rollout.model, 24),
            ),
            (self.tr("Started"), formats.clock(rollout.created_ms)),
            (self.tr("Started on"), self._page.desktop_names.get(rollout.replica, formats.short(rollout.replica))),
            (self.tr("Ended"), formats.clock(rollout.finished_ms)),
            (self.tr("Rest between waves"), self.tr("{n} min").format(n=rollout.plan.pause_minutes)),
            (self.tr("Boxes that may fail"), formats.count(rollout.plan.max_failures)),
        ]
        if cap is not None:
            facts.append(
                (self.tr("Cap for all boxes together"), self.tr("{size} a second").format(size=formats.size(cap)))
            )
        return facts

    def _words(self, outlook: Outlook) -> list[str]:
        said = []
        if outlook.bundle_damaged:
            said.append(self.tr("The file with what it brings was damaged on this desktop: sync fetches it again."))
        elif outlook.bundle_missing:
            said.append(self.tr("What it brings is not on this desktop yet: sync fetches it."))
        if outlook.away:
            names = _listed(outlook.away)
            said.append(
                self.tr("Waiting for boxes that are away: {n} ({names}). They get it when they are seen again.").format(
                    n=len(outlook.away), names=names
                )
            )
        if outlook.awaited:
            said.append(self.tr("The next wave waits for {names}.").format(names=_listed(outlook.awaited)))
        elif outlook.rests_until_ms is not None:
            said.append(
                self.tr("The wave that is through rests until {time}.").format(
                    time=formats.clock(outlook.rests_until_ms)
                )
            )
        return said

    def _unjudged(self, rollout: Rollout, part: RolloutBox) -> tuple[str, ...]:
        return unjudged_on(rollout, self._page.boxes.get(part.box))

    def _name(self, part: RolloutBox) -> str:
        return self._page.box_names.get(part.box, formats.short(part.box))

    def _part(self, part: RolloutBox, unjudged: tuple[str, ...]) -> Entry:
        lines = [formats.clock(part.updated_ms)] if part.updated_ms else []
        if part.reason:
            lines.append(part.reason)
        lines += unjudged_lines(unjudged)
        silent = part.box in self._page.silent
        if silent and part.state in ON_BOX:
            lines.append(self.tr("It has not answered since."))
        return Entry(
            key=part.box,
            title=self._name(part),
            lines=tuple(Line(text=text) for text in lines),
            chip=state("away") if silent and part.state in OPEN - ON_BOX else state(part.state),
        )


class _Wave(QWidget):
    """One wave: how many of its boxes have it, and each of them."""

    def __init__(self, title: str, words: str) -> None:
        super().__init__()
        self._words = words
        self._count: QLabel = label("", "muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(title)
        self._entries = Entries("")
        self.setLayout(
            column(card(row(label(title, "section"), 1, self._count), self._bar, self._entries, gap=12), gap=0)
        )

    def show_boxes(self, boxes: list[tuple[RolloutBox, Entry]]) -> None:
        done = sum(part.state == "committed" for part, _entry in boxes)
        self._count.setText(self._words.format(done=done, all=len(boxes)))
        self._bar.setRange(0, max(len(boxes), 1))
        self._bar.setValue(done)
        self._entries.show_entries([entry for _part, entry in boxes])


def _listed(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + ("…" if len(names) > most else "")
