"""The versions of a box's configuration: pure, no input or output.

``edge.toml`` itself is what counts: a version is in force once it stands there, and not before. A new text is first
``trial`` (it is run, but ``edge.toml`` is not touched), then ``in-force`` or ``returned``. So whatever a power cut
interrupts, :func:`recover` tells by the file alone which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge_runtime.contracts.configuring import (
    MAX_VERSIONS,
    ConfigHistory,
    ConfigOrigin,
    ConfigState,
    ConfigVersion,
)
from edge_runtime.contracts.status import ConfigStatus

MAX_KEPT_BYTES = 2 * 2**20
"""Of all texts together; what counts now is kept in any case."""
CUT_DURING_TRIAL = "The box ended during the trial: its power was cut, or the configuration brought it down."
_LIVE: tuple[ConfigState, ...] = ("trial", "in-force", "waiting")


def add(
    history: ConfigHistory,
    *,
    number: int,
    digest: str,
    size: int,
    at_ms: int,
    who: str,
    origin: ConfigOrigin,
    state: ConfigState,
    of: int | None = None,
    reason: str = "",
) -> ConfigHistory:
    """With one more version; where another one was in this state, it is ``replaced``."""
    version = ConfigVersion(
        number=number,
        digest=digest,
        bytes=size,
        at_ms=at_ms,
        who=who,
        origin=origin,
        state=state,
        of=of,
        reason=reason[:1000],
    )
    if state in _LIVE:
        history = _retire(history, state)
    return _pruned(ConfigHistory(versions=(*history.versions, version)))


def commit(history: ConfigHistory) -> ConfigHistory:
    """The one on trial stands in ``edge.toml`` now; so what had stood there counts no more."""
    trial = history.in_state("trial")
    if trial is None:
        return history
    history = _retire(_retire(history, "in-force"), "waiting")
    return _put(history, replace(trial, state="in-force", reason=""))


def give_up(history: ConfigHistory, reason: str) -> ConfigHistory:
    """The one on trial did badly: what was in force still is."""
    trial = history.in_state("trial")
    return history if trial is None else _put(history, replace(trial, state="returned", reason=reason[:1000]))


def recover(history: ConfigHistory, digest: str) -> ConfigHistory:
    """What stands at a start that finds a file of this digest: no trial is under way, and one that was cut off in the
    middle of its commit is committed. Where the file is none of those that were known, nothing is in force.
    """
    trial = history.in_state("trial")
    if trial is not None:
        history = commit(history) if trial.digest == digest else give_up(history, CUT_DURING_TRIAL)
    in_force, waiting = history.in_state("in-force"), history.in_state("waiting")
    if in_force is not None and in_force.digest == digest:
        return _retire(history, "waiting")
    history = _retire(history, "in-force")
    if waiting is not None and waiting.digest == digest:
        return _put(history, replace(waiting, state="in-force"))
    return _retire(history, "waiting")


def without_waiting(history: ConfigHistory) -> ConfigHistory:
    """``edge.toml`` is again what is in force."""
    return _retire(history, "waiting")


def before(history: ConfigHistory) -> ConfigVersion | None:
    """The version that was in force before the one that is."""
    now = history.in_state("in-force")
    return next((one for one in _counted(history) if now is None or one.digest != now.digest), None)


def status(history: ConfigHistory) -> ConfigStatus | None:
    """What a box says of it; None: none is in force."""
    in_force, trial, waiting = (history.in_state(state) for state in ("in-force", "trial", "waiting"))
    if in_force is None:
        return None
    return ConfigStatus(
        in_force=in_force.number,
        trial=trial.number if trial else None,
        waiting=waiting.number if waiting else None,
        text=_brought_by(history),
    )


def last_change(history: ConfigHistory) -> int:
    """The number of the version since which nothing but the box's name was changed; 0: none is in force."""
    now = history.in_state("in-force")
    if now is None:
        return 0
    if now.origin != "renamed":
        return now.number
    older = (one for one in _counted(history) if one.number < now.number)
    return next((one.number for one in older if one.origin != "renamed"), now.number)


def _brought_by(history: ConfigHistory) -> int:
    """The number of the version that first had what is in force, where somebody went back to it since."""
    number = last_change(history)
    while (one := history.version(number)) is not None and one.of is not None and one.of < number:
        number = one.of
    return number


def earlier(history: ConfigHistory) -> tuple[ConfigVersion, ...]:
    """Those that were in force before the last change, the newest first."""
    now, changed = history.in_state("in-force"), last_change(history)
    return tuple(one for one in _counted(history) if one.number < changed and (now is None or one.digest != now.digest))


def leave(history: ConfigHistory, number: int, reason: str) -> ConfigHistory:
    """The one in force did badly long after its trial: this older one is in force again."""
    now, older = history.in_state("in-force"), history.version(number)
    if now is None or older is None:
        return history
    history = _put(history, replace(now, state="returned", reason=reason[:1000]))
    return _put(history, replace(older, state="in-force"))


def _counted(history: ConfigHistory) -> Iterator[ConfigVersion]:
    """Those that once were in force and are no more, the newest first."""
    return (one for one in reversed(history.versions) if one.state == "replaced" and one.counted)


def _retire(history: ConfigHistory, state: ConfigState) -> ConfigHistory:
    return ConfigHistory(
        versions=tuple(
            replace(one, state="replaced", counted=state != "waiting") if one.state == state else one
            for one in history.versions
        )
    )


def _put(history: ConfigHistory, changed: ConfigVersion) -> ConfigHistory:
    return ConfigHistory(versions=tuple(changed if one.number == changed.number else one for one in history.versions))


def _pruned(history: ConfigHistory) -> ConfigHistory:
    """The newest, as many as there is room for."""
    kept: list[ConfigVersion] = []
    room, places = MAX_KEPT_BYTES, MAX_VERSIONS
    live = [one for one in history.versions if one.state in _LIVE]
    room -= sum(one.bytes for one in live)
    places -= len(live)
    for one in reversed(history.versions):
        if one.state in _LIVE:
            kept.append(one)
            continue
        room, places = room - one.bytes, places - 1
        if room < 0 or places < 0:
            # What is older goes with it: a history without gaps.
            room = -1
            continue
        kept.append(one)
    return ConfigHistory(versions=tuple(reversed(kept)))
