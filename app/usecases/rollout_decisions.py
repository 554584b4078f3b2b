"""After a box went back by itself: what came is offered again, held from the box, or blacklisted for every box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.store import decisions as decision_store
from app.store import rollouts as rollout_store
from app.store.records import EVERY_BOX, Box, BundleDecision, Choice, Rollout, SubjectKind
from app.store.writer import Writer
from app.usecases import boxes, models
from app.usecases.rollout_progress import decide as plan_says
from app.usecases.rollouts import ACTIVE, list_rollouts, must_be_free, must_be_offerable, must_not_be_blacklisted
from app.usecases.subjects.finding import Named, find_named
from cloud_sync.release.plan import FAILED, ON_BOX, OPEN
from edge_runtime.contracts.errors import InputInvalid

if TYPE_CHECKING:
    from app.context import Context

_MEANS: dict[Choice, str] = {
    "offer-again": "The box forgets that it refused this bundle, and gets it once more when its turn comes.",
    "hold": "This box keeps what it has and is left alone with this bundle, until it is offered again.",
    "blacklist": "No box of the site is ever offered this bundle again; its rollouts are aborted. Boxes that run it go"
    " on with it until they are sent back ({back}) or get another.",
}
WHY: dict[Choice, str] = {
    "offer-again": "to be tried again",
    "hold": "held by hand",
    "blacklist": "blacklisted by hand",
}
_WAY_BACK: dict[SubjectKind, str] = {
    "model": "`lineside boxes rollback {box} --reason WHY`",
    "configuration": "`lineside boxes config {box} --roll-back`",
    "program": "`lineside boxes update {box} --roll-back`",
}


def meaning(choice: Choice, subject: SubjectKind) -> str:
    """What a decision does, in English, for the command line."""
    return _MEANS[choice].format(back=_WAY_BACK[subject].format(box="BOX"))


def list_decisions(ctx: Context) -> list[BundleDecision]:
    """What people decided about bundles and boxes, newest first."""
    return decision_store.list_decisions(ctx.database)


def who_runs(ctx: Context, model: str) -> list[Box]:
    """Boxes on which a model answers, which run a program or have a configuration, as far as this desktop knows:
    blacklisting it does not take it off them.

    :param model: as for :func:`app.usecases.subjects.finding.find_named`.
    """
    key, begun = find_named(ctx, model).key, list_rollouts(ctx)
    return [box for box in boxes.list_boxes(ctx) if runs(box, key, begun)]


def runs(box: Box, bundle: str, begun: Iterable[Rollout] = ()) -> bool:
    """Whether a model answers on a box or a program runs there, as it said last; or whether a configuration was the
    last one that was rolled out there and is not taken back, whatever was set by hand since.

    :param begun: rollouts, by which alone a configuration is known.
    """
    if box.status is None:
        return False
    if box.status.config is not None and bundle in _last_configurations(box.box, box.status.config.in_force, begun):
        return True
    program = box.status.runtime.bundle if box.status.runtime is not None else ""
    return program == bundle or any(slot.active and slot.bundle == bundle for slot in box.status.slots)


def _last_configurations(box: str, in_force: int, begun: Iterable[Rollout]) -> set[str]:
    tried = {
        (part.mark, one.model)
        for one in begun
        if one.subject == "configuration"
        for part in one.boxes
        if part.box == box and part.state == "committed" and part.mark is not None and part.mark <= in_force
    }
    newest = max((mark for mark, _key in tried), default=0)
    return {key for mark, key in tried if mark == newest}


def decide(ctx: Context, box: str, model: str, choice: Choice, reason: str | None = None) -> BundleDecision:
    """Decide about a bundle on a box; what each choice does is in :data:`MEANS`.

    It stands on every desktop of the site after a sync. The box is told when it is next reached for the rollout.

    :raises InputInvalid: the box has it on trial at this moment or runs it, or is part of another rollout; or a reason
        without a word.
    :raises BundleBlacklisted: it is never offered again, so it is neither to be offered nor held.
    """
    chosen, named = boxes.get_box(ctx, box), find_named(ctx, model)
    if choice not in _MEANS:
        raise InputInvalid(f"{choice!r} is no decision: offer-again, hold or blacklist.")
    if reason is not None and not reason.strip():
        raise InputInvalid("Say why, in a few words.")
    if choice != "blacklist":
        _must_be_offerable(ctx, named)
    begun = list_rollouts(ctx)
    mine = [one for one in begun if one.model == named.key]
    row = next(((one, part) for one in mine for part in one.boxes if part.box == chosen.box), None)
    if choice == "hold" and runs(chosen, named.key, begun) and (row is None or row[1].state not in FAILED):
        raise InputInvalid(
            f"{chosen.name} runs {named.title}: there is nothing to hold from it.",
            hint=f"To send it back first: {_WAY_BACK[named.subject].format(box=chosen.name)}.",
        )
    if row is not None and row[1].state in ON_BOX and choice != "blacklist":
        raise InputInvalid(f"{chosen.name} has {named.title} on trial now.", hint="Wait for its end, or abort first.")
    if choice == "offer-again" and row is not None and row[1].state not in OPEN:
        must_be_free(ctx, [chosen], named.subject, but=row[0].rollout)

    def work(writer: Writer) -> BundleDecision:
        decision = BundleDecision(
            box=EVERY_BOX if choice == "blacklist" else chosen.box,
            bundle=named.key,
            subject=named.subject,
            choice=choice,
            reason=reason or WHY[choice],
            who=writer.who,
            decided_ms=writer.now_ms,
        )
        decision_store.put_decision(writer, decision)
        whom = "every box" if choice == "blacklist" else chosen.name
        title = named.title
        writer.activity(f"rollout.{choice}", named.key, f"{title} on {whom}: {decision.reason}.")
        if choice == "blacklist":
            for one in mine:
                _abort(writer, one, f"{title} was blacklisted")
        elif row is not None and choice == "hold":
            rollout_store.move_box(
                writer, row[0].rollout, chosen.box, "held", decision.reason, out_of=["waiting", "sending", *FAILED]
            )
        elif row is not None and row[0].state != "aborted":
            rollout_store.move_box(
                writer, row[0].rollout, chosen.box, "waiting", decision.reason, out_of=["held", *FAILED]
            )
        return decision

    decision = ctx.database.write(work)
    if choice == "offer-again" and row is not None:
        _go_on(ctx, row[0].rollout)
    return decision


def _must_be_offerable(ctx: Context, named: Named) -> None:
    """:raises GateRefused, BundleBlacklisted: it may go to no box."""
    if named.subject == "model":
        must_be_offerable(ctx, models.get_model(ctx, named.key))
    else:
        must_not_be_blacklisted(ctx, named.subject, named.key, named.title)


def _abort(writer: Writer, rollout: Rollout, reason: str) -> None:
    if rollout_store.move_rollout(
        writer,
        rollout.rollout,
        "aborted",
        out_of=[*ACTIVE, "stopped"],
        reason=reason,
        finished_ms=writer.now_ms,
    ):
        for part in rollout.boxes:
            rollout_store.move_box(writer, rollout.rollout, part.box, "withdrawn", reason, out_of=["waiting"])


def _go_on(ctx: Context, rollout: str) -> None:
    """A rollout that was at its end goes on with the box that is to have it after all, unless others failed too."""
    current = rollout_store.get_rollout(ctx.database, rollout)
    known = {box.box: box for box in boxes.list_boxes(ctx)}
    if current.state in ("done", "stopped") and plan_says(current, known).stopped is None:
        ctx.database.write(
            lambda writer: rollout_store.move_rollout(
                writer, rollout, "running", out_of=["done", "stopped"], reason=None, finished_ms=None
            )
        )
