"""What was done on this desktop and on its boxes, by whom, in chains that show any change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.audit_chain import ChainReport, ToldEnd, check_chain
from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store import chains as chain_store
from app.store.records import Activity, Page
from edge_runtime.contracts.errors import DatabaseDamaged

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxChain:
    """What became of one box's chain of audits, as far as it was collected."""

    box: str
    name: str
    """As it is called here, or the beginning of its id where it was forgotten."""
    report: ChainReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of this desktop's chain and of every box's."""

    entries: int
    """Of this desktop's own."""
    problem: str | None
    """Why this desktop's own chain is broken."""
    hint: str | None
    boxes: tuple[BoxChain, ...]

    @property
    def intact(self) -> bool:
        return self.problem is None and all(box.report.broken is None for box in self.boxes)


def page_activity(ctx: Context, cursor: str | None = None, limit: int = 100) -> Page[Activity]:
    """Entries, newest first."""
    return activity_store.page_activity(ctx.database, cursor=cursor, limit=limit)


def verify_activity(ctx: Context) -> Verdict:
    """Recompute this desktop's chain and those of all boxes; what is broken is named with its first entry."""
    entries, problem, hint = 0, None, None
    try:
        entries = activity_store.verify_chain(ctx.database)
    except DatabaseDamaged as error:
        problem, hint = error.message, error.hint
    return Verdict(entries=entries, problem=problem, hint=hint, boxes=tuple(verify_boxes(ctx)))


def verify_boxes(ctx: Context, box: str | None = None) -> list[BoxChain]:
    """Recompute the chain of one box, by its id, or of every box of which there are audits."""
    known = {one.box: one for one in box_store.list_boxes(ctx.database)}
    former = {box: one.status.former if one.status else () for box, one in known.items()}
    chosen = [box] if box is not None else chain_store.boxes_with_audits(ctx.database)
    verdicts = []
    for box_id in chosen:
        elsewhere = {
            row.chain
            for old in former.get(box_id, ())
            for row in chain_store.all_audits(ctx.database, old)
            if row.chain
        }
        report = check_chain(
            chain_store.all_audits(ctx.database, box_id),
            [
                ToldEnd(
                    beginning=told.beginning,
                    entry=told.entry,
                    digest=told.digest,
                    anchor=told.anchor,
                    taken_back=told.taken_back,
                )
                for told in chain_store.known_chains(ctx.database, box_id)
            ],
            lost=chain_store.lost_audits(ctx.database, box_id),
            restarts=chain_store.damaged_spools(ctx.database, box_id),
            elsewhere=elsewhere,
            was_copied=any(box_id in ids for ids in former.values()),
        )
        name = known[box_id].name if box_id in known else box_id[:12]
        verdicts.append(BoxChain(box=box_id, name=name, report=report))
    return sorted(verdicts, key=lambda one: (one.name.casefold(), one.box))
