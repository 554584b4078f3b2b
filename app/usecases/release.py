"""Taking everything of Lineside off a machine again over SSH, and proving it. Cut off anywhere, it is done again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.machine import Machine, meet
from app.fleet.ssh.preflight import Facts, Text
from app.fleet.ssh.session import SignIn, open_session
from app.store import boxes as box_store
from app.store.activity import RELEASED
from app.store.records import Box
from app.store.ssh_access import SshAccess, access_of
from app.usecases import boxes
from app.usecases.boxes import get_box
from app.usecases.following import waiting
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts.errors import BoxWrongKey, InputInvalid, LinesideError, ReleaseLeftOver, ReleaseRowsWait
from edge_runtime.contracts.rows import Count
from edge_runtime.contracts.text import one_line
from edge_runtime.identity import fingerprint_of

if TYPE_CHECKING:
    from app.context import Context

ROUNDS = 5
"""A box that sees something all the time has always something new."""


class ReleaseStep(StrEnum):
    """What is done, in this order."""

    CONNECT = "connect"
    LOOK = "look"
    COLLECT = "collect"
    STOP = "stop"
    REMOVE = "remove"
    PROVE = "look-again"
    FORGET = "forget"


class Rows(StrEnum):
    """What becomes of rows that no desktop has."""

    KEEP = "keep"
    """They hold up the release."""
    COLLECT = "collect"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReport:
    """What a release did."""

    box: str
    name: str
    removed: tuple[str, ...]
    looked_for: tuple[str, ...]
    """None of these is there any more."""
    lost_rows: int | None
    """Rows that went with the box, for no desktop had them: as many as came between collecting and stopping, or all.
    None: it could not be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stopped:
    changed: bool
    waiting: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removed:
    changed: bool
    removed: Annotated[tuple[Text, ...], Meta(max_length=10_000)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unstaged:
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    looked_for: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1000)]
    left: Annotated[tuple[Text, ...], Meta(max_length=1000)]


def ssh_access(ctx: Context, name: str) -> tuple[Box, SshAccess | None]:
    """The box, and how it was enrolled over SSH, if it was."""
    box = get_box(ctx, name)
    return box, access_of(ctx.database, box.box)


def release_box(
    ctx: Context,
    name: str,
    target: SshTarget,
    host_key: str,
    sign_in: SignIn,
    *,
    rows: Rows = Rows.KEEP,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ReleaseReport:
    """Remove the box from its machine, look that nothing is left, and strike it off the list.

    :raises ReleaseRowsWait: something waits on the box, and ``rows`` keeps it; nothing was changed.
    :raises BoxWrongKey: another box lives on that machine; nothing was changed.
    :raises ReleaseLeftOver: something is still there; the box stays on the list.
    """
    token = cancel or CancelToken()
    box = get_box(ctx, name)

    def begin(step: ReleaseStep, message: str = "") -> None:
        token.check()
        progress(ProgressEvent(step=step, message=message))

    begin(ReleaseStep.CONNECT, str(target))
    with open_session(target, host_key, sign_in, check=token.check) as session:
        begin(ReleaseStep.LOOK)
        machine = meet(session, sign_in, offer=lambda _probe: ())
        facts = machine.as_root("look", Facts, waiting=True)
        _require_box(box, target, facts)
        if facts.home is not None and not facts.home.leaving:
            _see_to_rows(ctx, box, facts, rows, progress, token)
        note = f"released by the Lineside desktop {ctx.identity.fingerprint[:12]} ({target.user})"
        begin(ReleaseStep.STOP)
        stopped = machine.as_root("stop", _Stopped, note=f"stop, {note}")
        begin(ReleaseStep.REMOVE)
        removed = machine.as_root("remove", _Removed, note=note)
        machine.as_self("unstage", _Unstaged)
        begin(ReleaseStep.PROVE)
        look = _prove(machine)
    begin(ReleaseStep.FORGET)
    lost = stopped.waiting if facts.home is not None else 0
    _forget(ctx, box, target, look, lost)
    return ReleaseReport(
        box=box.box,
        name=box.name,
        removed=tuple(map(one_line, removed.removed)),
        looked_for=tuple(map(one_line, look.looked_for)),
        lost_rows=lost,
    )


def _require_box(box: Box, target: SshTarget, facts: Facts) -> None:
    certificate = facts.home.certificate if facts.home else None
    if certificate is None:
        # Taken off before, or half of it: there is nobody else whom it could hit.
        return
    try:
        found = fingerprint_of(certificate)
    except InputInvalid as error:
        raise BoxWrongKey(f"The key of the box at {target.host} cannot be read: {error.message}") from error
    if found != box.box:
        raise BoxWrongKey(
            f"At {target.host} lives the box {found[:12]}, not {box.name} ({box.box[:12]}).",
            hint="Nothing was changed. Give the address of the right machine.",
        )


def _see_to_rows(ctx: Context, box: Box, facts: Facts, rows: Rows, progress: Progress, cancel: CancelToken) -> None:
    if rows is Rows.DISCARD:
        return
    if rows is Rows.COLLECT:
        progress(ProgressEvent(step=ReleaseStep.COLLECT, message=box.name))
        for _round in range(ROUNDS):
            boxes.collect(ctx, box.box, progress=progress, cancel=cancel)
            if not _waiting_now(ctx, box):
                break
        return
    there = facts.home.waiting if facts.home else 0
    try:
        known: int | None = _waiting_now(ctx, box)
    except LinesideError:
        # It does not run, or is not reached: then what its disk says is all that there is.
        known = there
    if known is None:
        raise ReleaseRowsWait(f"What {box.name} keeps for a desktop cannot be counted.")
    if known:
        rows_wait = "1 row waits" if known == 1 else f"{known} rows wait"
        raise ReleaseRowsWait(f"{rows_wait} on {box.name}, of which no desktop has a copy.")


def _waiting_now(ctx: Context, box: Box) -> int:
    with boxes.connect(ctx, box) as client:
        return waiting(client.status())


def _prove(machine: Machine) -> _Look:
    look = machine.as_root("look-for", _Look, home=machine.probe.home)
    if look.left:
        raise ReleaseLeftOver(f"Still there: {one_line(', '.join(look.left))[:1000]}.")
    return look


def _forget(ctx: Context, box: Box, target: SshTarget, look: _Look, lost: int | None) -> None:
    box_store.remove_box(ctx.database, box.box)
    gone = (
        ""
        if lost == 0
        else " An unknown number of rows went with it."
        if lost is None
        else " 1 row went with it."
        if lost == 1
        else f" {lost} rows went with it."
    )
    message = f"Took everything off {box.name} at {target}; looked for {len(look.looked_for)} things, found none.{gone}"
    ctx.database.write(lambda w: w.activity(RELEASED, box.box, message))
