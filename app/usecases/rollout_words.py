"""What a rollout waits for, as facts that the command line and the window put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store import boxes as box_store
from app.store.records import Box, Rollout
from app.usecases.rollout_progress import decide
from app.usecases.runtime import unjudged_in
from app.usecases.subjects.finding import is_damaged, is_here

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Why a rollout that is under way does not go on at this moment."""

    away: tuple[str, ...] = ()
    """Names of boxes whose turn has come and which do not answer; they get it when they are seen again."""
    awaited: tuple[str, ...] = ()
    """Names of boxes for which the next wave waits."""
    rests_until_ms: int | None = None
    """The wave that is through rests until then."""
    bundle_missing: bool = False
    """What it brings is not on this desktop: another one has to sync it first."""
    bundle_damaged: bool = False
    """It is missing because its file was damaged here."""

    @property
    def words(self) -> str | None:
        """In English, for the command line."""
        said = []
        if self.bundle_damaged:
            said.append(
                "the file with what it brings was damaged on this desktop; sync to fetch it again, and where no object "
                "store has it, abort this rollout and start another one"
            )
        elif self.bundle_missing:
            said.append("what it brings is not on this desktop yet; sync")
        if self.away:
            what = "box that is" if len(self.away) == 1 else "boxes that are"
            said.append(f"waiting for {len(self.away)} {what} away: {_listed(self.away)}")
        if self.awaited:
            said.append(f"the next wave waits for {_listed(self.awaited)}")
        elif self.rests_until_ms is not None:
            said.append("the wave that is through rests")
        return "; ".join(said) or None


def outlook(ctx: Context, rollout: Rollout) -> Outlook:
    """What it waits for; nothing where it is not running."""
    if rollout.state != "running":
        return Outlook()
    known = {box.box: box for box in box_store.list_boxes(ctx.database)}
    decision = decide(rollout, known)

    def names(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known[box].name if box in known else box[:12] for box in ids)

    return Outlook(
        away=names(decision.away),
        awaited=names(decision.awaited),
        rests_until_ms=decision.rests_until_ms,
        bundle_missing=not is_here(ctx, rollout),
        bundle_damaged=is_damaged(ctx, rollout),
    )


def unjudged_on(rollout: Rollout, box: Box | None) -> tuple[str, ...]:
    """Lines of a box that the trial of a program could not judge, as the box said last; nothing while it has it not."""
    if rollout.subject != "program" or box is None or box.status is None:
        return ()
    return unjudged_in(box.status.runtime, rollout.model)


def _listed(names: tuple[str, ...], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
