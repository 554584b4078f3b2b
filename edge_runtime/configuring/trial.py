"""How a new configuration does on this box, judged by the box alone. Pure: times are given, by the monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_runtime.config import EdgeConfig

LEAST_S = 5.0
"""A trial takes this long at least: a line that brings one frame and then no more is seen."""
MOST_S = 20.0
"""By then every line must have brought frames, and every listener be open; a slow line has longer."""
RETURN_S = 60.0
"""By then a desktop must have come back after the listener for desktops moved."""
LONGEST_S = 600.0
LIVE_S = 10.0
"""A line that had its last frame no longer ago was at work."""
PATIENCE = 5
"""So many of its usual intervals may pass without a frame."""
SETTLED_S = 60.0
ENOUGH = 0.5
"""A line that runs on and gets this share of its frames is not starved by those that were begun anew."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a trial ended: it is committed, or there is a reason against it."""

    against: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNow:
    """One line at a moment, by the counters of this process."""

    frames: int
    """Answered, since the start of the process; those that failed are not among them."""
    errors: int = 0
    fresh: int = 0
    """Taken and answered by this very line, and not by one of its name before it."""
    per_s: float = 0.0
    """Frames a second, as of late."""
    first_s: float | None = None
    last_s: float | None = None

    @property
    def usual_s(self) -> float | None:
        """Between two frames, over all of its time; None where it never answered one."""
        if self.first_s is None or self.last_s is None or not self.frames:
            return None
        return (self.last_s - self.first_s) / max(self.frames + self.errors - 1, 1)

    @property
    def settled(self) -> bool:
        """It is at work for long enough to have a pace: what had gathered while the box was away comes at once."""
        return self.first_s is not None and self.last_s is not None and self.last_s - self.first_s >= SETTLED_S

    @property
    def pace(self) -> float:
        """Frames a second: as of late, but not more than over all of its time, for some come in bursts; 0 where the
        one frame that came tells of none."""
        always = 1 / self.usual_s if self.usual_s else self.per_s
        return min(self.per_s or always, always)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A line that was at work before, and has to be again."""

    base: int
    """Fresh frames that it had when the new configuration began."""
    errors: int
    within_s: float
    pace: float = 0.0
    """Frames a second that it had, where it runs on unchanged; one that begins anew has to bring any at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the new configuration has to show."""

    began_s: float
    lines: dict[str, Expected] = field(default_factory=dict)
    """By the name that the line has now."""
    moved: bool = False
    """Desktops reach the box elsewhere, or in another way than before."""
    listeners: bool = False
    """Programs are to be answered elsewhere, or in another way than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The box at a moment."""

    now_s: float
    lines: Mapping[str, LineNow] = field(default_factory=dict)
    reached: bool = True
    """A desktop has come since the listener for desktops moved."""
    missing: tuple[str, ...] = ()
    """Listeners for programs that could not be opened."""


def counterparts(before: EdgeConfig, after: EdgeConfig) -> dict[str, str]:
    """Name after by name before, of each line that is begun anew; one with another name is known by its source."""
    found: dict[str, str] = {}
    sources = {line.source: line.name for line in after.pipeline}
    names = {line.name: line for line in after.pipeline}
    inputs_changed = before.inference != after.inference
    for line in before.pipeline:
        if line.name in names:
            pushed = inputs_changed and line.source.startswith("push:")
            if names[line.name] != line or before.drift != after.drift or pushed:
                found[line.name] = line.name
        elif line.source in sources:
            found[line.name] = sources[line.source]
    return found


def to_judge(before: EdgeConfig, after: EdgeConfig, at_work: Mapping[str, float]) -> dict[str, tuple[str, bool]]:
    """Of each line that has to show something its name before, and whether it runs on unchanged, by its name after."""
    begun = {now: was for was, now in counterparts(before, after).items() if was in at_work}
    names = [line.name for line in after.pipeline if line.name in at_work]
    return {name: (name, True) for name in names} | {now: (was, False) for now, was in begun.items()}


def live(lines: Mapping[str, LineNow], now_s: float) -> dict[str, float]:
    """Lines that are at work, and within how many seconds each has to bring a frame once it is begun anew."""
    found: dict[str, float] = {}
    for name, line in lines.items():
        usual_s = line.usual_s
        if usual_s is None or line.last_s is None:
            continue
        if now_s - line.last_s <= max(LIVE_S, PATIENCE * usual_s):
            found[name] = min(max(MOST_S, PATIENCE * usual_s), LONGEST_S)
    return found


def judge(trial: Trial, seen: Seen) -> Verdict | None:
    """None: not yet."""
    lasted = seen.now_s - trial.began_s
    waiting = False
    for name, expected in trial.lines.items():
        now = seen.lines.get(name, LineNow(frames=0))
        came = now.fresh - expected.base
        if came > 0 and came >= ENOUGH * expected.pace * lasted:
            continue
        if lasted >= expected.within_s and came > 0:
            rates = f"it had {expected.pace:.2g} frames a second before, and has {came / lasted:.2g}"
            return Verdict(f"The line {name}, which was not changed, is starved: {rates}.")
        if lasted >= expected.within_s:
            failed = now.errors - expected.errors
            why = f"none of {failed} frames could be answered" if failed > 0 else "no frame came"
            return Verdict(f"The line {name} was at work before, and in {lasted:.0f} s {why}.")
        waiting = True
    if trial.listeners and seen.missing:
        if lasted >= MOST_S:
            return Verdict(f"Programs could not be answered over {' and '.join(seen.missing)} for {lasted:.0f} s.")
        waiting = True
    if trial.moved and not seen.reached:
        if lasted >= RETURN_S:
            return Verdict(
                f"No desktop came back for {lasted:.0f} s, where it would have to reach the box from now on."
            )
        waiting = True
    return Verdict() if not waiting and lasted >= LEAST_S else None
