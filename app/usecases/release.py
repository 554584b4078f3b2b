"""Taking everything of Lineside off a machine again over SSH, and proving it. Cut off anywhere, it is done again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from app.fleet.ssh.address import SshTarget
from app.fleet.ssh.machine import Machine, meet
from app.fleet.ssh.preflight import Facts, Text, is_same_site
from app.fleet.ssh.session import open_session
from app.fleet.ssh.sign_in import SignIn
from app.store import boxes as box_store
from app.store.activity import RELEASED
from app.store.records import Box
from app.store.ssh_access import SshAccess, access_of
from app.usecases import boxes
from app.usecases.boxes import get_box
from app.usecases.enrolment import host_key_noted
from app.usecases.following import waiting
from app.usecases.one_at_a_time import alone_with
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts.enrolment_errors import ReleaseLeftOver, ReleaseOtherSite, ReleaseRowsWait
from edge_runtime.contracts.errors import BoxWrongKey, InputInvalid, LinesideError
from edge_runtime.contracts.rows import Count
from edge_runtime.contracts.text import counted, one_line
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
class _Done:
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    looked_for: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1000)]
    left: Annotated[tuple[Text, ...], Meta(max_length=1000)]
    removed: Annotated[tuple[Text, ...], Meta(max_length=10)] = ()


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
    :raises SshBusy: another desktop is at work there; nothing was changed.
    :raises ReleaseLeftOver: something is still there; the box stays on the list.
    """
    token = cancel or CancelToken()
    box = get_box(ctx, name)

    def may(facts: Facts) -> None:
        _require_box(box, target, facts)
        if facts.home is not None and not facts.home.leaving:
            _see_to_rows(ctx, box, facts, rows, progress, token)

    report = _release(ctx, target, host_key, sign_in, may, progress, token)
    box_store.remove_box(ctx.database, box.box)
    _record(ctx, box.box, box.name, target, report)
    return replace(report, box=box.box, name=box.name)


def release_machine(
    ctx: Context,
    target: SshTarget,
    host_key: str,
    sign_in: SignIn,
    *,
    rows: Rows = Rows.KEEP,
    any_site: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> ReleaseReport:
    """Remove what there is of Lineside from a machine that is on no list, half an enrolment, too.

    :param any_site: also where the box there is of another site, or does not say of which.
    :raises InputInvalid: the box there is on the list; nothing was changed.
    :raises ReleaseOtherSite: ``any_site`` is needed; nothing was changed.
    :raises ReleaseRowsWait, SshBusy, ReleaseLeftOver: as :func:`release_box`.
    """

    def may(facts: Facts) -> None:
        _require_unlisted(ctx, target, facts)
        if not any_site:
            _require_own_site(ctx, target, facts)
        if facts.home is not None and rows is not Rows.DISCARD and not facts.home.leaving:
            _require_no_rows(facts.home.waiting, target.host)

    report = _release(ctx, target, host_key, sign_in, may, progress, cancel or CancelToken())
    _record(ctx, report.box, report.name, target, report)
    return report


def _release(
    ctx: Context,
    target: SshTarget,
    host_key: str,
    sign_in: SignIn,
    may: Callable[[Facts], None],
    progress: Progress,
    cancel: CancelToken,
) -> ReleaseReport:
    """:param may: refuses what must not be removed, before anything is changed."""

    def begin(step: ReleaseStep, message: str = "") -> None:
        cancel.check()
        progress(ProgressEvent(step=step, message=message))

    begin(ReleaseStep.CONNECT, str(target))
    with (
        alone_with(ctx, target),
        host_key_noted(ctx, target),
        open_session(target, host_key, sign_in, check=cancel.check) as session,
    ):
        begin(ReleaseStep.LOOK)
        machine = meet(session, sign_in, offer=lambda _probe: ())
        facts = machine.as_root("look", Facts, home=machine.probe.home, waiting=True)
        may(facts)
        note = f"released by the Lineside desktop {ctx.identity.fingerprint[:12]} ({target.user})"
        with machine.claimed(ctx.identity.fingerprint):
            begin(ReleaseStep.STOP)
            stopped = machine.as_root("stop", _Stopped, note=f"stop, {note}")
            begin(ReleaseStep.REMOVE)
            removed = machine.as_root("remove", _Removed, note=note)
            machine.as_self("unstage", _Done)
            begin(ReleaseStep.PROVE)
            look = _prove(machine, "look-for", home=machine.probe.home)
            last = _prove(machine, "remove-user", note=note)
    begin(ReleaseStep.FORGET)
    there = facts.home
    return ReleaseReport(
        box=_fingerprint(facts),
        name=one_line(there.name) if there is not None and there.name else target.host,
        removed=tuple(map(one_line, (*removed.removed, *last.removed))),
        looked_for=tuple(map(one_line, (*look.looked_for, *last.looked_for))),
        lost_rows=stopped.waiting if there is not None else 0,
    )


def _fingerprint(facts: Facts) -> str:
    """Of the box that lives there; empty: of none, or none that can be read."""
    with suppress(InputInvalid):
        return fingerprint_of(facts.home.certificate or "") if facts.home else ""
    return ""


def _require_unlisted(ctx: Context, target: SshTarget, facts: Facts) -> None:
    found = _fingerprint(facts)
    known = next((box for box in boxes.list_boxes(ctx) if box.box == found), None)
    if known is not None:
        raise InputInvalid(
            f"At {target.host} lives {known.name}, which is on the list.",
            hint=f"Release it by its name: `lineside boxes release {known.name}`. Nothing was changed.",
        )


def _require_own_site(ctx: Context, target: SshTarget, facts: Facts) -> None:
    if facts.home is None or not facts.home.lived_in:
        return
    roots = (root.decode(errors="replace") for root in ctx.roots().chain())
    if not facts.home.root or not is_same_site(facts.home.root, roots):
        called = f" {one_line(facts.home.name)}" if facts.home.name else ""
        whose = "is of another site" if facts.home.root else "does not say of which site it is"
        raise ReleaseOtherSite(f"The box{called} at {target.host} {whose}.")


def _require_box(box: Box, target: SshTarget, facts: Facts) -> None:
    if facts.home is None or not facts.home.lived_in:
        # Taken off before, or half of it: there is nobody else whom it could hit.
        return
    try:
        found = fingerprint_of(facts.home.certificate or "")
    except InputInvalid as error:
        raise BoxWrongKey(
            f"Somebody lives at {target.host}, and the key that says who cannot be read: {error.message}",
            hint="Nothing was changed. Look at /var/lib/lineside-edge there: it may be another box.",
        ) from error
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
    _require_no_rows(known, box.name)


def _require_no_rows(known: int | None, name: str) -> None:
    if known is None:
        raise ReleaseRowsWait(f"What {name} keeps for a desktop cannot be counted.")
    if known:
        rows_wait = counted(known, "row waits", "rows wait")
        raise ReleaseRowsWait(f"{rows_wait} on {name}, of which no desktop has a copy.")


def _waiting_now(ctx: Context, box: Box) -> int:
    with boxes.connect(ctx, box) as client:
        return waiting(client.status())


def _prove(machine: Machine, deed: str, **request: str) -> _Look:
    look = machine.as_root(deed, _Look, **request)
    if look.left:
        raise ReleaseLeftOver(f"Still there: {one_line(', '.join(look.left))[:1000]}.")
    return look


def _record(ctx: Context, box: str, name: str, target: SshTarget, report: ReleaseReport) -> None:
    lost = report.lost_rows
    gone = (
        ""
        if lost == 0
        else " An unknown number of rows went with it."
        if lost is None
        else " 1 row went with it."
        if lost == 1
        else f" {counted(lost, 'row', 'rows')} went with it."
    )
    count = len(report.looked_for)
    message = f"Took everything off {name} at {target}; looked for {count} things, found none.{gone}"
    ctx.database.write(lambda w: w.activity(RELEASED, box, message))
