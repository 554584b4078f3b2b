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
from app.store.records import Box, BundleDecision, Model, Rollout, RolloutBoxState, RolloutState
from app.usecases import boxes, roots
from app.usecases.contact import begin_contact
from app.usecases.deliveries import deliver_release
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from cloud_sync.release.plan import OPEN
from edge_runtime.contracts.errors import BoxBusy, BoxUnreachable, LinesideError
from edge_runtime.contracts.status import BoxStatus, SlotStatus
from edge_runtime.update.slots import CUT_DURING_INSTALLATION, IN_FLIGHT

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
        model: Model,
        *,
        offering: bool,
        caps: Sequence[RateCap],
        progress: Progress,
        cancel: CancelToken,
    ) -> None:
        self._ctx, self._rollout, self._box, self._model = ctx, rollout, box, model
        self._offering, self._caps, self._progress, self._cancel = offering, caps, progress, cancel
        self._state: RolloutBoxState = "waiting"
        self._since_ms = 0

    def run(self) -> None:
        """:raises Cancelled: it was stopped; the row says how far it came.
        :raises DiskFull: no room on this desktop, which is not the box's fault.
        """
        database = self._ctx.database
        part = rollout_store.part_of(database, self._rollout.rollout, self._box.box)
        if part is None or part.state not in OPEN:
            return
        self._cancel.check()
        self._state, self._since_ms = part.state, part.updated_ms
        try:
            with boxes.connect(self._ctx, self._box) as client:
                begun = begin_contact(self._ctx, self._box.address)
                status = roots.ask_status(self._ctx, self._box, client)
                heard = begun.end(status.at_ms)
                box_store.set_status(database, self._box.box, status=status, seen_ms=boxes.now_ms(), heard=heard)
                try:
                    self._act(client, status)
                except _Halted:
                    return
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
        if self._now() == "aborted":
            self._call_back(client, status)
            return
        slot = find_slot(status, self._model)
        if slot is not None and self._heed(slot, status):
            return
        if self._state in ("installing", "trial"):
            cut = slot is not None and slot.reason == CUT_DURING_INSTALLATION
            # A row from the future was written by a clock that is ahead: how old it is cannot be told.
            if cut or not 0 <= boxes.now_ms() - self._since_ms <= UNKNOWN_AFTER_MS:
                self._move("waiting", CUT_OFF if cut else LOST)
            return
        if not self._offering:
            return
        if on_trial := [other for other in status.slots if other.state in IN_FLIGHT]:
            self._move("waiting", f"{on_trial[0].name} {on_trial[0].version} is on trial there.")
            return
        if status.config is not None and status.config.trial is not None:
            self._move("waiting", "A configuration is on trial there.")
            return
        if self._may_come(client, status, slot):
            self._send(client)

    def _heed(self, slot: SlotStatus, status: BoxStatus) -> bool:
        """Write down what the box says of this very bundle; False: it is as good as not there."""
        match slot.state:
            case "COMMITTED" if slot.active or self._state in ("installing", "trial"):
                self._move("committed", None)
            case "TRIAL":
                self._move("trial", None)
            case "REJECTED" if slot.reason == CUT_DURING_INSTALLATION:
                # Nothing was found against the model: it gets its turn once more.
                return False
            case "REJECTED" | "ROLLED_BACK" if self._state in ("installing", "trial"):
                self._move("failed" if slot.state == "REJECTED" else "rolled-back", slot.reason)
            case "STAGED" | "VERIFIED" | "PROBED":
                self._move("installing", None)
            case _:
                return False
        return True

    def _may_come(self, client: BoxClient, status: BoxStatus, slot: SlotStatus | None) -> bool:
        """Whether nothing of before stands against it; what a person decided to forget is forgotten on the box."""
        decision = decision_store.decision_of(self._ctx.database, self._box.box, self._model.model)
        if decision is not None and decision.choice == "hold":
            self._move("held", decision.reason)
            return False
        again = decision is not None and decision.choice == "offer-again"
        if (why := status.refused.get(self._model.model)) is not None and not again:
            self._move("rolled-back", f"It was rolled back on this box before: {why}.")
            return False
        if again or (slot is not None and slot.state in ("REJECTED", "ROLLED_BACK")):
            client.forget(self._model.model)
        if again and decision is not None:
            _carried_out(self._ctx, decision)
        return True

    def _send(self, client: BoxClient) -> None:
        if not self._move("sending", None):
            return
        target = deliver_release(self._ctx, self._box, client, self._model, sent=self._sent, caps=self._caps)
        if self._now() == "running":
            client.install(target)
            self._move("installing", None)

    def _sent(self, done: int, total: int) -> None:
        self._cancel.check()
        if self._now() != "running":
            raise _Halted
        self._progress(ProgressEvent(step="send", message=self._box.name, fraction=done / max(total, 1)))

    def _now(self) -> RolloutState | None:
        """The rollout's state, which somebody may have changed meanwhile."""
        return rollout_store.state_of(self._ctx.database, self._rollout.rollout)

    def _call_back(self, client: BoxClient, status: BoxStatus) -> None:
        slot = find_slot(status, self._model)
        if slot is not None and slot.state == "COMMITTED" and slot.active:
            self._move("committed", None)
        elif slot is None or slot.state not in IN_FLIGHT or client.withdraw(self._model.model, ABORTED):
            # One that is not on trial yet is asked for again, until it is.
            self._move("withdrawn", ABORTED)

    def _fail(self, error: LinesideError) -> None:
        if self._state in ("installing", "trial") or self._now() == "aborted":
            # It decides by itself; that this desktop is refused says nothing about the model.
            self._move(self._state, str(error))
        elif isinstance(error, BoxBusy):
            # Nothing stands against the model: it gets its turn.
            self._move("waiting", error.message)
        else:
            self._move("failed", str(error))

    def _move(self, state: RolloutBoxState, reason: str | None) -> bool:
        return self._ctx.database.write(
            lambda writer: rollout_store.move_box(
                writer, self._rollout.rollout, self._box.box, state, reason, out_of=OPEN
            )
        )


class _Halted(Exception):
    """The rollout was paused or aborted while bytes were on their way; what is there stays for later."""


def find_slot(status: BoxStatus, model: Model) -> SlotStatus | None:
    """The slot that holds a bundle."""
    return next((slot for slot in status.slots if _holds(slot, model)), None)


def _holds(slot: SlotStatus, model: Model) -> bool:
    if slot.bundle is not None:
        return slot.bundle == model.model
    # Where the signatures themselves were refused, the box cannot know whose bundle it was, only what it was called.
    return (slot.name, slot.version) == (model.name, model.version)


def _carried_out(ctx: Context, decision: BundleDecision) -> None:
    ctx.database.write(lambda writer: decision_store.put_decision(writer, replace(decision, choice="offered")))
