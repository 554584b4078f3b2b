"""A box's own program: which version runs, what became of others, and another one over the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QWidget

from app.gui import formats
from app.gui.dialogs import Confirm, FormDialog, PathField
from app.gui.i18n import QT_TRANSLATE_NOOP
from app.gui.pages.base import Page
from app.gui.pages.entries import Entries, Entry, Line
from app.gui.session import Session
from app.gui.states import State, state
from app.gui.widgets import Button, Facts, Segments, column, label, row
from app.store.records import Box
from app.usecases import runtime
from app.usecases.progress import CancelToken, Progress
from app.usecases.runtime import UpdatePlan, UpdateReport
from edge_runtime.contracts.errors import Cancelled
from edge_runtime.contracts.status import RuntimeStatus, SlotStatus

_RUNS = QT_TRANSLATE_NOOP("runtime", "Runs")
_UNJUDGED = QT_TRANSLATE_NOOP("runtime", "Not judged in its trial, for their frames come too seldom: {lines}")
_INSTALLED = QT_TRANSLATE_NOOP("runtime", "Installed on the machine")


class NewVersion(FormDialog):
    """Asks the box what another version would take, shows that, and only then offers to bring it.

    ``wanted`` carries the bundle's path, which may be empty, and whether a version that was given up may come again.
    """

    wanted = Signal(str, bool)

    def __init__(self, session: Session, parent: QWidget, box: Box) -> None:
        super().__init__(
            self.tr("Bring {box} another version of its program").format(box=box.name),
            self.tr(
                "What it lacks is sent over its own connection, and tried there: its lines stand still for a few "
                "seconds. If the new version does not do as well, the box goes back by itself."
            ),
            self.tr("Send and try it"),
            parent,
        )
        self._session, self._box = session, box
        self.bundle = PathField(self.tr("Edge bundle (optional)"), file=True)
        self.add_field(
            self.tr("Edge bundle (optional)"),
            self.bundle,
            self.tr("What `make edge-bundle` built; otherwise it is taken from where bundles usually lie."),
        )
        self.again = Segments(
            self.tr("If it was given up there before"),
            [(self.tr("Leave it"), False), (self.tr("Try it again"), True)],
        )
        self.fields.addWidget(label(self.tr("If it was given up there before"), wrap=True))
        self.fields.addLayout(row(self.again, 1))
        self.look = Button(self.tr("See what it takes"), "gauge", clicked=self.ask)
        self.look.setToolTip(self.tr("Asks the box what it would need, and changes nothing"))
        self.fields.addLayout(row(self.look, 1))
        self.plan = Facts()
        self.plan.hide()
        self.refused = label("", "bad", wrap=True, selectable=True)
        self.refused.hide()
        self.fields.addWidget(self.plan)
        self.fields.addWidget(self.refused)
        self.primary.setEnabled(False)
        self._asked: tuple[str, bool] | None = None
        self.bundle.edit.textChanged.connect(lambda _text: self._forget())
        self.again.chosen.connect(lambda _value: self._forget())

    def ask(self) -> None:
        """Ask the box; nothing is changed there."""
        context, box = self._session.context, self._box.box
        asked = (self.bundle.path, bool(self.again.value))
        path = Path(asked[0]).expanduser() if asked[0] else None
        self._forget()
        self.look.setEnabled(False)
        self.attempt(
            self._session.tasks,
            lambda: runtime.plan_update(context, box, path=path, again=asked[1]),
            lambda plan: self.shown(plan, asked),
        )

    def submit(self) -> None:
        if self._asked is not None:
            self.wanted.emit(*self._asked)
            self.accept()

    def complain(self, text: str) -> None:
        super().complain(text)
        if text:
            self.look.setEnabled(True)
            self.primary.setEnabled(False)

    def _forget(self) -> None:
        """What was found out is of something else."""
        self._asked = None
        for shown in (self.plan, self.refused):
            shown.hide()
        self.primary.setEnabled(False)

    def shown(self, plan: UpdatePlan, asked: tuple[str, bool]) -> None:
        """What the box answered."""
        self.look.setEnabled(True)
        size, whole = formats.size(plan.bytes), formats.size(plan.whole_bytes)
        rate = formats.size(round(plan.bytes_per_s)) if plan.bytes_per_s else formats.NONE
        minutes = "< 0.1" if (plan.minutes or 0.0) < 0.1 else f"{plan.minutes:.1f}"
        self.plan.show_facts(
            [
                (self.tr("Runs now"), plan.running),
                (self.tr("New version"), plan.version),
                (
                    self.tr("To send"),
                    self.tr("{size} of {whole} (files that it lacks: {n})").format(
                        size=size, n=plan.files, whole=whole
                    ),
                ),
                (
                    self.tr("Takes"),
                    self.tr("{minutes} min ({rate} a second, measured now)").format(minutes=minutes, rate=rate),
                ),
                (self.tr("Free disk"), formats.size(plan.free_disk_bytes)),
            ]
        )
        self.plan.show()
        why = self.tr("That very version runs there already.") if plan.there else plan.refusal
        self.refused.setText(why)
        self.refused.setVisible(bool(why))
        self._asked = None if why else asked
        self.primary.setEnabled(not why)
        self.fit()


class RuntimePanel(QWidget):
    """The versions of a box's program."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._entries = Entries(self.tr("Not heard yet."))
        self._words = label("", "muted", wrap=True, selectable=True)
        self.bring = Button(self.tr("Another version…"), "send", clicked=self.ask)
        self.back = Button(self.tr("The version before…"), "undo", clicked=self.ask_back)
        self.roll_out = Button(self.tr("On several boxes…"), "rollouts", clicked=self._ask_to_roll_out)
        self.setLayout(
            column(
                label(self.tr("Its program"), "section"),
                self._entries,
                self._words,
                row(self.bring, self.back, 1),
                row(self.roll_out, 1),
                gap=12,
            )
        )

    def show_box(self, box: Box) -> None:
        self._box = box
        status = box.status
        found = status.runtime if status else None
        self._entries.show_entries(_entries(status.version, found) if status else [])
        words = ""
        if status is not None and (found is None or found.problem):
            words = self.tr(
                "It takes no version over the network yet. Update its program once over SSH; until then it goes on as "
                "it is."
            )
        self._words.setText(words)
        self._words.setVisible(bool(words))
        self.bring.setVisible(found is not None and not found.problem)
        self.back.setVisible(found is not None and not found.problem and bool(found.slot))

    def ask(self) -> NewVersion | None:
        """Ask which, and show what it takes; None where none is picked, or it takes none."""
        box = self._box
        if box is None or self.bring.isHidden():
            return None
        context, session = self._page.context, self._page.session

        def bring(bundle: str, again: bool) -> None:
            path = Path(bundle).expanduser() if bundle else None

            def work(progress: Progress, cancel: CancelToken) -> UpdateReport:
                return runtime.update_box(context, box.box, path=path, again=again, progress=progress, cancel=cancel)

            title = self.tr("Bring {name} another version").format(name=box.name)
            session.tasks.run_command(title, work, owner=self, failed=self._failed)

        dialog = NewVersion(session, self, box)
        dialog.wanted.connect(bring)
        dialog.open()
        return dialog

    def _ask_to_roll_out(self) -> None:
        self._page.session.open_requested.emit("rollouts", "start:program")

    def ask_back(self) -> Confirm | None:
        """Ask whether to go back to the version before, which the box keeps; None where none is picked, or has one."""
        box = self._box
        if box is None or self.back.isHidden():
            return None
        context, session = self._page.context, self._page.session

        def go_back() -> None:
            def work(progress: Progress, cancel: CancelToken) -> UpdateReport:
                return runtime.return_box(context, box.box, progress=progress, cancel=cancel)

            title = self.tr("Take {name} back to the version before").format(name=box.name)
            session.tasks.run_command(title, work, owner=self, failed=self._failed)

        dialog = Confirm(
            self.tr("Go back to the version before?"),
            self.tr(
                "The box starts the version of its program that ran before, which it keeps. Its lines stand still for "
                "a few seconds."
            ),
            [box.name],
            self.tr("Go back"),
            self,
        )
        dialog.accepted.connect(go_back)
        dialog.open()
        return dialog

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self._page.session.tasks.report(error)


def _entries(version: str, found: RuntimeStatus | None) -> list[Entry]:
    """What runs first; of the slots those that say something else."""
    lines = tuple(Line(text=text) for text in unjudged_lines(runtime.unjudged_in(found, found.bundle) if found else ()))
    running = Entry(key="running", title=version, lines=lines, chip=State("ok", "ok", _say(_RUNS)))
    if found is None:
        return [running]
    entries = [running]
    if found.slot:
        chip = State("database", "idle", _say(_INSTALLED))
        entries.append(Entry(key="base", title=found.base, chip=chip))
    return entries + [_slot(slot) for slot in found.slots if slot.state not in ("EMPTY", "COMMITTED")]


def unjudged_lines(names: Sequence[str]) -> list[str]:
    """Which lines a trial could not judge, in one line; none where it judged them all."""
    return [_say(_UNJUDGED).format(lines=", ".join(names))] if names else []


def _slot(slot: SlotStatus) -> Entry:
    lines = (Line(text=slot.reason),) if slot.reason else ()
    return Entry(key=slot.slot, title=slot.version or formats.NONE, lines=lines, chip=state(slot.state))


def _say(text: str) -> str:
    return QCoreApplication.translate("runtime", text)
