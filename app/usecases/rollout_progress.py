"""How far a rollout has come, from its rows and from which boxes answer; what its plan says to that."""

from __future__ import annotations

from collections.abc import Mapping

from app.store.records import Box, Rollout
from app.usecases import boxes
from cloud_sync.release.plan import BoxProgress, Decision, next_boxes


def decide(rollout: Rollout, known: Mapping[str, Box], seen_ms: Mapping[str, int] | None = None) -> Decision:
    """What the plan says now, from the rows and from which boxes answer this desktop.

    :param known: the enrolled boxes by id.
    :param seen_ms: when this desktop first saw the state of a box, by its own clock: it came into it no later, whatever
        another desktop's clock says.
    """
    seen = seen_ms or {}
    return next_boxes(
        rollout.plan,
        [
            BoxProgress(
                box=part.box,
                wave=part.wave,
                state=part.state,
                reason=part.reason,
                updated_ms=min(part.updated_ms, seen.get(part.box, part.updated_ms)),
                away=is_away(known.get(part.box)),
                name=known[part.box].name if part.box in known else part.box[:12],
            )
            for part in rollout.boxes
        ],
        boxes.now_ms(),
    )


def is_away(box: Box | None) -> bool:
    """Whether a box did not answer this desktop when it was asked last."""
    return box is None or box.problem is not None
