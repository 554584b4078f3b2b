"""A visit: what to bring, the pack, how every box was found and left, and the report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.gui import formats
from app.gui.i18n import resolve
from app.gui.pages.base import Page, scrolled
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.pages.visit_dialogs import (
    BeginDialog,
    CheckDialog,
    NoteDialog,
    PackDialog,
    ReportDialog,
    VisitDialog,
)
from app.gui.states import State
from app.gui.widgets import Button, Facts, card, clear, column, label, row
from app.store.records import Box
from app.usecases import boxes
from app.usecases.progress import CancelToken, Progress
from app.usecases.visits import packing, recording, reporting, taking_over, verification
from app.usecases.visits.packing import PackReport
from app.usecases.visits.plan import BoxPlan, Item, VisitPlan
from app.usecases.visits.recording import VisitRow
from app.usecases.visits.records import Visit
from app.usecases.visits.reporting import WrittenReport
from app.usecases.visits.verification import Proof
from app.usecases.visits.view import report_view
from app.usecases.visits.words import Language, need_words

T = TypeVar("T")
SHOWN_VISITS = 20


class VisitView(QWidget):
    """In the place of the list of boxes; ``left`` leads back to it."""

    left = Signal()

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._boxes: list[Box] = []
        self._shown_visits = SHOWN_VISITS
        self.plan: VisitPlan | None = None
        self.report: Path | None = None
        """That was written last."""
        self.back = Button(self.tr("All boxes"), "chevron-left", kind="ghost", clicked=self.left.emit)
        self._subtitle = label("", "muted")
        self._said = label("", "muted", wrap=True, selectable=True)
        self._said.hide()
        self._needs = Entries(self.tr("No box is enrolled yet."))
        self._items = Entries(self.tr("Nothing has to be carried."))
        self.pack = Button(self.tr("Pack…"), "samples", kind="primary", clicked=self.ask_to_pack)
        self.take = Button(self.tr("Take over a pack…"), "folder", clicked=self.ask_to_open)
        self._facts = Facts()
        self._closed = label(
            self.tr("Begin a visit when you are there: it keeps how each box was found and how it was left."),
            "muted",
            wrap=True,
        )
        self.begin = Button(self.tr("Begin visit…"), "play", kind="primary", clicked=self.ask_to_begin)
        self.note = Button(self.tr("Note…"), "tag", clicked=self.ask_for_note)
        self.receipts = Button(self.tr("Take receipts"), "shield", clicked=self.take_receipts)
        self.end = Button(self.tr("End visit"), "ok", kind="primary", clicked=self.end_visit)
        self.check = Button(self.tr("Check a report…"), "shield", kind="ghost", clicked=self.ask_to_check)
        self._visits: QVBoxLayout = column(gap=12)
        self.reports: dict[str, Button] = {}
        self.readings: dict[str, Button] = {}
        """By visit."""
        head = row(self.back, column(label(self.tr("Visit"), "title"), self._subtitle, gap=0), 1, gap=16)
        wanted = QWidget()
        wanted.setLayout(column(card(label(self.tr("What each box lacks"), "section"), self._needs, gap=16), 1))
        right = QWidget()
        right.setLayout(column(*self._cards(), 1, gap=16))
        sides = row(gap=16)
        sides.addWidget(scrolled(wanted), 3)
        sides.addWidget(scrolled(right), 2)
        self.open_report = Button(self.tr("Open report"), "activity", clicked=self._open_written)
        self.open_report.hide()
        said = row(gap=12)
        said.addWidget(self._said, 1)
        said.addWidget(self.open_report)
        whole = column(head, said, gap=16)
        whole.addLayout(sides, 1)
        self.setLayout(whole)
        self._show_open(None)

    @property
    def language(self) -> Language:
        return resolve(self._page.context.settings.language)

    def reload(self) -> None:
        """What is known now; nobody is asked."""
        context = self._page.context

        def look() -> tuple[VisitPlan, list[VisitRow], Visit | None, list[Box]]:
            current = recording.open_visit(context)
            return (
                recording.plan_visit(context),
                recording.list_visits(context),
                recording.get_visit(context, current) if current else None,
                boxes.list_boxes(context),
            )

        self._page.query("visit", look, lambda seen: self._show(*seen))

    def ask_to_pack(self) -> PackDialog:
        dialog = PackDialog(self, self._boxes, to_write=True)
        dialog.chosen.connect(self._pack)
        dialog.open()
        return dialog

    def ask_to_open(self) -> PackDialog:
        dialog = PackDialog(self, to_write=False)
        dialog.chosen.connect(lambda folder, _boxes: self._open(folder))
        dialog.open()
        return dialog

    def ask_to_begin(self) -> BeginDialog:
        dialog = BeginDialog(self._page.session, self._boxes, self)
        dialog.chosen.connect(self._begin)
        dialog.open()
        return dialog

    def ask_for_note(self) -> NoteDialog:
        dialog = NoteDialog(self._boxes, self)
        dialog.chosen.connect(self._note)
        dialog.open()
        return dialog

    def ask_for_report(self, visit: VisitRow) -> ReportDialog:
        dialog = ReportDialog(visit.title, self.language, self)
        dialog.chosen.connect(partial(self._report, visit.visit))
        dialog.open()
        return dialog

    def read(self, visit: str) -> None:
        """What its report would say, on the screen."""
        context, language = self._page.context, self.language
        self._page.session.tasks.run_query(
            lambda: report_view(recording.get_visit(context, visit), language),
            lambda told: VisitDialog(told, self).open(),
            owner=self,
        )

    def ask_to_check(self) -> CheckDialog:
        dialog = CheckDialog(self)
        dialog.chosen.connect(self._check)
        dialog.open()
        return dialog

    def take_receipts(self) -> None:
        """Have every box of the visit say what it runs now."""
        context = self._page.context
        self._run(
            self.tr("Take receipts"),
            lambda progress, cancel: recording.take_receipts(context, progress=progress, cancel=cancel),
            lambda _visit: self._say(self.tr("Every box was asked; the answers are signed.")),
        )

    def end_visit(self) -> None:
        """A receipt of every box, and what was done; the chain is closed then."""
        context = self._page.context
        self._run(
            self.tr("End visit"),
            lambda progress, cancel: recording.end_visit(context, progress=progress, cancel=cancel),
            lambda _visit: self._say(self.tr("The visit has ended. Its report is ready to be written.")),
        )

    def _cards(self) -> list[QWidget]:
        return [
            card(label(self.tr("To bring"), "section"), self._items, row(self.pack, self.take, 1), gap=12),
            card(
                label(self.tr("On site"), "section"),
                self._closed,
                self._facts,
                row(self.note, self.receipts, 1),
                row(self.begin, self.end, 1),
                gap=12,
            ),
            card(row(label(self.tr("Visits"), "section"), 1, self.check), self._visits, gap=12),
        ]

    def _show(self, plan: VisitPlan, rows: list[VisitRow], current: Visit | None, known: list[Box]) -> None:
        self.plan, self._boxes = plan, known
        lacking = sum(bool(box.needs) for box in plan.boxes)
        self._subtitle.setText(
            self.tr("Boxes that lack something: {n} of {all}; {size} to bring").format(
                n=lacking, all=len(plan.boxes), size=formats.size(plan.bytes)
            )
        )
        self._needs.show_entries([self._box(box) for box in plan.boxes])
        self._items.show_entries([self._item(item) for item in plan.items])
        self.pack.setEnabled(bool(plan.boxes))
        self.begin.setEnabled(bool(plan.boxes))
        self._show_open(current)
        self._show_visits(rows)

    def _box(self, plan: BoxPlan) -> Entry:
        lines = [Line(text=self._need(plan, number)) for number in range(len(plan.needs))]
        seen = self.tr("last seen {when}").format(when=formats.ago(plan.seen_ms))
        return Entry(
            key=plan.box,
            title=f"{plan.name} · {seen}",
            lines=tuple(lines) or (Line(text=self.tr("Nothing is known to be missing.")),),
            icon=State("warn", "warn", "") if plan.needs else State("ok", "ok", ""),
        )

    def _need(self, plan: BoxPlan, number: int) -> str:
        need = plan.needs[number]
        words = need_words(self.language, need)
        if need.bytes:
            words += f" {formats.size(need.bytes)}."
        if need.evidence_ms is not None and need.evidence_ms != plan.seen_ms:
            words += " " + self.tr("Seen {when}.").format(when=formats.ago(need.evidence_ms))
        return words

    def _item(self, item: Item) -> Entry:
        names = {box.box: box.name for box in self._boxes}
        for_whom = ", ".join(names.get(box, formats.short(box)) for box in item.boxes)
        lines = [Line(text=self.tr("for {boxes}").format(boxes=for_whom))]
        if not item.here:
            lines.append(Line(text=self.tr("Not on this desktop: sync or build it before the trip."), role="bad"))
        size = f" · {formats.size(item.bytes)}" if item.bytes else ""
        icon = State("models" if item.kind == "bundle" else "boxes", "muted", "")
        return Entry(key=item.key, title=f"{item.name}{size}", lines=tuple(lines), icon=icon)

    def _show_open(self, current: Visit | None) -> None:
        self._closed.setVisible(current is None)
        self.begin.setVisible(current is None)
        self._facts.setVisible(current is not None)
        for button in (self.note, self.receipts, self.end):
            button.setVisible(current is not None)
        if current is None:
            return
        answered = sum(not one.problem for one in current.begun.before)
        self._facts.show_facts(
            [
                (self.tr("Title"), current.begun.title),
                (self.tr("Begun"), formats.clock(current.begun_ms)),
                (self.tr("Boxes"), self.tr("{n} of {all} answered").format(n=answered, all=len(current.begun.before))),
                (self.tr("Notes"), formats.count(len(current.notes))),
                (self.tr("Receipts"), formats.count(len(current.receipts))),
            ]
        )

    def _show_visits(self, rows: list[VisitRow]) -> None:
        clear(self._visits)
        self.reports, self.readings = {}, {}
        if not rows:
            self._visits.addWidget(label(self.tr("No visit yet."), "muted"))
        for visit in rows[: self._shown_visits]:
            words = column(label(visit.title or formats.short(visit.visit), wrap=True), gap=2)
            when = formats.clock(visit.begun_ms)
            state = when if visit.ended_ms else self.tr("{when}, still open").format(when=when)
            words.addWidget(label(f"{state} · {visit.who}", "caption", wrap=True))
            if visit.problem:
                words.addWidget(label(visit.problem, "bad", wrap=True, selectable=True))
            line = row(gap=12)
            line.addLayout(words, 1)
            if not visit.problem:
                button = Button(self.tr("Report…"), "activity", clicked=partial(self.ask_for_report, visit))
                button.setAccessibleName(f"{button.text()} {visit.title}")
                read = Button(self.tr("Read…"), "search", kind="ghost", clicked=partial(self.read, visit.visit))
                read.setAccessibleName(f"{read.text()} {visit.title}")
                self.readings[visit.visit] = read
                line.addWidget(read)
                self.reports[visit.visit] = button
                line.addWidget(button)
            shown = QWidget()
            shown.setLayout(line)
            self._visits.addWidget(shown)
        if len(rows) > self._shown_visits:
            self._visits.addWidget(Button(self.tr("Older visits"), "chevron-right", kind="ghost", clicked=self._more))

    def _more(self) -> None:
        self._shown_visits += SHOWN_VISITS
        self.reload()

    def _pack(self, folder: Path, names: tuple[str, ...]) -> None:
        context = self._page.context
        self._run(
            self.tr("Pack for the trip"),
            lambda progress, cancel: packing.pack_visit(context, folder, names, progress=progress, cancel=cancel),
            self._packed,
        )

    def _packed(self, made: PackReport) -> None:
        words = self.tr("Packed into {folder}. Files: {n}, {size}.").format(
            folder=made.folder, n=formats.count(made.files), size=formats.size(made.bytes)
        )
        if made.missing:
            words += " " + self.tr("Not in it: {names}.").format(names=", ".join(made.missing))
        self._say(words)

    def _open(self, folder: Path) -> None:
        context = self._page.context
        self._run(
            self.tr("Take over a pack"),
            lambda progress, cancel: taking_over.open_pack(context, folder, progress=progress, cancel=cancel),
            lambda taken: self._say(
                self.tr("Taken over from {desktop}: {names}.").format(
                    desktop=taken.desktop_name,
                    names=", ".join([*taken.models, *taken.edge, *taken.rollouts]) or formats.NONE,
                )
            ),
        )

    def _begin(self, title: str, pack: Path | None, names: tuple[str, ...]) -> None:
        context = self._page.context

        def work(progress: Progress, cancel: CancelToken) -> Visit:
            digest = ""
            if pack is not None:
                digest = taking_over.open_pack(context, pack, progress=progress, cancel=cancel).digest
            return recording.begin_visit(
                context, title=title, names=names, pack=digest, progress=progress, cancel=cancel
            )

        self._run(self.tr("Begin visit"), work, lambda _visit: self._say(""))

    def _note(self, text: str, box: str | None) -> None:
        context = self._page.context
        self._page.session.tasks.run_query(
            lambda: recording.note_visit(context, text, box=box), lambda _visit: self.reload(), owner=self
        )

    def _report(self, visit: str, path: Path, language: Language) -> None:
        context = self._page.context

        def work(_progress: Progress, _cancel: CancelToken) -> WrittenReport:
            return reporting.write_report(context, visit, path, language=language)

        self._run(
            self.tr("Write report"),
            work,
            self._written,
        )

    def _written(self, made: WrittenReport) -> None:
        self._say(self.tr("The report is in {path}.").format(path=made.path))
        self.report = Path(made.path)
        self.open_report.show()

    def _open_written(self) -> None:
        """With whatever this system shows such files with."""
        if self.report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.report)))

    def _check(self, path: Path) -> None:
        context = self._page.context

        def work(_progress: Progress, _cancel: CancelToken) -> Proof:
            return verification.verify_report(path, context)

        self._run(self.tr("Check report"), work, self._proved)

    def _proved(self, proof: Proof) -> None:
        words = self.tr("Nothing was changed in the report of {title}, recorded by {desktop}.")
        said = [words.format(title=proof.title, desktop=proof.desktop_name)]
        if proof.struck_off:
            words = self.tr("Not listed any more: {names}. The visit was known here before.")
            said.append(words.format(names=", ".join(proof.struck_off)))
        if proof.page == "not-compared":
            said.append(self.tr("Another version or other fonts drew its page: it cannot be compared with the visit."))
        self._say(" ".join(said))

    def _run(self, title: str, work: Callable[[Progress, CancelToken], T], done: Callable[[T], None]) -> None:
        def ended(result: T) -> None:
            done(result)
            self.reload()

        self._page.session.tasks.run_command(title, work, ended, owner=self)

    def _say(self, text: str) -> None:
        self._said.setText(text)
        self._said.setVisible(bool(text))
        self.open_report.hide()
