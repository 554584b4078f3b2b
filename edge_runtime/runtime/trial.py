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
SLOW: Final = 1.0
"""Of a line that had fewer frames a second a moment tells nothing: it is judged over the whole trial."""
SEEN: Final = 3
"""For so many of its usual intervals a slow line is looked at, and so many may pass without a frame."""
LONGEST_S: Final = 600.0
"""No trial lasts longer for a slow line's sake; one that is slower yet is not waited for."""
STOPPED: Final = "the box was told to stop during its trial"
STOPPED_BEFORE: Final = "the box was told to stop before its trial; send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """``handover.json``: what the version before wrote down for the one that is to be tried."""

    lines: dict[str, float] = field(default_factory=dict)
    """Frames a second of those that were at work, as far as they come often enough to be waited for."""
    healthy_s: float = 15.0
    """For so long it has to do well."""
    unjudged: tuple[str, ...] = ()
    """Lines that were at work, too, whose frames come too seldom to be waited for."""

    @property
    def lasts_s(self) -> float:
        """How long that is with these lines."""
        return max([self.healthy_s, *(SEEN / rate for rate in self.lines.values() if rate > 0)])

    @property
    def limit_s(self) -> int:
        """By then it has to be committed."""
        return round(self.lasts_s) + GRACE_S


def handed_over(paces: Mapping[str, float], healthy_s: float) -> Handover:
    """:param paces: frames a second of the lines that are at work."""
    lines = {name: pace for name, pace in paces.items() if pace * LONGEST_S >= SEEN}
    return Handover(lines=lines, healthy_s=healthy_s, unjudged=tuple(sorted(paces.keys() - lines.keys())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """``trial.json``: when the trial began."""

    kernel_boot: str
    began_s: float
    """By the clock that goes on from the start of the machine."""
    limit_s: Count
    slept_s: float | None = None
    """Of that the machine had slept so much; None: whoever wrote this did not say."""


def at_start(
    table: SlotTable, *, begun: Begun | None, kernel_boot: str, now_s: float, slept_s: float = 0.0
) -> SlotTable:
    """What stands once a start has found out what became of the process before it.

    :param now_s: as :attr:`Begun.began_s`.
    :param slept_s: of that the machine has slept so much, which is no time that a version on trial had.
    """
    candidate = table.candidate
    if candidate is None:
        return table
    if table.slot(candidate).state != "TRIAL":
        return machine.reject(table, machine.CUT_DURING_INSTALLATION)
    if begun is None or begun.kernel_boot != kernel_boot:
        return machine.withdraw(table, POWER_CUT)
    lasted = now_s - begun.began_s - (0.0 if begun.slept_s is None else slept_s - begun.slept_s)
    if lasted >= begun.limit_s:
        return machine.roll_back(table, f"it was not found healthy within {begun.limit_s} s")
    return machine.roll_back(table, f"it ended by itself {lasted:.0f} s after its start")


@dataclass(frozen=True, slots=True)
class Look:
    """How the new version does at one moment."""

    at_s: float
    """By a clock that stands still while the process does: nobody did well, or badly, in that time."""
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
        elif rate >= SLOW and line.frames_per_s < ENOUGH * rate:
            found.append(_slower(name, line.frames_per_s, rate))
    return found


def _slower(name: str, now: float, before: float) -> str:
    return f"the line {name} has {now:.2g} frames a second; it had {before:.2g}"


@dataclass(slots=True)
class Watch:
    """Over all looks: healthy once nothing was amiss for long enough."""

    handover: Handover
    began_s: float
    limit_s: float
    """From its beginning; then the kernel ends it."""
    well_since_s: float | None = None
    last: Sequence[str] = ("nothing was looked at yet",)
    """What was amiss when something was."""
    _came: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Of each slow line: how many frames it has, and since when."""
    _had: dict[str, int] = field(default_factory=dict)
    """Of each slow line: how many it had when all was well."""

    def see(self, look: Look) -> bool | None:
        """True: it is healthy; False: its time is up, and :attr:`last` says why; None: not decided yet."""
        slow = {name: rate for name, rate in self.handover.lines.items() if rate < SLOW and name in look.lines}
        found = [*complaints(look, self.handover), *self._silent(look, slow)]
        if found:
            self.well_since_s = None
        elif self.well_since_s is None:
            self.well_since_s = look.at_s
            self._had = {name: look.lines[name].frames for name in slow}
        elif (lasted_s := look.at_s - self.well_since_s) >= self.handover.lasts_s:
            rates = {name: (look.lines[name].frames - self._had.get(name, 0)) / lasted_s for name in slow}
            found = [_slower(name, rates[name], rate) for name, rate in slow.items() if rates[name] < ENOUGH * rate]
            if not found:
                return True
            self.well_since_s = None
        self.last = found or self.last
        # A little before the kernel ends it: then at least the reason is known.
        return False if self.left_s(look.at_s) <= 5 else None

    def left_s(self, at_s: float) -> float:
        """How much of its time is left."""
        return self.began_s + self.limit_s - at_s

    def _silent(self, look: Look, slow: Mapping[str, float]) -> list[str]:
        found = []
        for name, rate in slow.items():
            frames = look.lines[name].frames
            if self._came.get(name, (0, 0.0))[0] != frames:
                self._came[name] = frames, look.at_s
            since_s = look.at_s - self._came.get(name, (0, look.at_s))[1]
            if since_s > SEEN / rate:
                found.append(f"the line {name} has had no frame for {since_s:.0f} s; it had {rate:.2g} a second")
        return found
