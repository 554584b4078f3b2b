"""What every subject of a rollout can do, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from app.fleet.client import BoxClient
from app.fleet.pacing import RateCap
from app.store.records import Box, RolloutBox
from edge_runtime.contracts.status import BoxStatus, SlotStatus
from edge_runtime.update.slots import CUT_DURING_INSTALLATION, IN_FLIGHT

Step = Literal["installing", "trial", "committed", "kept", "cut", "refused", "returned"]
Sent = Callable[[int, int], None]
"""Told bytes on the box, and in all; may raise to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a box says of the subject: ``committed`` and at work, ``kept`` but not at work any more, ``cut`` off with
    nothing found against it, ``refused`` before its trial, or ``returned`` from it.
    """

    step: Step
    reason: str | None = None
    mark: int | None = None
    """See :class:`RolloutBox`."""


class Subject(Protocol):
    """One model, configuration or program, on its way to any number of boxes. Used by several threads."""

    def look(self, client: BoxClient, status: BoxStatus, part: RolloutBox) -> Found | None:
        """What the box says of it; None: nothing."""

    def stands_against(self, status: BoxStatus, found: Found | None) -> str | None:
        """Why the box left it before; None: it did not."""

    def forget(self, client: BoxClient) -> None:
        """Before it is brought where the box refused it once and may take it again, as far as the box is to be told."""

    def bring(
        self,
        box: Box,
        client: BoxClient,
        part: RolloutBox,
        *,
        again: bool,
        sent: Sent,
        caps: Sequence[RateCap],
    ) -> Callable[[], int | None]:
        """Have everything on the box; what comes back asks it for the trial, and returns the mark of that.

        :param again: somebody decided that what stands against it on this box counts no more.
        """

    def withdraw(self, client: BoxClient, reason: str) -> bool:
        """Have the box end its trial; False: it does not, or not yet."""


def found_in(slots: Iterable[SlotStatus], holds: Callable[[SlotStatus], bool]) -> Found | None:
    """What the slot says that holds the subject."""
    slot = next((one for one in slots if holds(one)), None)
    if slot is None or slot.state == "EMPTY":
        return None
    match slot.state:
        case "COMMITTED":
            return Found(step="committed" if slot.active else "kept")
        case "TRIAL":
            return Found(step="trial")
        case "STAGED" | "VERIFIED" | "PROBED":
            return Found(step="installing")
        case "REJECTED" if slot.reason == CUT_DURING_INSTALLATION:
            return Found(step="cut", reason=slot.reason)
        case _:
            return Found(step="refused" if slot.state == "REJECTED" else "returned", reason=slot.reason)


def tried_there(status: BoxStatus) -> str | None:
    """What a box tries at the moment, as a sentence: one thing at a time, or each is blamed for the other."""
    for slot in status.slots:
        if slot.state in IN_FLIGHT:
            return f"{slot.name} {slot.version} is on trial there."
    if status.config is not None and status.config.trial is not None:
        return "A configuration is on trial there."
    for slot in status.runtime.slots if status.runtime else ():
        if slot.state in IN_FLIGHT:
            return f"Version {slot.version} of its own program is on trial there."
    return None
