"""One box of one rollout: ask it, and do the next thing. Safe to repeat after a cut at any point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.fleet.client import BoxClient
from app.fleet.failures import is_full_here
from app.fleet.pacing import RateCap
from app.store import boxes as box_store
from app.store import decisions as decision_store
from app.store import rollouts as rollout_store
from app.store.records import Box, BundleDecision, Rollout, RolloutBox, RolloutBoxState, RolloutState
from app.usecases import boxes, roots
from app.usecases.contact import begin_contact
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from app.usecases.subjects.base import Found, Subject, tried_there
from cloud_sync.release.plan import ON_BOX, OPEN
from edge_runtime.contracts.errors import BoxBusy, BoxUnreachable, LinesideError
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context

UNKNOWN_AFTER_MS: Final = 30_000
"""A box that took an installation and shows nothing of it after so long has lost it."""
ABORTED: Final = "The rollout was aborted."
CUT_OFF: Final = "The box lost its power while it installed it: it is offered again."
LOST: Final = "The box knows nothing of it any more: it is offered again."


class Visit:
    """A visit to a box for the rollout's sake; whatever goes wrong ends in the row, and nothing is raised but a stop.

    :param offering: the box's turn has come; otherwise it is only asked how it does.
    """

    def __init__(
        self,
        ctx: Context,
        rollout: Rollout,
        box: Box,
        subject: Subject,
        *,
        offering: bool,
        caps: Sequence[RateCap],
        progress: Progress,
        cancel: CancelToken,
    ) -> None:
        self._ctx, self._rollout, self._box, self._subject = ctx, rollout, box, subject
        self._offering, self._caps, self._progress, self._cancel = offering, caps, progress, cancel
        self._part = RolloutBox(box=box.box, wave=0, state="waiting")

    @property
    def _state(self) -> RolloutBoxState:
        return self._part.state

    def run(self) -> None:
        """:raises Cancelled: it was stopped; the row says how far it came.
        :raises DiskFull: no room on this desktop, which is not the box's fault.
        """
        database = self._ctx.database
        part = rollout_store.part_of(database, self._rollout.rollout, self._box.box)
        if part is None or part.state not in OPEN:
            return
        self._cancel.check()
        self._part = part
        try:
            with boxes.connect(self._ctx, self._box) as client:
                begun = begin_contact(self._ctx, self._box.address)
                status = roots.ask_status(self._ctx, self._box, client)
                heard = begun.end(status.at_ms)
                box_store.set_status(database, self._box.box, status=status, seen_ms=boxes.now_ms(), heard=heard)
                try:
                    self._act(client, status)
                except _Halted:
                    self._step_back()
                except BoxUnreachable:
                    raise
                except LinesideError as error:
                    if error.code == "task.cancelled" or is_full_here(error):
                        raise
                    self._fail(error)
        except LinesideError as error:
            if error.code == "task.cancelled" or is_full_here(error):
                raise
            # It keeps its place: being away is no state of the rollout, and another desktop may well reach it.
            box_store.set_status(database, self._box.box, problem=error)

    def _act(self, client: BoxClient, status: BoxStatus) -> None:
        found = self._subject.look(client, status, self._part)
        if self._now() == "aborted":
            self._call_back(client, found)
            return
        if found is not None and self._heed(found):
            return
        if self._state in ON_BOX:
            cut = found is not None and found.step == "cut"
            # A row from the future was written by a clock that is ahead: how old it is cannot be told.
            if cut or not 0 <= boxes.now_ms() - self._part.updated_ms <= UNKNOWN_AFTER_MS:
                self._move("waiting", CUT_OFF if cut else LOST)
            return
        if not self._offering:
            self._step_back()
            return
        if busy := tried_there(status):
            self._move("waiting", busy)
            return
        decision = decision_store.decision_of(self._ctx.database, self._box.box, self._rollout.model)
        again = decision is not None and (decision.choice == "offer-again" or self._is_to_come(decision, found))
        if self._may_come(client, status, found, decision, again=again):
            self._send(client, decision if again else None, found)

    def _is_to_come(self, decision: BundleDecision, found: Found | None) -> bool:
        """Whether the one more try was noted, and the box shows nothing newer than what stood against it then."""
        return (
            decision.choice == "offered"
            and self._state == "sending"
            and found is not None
            and found.mark is not None
            and found.mark == self._part.mark
        )

    def _heed(self, found: Found) -> bool:
        """Write down what the box says of this very subject; False: it is as good as not there."""
        match found.step:
            case "committed":
                self._move("committed", None, found.mark)
            case "kept" if self._state in ON_BOX:
                self._move("committed", None, found.mark)
            case "trial":
                self._move("trial", None, found.mark)
            case "installing":
                self._move("installing", None, found.mark)
            case "refused" | "returned" if self._state in ON_BOX:
                self._move("failed" if found.step == "refused" else "rolled-back", found.reason)
            case _:
                return False
        return True

    def _may_come(
        self,
        client: BoxClient,
        status: BoxStatus,
        found: Found | None,
        decision: BundleDecision | None,
        *,
        again: bool,
    ) -> bool:
        """Whether nothing of before stands against it; what a person decided to forget is forgotten on the box."""
        if decision is not None and decision.choice == "hold":
            self._move("held", decision.reason)
            return False
        if (why := self._subject.stands_against(status, found)) is not None and not again:
            self._move("rolled-back", f"It was rolled back on this box before: {why}.")
            return False
        if again or (found is not None and found.step in ("cut", "refused", "returned")):
            self._subject.forget(client)
        return True

    def _send(self, client: BoxClient, offered: BundleDecision | None, found: Found | None) -> None:
        """:param offered: the decision by which it is to be tried once more."""
        if not self._move("sending", None, found.mark if found is not None else None):
            return
        begin = self._subject.bring(
            self._box, client, self._part, again=offered is not None, sent=self._sent, caps=self._caps
        )
        if self._now() != "running":
            raise _Halted
        if offered is not None:
            # Before the box is asked: whoever goes on after this desktop's death must not try it once more.
            self._decide(replace(offered, choice="offered"))
        try:
            mark = begin()
        except BoxBusy:
            if offered is not None:
                self._decide(replace(offered, choice="offer-again"))
            raise
        self._move("installing", None, mark)

    def _step_back(self) -> None:
        """Of a rollout that has stopped nothing is on its way any more."""
        part = rollout_store.part_of(self._ctx.database, self._rollout.rollout, self._box.box)
        if part is not None and part.state == "sending" and self._now() == "stopped":
            self._move("waiting", None)

    def _decide(self, decision: BundleDecision) -> None:
        self._ctx.database.write(lambda writer: decision_store.put_decision(writer, decision))

    def _sent(self, done: int, total: int) -> None:
        self._cancel.check()
        if self._now() != "running":
            raise _Halted
        self._progress(ProgressEvent(step="send", message=self._box.name, fraction=done / max(total, 1)))

    def _now(self) -> RolloutState | None:
        """The rollout's state, which somebody may have changed meanwhile."""
        return rollout_store.state_of(self._ctx.database, self._rollout.rollout)

    def _call_back(self, client: BoxClient, found: Found | None) -> None:
        step = found.step if found is not None else None
        if step == "committed":
            self._move("committed", None, found.mark if found else None)
        elif step not in ("installing", "trial") or self._subject.withdraw(client, ABORTED):
            # One that is not on trial yet is asked for again, until it is.
            self._move("withdrawn", ABORTED)

    def _fail(self, error: LinesideError) -> None:
        if self._state in ON_BOX or self._now() == "aborted":
            # It decides by itself; that this desktop is refused says nothing about what it tries.
            self._move(self._state, str(error))
        elif isinstance(error, BoxBusy):
            # Nothing stands against what is brought: it gets its turn.
            self._move("waiting", error.message)
        else:
            self._move("failed", str(error))

    def _move(self, state: RolloutBoxState, reason: str | None, mark: int | None = None) -> bool:
        return self._ctx.database.write(
            lambda writer: rollout_store.move_box(
                writer, self._rollout.rollout, self._box.box, state, reason, out_of=OPEN, mark=mark
            )
        )


class _Halted(Exception):
    """The rollout was paused, aborted or stopped while bytes were on their way; what is there stays for later."""
