"""Rows of rollouts against each other and against what boxes say: the record is mended to the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.config_change import agree
from app.store import boxes as box_store
from app.store import rollouts as rollout_store
from app.store.records import Box, Rollout, RolloutBox, SubjectKind
from app.store.rekey import own_ids
from app.store.writer import Writer
from app.usecases.rollout_progress import decide
from app.usecases.subjects.finding import change_of, title, titles_of
from cloud_sync.journal.clock import format_stamp
from cloud_sync.release.claims import Claim, Verdict, settle
from cloud_sync.release.plan import OPEN
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context

ENDED = frozenset({"done", "stopped", "aborted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A box that two desktops promised different things while apart, and the rollout that did not get it."""

    box: str
    name: str
    rollout: str
    model: str
    """What people call that which it did not get, or does not run any more."""
    reason: str
    updated_ms: int


def list_conflicts(ctx: Context) -> list[Conflict]:
    """Every box row that another desktop's rollout overtook, newest first."""
    names = {box.box: box.name for box in box_store.list_boxes(ctx.database)}
    titles = titles_of(ctx)
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
    by_box: defaultdict[tuple[str, SubjectKind], list[tuple[Rollout, RolloutBox]]] = defaultdict(list)
    for rollout in rollouts:
        for part in rollout.boxes:
            by_box[part.box, rollout.subject].append((rollout, part))
    mixed = Counter(box for box, _subject in by_box)
    known = {box.box: box for box in box_store.list_boxes(ctx.database)}
    changes: list[tuple[Rollout, RolloutBox, Verdict]] = []
    for (box, subject), rows in by_box.items():
        running = _running(known.get(box), subject, rows)
        beside = _beside(ctx, [rollout for rollout, _part in rows]) if subject == "configuration" else {}
        claims = [_claim(*row, beside.get(row[0].model, frozenset())) for row in rows]
        verdicts = settle(claims, running) if len(rows) > 1 else {}
        for rollout, part in rows:
            if rollout.rollout in verdicts:
                changes.append((rollout, part, verdicts[rollout.rollout]))
            elif mixed[box] > 1 and (mine := _not_overtaken(known.get(box), rollout, part, claims)):
                changes.append((rollout, part, mine))
            elif why := went_back(known.get(box), rollout, part):
                changes.append((rollout, part, Verdict("rolled-back", why=why)))
            elif rollout.state == "done" and part.state in OPEN and rollout.model == running:
                # A desktop that knew of less wrote last; nobody asks this box any more for this rollout's sake.
                changes.append((rollout, part, Verdict("committed")))
    if not changes:
        return 0
    titles = titles_of(ctx)
    by_id = {rollout.rollout: rollout for rollout in rollouts}

    def work(writer: Writer) -> int:
        moved = 0
        for rollout, part, verdict in changes:
            reason = _reason(ctx, titles, by_id[verdict.by]) if verdict.by else verdict.why
            if rollout_store.move_box(writer, rollout.rollout, part.box, verdict.state, reason, out_of=[part.state]):
                moved += 1
                if verdict.state == "waiting":
                    rollout_store.move_rollout(
                        writer, rollout.rollout, "running", out_of=["done"], reason=None, finished_ms=None
                    )
                if verdict.state in ("overtaken", "rolled-back"):
                    name = known[part.box].name if part.box in known else part.box[:12]
                    writer.activity(f"rollout.{verdict.state}", rollout.rollout, f"{name}: {reason}")
        return moved

    moved = ctx.database.write(work)
    for one in {rollout.rollout for rollout, _, verdict in changes if verdict.state == "rolled-back"}:
        _stop_after_all(ctx, one, known)
    return moved


def heeded(box: Box) -> tuple[object, ...]:
    """All of what a box said last that :func:`mend_records` goes by: while it is equal, and the rows are, so is the
    record.
    """
    status = box.status
    if status is None:
        return ()
    program = (status.runtime.bundle, status.runtime.refused) if status.runtime is not None else ()
    return running_bundle(box), status.refused, program, status.config


def _running(box: Box | None, subject: SubjectKind, rows: Sequence[tuple[Rollout, RolloutBox]]) -> str | None:
    """Of this kind of subject, what is committed on a box, by what it said last."""
    status = box.status if box is not None else None
    match subject:
        case "model":
            return running_bundle(box)
        case "program":
            return (status.runtime.bundle or None) if status is not None and status.runtime is not None else None
        case "configuration":
            if status is None or status.config is None:
                return None
            brought = status.config.brought_by
            return next((rollout.model for rollout, part in rows if part.mark == brought), None)


def went_back(box: Box | None, rollout: Rollout, part: RolloutBox) -> str | None:
    """Why a box that had committed a rollout's model does not run it any more, by what the box said since; else None.

    A box that simply got another model since then says nothing against this one.
    """
    if box is None or box.status is None or part.state != "committed" or (box.last_seen_ms or 0) <= part.updated_ms:
        return None
    why = None
    match rollout.subject:
        case "model" if running_bundle(box) != rollout.model:
            why = box.status.refused.get(rollout.model)
        case "program" if box.status.runtime is not None and box.status.runtime.bundle != rollout.model:
            why = box.status.runtime.refused.get(rollout.model)
        case "configuration" if box.status.config is not None and part.mark is not None:
            # Numbers count up: an older one in force is one that the box went back to.
            older = box.status.config.brought_by
            why = f"version {older} of its configuration is in force again" if older < part.mark else None
    return None if why is None else f"It had committed it, and went back: {why}."


def _stop_after_all(ctx: Context, rollout: str, known: Mapping[str, Box]) -> None:
    """A rollout that was done and is not what its plan asks for any more; one that runs stops where it is decided."""
    current = rollout_store.get_rollout(ctx.database, rollout)
    if current.state != "done" or (stopped := decide(current, known).stopped) is None:
        return

    def work(writer: Writer) -> None:
        if rollout_store.move_rollout(
            writer, rollout, "stopped", out_of=["done"], reason=stopped, finished_ms=current.finished_ms
        ):
            writer.activity("rollout.stopped", rollout, f"Rollout: {stopped}.")

    ctx.database.write(work)


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


def _beside(ctx: Context, rollouts: Sequence[Rollout]) -> dict[str, frozenset[str]]:
    """By configuration: the others that set no field otherwise. One of which the file is not here contradicts none."""
    changes = {one.model: change_of(ctx, one) for one in rollouts}
    if len(changes) < 2:
        return {}
    return {
        one: frozenset(
            other
            for other, its in changes.items()
            if other != one and (change is None or its is None or agree(change, its))
        )
        for one, change in changes.items()
    }


def _not_overtaken(box: Box | None, rollout: Rollout, part: RolloutBox, claims: Sequence[Claim]) -> Verdict | None:
    """What a row is to say where nobody can have taken the box from its rollout. A desktop of before knows of no kinds
    of rollouts, and lets a model overtake a configuration.
    """
    if part.state != "overtaken":
        return None
    mine = next(claim for claim in claims if claim.rollout == rollout.rollout)
    rivals = [other for other in claims if other.bundle != mine.bundle and other.replica != mine.replica]
    if all(other.bundle in mine.beside for other in rivals) and _has(box, rollout, part):
        return Verdict("committed")
    if not rivals and rollout.state in ("running", "paused", "done"):
        # The box is asked before anything is brought.
        return Verdict("waiting")
    return None


def _has(box: Box | None, rollout: Rollout, part: RolloutBox) -> bool:
    """Whether a box has what a rollout brought, by what it said last."""
    if rollout.subject == "configuration":
        config = box.status.config if box is not None and box.status is not None else None
        return config is not None and part.mark is not None and part.mark <= config.brought_by
    return _running(box, rollout.subject, ()) == rollout.model


def _claim(rollout: Rollout, part: RolloutBox, beside: frozenset[str]) -> Claim:
    ended = format_stamp(rollout.finished_ms, 0) if rollout.state in ENDED and rollout.finished_ms else None
    return Claim(
        rollout=rollout.rollout,
        bundle=rollout.model,
        replica=rollout.replica,
        stamp=rollout.stamp,
        ended=ended,
        state=part.state,
        beside=beside,
    )


def running_bundle(box: Box | None) -> str | None:
    """What a box has committed and answers with, by what it said last."""
    slots = box.status.slots if box is not None and box.status is not None else ()
    return next((slot.bundle for slot in slots if slot.active and slot.state == "COMMITTED"), None)


def _title(titles: dict[str, str], rollout: Rollout) -> str:
    return title(rollout.subject, rollout.model, rollout.version, titles)


def _reason(ctx: Context, titles: dict[str, str], by: Rollout) -> str:
    desktop = desktop_name(ctx, by.replica)
    return f"Desktop {desktop!r} gave this box {_title(titles, by)} in rollout {by.rollout[:12]}."
