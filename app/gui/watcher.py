"""What goes on by itself while the window is open: boxes are asked and collected, work under way moves on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer

from app.gui.session import Session
from app.store.records import Box
from app.usecases import boxes, bursts, finding, sync
from app.usecases.following import Following, to_visit
from app.usecases.metrics import syncing
from app.usecases.progress import CancelToken
from app.usecases.rollout_runner import Runner
from edge_runtime.contracts.errors import LinesideError

T = TypeVar("T")

TICK_MS = 1500
RETRY_S = 10.0
"""How long a box that did not answer, or a store that refused, is left alone."""
SYNC_S = 60.0
LOOK_S = 30.0
"""How often boxes that do not answer are listened for: they may have another address."""


class Watcher(QObject):
    """Follows all boxes; at most one collection a box, one pass over bursts and rollouts, and one sync are under way.

    Whatever goes wrong in the way that errors do (a box is off, the store is away) stands in the records
    and is shown there; a bug reaches the dialog once and ends the part that has it.

    :param only_looking: ask the boxes how they are and do nothing else, because somebody else does the rest.
    """

    def __init__(self, session: Session, *, only_looking: bool = False) -> None:
        super().__init__(session)
        self._session = session
        self._only_looking = only_looking
        self._stopping = CancelToken()
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._following: Following | None = None
        self._runner: Runner | None = None
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        context, tasks = self._session.context, self._session.tasks
        self._following = Following(context, failed=lambda error: tasks.post(lambda: tasks.report(error)))
        if not self._only_looking:
            self._runner = Runner(context, cancel=self._stopping)
        self._timer.start()
        self._tick()

    def stop(self) -> None:
        """Start nothing more; what is under way ends soon, or is given up when the program ends."""
        self._timer.stop()
        self._stopping.cancel()
        if self._following is not None:
            self._following.close()
            self._following = None
        if self._runner is not None:
            self._runner.close(wait=False)
            self._runner = None

    def _tick(self) -> None:
        context, following = self._session.context, self._following
        if following is None:
            return
        self._once("boxes", lambda: to_visit(context, following.look_again()), self._visit, pause_s=0.0)
        if self._only_looking:
            return
        self._once(
            "moved",
            lambda: finding.follow_moved(context, cancel=self._stopping),
            lambda _moved: None,
            pause_s=LOOK_S,
        )
        self._once("work", self._advance, lambda _none: None, pause_s=0.0)
        if context.settings.store is not None:
            self._once(
                "sync",
                lambda: sync.sync_now(context, patient=True, cancel=self._stopping),
                lambda _report: None,
                pause_s=SYNC_S,
            )
        else:
            self._once(
                "figures",
                lambda: syncing.keep_without_store(context, cancel=self._stopping),
                lambda _none: None,
                pause_s=SYNC_S,
            )

    def _visit(self, due: list[Box]) -> None:
        """Bring over what waits there, and the keys that a box does not know yet."""
        if self._only_looking:
            return
        context = self._session.context
        for box in due:
            work = partial(boxes.collect, context, box.box, cancel=self._stopping)
            self._once(box.box, work, lambda _report: None, pause_s=0.0)

    def _advance(self) -> None:
        """On a worker: one step of every burst and rollout under way; boxes are served on threads of their own."""
        context = self._session.context
        bursts.advance_bursts(context)
        if self._runner is not None:
            self._runner.step_all()

    def _once(self, name: str, work: Callable[[], T], done: Callable[[T], None], *, pause_s: float) -> None:
        if name in self._busy or time.monotonic() < self._not_before.get(name, 0.0):
            return
        self._busy.add(name)

        def finished(result: T) -> None:
            self._busy.discard(name)
            self._not_before[name] = time.monotonic() + pause_s
            done(result)

        def failed(error: BaseException) -> None:
            if not isinstance(error, LinesideError):
                self._session.tasks.report(error)
                return
            self._busy.discard(name)
            self._not_before[name] = time.monotonic() + RETRY_S

        self._session.tasks.run_watching(work, finished, owner=self, failed=failed)
