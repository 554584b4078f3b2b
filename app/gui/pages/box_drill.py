"""Drills on a box: what the last ones showed, and another one after a question."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.gui import formats
from app.gui.dialogs import FormDialog
from app.gui.pages.base import Page
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.states import state
from app.gui.widgets import Button, column, dropdown, label, row
from app.store.records import Box
from app.usecases import drills
from app.usecases.drills import DrillEntry, DrillProof
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.drill import USUAL_S, DrillKind
from edge_runtime.contracts.errors import Cancelled

SHOWN = 3


class HoldDrill(FormDialog):
    """Names the box, and says what will happen to it and what will not. ``wanted`` carries the kind.

    Cancel has the focus and is the default: Enter alone begins nothing.
    """

    wanted = Signal(str)

    def __init__(self, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Hold a drill on {box}?").format(box=box.name),
            self.tr("A real fault on this one box, which ends by itself, also when this desktop is gone."),
            self.tr("Hold the drill"),
            parent,
            kind="danger",
        )
        self.kind = dropdown()
        for word, kind in (
            (self.tr("Cut its network"), "cut"),
            (self.tr("Kill its process"), "kill"),
            (self.tr("Fill its disk"), "fill"),
            (self.tr("Put its clock off"), "clock"),
        ):
            self.kind.addItem(word, kind)
        self.add_field(self.tr("Fault"), self.kind)
        self.fields.addWidget(label("•  " + box.name, wrap=True))
        self.what = label("", wrap=True)
        self.fields.addWidget(self.what)
        self.fields.addWidget(
            label(
                self.tr("Its model, its configuration and the machine's own clock are not touched."), "muted", wrap=True
            )
        )
        self.kind.currentIndexChanged.connect(lambda _at: self._explain())
        self._explain()
        self.primary.setDefault(False)
        self.cancel.setDefault(True)
        self._first = self.cancel

    def submit(self) -> None:
        self.wanted.emit(self.kind.currentData())
        self.accept()

    def _explain(self) -> None:
        kinds: dict[DrillKind, str] = {
            "cut": self.tr(
                "For {seconds} seconds no desktop can reach it. Its lines go on, and what they see waits on its disk."
            ),
            "kill": self.tr(
                "Its process is killed and started again. Its lines stand still meanwhile: frames may be missed."
            ),
            "fill": self.tr(
                "For {seconds} seconds its disk is filled down to its reserve. What waits there is collected first; "
                "what it sees meanwhile may go under its limits, and its loss ledger says so."
            ),
            "clock": self.tr(
                "For {seconds} seconds its software believes that it is a day earlier. What it sees meanwhile is "
                "dated so."
            ),
        }
        self.what.setText(kinds[self.kind.currentData()].format(seconds=USUAL_S))
        self.fit()


class DrillPanel(QWidget):
    """The last drills of a box."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._entries = Entries(self.tr("No drill was held from here yet."))
        self.hold = Button(self.tr("Hold a drill…"), "shield", clicked=self.ask)
        self.setLayout(
            column(label(self.tr("Drills"), "section"), self._entries, row(self.hold, 1), gap=12),
        )

    def show_box(self, box: Box) -> None:
        other = self._box is None or self._box.box != box.box
        self._box = box
        if other:
            self.reload()

    def reload(self) -> None:
        """What the activity has of them; no box is asked."""
        if self._box is None:
            return
        context, box = self._page.context, self._box.box
        self._page.query("drills", lambda: drills.known_drills(context, box), lambda found: self._show(box, found))

    def ask(self) -> HoldDrill | None:
        """Ask, naming the box; None where none is picked."""
        if self._box is None:
            return None
        context, box = self._page.context, self._box

        def hold(kind: DrillKind) -> None:
            def work(progress: Progress, cancel: CancelToken) -> DrillProof:
                return drills.drill_box(context, box.box, kind, progress=progress, cancel=cancel)

            title = self.tr("Drill on {name}: {kind}").format(name=box.name, kind=kind_word(kind))
            tasks = self._page.session.tasks
            tasks.run_command(title, work, lambda _proof: self.reload(), owner=self, failed=self._failed)

        dialog = HoldDrill(self, box)
        dialog.wanted.connect(hold)
        dialog.open()
        return dialog

    def _failed(self, error: BaseException) -> None:
        # What the box measured is kept, however it ended.
        self.reload()
        if not isinstance(error, Cancelled):
            self._page.session.tasks.report(error)

    def _show(self, box: str, found: list[DrillEntry]) -> None:
        if self._box is not None and self._box.box == box:
            self._entries.show_entries([self._entry(one) for one in found[:SHOWN]])

    def _entry(self, one: DrillEntry) -> Entry:
        lines = [formats.clock(one.at_ms)]
        outcome = "open"
        if one.proof is None:
            lines.append(self.tr("Its end is not known here yet."))
        else:
            report, outcome = one.proof.report, one.proof.report.outcome
            lines.append(
                self.tr("Frames before, during and after: {before}, {during}, {after}").format(
                    before=formats.count(report.before.frames),
                    during=formats.count(report.during.frames),
                    after=formats.count(report.after.frames),
                )
            )
            if report.longest_gap_ms is not None:
                lines.append(self.tr("Longest gap: {ms} ms").format(ms=formats.count(round(report.longest_gap_ms))))
            if one.proof.away_s:
                lines.append(self.tr("Did not answer for {seconds} s").format(seconds=f"{one.proof.away_s:.1f}"))
            lost = sum(one.proof.lost.values())
            lines.append(self.tr("Rows lost: {count}").format(count=formats.count(lost)))
            if report.verified and report.bundle == report.bundle_after:
                lines.append(self.tr("The same model answers, and its file was verified."))
            lines += report.problems
        return Entry(
            key=one.asked.drill,
            title=kind_word(one.asked.kind),
            lines=tuple(Line(text=text) for text in lines),
            chip=state(f"drill.{outcome}"),
        )


def kind_word(kind: DrillKind) -> str:
    """What a drill is called."""
    return state(f"drill.{kind}").word
