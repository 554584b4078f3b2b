"""What was decided about bundles and boxes, which desktops contradicted each other, and deciding about any box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLineEdit, QWidget

from app.gui import formats
from app.gui.dialogs import Confirm, FormDialog
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.widgets import Segments, dropdown, label
from app.store.records import EVERY_BOX, Box, BundleDecision, Choice, Model, Rollout
from app.usecases import boxes, models, rollout_decisions, rollouts
from app.usecases.rollout_conflicts import Conflict, list_conflicts

if TYPE_CHECKING:
    from app.context import Context
    from app.gui.pages.rollouts import RolloutsPage


@dataclass(frozen=True, slots=True)
class Known:
    """What the dialog tells of and offers."""

    decisions: tuple[BundleDecision, ...]
    conflicts: tuple[Conflict, ...]
    boxes: tuple[Box, ...]
    models: tuple[Model, ...]
    begun: tuple[Rollout, ...]
    """Every rollout, the newest first."""

    @property
    def others(self) -> tuple[Rollout, ...]:
        """One of each configuration and program that was rolled out, the newest first."""
        found: dict[str, Rollout] = {}
        for one in self.begun:
            if one.subject != "model":
                found.setdefault(one.model, one)
        return tuple(found.values())


def look(ctx: Context) -> Known:
    """Read it; for a worker."""
    return Known(
        tuple(rollout_decisions.list_decisions(ctx)),
        tuple(list_conflicts(ctx)),
        tuple(boxes.list_boxes(ctx)),
        tuple(model for model in models.list_models(ctx) if model.state == "released"),
        tuple(rollouts.list_rollouts(ctx)),
    )


class DecisionsDialog(FormDialog):
    """Lists, and below them the one thing to do."""

    def __init__(self, page: RolloutsPage, known: Known) -> None:
        super().__init__(
            self.tr("Decisions"),
            self.tr(
                "A model, configuration or program can be held from one box, or kept from every box, also before it "
                "was ever offered there."
            ),
            self.tr("Decide"),
            page,
        )
        self._page, self._known = page, known
        self.setMinimumWidth(620)
        self.decisions = Entries(self.tr("Nothing was decided yet."))
        self.decisions.show_entries([self._decision(one) for one in known.decisions])
        self.conflicts = Entries(self.tr("No two desktops contradict each other."))
        self.conflicts.show_entries([_conflict(one) for one in known.conflicts])
        parts = ((self.tr("Decided so far"), self.decisions), (self.tr("Between desktops"), self.conflicts))
        for heading, shown in parts:
            self.fields.addWidget(label(heading, "section"))
            self.fields.addWidget(shown)
        self.subject, self.box = dropdown(), dropdown()
        for model in known.models:
            self.subject.addItem(f"{model.name} {model.version}", model.model)
        for other in known.others:
            self.subject.addItem(page.model_of(other), other.model)
        for box in known.boxes:
            self.box.addItem(box.name, box.box)
        self.choice = Segments(
            self.tr("Decision"), ((self.tr("Hold from the box"), "hold"), (self.tr("Blacklist for all"), "blacklist"))
        )
        self.reason = QLineEdit()
        self.add_field(
            self.tr("What"),
            self.subject,
            self.tr("Released models, and configurations and programs from their first rollout on."),
        )
        self.add_field(self.tr("Decision"), self.choice, beside=QWidget())
        self._whom = self.add_field(self.tr("Box"), self.box)
        self.add_field(self.tr("Why"), self.reason)
        self.choice.chosen.connect(lambda choice: self.box.setEnabled(choice == "hold"))
        self.primary.setEnabled(bool(self.subject.count() and known.boxes))

    def submit(self) -> None:
        choice: Choice = "blacklist" if self.choice.value == "blacklist" else "hold"
        if choice == "hold":
            self._decide(choice)
            return
        key = self.subject.currentData()
        running = [box.name for box in self._known.boxes if rollout_decisions.runs(box, key, self._known.begun)]
        said = [self.tr("No box of the site is ever offered it again. This cannot be taken back.")]
        if running:
            said.append(self.tr("These boxes run it and keep it:"))
        else:
            said.append(self.tr("No box is known to run it."))
        dialog = Confirm(
            self.tr("Blacklist {model}?").format(model=self.subject.currentText()),
            " ".join(said),
            running,
            self.tr("Blacklist"),
            self,
            kind="danger",
        )
        dialog.accepted.connect(lambda: self._decide(choice))
        dialog.open()

    def _decide(self, choice: Choice) -> None:
        context, box, model = self._page.context, self.box.currentData(), self.subject.currentData()
        reason = self.reason.text().strip() or None
        self._page.session.tasks.run_query(
            lambda: rollout_decisions.decide(context, box, model, choice, reason),
            lambda _done: self.accept(),
            owner=self,
        )

    def _decision(self, one: BundleDecision) -> Entry:
        names = {box.box: box.name for box in self._known.boxes}
        whom = self.tr("every box") if one.box == EVERY_BOX else names.get(one.box, formats.short(one.box))
        bundle = self._page.title_of(one.bundle)
        words = {
            "hold": self.tr("{model}: held from {box}"),
            "blacklist": self.tr("{model}: blacklisted for {box}"),
            "offer-again": self.tr("{model}: offered again to {box}"),
        }
        title = words.get(one.choice, self.tr("{model}: was offered again to {box}")).format(model=bundle, box=whom)
        when = f"{formats.clock(one.decided_ms)} · {one.who}"
        return Entry(key=f"{one.box}/{one.bundle}", title=title, lines=(Line(text=one.reason), Line(text=when)))


def _conflict(one: Conflict) -> Entry:
    lines = (Line(text=one.reason), Line(text=formats.clock(one.updated_ms)))
    return Entry(key=f"{one.rollout}/{one.box}", title=f"{one.name} · {one.model}", lines=lines)
