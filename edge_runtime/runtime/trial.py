"""Which version runs at a start, and when one that is on trial has shown that it is sound. Pure.

The slots are those of :mod:`edge_runtime.update.slots`; where none is committed, the base runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from edge_runtime.contracts.rows import Count
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.update import slots as machine
from edge_runtime.update.slots import SlotTable

POWER_CUT: Final = "the power was cut during its trial"
GRACE_S = 90
"""Beyond the time for which it has to do well: to start, load its model, and have its first frames."""
ENOUGH: Final = 0.5
"""A line that gets this share of the frames that it had before delivers as before: cameras are not that regular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """``handover.json``: what the version before wrote down for the one that is to be tried."""

    lines: dict[str, float] = field(default_factory=dict)
    """Frames a second of those that had some."""
    healthy_s: float = 15.0
    """For so long it has to do well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """``trial.json``: when the trial began."""

    kernel_boot: str
    began_s: float
    """By the clock that goes on from the start of the machine."""
    limit_s: Count


def at_start(table: SlotTable, *, begun: Begun | None, kernel_boot: str, now_s: float) -> SlotTable:
    """What stands once a start has found out what became of the process before it."""
    candidate = table.candidate
    if candidate is None:
        return table
    if table.slot(candidate).state != "TRIAL":
        return machine.reject(table, machine.CUT_DURING_INSTALLATION)
    if begun is None or begun.kernel_boot != kernel_boot:
        return machine.withdraw(table, POWER_CUT)
    lasted = now_s - begun.began_s
    if lasted >= begun.limit_s:
        return machine.roll_back(table, f"it was not found healthy within {begun.limit_s} s")
    return machine.roll_back(table, f"it ended by itself {lasted:.0f} s after its start")


@dataclass(frozen=True, slots=True)
class Look:
    """How the new version does at one moment."""

    at_s: float
    listening: bool
    """A TLS handshake with its own management listener came through."""
    desktops: Literal["none", "served", "failed"]
    """Whether one has come, and got an answer."""
    lines: Mapping[str, PipelineStatus]


def complaints(look: Look, handover: Handover) -> Sequence[str]:
    """What is not as it was before."""
    found = []
    if not look.listening:
        found.append("no desktop can reach it")
    if look.desktops == "failed":
        found.append("a desktop came and got no answer")
    for name, rate in handover.lines.items():
        line = look.lines.get(name)
        if line is None or line.frames <= line.errors:
            found.append(f"the line {name} delivers nothing")
        elif line.state == "failing":
            found.append(f"the line {name} fails: {line.last_error}")
        elif line.frames_per_s < ENOUGH * rate:
            found.append(f"the line {name} has {line.frames_per_s:.1f} frames a second; it had {rate:.1f}")
    return found


@dataclass(slots=True)
class Watch:
    """Over all looks: healthy once nothing was amiss for long enough."""

    handover: Handover
    began_s: float
    well_since_s: float | None = None
    last: Sequence[str] = ("nothing was looked at yet",)

    def see(self, look: Look) -> bool | None:
        """True: it is healthy; False: its time is up, and :attr:`last` says why; None: not decided yet."""
        self.last = complaints(look, self.handover)
        if self.last:
            self.well_since_s = None
        elif self.well_since_s is None:
            self.well_since_s = look.at_s
        if self.well_since_s is not None and look.at_s - self.well_since_s >= self.handover.healthy_s:
            return True
        # A little before the kernel ends it: then at least the reason is known.
        return False if look.at_s - self.began_s >= self.handover.healthy_s + GRACE_S - 5 else None
