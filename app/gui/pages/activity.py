"""Activity: what was done here, by whom, in a chain that shows any change."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from PySide6.QtCore import Qt

from app.gui import formats
from app.gui.pages.base import Command, Page
from app.gui.pages.box_chain import own_state, own_words, verdict_state, verdict_words
from app.gui.pages.conflicts import ConflictPanel
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.session import Session
from app.gui.states import State
from app.gui.tables import Column, DataTable, PagedModel
from app.gui.widgets import Button, Chip, card, label
from app.store.records import Activity
from app.usecases import activity
from app.usecases.activity import Verdict
from edge_runtime.contracts.errors import DatabaseDamaged

MOST_SHOWN = 8
"""Boxes whose chains are told of, the broken ones first."""


class ActivityPage(Page):
    tables: ClassVar[frozenset[str]] = frozenset({"activity", "boxes", "label_events", "conflicts"})

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.tr("Activity"))
        self.model: PagedModel[Activity] = PagedModel(
            (
                Column[Activity](title=self.tr("No."), text=lambda one: formats.count(one.seq), number=True, width=80),
                Column[Activity](title=self.tr("When"), text=lambda one: formats.clock(one.at_ms), width=176),
                Column[Activity](title=self.tr("Who"), text=lambda one: one.who, width=120, spare=1),
                Column[Activity](title=self.tr("What"), text=lambda one: one.what, width=168),
                Column[Activity](
                    title=self.tr("Message"), text=lambda one: one.message, stretch=True, tip=lambda one: one.message
                ),
                Column[Activity](
                    title=self.tr("Digest"),
                    text=lambda one: formats.short(one.digest, 8),
                    width=112,
                    spare=2,
                    tip=lambda one: one.digest,
                ),
            ),
            lambda cursor, limit: activity.page_activity(self.context, cursor, limit),
            lambda one: str(one.seq),
            session.tasks,
            self,
        )
        self.table = DataTable(self.model, self.tr("Activity"))
        self.main = self.table
        self.verdict = Chip()
        self.verdict.hide()
        self.verify = Button(self.tr("Verify chain"), "shield", kind="primary", clicked=self.verify_chain)
        self.buttons.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignVCenter)
        self.buttons.addWidget(self.verify)
        self.subtitle.setText(self.tr("Every entry's digest covers the one before it."))
        self._boxes = Entries(self.tr("Of no box were audits collected yet."))
        self.boxes = card(label(self.tr("The chains, and who speaks for them"), "section"), self._boxes, gap=12)
        """What became of each box's chain, once it was asked."""
        self.boxes.hide()
        self.conflicts = ConflictPanel(self)
        self.body.addWidget(self.conflicts)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.boxes)

    def reload(self) -> None:
        self.model.reload()
        self.conflicts.reload()

    def commands(self) -> list[Command]:
        return [Command(title=self.tr("Verify the activity chain"), icon="shield", run=self.verify_chain)]

    def verify_chain(self) -> None:
        """Recompute every digest, of this desktop's chain and of what was collected of the boxes'."""
        context = self.context
        self.verify.setEnabled(False)
        self.session.tasks.run_command(
            self.tr("Verify the activity chain"),
            lambda _progress, _cancel: activity.verify_activity(context),
            self._verified,
            owner=self,
            failed=self._failed,
        )

    def _verified(self, verdict: Verdict) -> None:
        self._say(own_state(verdict))
        here = Entry(
            key="",
            title=self.tr("This desktop"),
            lines=tuple(Line(text=words) for words in own_words(verdict)),
            chip=own_state(replace(verdict, boxes=())),
        )
        boxes = [
            Entry(
                key=chain.box,
                title=chain.name,
                lines=tuple(Line(text=words) for words in verdict_words(chain)),
                chip=verdict_state(chain),
            )
            for chain in sorted(verdict.boxes, key=lambda one: one.report.broken is None)[:MOST_SHOWN]
        ]
        self._boxes.show_entries([here, *boxes])
        self.boxes.show()
        if verdict.problem is not None:
            self.session.tasks.report(DatabaseDamaged(verdict.problem, hint=verdict.hint))

    def _failed(self, error: BaseException) -> None:
        self.verify.setEnabled(True)
        self.session.tasks.report(error)

    def _say(self, verdict: State) -> None:
        self.verify.setEnabled(True)
        self.verdict.set_state(verdict)
        self.verdict.show()
