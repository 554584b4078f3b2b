"""Rollouts: a release on its staged way onto boxes, one wave after the other."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.store import rollouts as rollout_store
from app.store.records import Box, Model, Rollout, RolloutBox, RolloutBoxState
from app.usecases import boxes, deliveries, models, roots
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts.errors import BoxUnreachable, GateRefused, InputInvalid, LinesideError
from edge_runtime.contracts.status import BoxStatus, SlotStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient

PAUSE_S = 0.25
UNDER_WAY: frozenset[RolloutBoxState] = frozenset({"sending", "installing", "trial"})


def list_rollouts(ctx: Context) -> list[Rollout]:
    """Every rollout, newest first."""
    return rollout_store.list_rollouts(ctx.database)


def get_rollout(ctx: Context, rollout: str) -> Rollout:
    """A rollout by the beginning of its id."""
    return rollout_store.get_rollout(ctx.database, rollout)


def start_rollout(ctx: Context, model: str, *, waves: Sequence[Sequence[str]]) -> Rollout:
    """Offer a released model to boxes, wave by wave; the first wave is the canary.

    :raises GateRefused: the model is not released.
    :raises InputInvalid: no boxes, or one that is named twice or already on its way to another model.
    """
    record = models.get_model(ctx, model)
    _must_be_released(record)
    chosen = [(wave, boxes.get_box(ctx, name)) for wave, names in enumerate(waves) for name in names]
    ids = [box.box for _wave, box in chosen]
    if not ids or len(set(ids)) != len(ids):
        raise InputInvalid("A rollout needs at least one box, and each box once.")
    busy = {part.box for other in list_rollouts(ctx) if other.state == "running" for part in other.boxes}
    for _wave, box in chosen:
        if box.box in busy:
            raise InputInvalid(
                f"{box.name} is part of a rollout that is still running.", hint="Stop that one first, or wait for it."
            )
    rollout = Rollout(
        rollout=str(uuid.uuid4()),
        model=record.model,
        version=record.version,
        state="running",
        created_ms=boxes.now_ms(),
        boxes=tuple(RolloutBox(box=box.box, wave=wave, state="waiting") for wave, box in chosen),
    )
    rollout_store.put_rollout(ctx.database, rollout)
    names = ", ".join(box.name for _wave, box in chosen)
    ctx.database.write(
        lambda w: w.activity("rollout.started", rollout.rollout, f"{record.name} {record.version} to {names}.")
    )
    return rollout


def advance_rollout(
    ctx: Context, rollout: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Rollout:
    """One pass: ask the boxes under way, judge, start those whose turn it is. Safe to repeat after any crash."""
    from cloud_sync.release.plan import BoxProgress, next_boxes

    token = cancel or CancelToken()
    current = get_rollout(ctx, rollout)
    if current.state != "running":
        return current
    model = models.get_model(ctx, current.model)
    for part in current.boxes:
        if part.state in UNDER_WAY:
            token.check()
            current = _record(ctx, current, part, *_ask(ctx, boxes.get_box(ctx, part.box), model, part))
    decision = next_boxes([BoxProgress(box=b.box, wave=b.wave, state=b.state, reason=b.reason) for b in current.boxes])
    for part in current.boxes:
        if part.box in decision.start or part.state == "sending":
            token.check()
            current = _record(ctx, current, part, "sending", None)
            state, reason = _send(ctx, boxes.get_box(ctx, part.box), model, progress, token)
            current = _record(ctx, current, part, state, reason)
    if decision.finished or decision.stopped:
        current = replace(
            current,
            state="stopped" if decision.stopped else "done",
            reason=decision.stopped,
            finished_ms=boxes.now_ms(),
        )
        rollout_store.put_rollout(ctx.database, current)
        outcome = decision.stopped or f"every box runs {model.name} {model.version}"
        ctx.database.write(lambda w: w.activity(f"rollout.{current.state}", current.rollout, f"Rollout: {outcome}."))
    return current


def follow_rollout(
    ctx: Context, rollout: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Rollout:
    """Advance until the rollout is done or stopped."""
    token = cancel or CancelToken()
    while True:
        current = advance_rollout(ctx, rollout, progress=progress, cancel=token)
        done = sum(part.state == "committed" for part in current.boxes)
        words = ", ".join(f"{boxes.get_box(ctx, part.box).name} {part.state}" for part in current.boxes)
        progress(ProgressEvent(step="rollout", message=words, fraction=done / len(current.boxes)))
        if current.state != "running":
            return current
        token.wait(PAUSE_S)


def stop_rollout(ctx: Context, rollout: str, reason: str = "stopped by hand") -> Rollout:
    """Offer it to no further box. Boxes in their trial decide by themselves; committed ones keep it."""
    current = get_rollout(ctx, rollout)
    if current.state != "running":
        return current
    stopped = replace(current, state="stopped", reason=reason, finished_ms=boxes.now_ms())
    rollout_store.put_rollout(ctx.database, stopped)
    ctx.database.write(lambda w: w.activity("rollout.stopped", current.rollout, f"Rollout: {reason}."))
    return stopped


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
    :raises TrustRefused, ProbeFailed: the box refused it; what it did before goes on.
    """
    chosen = boxes.get_box(ctx, box)
    if model is None:
        with boxes.connect(ctx, chosen) as client:
            client.shadow(None)
        said = f"{chosen.name} runs no shadow model any more."
    else:
        record = models.get_model(ctx, model)
        _must_be_released(record)
        with boxes.connect(ctx, chosen) as client:
            client.shadow(_deliver(ctx, chosen, client, record, progress, cancel or CancelToken()))
        said = f"{record.name} {record.version} is the shadow model on {chosen.name}."
    ctx.database.write(lambda w: w.activity("box.shadow", chosen.box, said))
    return boxes.refresh(ctx, chosen.box)[0]


def _must_be_released(record: Model) -> None:
    if record.state != "released":
        hint = "Release it first: `lineside models release MODEL`." if record.state == "gated" else None
        raise GateRefused(f"{record.name} {record.version} is {record.state}, not released.", hint=hint)


def _deliver(ctx: Context, box: Box, client: BoxClient, model: Model, progress: Progress, cancel: CancelToken) -> str:
    """Send a release with its signatures; returns the target's name."""
    from cloud_sync.release.sign import target_name

    def sent(done: int, total: int) -> None:
        cancel.check()
        progress(ProgressEvent(step="send", message=box.name, fraction=done / max(total, 1)))

    target = target_name(model.name, model.version)
    status = roots.ask_status(ctx, box, client)
    repository = ctx.repository()
    if not repository.has(target):
        # Another desktop of the site released it; this one answers for it with its own signature now.
        repository.add(models.bundle_path(ctx, model), ctx.bundle(model.sha256).manifest, model.proofs)
    repository.make_ready(seen_s=status.signed_s, who=box.name)
    for file in repository.metadata_files():
        client.put_metadata(file)
    deliveries.deliver_model(ctx, box, client, model, status, sent=sent)
    return target


def _record(ctx: Context, rollout: Rollout, part: RolloutBox, state: RolloutBoxState, reason: str | None) -> Rollout:
    changed = replace(part, state=state, reason=reason, updated_ms=boxes.now_ms())
    known = next(b for b in rollout.boxes if b.box == part.box)
    if (known.state, known.reason) == (state, reason):
        return rollout
    updated = replace(rollout, boxes=tuple(changed if b.box == part.box else b for b in rollout.boxes))
    rollout_store.put_rollout(ctx.database, updated)
    return updated


def _send(
    ctx: Context, box: Box, model: Model, progress: Progress, cancel: CancelToken
) -> tuple[RolloutBoxState, str | None]:
    try:
        with boxes.connect(ctx, box) as client:
            if on_trial := [s for s in client.status().slots if s.state == "TRIAL" and not _holds(s, model)]:
                return "waiting", f"{on_trial[0].name} {on_trial[0].version} is on trial there."
            client.install(_deliver(ctx, box, client, model, progress, cancel))
    except BoxUnreachable as error:
        return "sending", f"{error.message} It gets its turn when it answers."
    except LinesideError as error:
        if error.code == "task.cancelled":
            raise
        return "failed", str(error)
    return "installing", None


def _ask(ctx: Context, box: Box, model: Model, part: RolloutBox) -> tuple[RolloutBoxState, str | None]:
    if part.state == "sending":
        return part.state, part.reason
    refreshed = boxes.refresh(ctx, box.box)[0]
    if refreshed.problem is not None or refreshed.status is None:
        return part.state, refreshed.problem
    return _read_slots(refreshed.status, model) or (part.state, part.reason)


def _holds(slot: SlotStatus, model: Model) -> bool:
    if slot.bundle is not None:
        return slot.bundle == model.model
    # Where the signatures themselves were refused, the box cannot know whose bundle it was, only what it was called.
    return (slot.name, slot.version) == (model.name, model.version)


def _read_slots(status: BoxStatus, model: Model) -> tuple[RolloutBoxState, str | None] | None:
    for slot in status.slots:
        if _holds(slot, model):
            match slot.state:
                case "COMMITTED":
                    return "committed", None
                case "TRIAL":
                    return "trial", None
                case "REJECTED":
                    return "failed", slot.reason
                case "ROLLED_BACK":
                    return "rolled-back", slot.reason
                case _:
                    return "installing", None
    return None
