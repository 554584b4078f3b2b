"""The configuration of a box: read, changed on trial, and gone back to."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient, split_address
from app.fleet.failures import is_full_here
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases.boxes import connect, get_box, refresh
from app.usecases.labels import choose_boxes
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.config import CONFIG_NAME, join_address, parse_config
from edge_runtime.configuring.trial import LONGEST_S, RETURN_S
from edge_runtime.contracts.config_errors import ConfigMoved, ConfigReturned
from edge_runtime.contracts.configuring import ConfigChange, ConfigHistory, ConfigReturn, ConfigText, ConfigVersion
from edge_runtime.contracts.errors import (
    BoxRefused,
    BoxUnreachable,
    BoxWrongKey,
    ConfigInvalid,
    DiskFull,
    InputInvalid,
)
from edge_runtime.toml_lines import with_name

if TYPE_CHECKING:
    from app.context import Context

SET, RETURNED = "box.config-set", "box.config-returned"
LOOK_EVERY_S = 0.5
LEAST_BASE = 8
"""Signs of a digest."""
PATIENCE_S = 30.0
"""Beyond the time that the box gives itself."""
_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxConfig:
    """What stands in ``edge.toml`` of a box, or one of before, and the versions of it that the box keeps."""

    box: str
    name: str
    toml: str
    """Secrets in addresses of sources are hidden."""
    digest: str
    """Of the file as it is; a change names it as what was changed."""
    versions: tuple[ConfigVersion, ...]
    """The oldest first."""

    def in_state(self, state: str) -> ConfigVersion | None:
        return next((one for one in reversed(self.versions) if one.state == state), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOutcome:
    """What became of a change; a box that went back to what it had raises ConfigReturned instead."""

    box: str
    name: str
    version: ConfigVersion
    """The one in force now."""
    changed: bool
    """False: it was in force already."""
    address: str
    """Where the box is reached."""


def read_config(ctx: Context, name: str, version: int | None = None) -> BoxConfig:
    """Ask a box for its configuration, or for an older one that it keeps.

    :raises NotFound: it keeps no such version.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: it does not answer, or not this desktop.
    """
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        return read_from(box, client, version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A box was asked, and has taken it on trial."""

    box: Box
    history: ConfigHistory
    places: tuple[str, ...]
    """Where it may be reached meanwhile."""


def set_config(
    ctx: Context,
    name: str,
    toml: str,
    *,
    base: str | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ConfigOutcome:
    """Put a text on trial on a box, and wait for what the box makes of it.

    :raises ConfigReturned: it did badly there, and the box has gone back to what it had.
    :raises ConfigInvalid, ConfigMoved: as :func:`begin_set`.
    """
    return follow(ctx, begin_set(ctx, name, toml, base=base), progress=progress, cancel=cancel)


def begin_set(ctx: Context, name: str, toml: str, *, base: str | None = None) -> Begun:
    """Put a text on trial on a box; :func:`follow` tells what becomes of it.

    :param base: digest of the configuration that was changed, or its beginning; None: whatever stands there, but no
        edit by hand that the box does not run yet.
    :raises ConfigInvalid: with the line; nothing was changed.
    :raises ConfigMoved: it is another one by now.
    """
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        there = read_from(box, client)
        _require_text(toml)
        require_base(there, base)
        asked = client.set_config(ConfigChange(toml=toml, base=there.digest))
    return Begun(box=box, history=asked, places=_places(box, there.toml, toml))


def go_back(
    ctx: Context,
    name: str,
    version: int | None = None,
    *,
    base: str | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ConfigOutcome:
    """Put an older version on trial on a box; None: the one that was in force before.

    :param base: as for :func:`begin_set`.
    :raises NotFound: there is none.
    :raises ConfigReturned, ConfigMoved: as :func:`set_config`.
    """
    return follow(ctx, begin_return(ctx, name, version, base=base), progress=progress, cancel=cancel)


def begin_return(ctx: Context, name: str, version: int | None = None, *, base: str | None = None) -> Begun:
    """As :func:`go_back`, without the wait."""
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        there = read_from(box, client)
        require_base(there, base)
        asked = client.return_config(ConfigReturn(base=there.digest, version=version))
        tried = asked.in_state("trial")
        toml = client.config(tried.number).toml if tried else there.toml
    return Begun(box=box, history=asked, places=_places(box, there.toml, toml))


def set_configs(
    ctx: Context,
    names: Sequence[str],
    toml: str,
    *,
    done: Callable[[ConfigOutcome], None] = lambda _outcome: None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> list[ConfigOutcome]:
    """The same text on several boxes, one after the other; each keeps its own name. The first that goes wrong ends it.

    :param names: names, ids and ``label:LABEL``.
    :param done: told of each box as soon as it runs the text.
    :raises LinesideError: as :func:`set_config`; what runs it already, goes on to.
    """
    token = cancel or CancelToken()
    boxes = choose_boxes(ctx, names)
    _require_text(toml)
    outcomes: list[ConfigOutcome] = []
    for number, box in enumerate(boxes):
        token.check()
        progress(ProgressEvent(step="config", message=box.name, fraction=number / len(boxes)))
        own = toml if len(boxes) == 1 else with_name(toml, box.name)
        if own is None:
            raise InputInvalid(f"The text has no line `name = …` in which the name of {box.name} could be put.")
        outcomes.append(set_config(ctx, box.box, own, progress=progress, cancel=token))
        done(outcomes[-1])
    return outcomes


def _require_text(toml: str) -> None:
    if not toml.strip():
        raise ConfigInvalid("There is nothing in it.")


def require_base(there: BoxConfig, base: str | None) -> None:
    """:param base: as for :func:`begin_set`.
    :raises ConfigMoved: somebody's change would be overwritten.
    """
    if base is not None and (len(base) < LEAST_BASE or not there.digest.startswith(base)):
        raise ConfigMoved(
            f"{CONFIG_NAME} on {there.name} is not the one that was changed; its digest is {there.digest}."
        )
    in_force = there.in_state("in-force")
    if base is None and in_force is not None and in_force.digest != there.digest:
        edit = there.in_state("waiting")
        raise ConfigMoved(
            f"{CONFIG_NAME} was edited on {there.name} and does not run yet"
            f"{f' (version {edit.number})' if edit else ''}.",
            hint=f"Look at it: `lineside boxes config {there.name}`. To replace it all the same, say what you replace: "
            f"--base {there.digest[:12]}. The box keeps it as a version.",
        )


def read_from(box: Box, client: BoxClient, version: int | None = None) -> BoxConfig:
    """As :func:`read_config`, over a connection that is open."""
    history = client.config_history()
    found: ConfigText = client.config(version)
    return BoxConfig(box=box.box, name=box.name, toml=found.toml, digest=found.digest, versions=history.versions)


def follow(
    ctx: Context, begun: Begun, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> ConfigOutcome:
    """Wait for what a box makes of a configuration. Where nobody waits, the box decides all the same.

    :raises ConfigReturned: it did badly there, and the box has gone back to what it had.
    :raises DiskFull: no room on this desktop to note what became of it, which is told.
    """
    box, asked = begun.box, begun.history
    trial = asked.in_state("trial")
    in_force = asked.in_state("in-force")
    if trial is None:
        if in_force is None:
            raise BoxRefused(f"{box.name} does not say which configuration it runs.")
        return ConfigOutcome(box=box.box, name=box.name, version=in_force, changed=False, address=box.address)
    version, address = _watch(ctx, begun, trial, progress, cancel or CancelToken())
    try:
        return _noted(ctx, box, version, address)
    except DiskFull as error:
        if not is_full_here(error):
            raise
        became = "went back from" if version.state == "returned" else "runs"
        raise DiskFull(
            f"{box.name} {became} version {version.number} of its configuration, which could not be noted on this "
            f"desktop. {error.message}",
        ) from error


def _noted(ctx: Context, box: Box, version: ConfigVersion, address: str) -> ConfigOutcome:
    if address != box.address:
        box_store.move_box(ctx.database, box.box, address, f"{box.name} is reached at {address} now.")
    if version.state == "returned":
        words = f"{box.name} went back to its configuration of before: {version.reason}"
        ctx.database.write(lambda w: w.activity(RETURNED, box.box, words))
        raise ConfigReturned(words)
    words = f"Configured {box.name}: version {version.number}, digest {version.digest[:12]}."
    ctx.database.write(lambda w: w.activity(SET, box.box, words))
    refresh(ctx, box.box)
    return ConfigOutcome(box=box.box, name=box.name, version=version, changed=True, address=address)


def _watch(
    ctx: Context, begun: Begun, trial: ConfigVersion, progress: Progress, cancel: CancelToken
) -> tuple[ConfigVersion, str]:
    """Until the box has judged it; at which address it answered then."""
    box, places = begun.box, begun.places
    whole_s = LONGEST_S + RETURN_S + PATIENCE_S
    began = time.monotonic()
    problem: BoxUnreachable | BoxRefused | BoxWrongKey | None = None
    while time.monotonic() - began < whole_s:
        for address in places:
            try:
                with connect(ctx, dataclasses.replace(box, address=address)) as client:
                    found = client.config_history().version(trial.number)
            except (BoxUnreachable, BoxRefused, BoxWrongKey) as error:
                # It may be about to listen elsewhere, or to be started again.
                problem = error
                continue
            if found is None:
                raise BoxRefused(f"{box.name} knows nothing of this configuration any more.")
            if found.state != "trial":
                return found, address
            places = (address, *(other for other in places if other != address))
            break
        lasted = time.monotonic() - began
        progress(ProgressEvent(step="config", message=f"{box.name}: on trial for {lasted:.0f} s"))
        cancel.wait(LOOK_EVERY_S)
    raise problem or BoxUnreachable(f"{box.name} has not said how its new configuration does for {whole_s:.0f} s.")


def _places(box: Box, before: str, after: str) -> tuple[str, ...]:
    """Where the box may be reached meanwhile."""
    try:
        was, now = parse_config(before).management, parse_config(after).management
    except ConfigInvalid:
        # What stands there was edited by hand, and cannot be read.
        return (box.address,)
    if was.listen == now.listen or not now.address[1]:
        return (box.address,)
    host, port = now.address
    here = split_address(box.address)[0]
    hosts = [here] if host in _ANY else dict.fromkeys((here, host))
    return tuple(dict.fromkeys([*(join_address(one, port) for one in hosts), box.address]))
