"""What was done on this desktop and on its boxes, by whom, in chains that show any change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store import chains as chain_store
from app.store.activity import OwnChain
from app.store.audit_chain import ChainReport, check_chain
from app.store.records import Activity, Page
from app.usecases.witnesses import Heard, Witness, ask_witnesses

if TYPE_CHECKING:
    from app.context import Context

Standing = Literal["broken", "witnessed", "unwitnessed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxChain:
    """What became of one box's chain of audits, as far as it was collected."""

    box: str
    name: str
    """As it is called here, or the beginning of its id where it was forgotten."""
    report: ChainReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of this desktop's chain and of every box's.

    What came from a box is noted in this desktop's chain, so the one stands with the other; and this desktop's chain
    stands as far as some box has witnessed it. Beyond that it fits together, which whoever wrote all of it anew could
    have brought about as well.
    """

    entries: int
    """Of this desktop's own."""
    problem: str | None
    """Why this desktop's own chain is broken."""
    hint: str | None
    boxes: tuple[BoxChain, ...]
    witnesses: tuple[Witness, ...]

    @property
    def witnessed(self) -> int:
        """The newest entry that a box has witnessed, and with it all before; 0: none."""
        return max((one.entry for one in self.witnesses if one.says == "confirms"), default=0)

    @property
    def intact(self) -> bool:
        """Nothing was found; see ``standing`` for how much that means."""
        return self.problem is None and all(box.report.broken is None for box in self.boxes)

    @property
    def standing(self) -> Standing:
        if not self.intact:
            return "broken"
        return "witnessed" if self.witnessed else "unwitnessed"


def page_activity(ctx: Context, cursor: str | None = None, limit: int = 100) -> Page[Activity]:
    """Entries, newest first."""
    return activity_store.page_activity(ctx.database, cursor=cursor, limit=limit)


def verify_activity(ctx: Context) -> Verdict:
    """Recompute this desktop's chain and those of all boxes, and ask the boxes that answer what they have witnessed;
    what is broken is named with its first entry.
    """
    # First the witnesses: what is written here meanwhile only makes the chain longer.
    return judge(ctx, ask_witnesses(ctx))


def judge(ctx: Context, heads: Iterable[Heard]) -> Verdict:
    """:func:`verify_activity` by what the witnesses have said already."""
    own = activity_store.read_chain(ctx.database)
    known = {box.box for box in box_store.list_boxes(ctx.database)}
    struck = sorted(own.enrolled - known)
    witnesses = (*(head.against(ctx.database) for head in heads), *(_missing(box) for box in struck))
    problem, hint = _own_problem(own, witnesses)
    return Verdict(
        entries=own.entries,
        problem=problem,
        hint=hint,
        boxes=tuple(_box_chains(ctx, own)),
        witnesses=witnesses,
    )


def _missing(box: str) -> Witness:
    problem = "it is not on the list of boxes any more, though this desktop did not strike it off"
    return Witness(box=box, name=box[:12], says="silent", problem=problem)


def _own_problem(own: OwnChain, witnesses: tuple[Witness, ...]) -> tuple[str | None, str | None]:
    hint = "Keep the file as it is, and compare it with the last backup."
    if own.broken is not None:
        return (
            f"The activity chain is broken at entry {own.broken}: it, or one before the next, was changed or removed.",
            hint,
        )
    against = min((one for one in witnesses if one.says == "contradicts"), key=lambda one: one.entry, default=None)
    if against is None:
        return None, None
    problem = (
        f"The activity chain is not the one of which {against.name} has witnessed entry {against.entry}, signed with "
        "this desktop's key: entries were removed, or written anew."
    )
    return problem, f"{hint} Where it is an old backup itself, `lineside site rotate-key` lets the boxes begin anew."


def _box_chains(ctx: Context, own: OwnChain) -> list[BoxChain]:
    known = {one.box: one for one in box_store.list_boxes(ctx.database)}
    chains = []
    for box_id in sorted({*chain_store.boxes_with_audits(ctx.database), *own.noted}):
        box = known.get(box_id)
        former = box.status.former if box and box.status else ()
        report = check_chain(
            chain_store.all_audits(ctx.database, box_id),
            chain_store.known_chains(ctx.database, box_id),
            noted=own.noted.get(box_id, ()),
            # Where a chain goes on from is shown by its digests, whoever says what the box was before.
            elsewhere={row.chain for old in former for row in chain_store.all_audits(ctx.database, old) if row.chain},
            was_copied=box_id in own.renewed,
        )
        chains.append(BoxChain(box=box_id, name=box.name if box else box_id[:12], report=report))
    return sorted(chains, key=lambda one: (one.name.casefold(), one.box))
