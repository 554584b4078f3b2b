"""Rollouts: a release, a configuration or a program on its way onto boxes, a canary first and then wave by wave."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.store import decisions as decision_store
from app.store import rollouts as rollout_store
from app.store.records import Box, Model, Rollout, RolloutBox, RolloutState, SubjectKind
from app.store.writer import Writer
from app.usecases import boxes, models
from app.usecases.deliveries import deliver_release
from app.usecases.labels import choose_boxes
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.rollout_visit import ABORTED
from app.usecases.subjects.finding import title_of
from cloud_sync.release.plan import OPEN, Plan, assign_waves
from edge_runtime.contracts.errors import BundleBlacklisted, GateRefused, InputInvalid, RolloutRefused

if TYPE_CHECKING:
    from app.context import Context

ACTIVE: frozenset[RolloutState] = frozenset({"running", "paused"})
_INSTEAD: dict[SubjectKind, str] = {
    "configuration": "Roll out other values.",
    "program": "Roll out another version.",
}


def list_rollouts(ctx: Context) -> list[Rollout]:
    """Every rollout, newest first."""
    return rollout_store.list_rollouts(ctx.database)


def get_rollout(ctx: Context, rollout: str) -> Rollout:
    """A rollout by the beginning of its id."""
    return rollout_store.get_rollout(ctx.database, rollout)


def plan_waves(ctx: Context, to: Sequence[str], *, canary: int, shares: Sequence[float]) -> list[list[str]]:
    """The ids of boxes, canary first, in waves; see :func:`cloud_sync.release.plan.assign_waves`.

    Those that answered when they were asked last come first: a canary that is off shows nothing.

    :param to: names, ids and ``label:LABEL``.
    """
    chosen = sorted(choose_boxes(ctx, to), key=lambda box: (box.problem is not None, box.last_seen_ms is None))
    return assign_waves([box.box for box in chosen], canary=canary, shares=shares)


def start_rollout(ctx: Context, model: str, *, waves: Sequence[Sequence[str]], plan: Plan | None = None) -> Rollout:
    """Offer a released model to boxes, wave by wave; the first wave is the canary.

    :param waves: names, ids and ``label:LABEL`` of the boxes of each wave.
    :raises GateRefused: the model is not released.
    :raises BundleBlacklisted: somebody decided that no box of the site gets it.
    :raises InputInvalid: no boxes, or one that is named twice or is part of another rollout that is under way.
    """
    record = models.get_model(ctx, model)
    must_be_offerable(ctx, record)
    chosen = boxes_of(ctx, waves)
    must_be_free(ctx, [box for _wave, box in chosen], "model")
    rollout = Rollout(
        rollout=str(uuid.uuid4()),
        model=record.model,
        version=record.version,
        state="running",
        created_ms=boxes.now_ms(),
        boxes=tuple(first_row(ctx, record.model, box, wave) for wave, box in chosen),
        plan=plan or Plan(),
    )
    return ctx.database.write(lambda writer: begin(writer, rollout, title_of(ctx, rollout), chosen))


def begin(writer: Writer, rollout: Rollout, title: str, chosen: Sequence[tuple[int, Box]]) -> Rollout:
    """Keep it, and say so in the activity."""
    names = ", ".join(box.name for _wave, box in chosen)
    writer.activity("rollout.started", rollout.rollout, f"{title} to {names}.")
    return rollout_store.begin_rollout(writer, rollout)


def boxes_of(ctx: Context, waves: Sequence[Sequence[str]]) -> list[tuple[int, Box]]:
    """The boxes of each wave, with its number.

    :param waves: as for :func:`start_rollout`.
    :raises InputInvalid: none, or one that is named twice.
    """
    chosen = [(wave, box) for wave, names in enumerate(waves) for box in choose_boxes(ctx, names)]
    if not chosen or len({box.box for _wave, box in chosen}) != len(chosen):
        raise InputInvalid("A rollout needs at least one box, and each box once.")
    return chosen


def pause_rollout(ctx: Context, rollout: str) -> Rollout:
    """Offer it to no further box until it is resumed. Boxes that have it come to their own end.

    :raises RolloutRefused: it is not running.
    """
    return _change(ctx, rollout, "paused", "running", what="paused", reason="paused by hand")


def resume_rollout(ctx: Context, rollout: str) -> Rollout:
    """Go on with one that was paused, or with one that stopped once somebody decided about the boxes that failed.

    :raises RolloutRefused: it does neither.
    :raises InputInvalid: a box of it is part of another rollout by now.
    """
    current = get_rollout(ctx, rollout)
    if current.state in ("paused", "stopped"):
        waiting = {part.box for part in current.boxes if part.state in OPEN}
        wanted = [box for box in boxes.list_boxes(ctx) if box.box in waiting]
        must_be_free(ctx, wanted, current.subject, but=current.rollout)
    if current.state == "stopped":
        from app.usecases.rollout_progress import decide

        known = {box.box: box for box in boxes.list_boxes(ctx)}
        if why := decide(current, known).stopped:
            raise RolloutRefused(
                f"This rollout stopped because {why}.",
                hint="Decide about those boxes first: `lineside rollouts decide BOX SUBJECT offer-again`, or hold.",
            )
    return _change(ctx, rollout, "running", "paused", "stopped", what="resumed", reason=None)


def abort_rollout(ctx: Context, rollout: str, reason: str = "aborted by hand") -> Rollout:
    """End it: no further box gets the model, boxes that have it on trial are told to return to what they had, now or
    when they are seen again, and those that committed it keep it.

    :raises RolloutRefused: it is at its end already.
    """
    current = get_rollout(ctx, rollout)

    def work(writer: Writer) -> None:
        for part in current.boxes:
            # One that bytes were on their way to may have been asked to install them a moment ago.
            rollout_store.move_box(writer, current.rollout, part.box, "withdrawn", ABORTED, out_of=["waiting"])

    return _change(ctx, rollout, "aborted", "running", "paused", "stopped", what="aborted", reason=reason, also=work)


def shadow(
    ctx: Context,
    box: str,
    model: str | None,
    *,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Box:
    """Let a released model see what a box sees beside the one that answers there, or end that; returns the box as it is
    now. The box checks it as it would for an installation, and keeps only the frames on which the two do not agree.

    :param model: None ends it.
    :raises GateRefused: the model is not released.
    :raises BundleBlacklisted: somebody decided that no box of the site gets it.
    :raises TrustRefused, ProbeFailed: the box refused it; what it did before goes on.
    """
    chosen = boxes.get_box(ctx, box)
    token = cancel or CancelToken()
    if model is None:
        with boxes.connect(ctx, chosen) as client:
            client.shadow(None)
        said = f"{chosen.name} runs no shadow model any more."
    else:
        record = models.get_model(ctx, model)
        must_be_offerable(ctx, record)

        def sent(done: int, total: int) -> None:
            token.check()
            progress(ProgressEvent(step="send", message=chosen.name, fraction=done / max(total, 1)))

        with boxes.connect(ctx, chosen) as client:
            client.shadow(deliver_release(ctx, chosen, client, record, sent=sent))
        said = f"{record.name} {record.version} is the shadow model on {chosen.name}."
    ctx.database.write(lambda w: w.activity("box.shadow", chosen.box, said))
    return boxes.refresh(ctx, chosen.box)[0]


def must_be_offerable(ctx: Context, record: Model) -> None:
    """:raises GateRefused, BundleBlacklisted: this bundle may go to no box."""
    if record.state != "released":
        hint = "Release it first: `lineside models release MODEL`." if record.state == "gated" else None
        raise GateRefused(f"{record.name} {record.version} is {record.state}, not released.", hint=hint)
    must_not_be_blacklisted(ctx, "model", record.model, f"{record.name} {record.version}")


def must_not_be_blacklisted(ctx: Context, subject: SubjectKind, key: str, title: str) -> None:
    """:raises BundleBlacklisted: somebody decided that no box of the site gets it."""
    if (decision := decision_store.blacklisted(ctx.database, key)) is not None:
        raise BundleBlacklisted(
            f"{title} was blacklisted by {decision.who}: {decision.reason}", hint=_INSTEAD.get(subject)
        )


def must_be_free(ctx: Context, wanted: Sequence[Box], subject: SubjectKind, *, but: str | None = None) -> None:
    """:raises InputInvalid: one of these boxes is part of a rollout that is under way, of the same kind of subject.

    :param but: this rollout does not count.
    """
    busy = busy_boxes(ctx, subject, but=but)
    for box in wanted:
        if box.box in busy:
            raise InputInvalid(
                f"{box.name} is part of a rollout that is still running.", hint="Abort that one first, or wait for it."
            )


def busy_boxes(ctx: Context, subject: SubjectKind, *, but: str | None = None) -> dict[str, Rollout]:
    """Boxes that are part of a rollout that is under way, of this kind of subject: by id, and which that is.

    :param but: this rollout does not count.
    """
    return {
        part.box: other
        for other in list_rollouts(ctx)
        if other.state in ACTIVE and other.subject == subject and other.rollout != but
        for part in other.boxes
        if part.state in OPEN
    }


def first_row(ctx: Context, key: str, box: Box, wave: int, *, base: int | None = None) -> RolloutBox:
    """How a box stands at the start: held, or waiting for its turn.

    :param key: by which the subject is known; ``base``: see :class:`RolloutBox`.
    """
    decision = decision_store.decision_of(ctx.database, box.box, key)
    held = decision is not None and decision.choice == "hold"
    return RolloutBox(
        box=box.box,
        wave=wave,
        state="held" if held else "waiting",
        reason=decision.reason if decision is not None and held else None,
        base=base,
    )


def _change(
    ctx: Context,
    rollout: str,
    to: RolloutState,
    *out_of: RolloutState,
    what: str,
    reason: str | None,
    also: Callable[[Writer], None] | None = None,
) -> Rollout:
    current = get_rollout(ctx, rollout)
    title = title_of(ctx, current)
    if reason is not None and not reason.strip():
        raise InputInvalid("Say why, in a few words.")

    def work(writer: Writer) -> bool:
        finished_ms = None if to in ACTIVE else writer.now_ms
        moved = rollout_store.move_rollout(
            writer, current.rollout, to, out_of=out_of, reason=reason, finished_ms=finished_ms
        )
        if moved:
            if also is not None:
                also(writer)
            said = f"Rollout of {title} {what}" + (f": {reason}." if reason else ".")
            writer.activity(f"rollout.{what}", current.rollout, said)
        return moved

    if not ctx.database.write(work):
        now = get_rollout(ctx, current.rollout).state
        raise RolloutRefused(f"A rollout that is {now} cannot be {what}.")
    return get_rollout(ctx, current.rollout)
