"""Rows of rollouts against each other and against what boxes say: the record is mended to the truth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store import boxes as box_store
from app.store import models as model_store
from app.store import rollouts as rollout_store
from app.store.records import Box, Rollout, RolloutBox
from app.store.rekey import own_ids
from app.store.writer import Writer
from cloud_sync.journal.clock import format_stamp
from cloud_sync.release.claims import Claim, Verdict, settle
from cloud_sync.release.plan import OPEN
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context

ENDED = frozenset({"done", "stopped", "aborted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A box that two desktops promised different models while apart, and the rollout that did not get it."""

    box: str
    name: str
    rollout: str
    model: str
    """Name and version of what it did not get, or does not run any more."""
    reason: str
    updated_ms: int


def list_conflicts(ctx: Context) -> list[Conflict]:
    """Every box row that another desktop's rollout overtook, newest first."""
    names = {box.box: box.name for box in box_store.list_boxes(ctx.database)}
    titles = _titles(ctx)
    found = [
        Conflict(
            box=part.box,
            name=names.get(part.box, part.box[:12]),
            rollout=rollout.rollout,
            model=_title(titles, rollout),
            reason=part.reason or "",
            updated_ms=part.updated_ms,
        )
        for rollout in rollout_store.list_rollouts(ctx.database)
        for part in rollout.boxes
        if part.state == "overtaken"
    ]
    return sorted(found, key=lambda one: one.updated_ms, reverse=True)


def mend_records(ctx: Context) -> int:
    """Bring the rows of all rollouts in line with each other, and with what each box said last; asks nobody.

    :returns: how many rows changed.
    """
    rollouts = rollout_store.list_rollouts(ctx.database)
    by_box: defaultdict[str, list[tuple[Rollout, RolloutBox]]] = defaultdict(list)
    for rollout in rollouts:
        for part in rollout.boxes:
            by_box[part.box].append((rollout, part))
    known = {box.box: box for box in box_store.list_boxes(ctx.database)}
    changes: list[tuple[Rollout, RolloutBox, Verdict]] = []
    for box, rows in by_box.items():
        running = running_bundle(known.get(box))
        verdicts = settle([_claim(*row) for row in rows], running) if len(rows) > 1 else {}
        for rollout, part in rows:
            if rollout.rollout in verdicts:
                changes.append((rollout, part, verdicts[rollout.rollout]))
            elif rollout.state == "done" and part.state in OPEN and rollout.model == running:
                # A desktop that knew of less wrote last; nobody asks this box any more for this rollout's sake.
                changes.append((rollout, part, Verdict("committed")))
    if not changes:
        return 0
    titles = _titles(ctx)
    by_id = {rollout.rollout: rollout for rollout in rollouts}

    def work(writer: Writer) -> int:
        moved = 0
        for rollout, part, verdict in changes:
            reason = _reason(ctx, titles, by_id[verdict.by]) if verdict.by else None
            if rollout_store.move_box(writer, rollout.rollout, part.box, verdict.state, reason, out_of=[part.state]):
                moved += 1
                if verdict.state == "overtaken":
                    name = known[part.box].name if part.box in known else part.box[:12]
                    writer.activity("rollout.overtaken", rollout.rollout, f"{name}: {reason}")
        return moved

    return ctx.database.write(work)


def desktop_name(ctx: Context, replica: str) -> str:
    """What a desktop of the site is called; the beginning of its id where the keys do not say. One that goes on under
    another id of the journal has its name of before, and the beginning of the new id.
    """
    try:
        listed = ctx.roots().facts.desktops or {}
    except LinesideError:
        listed = {}
    if replica in listed:
        return listed[replica].name
    former = next((one for one in own_ids(ctx.database.read, replica) if one in listed), None)
    return f"{listed[former].name} ({replica[:6]})" if former else replica[:12] or "another desktop"


def _claim(rollout: Rollout, part: RolloutBox) -> Claim:
    ended = format_stamp(rollout.finished_ms, 0) if rollout.state in ENDED and rollout.finished_ms else None
    return Claim(
        rollout=rollout.rollout,
        bundle=rollout.model,
        replica=rollout.replica,
        stamp=rollout.stamp,
        ended=ended,
        state=part.state,
    )


def running_bundle(box: Box | None) -> str | None:
    """What a box has committed and answers with, by what it said last."""
    slots = box.status.slots if box is not None and box.status is not None else ()
    return next((slot.bundle for slot in slots if slot.active and slot.state == "COMMITTED"), None)


def _titles(ctx: Context) -> dict[str, str]:
    return {model.model: f"{model.name} {model.version}" for model in model_store.list_models(ctx.database)}


def _title(titles: dict[str, str], rollout: Rollout) -> str:
    return titles.get(rollout.model, f"{rollout.model[:12]} {rollout.version}")


def _reason(ctx: Context, titles: dict[str, str], by: Rollout) -> str:
    desktop = desktop_name(ctx, by.replica)
    return f"Desktop {desktop!r} gave this box {_title(titles, by)} in rollout {by.rollout[:12]}."
