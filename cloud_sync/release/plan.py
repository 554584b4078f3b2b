"""Which boxes may begin now in a staged rollout: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

BoxState = Literal["waiting", "sending", "installing", "trial", "committed", "failed", "rolled-back"]
FAILED: Final = ("failed", "rolled-back")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxProgress:
    """How far one box has come; wave 0 is the canary."""

    box: str
    wave: int
    state: BoxState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do next."""

    start: tuple[str, ...] = ()
    """Boxes to begin with now."""
    finished: bool = False
    """Every box has come to an end, and not too many failed."""
    stopped: str | None = None
    """Why no further box may begin; those under way are left to come to their own end."""


def next_boxes(boxes: Sequence[BoxProgress], *, max_failures: int = 0) -> Decision:
    """A wave begins only when every box of the waves before it has committed.

    :param max_failures: boxes that may fail or roll back before the rollout stops.
    """
    failed = [box for box in boxes if box.state in FAILED]
    if len(failed) > max_failures:
        told = "; ".join(
            f"{box.box} {box.state.replace('-', ' ')}: {box.reason or 'no reason given'}" for box in failed
        )
        return Decision(stopped=f"{len(failed)} of {len(boxes)} boxes did not take the model ({told})")
    unsettled = [box for box in boxes if box.state != "committed" and box.state not in FAILED]
    if not unsettled:
        return Decision(finished=True)
    wave = min(box.wave for box in unsettled)
    return Decision(start=tuple(box.box for box in unsettled if box.wave == wave and box.state == "waiting"))
