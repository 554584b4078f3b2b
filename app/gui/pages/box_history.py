"""Looking back on one box: its minutes, shadow model, alerts, audits and losses, with the page's whole width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.gui import formats
from app.gui.box_words import kind_state, kind_words, loss_reason, stream_word
from app.gui.pages.box_chain import ChainBar
from app.gui.pages.box_minutes import MOMENT, MinutesTab, ShadowTab
from app.gui.pages.box_streams import StreamTable
from app.gui.pages.measures import roomy_width
from app.gui.states import box_state
from app.gui.tables import Column
from app.gui.widgets import Button, Chip, Empty, Facts, Segments, card, column, label, row
from app.store.records import Box
from app.usecases import boxes
from edge_runtime.contracts.rows import AlertRow, AuditRow, LossRow

if TYPE_CHECKING:
    from app.gui.pages.boxes import BoxesPage

Topic = Literal["minutes", "shadow", "alerts", "audits", "losses"]


class BoxHistory(QWidget):
    """``left``: back to the list of boxes."""

    left = Signal()

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self.back = Button(self.tr("All boxes"), "chevron-left", clicked=self.left.emit)
        self._name = label("", "section", selectable=True)
        self._chip = Chip()
        self.minutes = MinutesTab(page)
        self.shadow = ShadowTab(page)
        self.alerts = self._alerts_table()
        self.audits = self._audits_table()
        self.chain = ChainBar(page.session)
        audits = column(self.chain, self.audits, gap=12)
        audits.setStretch(1, 1)
        self._audits = QWidget()
        self._audits.setLayout(audits)
        self.losses = LossesTab(page)
        self.choice = Segments(
            self.tr("What to look back on"),
            [
                (self.tr("Minutes"), "minutes"),
                (self.tr("Shadow model"), "shadow"),
                (self.tr("Alerts"), "alerts"),
                (self.tr("Audit"), "audits"),
                (self.tr("Losses"), "losses"),
            ],
        )
        self._stack = QStackedWidget()
        for topic in (self.minutes, self.shadow, self.alerts, self._audits, self.losses):
            self._stack.addWidget(topic)
        self.choice.chosen.connect(lambda _topic: self.reload())
        who = row(self.back, self._name, gap=12)
        who.addWidget(self._chip, 0, Qt.AlignmentFlag.AlignVCenter)
        who.addStretch(1)
        whole = column(who, row(self.choice, 1), self._stack, gap=16)
        whole.setStretch(2, 1)
        self.setLayout(whole)

    @property
    def box(self) -> Box | None:
        return self._box

    def look(self, box: Box, topic: Topic | None = None) -> None:
        """Show this box, and what was asked for; by default what was shown last."""
        if topic is not None:
            self.choice.choose(topic)
        self.show_box(box)
        self.reload()

    def show_box(self, box: Box) -> None:
        """How the box is now; what was collected follows with :meth:`reload`."""
        self._box = box
        self._name.setText(box.name)
        self._chip.set_state(box_state(box))

    def reload(self) -> None:
        """Fetch again what is in sight."""
        if self._box is None:
            return
        match self.choice.value:
            case "shadow":
                self._stack.setCurrentWidget(self.shadow)
                self.shadow.show_box(self._box)
            case "alerts":
                self._stack.setCurrentWidget(self.alerts)
                self.alerts.show_box(self._box.box)
            case "audits":
                self._stack.setCurrentWidget(self._audits)
                self.chain.show_box(self._box.box)
                self.audits.show_box(self._box.box)
            case "losses":
                self._stack.setCurrentWidget(self.losses)
                self.losses.show_box(self._box)
            case _:
                self._stack.setCurrentWidget(self.minutes)
                self.minutes.show_box(self._box)

    def _collect_button(self) -> Button:
        return Button(self.tr("Collect now"), "collect", kind="primary", clicked=self._page.detail.collect_now)

    def _alerts_table(self) -> StreamTable[AlertRow]:
        when, what = self.tr("When"), self.tr("What")
        return StreamTable(
            self._page,
            self.tr("Alerts"),
            [
                Column[AlertRow](
                    title=when, text=lambda one: formats.clock(one.at_ms), width=roomy_width(when, MOMENT)
                ),
                Column[AlertRow](
                    title=what,
                    text=lambda one: kind_state(one.kind).word,
                    state=lambda one: kind_state(one.kind),
                    width=roomy_width(what, *kind_words(), icon=True),
                    tip=lambda one: one.kind,
                ),
                Column[AlertRow](
                    title=self.tr("Pipeline"), text=lambda one: one.pipeline or formats.NONE, width=112, spare=1
                ),
                Column[AlertRow](title=self.tr("Message"), text=lambda one: one.message, width=160, stretch=True),
            ],
            lambda box, cursor, limit: boxes.page_alerts(self._page.context, box, cursor=cursor, limit=limit),
            lambda one: "\n".join(filter(None, (one.message, _figures(one.facts)))),
            Empty("ok", self.tr("No alerts: nothing on this box asks for attention."), self._collect_button()),
        )

    def _audits_table(self) -> StreamTable[AuditRow]:
        when, what, who = self.tr("When"), self.tr("What"), self.tr("Who")
        return StreamTable(
            self._page,
            self.tr("Audit"),
            [
                Column[AuditRow](
                    title=when, text=lambda one: formats.clock(one.at_ms), width=roomy_width(when, MOMENT)
                ),
                Column[AuditRow](
                    title=what,
                    text=lambda one: kind_state(one.kind).word,
                    state=lambda one: kind_state(one.kind),
                    width=roomy_width(what, *kind_words(), icon=True),
                    tip=lambda one: one.kind,
                ),
                Column[AuditRow](
                    title=who,
                    text=lambda one: self._who(one.who),
                    width=roomy_width(who, self.tr("This desktop"), self.tr("The box itself"), "0123456789ab"),
                    tip=lambda one: one.who,
                ),
                Column[AuditRow](
                    title=self.tr("Message"), text=lambda one: one.message, width=160, stretch=True, spare=1
                ),
            ],
            lambda box, cursor, limit: boxes.page_audits(self._page.context, box, cursor=cursor, limit=limit),
            lambda one: "\n".join((one.message, self._who(one.who, in_full=True))),
            Empty("shield", self.tr("Nothing that was done to this box was collected yet."), self._collect_button()),
        )

    def _who(self, who: str, *, in_full: bool = False) -> str:
        if who == "box":
            return self.tr("The box itself")
        if who == self._page.context.identity.fingerprint:
            return self.tr("This desktop")
        return who if in_full else formats.short(who)


class LossesTab(QWidget):
    """What waits on the box, class by class, and what it had to let go."""

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._facts = Facts(columns=4)
        self._problem = label("", "bad", wrap=True, selectable=True)
        self.waiting = card(label(self.tr("Waits on the box"), "section"), self._facts, self._problem, gap=12)
        when, count, size = self.tr("When"), self.tr("How many"), self.tr("Size")
        first, last = self.tr("From"), self.tr("To")
        self.stream: StreamTable[LossRow] = StreamTable(
            page,
            self.tr("Losses"),
            [
                Column[LossRow](title=when, text=lambda one: formats.clock(one.at_ms), width=roomy_width(when, MOMENT)),
                Column[LossRow](title=self.tr("What"), text=lambda one: stream_word(one.stream), width=136),
                Column[LossRow](
                    title=count,
                    text=lambda one: formats.count(one.count),
                    number=True,
                    width=roomy_width(count, "1,000,000"),
                ),
                Column[LossRow](
                    title=size,
                    text=lambda one: formats.size(one.bytes),
                    number=True,
                    width=roomy_width(size, "999.9 MB"),
                    spare=1,
                ),
                Column[LossRow](
                    title=first, text=lambda one: formats.clock(one.first_ms), width=roomy_width(first, MOMENT), spare=3
                ),
                Column[LossRow](
                    title=last, text=lambda one: formats.clock(one.last_ms), width=roomy_width(last, MOMENT), spare=2
                ),
                Column[LossRow](
                    title=self.tr("Why"), text=lambda one: loss_reason(one.reason), width=160, stretch=True
                ),
            ],
            lambda box, cursor, limit: boxes.page_losses(page.context, box, cursor=cursor, limit=limit),
            lambda one: self.tr("{why} From {first} to {last}. [{reason}]").format(
                why=loss_reason(one.reason),
                first=formats.clock(one.first_ms),
                last=formats.clock(one.last_ms),
                reason=one.reason,
            ),
            Empty(
                "ok",
                self.tr("Nothing was lost. What a box must let go before it is collected will stand here."),
                Button(self.tr("Collect now"), "collect", kind="primary", clicked=page.detail.collect_now),
            ),
        )
        whole = column(self.waiting, self.stream, gap=16)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def show_box(self, box: Box) -> None:
        self.waiting.setVisible(box.status is not None)
        if box.status is not None:
            spool = box.status.spool
            counts = {
                "audits": spool.audits,
                "alerts": spool.alerts,
                "samples": spool.samples,
                "shadows": spool.shadows,
                "rollups": spool.rollups,
                "results": spool.results,
                "losses": spool.losses,
            }
            facts = [(stream_word(stream), formats.count(count)) for stream, count in counts.items()]
            facts.append((self.tr("Not on disk yet"), formats.count(spool.in_memory)))
            self._facts.show_facts(facts)
            self._problem.setText(spool.problem or "")
            self._problem.setVisible(spool.problem is not None)
        self.stream.show_box(box.box)


def _figures(facts: dict[str, float]) -> str:
    """The figures behind an alert."""
    return ", ".join(f"{name} {value:.3g}" for name, value in facts.items())
