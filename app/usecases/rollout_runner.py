"""Rollouts under way: several boxes are served at a time, and none of them holds up another."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from app.fleet.failures import is_full_here
from app.fleet.pacing import RateCap
from app.store import boxes as box_store
from app.store import rollouts as rollout_store
from app.store.records import Box, Rollout, RolloutBox, RolloutBoxState, RolloutState
from app.store.writer import Writer
from app.usecases import boxes
from app.usecases.crew import Crew
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.rollout_conflicts import heeded, mend_records
from app.usecases.rollout_progress import decide, is_away
from app.usecases.rollout_visit import Visit
from app.usecases.subjects.base import Subject
from app.usecases.subjects.finding import find_subject, title_of
from cloud_sync.release.plan import ON_BOX, OPEN, Decision
from edge_runtime.contracts.errors import Cancelled, LinesideError

if TYPE_CHECKING:
    from app.context import Context

AT_A_TIME = 8
"""Boxes that are served at a time."""
LOOKOUTS = 4
"""Boxes that are away, and are looked for at a time beside those."""
PAUSE_S = 0.25
AWAY_S = 15.0
"""How long a box that did not answer is left alone."""
WATCH_S = 10.0
"""How often a box that has committed is asked how it does while its rollout goes on: the next waves rest on it."""
MEND_S = 2.0
"""How often the rows of all rollouts are looked through for what contradicts each other, or the boxes."""
GOES_ON = frozenset({"running", "paused", "stopped", "aborted"})
"""States in which boxes may still be on trial."""
CALLED_OFF = frozenset({"stopped", "aborted"})
"""States in which a box that was sent to is asked whether it has it in hand."""


class Runner:
    """Serves the boxes of rollouts on threads of its own until it is closed.

    What is under way is in the database alone: a runner that dies is replaced by another one, here or on another
    desktop.
    """

    def __init__(self, ctx: Context, *, progress: Progress = silent, cancel: CancelToken | None = None) -> None:
        self._ctx, self._progress, self._cancel = ctx, progress, cancel or CancelToken()
        self._working, self._looking = Crew(AT_A_TIME, "rollout"), Crew(LOOKOUTS, "lookout")
        self._busy: dict[str, Future[None]] = {}
        self._not_before: dict[str, float] = {}
        self._caps: dict[str, RateCap] = {}
        self._subjects: dict[str, Subject] = {}
        self._root = ""
        """The digest of the site's root under which those were found."""
        self._next: dict[str, str] = {}
        """By box: the rollout that found it busy with another one's visit, and has the next turn."""
        self._silent: set[str] = set()
        """Boxes that were away when they were visited last."""
        self._news = threading.Event()
        self._bug: Exception | None = None
        self._seen: dict[tuple[str, str], tuple[RolloutBoxState, int]] = {}
        """The state of each box of each rollout, and when it was first seen here, by this desktop's clock."""
        self._mend_not_before = 0.0
        self._mended: tuple[tuple[int, ...], dict[str, tuple[object, ...]]] | None = None
        """The rows and what boxes said when the records were mended last."""

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self, *, wait: bool = True) -> None:
        """Begin nothing more.

        :param wait: for what is under way; otherwise it is given up, which is as good as a cut.
        """
        for crew in (self._working, self._looking):
            crew.end(self._busy.values(), grace_s=None if wait else 0.0)

    def step_all(self) -> None:
        """As :meth:`step`, for every rollout of which a box may still go on."""
        self._mend({box.box: box for box in box_store.list_boxes(self._ctx.database)})
        for rollout in rollout_store.list_going_on(self._ctx.database, [*ON_BOX, "sending"]):
            self.step(rollout)

    def step(self, rollout: str) -> Rollout:
        """Decide from what is known, and begin what is due; waits for nothing.

        :raises Cancelled: it was stopped.
        :raises DiskFull: no room on this desktop; the boxes were served as far as they could.
        :raises Exception: a bug in a visit, once; the other boxes were served.
        """
        self._cancel.check()
        self._reap()
        known = {box.box: box for box in box_store.list_boxes(self._ctx.database)}
        self._mend(known)
        current = rollout_store.get_rollout(self._ctx.database, rollout)
        if current.state not in GOES_ON:
            return current
        decision = decide(current, known, self._seen_ms(current))
        if current.state == "running":
            current = self._conclude(current, decision)
        running = current.state == "running"
        subject = self._subject_of(current)
        # The more of them are on trial, the less often each is asked.
        pause_s = PAUSE_S * max(1.0, sum(part.state in ON_BOX for part in current.boxes) / AT_A_TIME)
        for part in current.boxes:
            offering = running and (part.box in decision.start or part.state == "sending")
            if offering or part.state in ON_BOX or (part.state == "sending" and current.state in CALLED_OFF):
                self._visit(current, part, known.get(part.box), subject, offering=offering, pause_s=pause_s)
            elif running and part.state == "committed" and part.box in known:
                self._watch(known[part.box])
        self._raise_bug()
        return current

    def settle(self) -> None:
        """Wait until nothing is under way; errors as :meth:`step`."""
        while self._busy:
            self._news.wait(PAUSE_S)
            self._news.clear()
            self._cancel.check()
            self._reap()
        self._raise_bug()

    def _raise_bug(self) -> None:
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug

    def _seen_ms(self, rollout: Rollout) -> dict[str, int]:
        now, found = boxes.now_ms(), dict[str, int]()
        for part in rollout.boxes:
            state, since_ms = self._seen.get((rollout.rollout, part.box), (None, now))
            if state != part.state:
                since_ms = now
                self._seen[rollout.rollout, part.box] = part.state, now
            found[part.box] = since_ms
        return found

    def _mend(self, known: Mapping[str, Box]) -> None:
        """Where rows or boxes are not what they were: all rollouts there ever were are looked through."""
        now = time.monotonic()
        if now < self._mend_not_before:
            return
        seen = rollout_store.edition(self._ctx.database), {box: heeded(one) for box, one in known.items()}
        if seen != self._mended:
            mend_records(self._ctx)
            self._mended = seen
        self._mend_not_before = now + MEND_S

    def _conclude(self, current: Rollout, decision: Decision) -> Rollout:
        if not decision.finished and decision.stopped is None:
            return current
        if mend_records(self._ctx):
            # No rollout ends by rows that are not true.
            return rollout_store.get_rollout(self._ctx.database, current.rollout)
        title = title_of(self._ctx, current)
        committed = sum(part.state == "committed" for part in current.boxes)
        words = decision.stopped or f"{title} runs on boxes: {committed} of {len(current.boxes)}"

        self._end(current, "done" if decision.stopped is None else "stopped", decision.stopped, words)
        return rollout_store.get_rollout(self._ctx.database, current.rollout)

    def _end(self, current: Rollout, to: RolloutState, reason: str | None, words: str) -> None:
        def work(writer: Writer) -> None:
            moved = rollout_store.move_rollout(
                writer, current.rollout, to, out_of=["running"], reason=reason, finished_ms=writer.now_ms
            )
            if moved:
                writer.activity(f"rollout.{to}", current.rollout, f"Rollout: {words}.")

        self._ctx.database.write(work)

    def _subject_of(self, rollout: Rollout) -> Subject | None:
        """What is to be brought; None until a sync has brought it to this desktop."""
        if (root := self._ctx.roots().facts.digest) != self._root:
            # Whoever started one of them may count no more.
            self._subjects.clear()
            self._root = root
        subject = self._subjects.get(rollout.rollout)
        if subject is not None:
            return subject
        try:
            subject = find_subject(self._ctx, rollout)
        except LinesideError as error:
            if is_full_here(error):
                raise
            # Whoever can write to the object store could have put it there; other rollouts go on.
            why = f"what it brings cannot be used: {error.message}"
            self._end(rollout, "stopped", why, why)
        if subject is not None and rollout.subject != "model":
            self._subjects[rollout.rollout] = subject
        return subject

    def _visit(
        self,
        rollout: Rollout,
        part: RolloutBox,
        box: Box | None,
        subject: Subject | None,
        *,
        offering: bool,
        pause_s: float,
    ) -> None:
        if box is None:
            self._drop(rollout, part)
            return
        now, away = time.monotonic(), is_away(box)
        came_back = part.box in self._silent and not away
        early = now < self._not_before.get(rollout.rollout + part.box, 0.0) and not came_back
        if subject is None or early or not self._has_turn(rollout.rollout, part.box):
            return
        self._not_before[rollout.rollout + part.box] = now + (AWAY_S if away else pause_s)
        (self._silent.add if away else self._silent.discard)(part.box)
        visit = Visit(
            self._ctx,
            rollout,
            box,
            subject,
            offering=offering,
            caps=self._caps_of(rollout),
            progress=self._progress,
            cancel=self._cancel,
        )
        future = (self._looking if away else self._working).submit(visit.run)
        self._busy[part.box] = future
        future.add_done_callback(lambda _future: self._news.set())

    def _has_turn(self, rollout: str, box: str) -> bool:
        """A box is visited for one rollout at a time; where two want it, by turns."""
        if box in self._busy:
            self._next.setdefault(box, rollout)
            return False
        return self._next.pop(box, rollout) == rollout

    def _watch(self, box: Box) -> None:
        """Ask a box that has committed how it does: it may have gone back since."""
        now = time.monotonic()
        if box.box in self._busy or now < self._not_before.get(box.box, 0.0):
            return
        self._not_before[box.box] = now + max(WATCH_S, AWAY_S if is_away(box) else 0.0)
        future = self._looking.submit(lambda: self._ask(box))
        self._busy[box.box] = future
        future.add_done_callback(lambda _future: self._news.set())

    def _ask(self, box: Box) -> None:
        boxes.refresh(self._ctx, box.box)

    def _caps_of(self, rollout: Rollout) -> list[RateCap]:
        """One for all of a rollout's deliveries together: it is this desktop's link that they share."""
        cap = rollout.plan.cap_bytes_per_s
        if cap is None:
            return []
        return [self._caps.setdefault(rollout.rollout, RateCap(cap, wait=self._cancel.wait))]

    def _drop(self, rollout: Rollout, part: RolloutBox) -> None:
        """The box was struck off the list: nobody can bring it anything any more."""
        self._ctx.database.write(
            lambda writer: rollout_store.move_box(
                writer, rollout.rollout, part.box, "withdrawn", "The box was struck off the list.", out_of=OPEN
            )
        )

    def _reap(self) -> None:
        for box, future in list(self._busy.items()):
            if not future.done():
                continue
            del self._busy[box]
            try:
                future.result()
            except Cancelled:
                continue
            except LinesideError as error:
                if is_full_here(error):
                    self._bug = error
                    continue
                # One box's trouble never ends the pass; a row that could not be written is found again.
                box_store.set_status(self._ctx.database, box, problem=error)
            except Exception as error:  # noqa: BLE001 - it reaches the caller once the other boxes were served
                self._bug = error


def advance_rollout(
    ctx: Context, rollout: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Rollout:
    """One pass: begin what is due and wait for it. Safe to repeat after any crash."""
    with Runner(ctx, progress=progress, cancel=cancel) as runner:
        current = runner.step(rollout)
        runner.settle()
        return rollout_store.get_rollout(ctx.database, current.rollout)


def follow_rollout(
    ctx: Context, rollout: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Rollout:
    """Advance until the rollout is done or stopped, or, where it was paused or aborted, no box has it on trial any more
    that answers.
    """
    token = cancel or CancelToken()
    with Runner(ctx, progress=progress, cancel=token) as runner:
        while True:
            current = runner.step(rollout)
            progress(_event(ctx, current))
            if current.state != "running" and not _to_be_told(ctx, current):
                runner.settle()
                return rollout_store.get_rollout(ctx.database, current.rollout)
            token.wait(PAUSE_S)


def _under_way(rollout: Rollout) -> bool:
    waited = {*ON_BOX, "sending"} if rollout.state == "aborted" else ON_BOX
    return any(part.state in waited for part in rollout.boxes)


def _to_be_told(ctx: Context, rollout: Rollout) -> bool:
    """Whether a box that answers still has it in hand."""
    known = {box.box: box for box in box_store.list_boxes(ctx.database)}
    here = replace(rollout, boxes=tuple(part for part in rollout.boxes if not is_away(known.get(part.box))))
    return _under_way(here)


def _event(ctx: Context, rollout: Rollout) -> ProgressEvent:
    names = {box.box: box.name for box in box_store.list_boxes(ctx.database)}
    counted = len(rollout.boxes)
    ended = sum(part.state not in OPEN for part in rollout.boxes)
    words = ", ".join(f"{names.get(part.box, part.box[:12])} {part.state}" for part in rollout.boxes[:AT_A_TIME])
    more = f" and {counted - AT_A_TIME} more" if counted > AT_A_TIME else ""
    return ProgressEvent(step="rollout", message=f"{words}{more}", fraction=ended / max(counted, 1))
