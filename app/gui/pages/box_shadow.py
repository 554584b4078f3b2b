"""The shadow model of a box: what watches the line, and its beginning and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.gui.pages.box_actions import StartShadow
from app.gui.states import state
from app.gui.widgets import Button, Chip, column, label, row
from app.store.records import Box
from app.usecases import rollouts
from app.usecases.progress import CancelToken, Progress
from edge_runtime.contracts.errors import Cancelled
from edge_runtime.contracts.status import ShadowStatus

if TYPE_CHECKING:
    from app.gui.pages.boxes import BoxesPage


class ShadowPanel(QWidget):
    """Says what watches, and starts or ends it. What it did to a box can be undone while the window is open."""

    def __init__(self, page: BoxesPage) -> None:
        super().__init__()
        self._page = page
        self._box: Box | None = None
        self._before: dict[str, str | None] = {}
        """By box: what watched before this window changed it."""
        self._asked: set[str] = set()
        """Boxes that have not answered yet."""
        self._chip = Chip()
        self._name = label("", wrap=True, selectable=True)
        self._words = label("", "muted", wrap=True, selectable=True)
        self.start = Button(self.tr("Start a shadow run…"), "play", clicked=self.ask_to_start)
        self.end = Button(self.tr("End shadow run"), "stop", clicked=self.end_run)
        self.look = Button(self.tr("Disagreements"), "chevron-right", clicked=self._look)
        self.undo = Button(self.tr("Undo"), "undo", kind="ghost", clicked=self.undo_last)
        inside = column(
            row(label(self.tr("Shadow model"), "section"), 1, self._chip),
            self._name,
            self._words,
            row(self.start, self.end, 1),
            row(self.look, self.undo, 1),
            gap=8,
        )
        self.setLayout(inside)

    def show_box(self, box: Box) -> None:
        self._box = box
        shadow = _shadow_of(box)
        heard = box.problem is None
        self._chip.set_state(state(f"shadow.{shadow.state}" if shadow else "shadow.none"))
        if shadow is not None and not heard:
            self._chip.set_state(state("last-known"))
        self._name.setText(f"{shadow.name} {shadow.version}" if shadow else "")
        self._name.setVisible(shadow is not None)
        self._words.setText(self._sentence(shadow))
        self.start.setVisible(shadow is None)
        self.end.setVisible(shadow is not None)
        self.look.setVisible(shadow is not None)
        before = self._before.get(box.box)
        # Where nothing watched before, ending the run is the way back.
        self.undo.setVisible(before is not None and before != (shadow.bundle if shadow else None))
        for button in (self.start, self.end, self.undo):
            button.setEnabled(box.box not in self._asked)

    def ask_to_start(self) -> StartShadow | None:
        """Ask which model."""
        if self._box is None:
            return None
        box = self._box
        dialog = StartShadow(self._page.session, self, box)
        dialog.chosen.connect(
            lambda model, name: self._change(
                box, model, self.tr("Shadow {model} on {box}").format(model=name, box=box.name)
            )
        )
        dialog.open()
        return dialog

    def end_run(self) -> None:
        """End it at once: it can be undone."""
        if self._box is not None:
            self._change(self._box, None, self.tr("End the shadow run on {box}").format(box=self._box.name))

    def undo_last(self) -> None:
        """Let watch again what watched before."""
        if self._box is not None:
            title = self.tr("Undo: shadow run on {box}").format(box=self._box.name)
            self._change(self._box, self._before.get(self._box.box), title)

    def _change(self, box: Box, model: str | None, title: str) -> None:
        context = self._page.context
        shadow = _shadow_of(box)
        before = shadow.bundle if shadow else None

        def work(progress: Progress, cancel: CancelToken) -> Box:
            return rollouts.shadow(context, box.box, model, progress=progress, cancel=cancel)

        def done(now: Box) -> None:
            self._before[box.box] = before
            self._answered(now)

        def failed(error: BaseException) -> None:
            self._answered(box)
            if not isinstance(error, Cancelled):
                self._page.session.tasks.report(error)

        self._asked.add(box.box)
        self.show_box(box)
        self._page.session.tasks.run_command(title, work, done, owner=self, failed=failed)

    def _answered(self, box: Box) -> None:
        self._asked.discard(box.box)
        if self._box is not None and self._box.box == box.box:
            self.show_box(box)

    def _look(self) -> None:
        self._page.look_back("shadow")

    def _sentence(self, shadow: ShadowStatus | None) -> str:
        if shadow is None:
            return self.tr("No second model watches this line.")
        if shadow.reason:
            return shadow.reason
        return self.tr("Sees what the line sees and answers for nothing.")


def _shadow_of(box: Box) -> ShadowStatus | None:
    return box.status.shadow if box.status else None
