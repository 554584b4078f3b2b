"""The course of a drill: pure, no input or output.

``before`` (frames are counted) → ``fault`` → ``after`` (until all is as before, or the time for it has run out) →
``done``. Every fault ends with the process that made it, so a restart in mid-fault leads to ``after``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from edge_runtime.contracts.drill import Counted, DrillReport

BEFORE_S = 2.0
AFTER_S = 2.0
RECOVER_S = 60.0
"""After the end of the fault; a killed process has to be up again by then, too."""

Effect = Literal["inject", "heal", "finish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSeen:
    """One line at a moment, by the counters of this process. Seconds are monotonic."""

    frames: int
    first_s: float | None = None
    last_s: float | None = None
    longest_s: float = 0.0
    """The longest gap between two frames since the drill began, the one that lasts still among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The box at a moment."""

    now_s: float
    lines: Mapping[str, LineSeen] = field(default_factory=dict)
    bundle: str = ""
    slot: str = ""
    busy: bool = False
    """A model is being installed or on trial."""
    problems: tuple[str, ...] = ()
    """What keeps the box from being as it should be: its disk, its listener."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill and what is needed to go on with it, in another process too."""

    report: DrillReport
    since_s: float
    """When its phase began."""
    base: dict[str, int] = field(default_factory=dict)
    """Frames that the counters of this process had when its phase began, by line."""
    lasts: dict[str, float] = field(default_factory=dict)
    """When each line that had frames had its last one before the process was killed."""


def begin(report: DrillReport, seen: Seen) -> Drill:
    """A drill that was just asked for."""
    return Drill(
        report=replace(report, bundle=seen.bundle, slot=seen.slot, phase="before"),
        since_s=seen.now_s,
        base=_frames(seen),
    )


def step(drill: Drill, seen: Seen) -> tuple[Drill, Effect | None]:
    """The drill at this moment, and what is to be done about it now."""
    report, lasted = drill.report, seen.now_s - drill.since_s
    since = {name: frames - drill.base.get(name, 0) for name, frames in _frames(seen).items()}
    counted = Counted(frames=max(sum(since.values()), 0), seconds=round(max(lasted, 0.0), 3))
    if report.phase != "done" and seen.busy:
        # An update comes first, and neither would prove anything of the other.
        return give_up(drill, "The installation of a model began meanwhile."), "finish"
    if report.phase == "before" and lasted >= BEFORE_S:
        # A line that stood still before says nothing.
        lasts = {n: line.last_s for n, line in seen.lines.items() if line.last_s is not None and since[n] > 0}
        return _next(drill, seen, replace(report, phase="fault", before=counted), lasts), "inject"
    if report.phase == "fault" and lasted >= report.seconds:
        return _next(drill, seen, replace(report, phase="after", during=counted), drill.lasts), "heal"
    if report.phase == "after":
        missing = _missing(drill, seen, counted)
        late = lasted >= RECOVER_S
        if (lasted >= AFTER_S and not missing) or late:
            ended = replace(
                report,
                phase="done",
                after=counted,
                outcome="not-recovered" if missing else "recovered",
                problems=tuple(missing),
                longest_gap_ms=_longest_gap_ms(drill, seen),
                bundle_after=seen.bundle,
                slot_after=seen.slot,
            )
            return replace(drill, report=ended), "finish"
    return drill, None


def resume(drill: Drill, now_s: float, *, same_system: bool) -> Drill:
    """As a new process finds it: a fault ended with the process that made it.

    :param same_system: the machine was not started again, so that its monotonic clock still counts.
    """
    report = replace(drill.report, restarted=True)
    if report.phase == "done":
        return drill
    if report.phase == "before":
        return give_up(replace(drill, report=report), "The box was started again before the fault was made.")
    went_on = same_system and now_s - drill.since_s >= 0
    since_s = drill.since_s if went_on else now_s
    lasts = drill.lasts if went_on else {}
    return replace(drill, report=replace(report, phase="after"), since_s=since_s, base={}, lasts=lasts)


def give_up(drill: Drill, why: str) -> Drill:
    """It ends, and says why."""
    return replace(drill, report=replace(drill.report, phase="done", outcome="given-up", problems=(why[:500],)))


def _next(drill: Drill, seen: Seen, report: DrillReport, lasts: Mapping[str, float]) -> Drill:
    return replace(drill, report=report, since_s=seen.now_s, base=_frames(seen), lasts=dict(lasts))


def _frames(seen: Seen) -> dict[str, int]:
    return {name: line.frames for name, line in seen.lines.items()}


def _missing(drill: Drill, seen: Seen, after: Counted) -> list[str]:
    report, missing = drill.report, list(seen.problems)
    if report.before.frames and not after.frames:
        missing.append("No line has dealt with a frame since.")
    if (seen.bundle, seen.slot) != (report.bundle, report.slot):
        missing.append("Another model answers than before.")
    return missing


def _longest_gap_ms(drill: Drill, seen: Seen) -> float | None:
    gaps = []
    for name, last_s in drill.lasts.items():
        line = seen.lines.get(name)
        if drill.report.restarted:
            first_s = line.first_s if line and line.first_s is not None else seen.now_s
            gaps.append(max(first_s - last_s, line.longest_s if line else 0.0))
        elif line is not None:
            gaps.append(line.longest_s)
    return round(max(gaps) * 1000, 1) if gaps else None
