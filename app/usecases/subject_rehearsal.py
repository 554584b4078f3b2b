"""A rollout of a configuration or of a program rehearsed: as of a model, nothing is changed anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.fleet.config_change import key_of, require_change
from app.fleet.delivery import Needed
from app.fleet.edge_bundle import open_edge_bundle
from app.fleet.runtime_bundle import digest_of
from app.store import decisions as decision_store
from app.store import links as link_store
from app.store.records import Box, Rollout, RolloutBox, SubjectKind
from app.usecases import boxes, rollouts, roots
from app.usecases.crew import side_by_side
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.rehearsal import BoxRehearsal, Refusal, Rehearsal
from app.usecases.rehearsal_sums import Share, take_time
from app.usecases.rollout_runner import AT_A_TIME
from app.usecases.subjects.base import Subject, tried_there
from app.usecases.subjects.configuration import ConfigurationSubject
from app.usecases.subjects.program import ProgramSubject
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import LinesideError

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient

ENDS_BY_ITSELF = (
    "Until the box commits it, a cut or a bad trial brings back what it has now; a trial that is under way comes to "
    "its own end. Afterwards {back} goes back."
)


class _Rehearsable(Subject, Protocol):
    def needs(self, box: Box, client: BoxClient) -> Needed:
        """What bringing it takes; raises what that would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What is rehearsed."""

    kind: SubjectKind
    subject: _Rehearsable
    key: str
    title: str
    size: int
    back: str


def rehearse_configuration(
    ctx: Context,
    change: str,
    *,
    waves: Sequence[Sequence[str]],
    plan: Plan | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Rehearsal:
    """Ask every box whether the change goes together with what it has, and what stands against it.

    :raises ConfigInvalid, InputInvalid: as :func:`app.usecases.rollout_starts.start_configuration`.
    """
    require_change(change)
    body = change.encode()
    key = key_of(change)
    piece = _Piece(
        kind="configuration",
        subject=ConfigurationSubject(change),
        key=key,
        title=f"configuration {key[:12]}",
        size=len(body),
        back="`lineside boxes config BOX --roll-back`",
    )
    return _rehearse(ctx, piece, waves, plan, progress, cancel or CancelToken())


def rehearse_program(
    ctx: Context,
    path: Path,
    *,
    waves: Sequence[Sequence[str]],
    plan: Plan | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Rehearsal:
    """Ask every box what it lacks of a version, and what stands against it.

    :raises EdgeBundleMissing, EdgeBundleInvalid, InputInvalid: as :func:`app.usecases.rollout_starts.start_program`.
    """
    bundle = open_edge_bundle(path)
    key = digest_of(bundle)
    piece = _Piece(
        kind="program",
        subject=ProgramSubject(ctx, path, key),
        key=key,
        title=f"program {bundle.manifest.version}",
        size=sum(file.size for file in bundle.manifest.files),
        back="`lineside boxes update BOX --roll-back`",
    )
    return _rehearse(ctx, piece, waves, plan, progress, cancel or CancelToken())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    needed: Needed
    problem: str | None = None
    free: int | None = None
    refusals: tuple[Refusal, ...] = ()


def _rehearse(
    ctx: Context,
    piece: _Piece,
    waves: Sequence[Sequence[str]],
    plan: Plan | None,
    progress: Progress,
    cancel: CancelToken,
) -> Rehearsal:
    chosen, cap = rollouts.boxes_of(ctx, waves), plan.cap_bytes_per_s if plan else None
    busy = rollouts.busy_boxes(ctx, piece.kind)
    told: dict[str, _Told] = {}

    def ask(one: tuple[int, Box]) -> None:
        cancel.check()
        told[one[1].box] = _ask(ctx, piece, one[1], busy.get(one[1].box))

    for done, ((_wave, box), _nothing) in enumerate(side_by_side(ask, chosen, "rehearse")):
        progress(ProgressEvent(step="rehearse", message=box.name, fraction=(done + 1) / len(chosen)))
    links = {box.box: link_store.link_of(ctx.database, box.box) for _wave, box in chosen}
    alone = [
        Share(
            wave=wave,
            takes=told[box.box].problem is None and not told[box.box].refusals,
            answered=told[box.box].problem is None,
            way=told[box.box].needed.way,
            bytes=told[box.box].needed.sent,
            missing=told[box.box].needed.missing,
            bytes_per_s=link.bytes_per_s if (link := links[box.box]) is not None else None,
        )
        for wave, box in chosen
    ]
    shares, minutes = take_time(alone, cap=cap, at_a_time=AT_A_TIME)
    size = sum(share.bytes for share in shares)
    return Rehearsal(
        model=piece.title,
        bundle=piece.key,
        size=piece.size,
        bytes=size,
        most_bytes=size,
        minutes=minutes,
        boxes=tuple(
            BoxRehearsal(
                box=box.box,
                name=box.name,
                wave=wave,
                problem=told[box.box].problem,
                way=share.way,
                bytes=share.bytes,
                bytes_per_s=share.bytes_per_s,
                measured="earlier" if share.bytes_per_s is not None else "never",
                minutes=share.minutes,
                peak_disk_bytes=told[box.box].needed.disk,
                free_disk_bytes=told[box.box].free,
                refusals=told[box.box].refusals,
            )
            for (wave, box), share in zip(chosen, shares, strict=True)
        ),
        point_of_no_return=ENDS_BY_ITSELF.format(back=piece.back),
    )


def _ask(ctx: Context, piece: _Piece, box: Box, other: Rollout | None) -> _Told:
    found = list[Refusal]()
    if other is not None:
        words = f"It is part of the rollout {other.rollout[:12]} of {other.version}, which is under way."
        found.append(Refusal(kind="other-rollout", words=words))
    decision = decision_store.decision_of(ctx.database, box.box, piece.key)
    if decision is not None and decision.choice in ("hold", "blacklist"):
        words = "It is held from this box" if decision.choice == "hold" else f"This {piece.kind} is blacklisted"
        found.append(Refusal(kind=decision.choice, words=f"{words}: {decision.reason}."))
    needed = Needed(way="whole", sent=piece.size, disk=2 * piece.size)
    try:
        with boxes.connect(ctx, box) as client:
            status = roots.ask_status(ctx, box, client)
            free = status.spool.disk_free_bytes
            there = piece.subject.look(client, status, RolloutBox(box=box.box, wave=0, state="waiting"))
            if there is not None and there.step == "committed":
                return _Told(needed=Needed(way="there", sent=0, disk=0), free=free, refusals=tuple(found))
            if (why := piece.subject.stands_against(status, there)) is not None and (
                decision is None or decision.choice != "offer-again"
            ):
                found.append(Refusal(kind="rolled-back", words=f"It was rolled back here before: {why}."))
            if trial := tried_there(status):
                found.append(Refusal(kind="on-trial", words=f"{trial} It waits for its end."))
            try:
                needed = piece.subject.needs(box, client)
            except LinesideError as error:
                if error.code == "task.cancelled":
                    raise
                found.append(Refusal(kind="unsuitable", words=error.message))
    except LinesideError as error:
        if error.code == "task.cancelled":
            raise
        return _Told(needed=needed, problem=str(error), refusals=tuple(found))
    if needed.disk > free > 0:
        found.append(Refusal(kind="disk", words="There is not enough room on its disk at the worst moment."))
    return _Told(needed=needed, free=free, refusals=tuple(found))
