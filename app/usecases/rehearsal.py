"""A rollout rehearsed: what it would send, how long that takes, and what would refuse it. Changes nothing anywhere."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.fleet.client import BoxClient
from app.fleet.delivery import Needed, Way
from app.fleet.link_speed import measure_link
from app.store import decisions as decision_store
from app.store import links as link_store
from app.store.records import Box, BundleDecision, LinkFigure, Model, Rollout
from app.usecases import boxes, models, rollouts, roots
from app.usecases.deliveries import needed_for_model
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.rehearsal_sums import Share, hand_on, take_time
from app.usecases.rollout_runner import AT_A_TIME as SERVED_AT_A_TIME
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import LinesideError, NotFound
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.update.slots import IN_FLIGHT, TrustFloor

if TYPE_CHECKING:
    from app.context import Context

AT_A_TIME = 4
POINT_OF_NO_RETURN = (
    "Until the box commits it, a cut, an abort or a bad trial brings back what runs there now. Once it has committed, "
    "releases older than this one are refused there."
)


RefusalKind = Literal[
    "not-released",
    "blacklist",
    "hold",
    "floor",
    "rolled-back",
    "on-trial",
    "runtime",
    "disk",
    "other-rollout",
    "unsuitable",
    "clock",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that would keep the box from taking it; ``kind`` is stable, the words are for people."""

    kind: RefusalKind
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRehearsal:
    """What would become of one box."""

    box: str
    name: str
    wave: int
    problem: str | None = None
    """Why it did not answer; what it holds is not known then, and it would get its turn when it does."""
    way: Way
    """How it would get there: ``there`` already, from a ``neighbour``, as a ``patch``, or ``whole``."""
    bytes: int
    """That would be sent over this desktop's link."""
    bytes_per_s: float | None = None
    """Of the link, with the rollout's cap; None: never measured."""
    measured: str = "never"
    """``now``, ``earlier`` (a delivery or measurement of before) or ``never``."""
    minutes: float | None = None
    """To send the bytes beside the others of the wave; None where the link's speed is not known."""
    peak_disk_bytes: int
    """More than now, at the worst moment: what is delivered, and its copy in the slot."""
    free_disk_bytes: int | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What would become of a rollout."""

    model: str
    """Name and version."""
    bundle: str
    size: int
    bytes: int
    """In all, where boxes of later waves get it from those that have it by then."""
    most_bytes: int
    """In all, where no box can hand it to another one."""
    minutes: float | None
    """To send all that, wave after wave and without their rests, at most; None where it is not known."""
    boxes: tuple[BoxRehearsal, ...]
    point_of_no_return: str = POINT_OF_NO_RETURN

    @property
    def refused(self) -> int:
        """Boxes that would not take it."""
        return sum(bool(box.refusals) for box in self.boxes)


def rehearse(
    ctx: Context,
    model: str,
    *,
    waves: Sequence[Sequence[str]],
    plan: Plan | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Rehearsal:
    """Ask every box of a rollout what it would need; those that do not answer are judged by what they said last.

    :param waves: as in :func:`app.usecases.rollouts.start_rollout`.
    :raises InputInvalid: no boxes, or one that is named twice.
    """
    record = models.get_model(ctx, model)
    chosen = rollouts.boxes_of(ctx, waves)
    token, cap = cancel or CancelToken(), plan.cap_bytes_per_s if plan else None
    runtime = _needed_runtime(ctx, record)
    busy, measuring = rollouts.busy_boxes(ctx, "model"), threading.Lock()
    asked: list[_Asked] = []

    def ask(wave: int, box: Box) -> _Asked:
        token.check()
        return _ask(ctx, record, box, wave, other=busy.get(box.box), runtime=runtime, measuring=measuring)

    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="rehearse") as pool:
        for done, future in enumerate([pool.submit(ask, wave, box) for wave, box in chosen]):
            asked.append(future.result())
            progress(ProgressEvent(step="rehearse", message=asked[-1].box.name, fraction=(done + 1) / len(chosen)))
    alone = [one.share for one in asked]
    shares, minutes = take_time(hand_on(alone), cap=cap, at_a_time=SERVED_AT_A_TIME)
    return Rehearsal(
        model=f"{record.name} {record.version}",
        bundle=record.model,
        size=record.size,
        bytes=sum(share.bytes for share in shares),
        most_bytes=sum(share.bytes for share in alone),
        minutes=minutes,
        boxes=tuple(one.told(share, cap) for one, share in zip(asked, shares, strict=True)),
    )


def refusals(
    model: Model,
    status: BoxStatus | None,
    decision: BundleDecision | None,
    *,
    blacklisted: BundleDecision | None,
    peak_bytes: int,
    signed_s: int,
    lifetime: datetime.timedelta,
    runtime: str | None,
) -> tuple[Refusal, ...]:
    """What would keep a box from taking a model, from what it said last: pure.

    :param signed_s: when the release was signed, seconds since 1970; ``lifetime``: how long that is good for.
    :param runtime: the smallest onnxruntime that can run it, as ``1.20.0``; None: not known here.
    """
    found = []
    title = f"{model.name} {model.version}"
    if model.state != "released":
        found.append(Refusal(kind="not-released", words=f"{title} is {model.state}, not released."))
    if blacklisted is not None:
        found.append(Refusal(kind="blacklist", words=f"{title} is blacklisted: {blacklisted.reason}."))
    if decision is not None and decision.choice == "hold":
        found.append(Refusal(kind="hold", words=f"It is held from this box: {decision.reason}."))
    if status is None:
        return tuple(found)
    floor = status.floors.get(model.name, 0)
    if model.release < floor:
        words = f"It is release {model.release} of {model.name}; this box has run {floor} and takes nothing older."
        found.append(Refusal(kind="floor", words=words))
    if model.model in status.refused and not (decision is not None and decision.choice == "offer-again"):
        words = f"It was rolled back here before: {status.refused[model.model]}."
        found.append(Refusal(kind="rolled-back", words=words))
    for slot in status.slots:
        if slot.state in IN_FLIGHT and slot.bundle != model.model:
            words = f"{slot.name} {slot.version} is on trial there; it waits for its end."
            found.append(Refusal(kind="on-trial", words=words))
    there = next((slot.probe.runtime for slot in status.slots if slot.probe is not None), None)
    if runtime is not None and there is not None and _numbers(there) < _numbers(runtime):
        words = f"It needs onnxruntime {runtime}; the box has {there}."
        found.append(Refusal(kind="runtime", words=words))
    if peak_bytes > status.spool.disk_free_bytes > 0:
        found.append(Refusal(kind="disk", words="There is not enough room on its disk at the worst moment."))
    from edge_runtime.update.verify import trusted_time_s

    then_s = trusted_time_s(status.at_ms, TrustFloor(timestamp=status.signed_s))
    if then_s >= max(signed_s, status.signed_s) + lifetime.total_seconds():
        day = datetime.datetime.fromtimestamp(then_s, datetime.UTC).date().isoformat()
        words = f"Its clock says {day}, when the release's signatures have expired; set it first."
        found.append(Refusal(kind="clock", words=words))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one box said, before it is seen beside the others."""

    box: Box
    problem: str | None
    measured: str
    peak_disk_bytes: int
    free_disk_bytes: int | None
    refusals: tuple[Refusal, ...]
    share: Share

    def told(self, share: Share, cap: int | None) -> BoxRehearsal:
        speed = share.bytes_per_s
        return BoxRehearsal(
            box=self.box.box,
            name=self.box.name,
            wave=share.wave,
            problem=self.problem,
            way=share.way,
            bytes=share.bytes,
            bytes_per_s=min(speed, float(cap)) if speed is not None and cap is not None else speed,
            measured=self.measured,
            minutes=share.minutes,
            peak_disk_bytes=self.peak_disk_bytes,
            free_disk_bytes=self.free_disk_bytes,
            refusals=self.refusals,
        )


def _ask(
    ctx: Context,
    model: Model,
    box: Box,
    wave: int,
    *,
    other: Rollout | None,
    runtime: str | None,
    measuring: threading.Lock,
) -> _Asked:
    status, needed, problem, speed, measured = box.status, _unknown(model), None, None, "never"
    try:
        with boxes.connect(ctx, box) as client:
            status = roots.ask_status(ctx, box, client)
            needed = needed_for_model(ctx, box, client, model, status)
            with measuring:
                # One at a time: they would measure what the others leave of the link that they share.
                speed, measured = _speed_now(client), "now"
            if speed is not None:
                link_store.put_link(ctx.database, LinkFigure(box=box.box, bytes_per_s=speed, at_ms=boxes.now_ms()))
    except LinesideError as error:
        problem = str(error)
    if speed is None and (known := link_store.link_of(ctx.database, box.box)) is not None:
        speed, measured = known.bytes_per_s, "earlier"
    elif speed is None:
        measured = "never"
    refused = _refusals(ctx, model, box, status, needed.disk, runtime)
    if other is not None:
        words = f"It is part of the rollout {other.rollout[:12]} of {other.version}, which is under way."
        refused = (Refusal(kind="other-rollout", words=words), *refused)
    return _Asked(
        box=box,
        problem=problem,
        measured=measured,
        peak_disk_bytes=needed.disk,
        free_disk_bytes=status.spool.disk_free_bytes if status else None,
        refusals=refused,
        share=Share(
            wave=wave,
            takes=problem is None and not refused,
            answered=problem is None,
            way=needed.way,
            bytes=needed.sent,
            missing=needed.missing,
            bytes_per_s=speed,
        ),
    )


def _refusals(
    ctx: Context, model: Model, box: Box, status: BoxStatus | None, peak: int, runtime: str | None
) -> tuple[Refusal, ...]:
    from cloud_sync.release.sign import RELEASE_LIFETIME

    with ctx.signing:
        signed_s = ctx.repository().signed_s
    return refusals(
        model,
        status,
        decision_store.decision_of(ctx.database, box.box, model.model),
        blacklisted=decision_store.blacklisted(ctx.database, model.model),
        peak_bytes=peak,
        signed_s=signed_s,
        lifetime=RELEASE_LIFETIME,
        runtime=runtime,
    )


def _unknown(model: Model) -> Needed:
    """Of a box that does not answer: at most the whole of it."""
    return Needed(way="whole", sent=model.size, disk=2 * model.size, missing=model.size)


def _speed_now(client: BoxClient) -> float | None:
    """None from a box of before, which cannot be measured without changing something there."""
    try:
        return measure_link(client.measure)
    except NotFound:
        return None


def _needed_runtime(ctx: Context, model: Model) -> str | None:
    if not ctx.blobs.has(model.sha256):
        return None
    return ctx.bundle(model.sha256).manifest.min_runtime


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("+")[0].split("."))
