"""A rollout rehearsed: what it would send, how long that takes, and what would refuse it. Changes nothing anywhere."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.delivery import Needed, Way
from app.store import decisions as decision_store
from app.store import links as link_store
from app.store.records import Box, BundleDecision, LinkFigure, Model
from app.usecases import boxes, models, roots
from app.usecases.deliveries import needed_for_model
from app.usecases.labels import choose_boxes
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from cloud_sync.release.plan import Plan
from edge_runtime.contracts.errors import LinesideError, NotFound
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.update.slots import IN_FLIGHT, TrustFloor

if TYPE_CHECKING:
    from app.context import Context

AT_A_TIME = 4
FIRST_PIECE = 64 * 1024
LARGEST_PIECE = 1024 * 1024
LONG_ENOUGH_S = 0.2
"""A piece that took so long to send says how fast the link is; a shorter one is followed by a larger one."""
POINT_OF_NO_RETURN = (
    "Until the box commits it, a cut, an abort or a bad trial brings back what runs there now. Once it has committed, "
    "releases older than this one are refused there."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that would keep the box from taking it; ``kind`` is stable, the words are for people."""

    kind: str
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
    """To send the bytes; None where the link's speed is not known."""
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
    """In all."""
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
    """
    record = models.get_model(ctx, model)
    chosen = [(wave, box) for wave, names in enumerate(waves) for box in choose_boxes(ctx, names)]
    token, cap = cancel or CancelToken(), plan.cap_bytes_per_s if plan else None
    runtime = _needed_runtime(ctx, record)
    found: list[BoxRehearsal] = []
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="rehearse") as pool:
        asked = [pool.submit(_rehearse_box, ctx, record, box, wave, cap, runtime, token) for wave, box in chosen]
        for done, one in enumerate(asked):
            found.append(one.result())
            progress(ProgressEvent(step="rehearse", message=found[-1].name, fraction=(done + 1) / len(asked)))
    return Rehearsal(
        model=f"{record.name} {record.version}",
        bundle=record.model,
        size=record.size,
        bytes=sum(box.bytes for box in found),
        boxes=tuple(found),
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


def measure_link(send: Callable[[bytes], None], clock: Callable[[], float] = time.monotonic) -> float:
    """Bytes per second of a link, from a timed exchange: larger pieces until one takes long enough to tell.

    :param send: sends bytes that are thrown away at the other end, and returns when they are there.
    """
    send(b"\0")  # opens the connection, which is no part of it
    began = clock()
    send(b"\0")
    round_trip = clock() - began
    size = FIRST_PIECE
    while True:
        piece = _noise(size)
        began = clock()
        send(piece)
        took = clock() - began
        moving = max(took - round_trip, took / 10, 1e-6)
        if moving >= LONG_ENOUGH_S or size >= LARGEST_PIECE:
            return size / moving
        size *= 4


def _rehearse_box(
    ctx: Context, model: Model, box: Box, wave: int, cap: int | None, runtime: str | None, cancel: CancelToken
) -> BoxRehearsal:
    cancel.check()
    status, needed, problem, speed, measured = box.status, _unknown(model), None, None, "never"
    try:
        with boxes.connect(ctx, box) as client:
            status = roots.ask_status(ctx, box, client)
            needed = needed_for_model(ctx, box, client, model, status)
            speed, measured = _speed_now(client), "now"
            if speed is not None:
                link_store.put_link(ctx.database, LinkFigure(box=box.box, bytes_per_s=speed, at_ms=boxes.now_ms()))
    except LinesideError as error:
        problem = str(error)
    if speed is None and (known := link_store.link_of(ctx.database, box.box)) is not None:
        speed, measured = known.bytes_per_s, "earlier"
    elif speed is None:
        measured = "never"
    if speed is not None and cap is not None:
        speed = min(speed, float(cap))
    return BoxRehearsal(
        box=box.box,
        name=box.name,
        wave=wave,
        problem=problem,
        way=needed.way,
        bytes=needed.sent,
        bytes_per_s=speed,
        measured=measured,
        minutes=needed.sent / speed / 60 if speed else (0.0 if not needed.sent else None),
        peak_disk_bytes=needed.disk,
        free_disk_bytes=status.spool.disk_free_bytes if status else None,
        refusals=_refusals(ctx, model, box, status, needed.disk, runtime),
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
    return Needed(way="whole", sent=model.size, disk=2 * model.size)


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


def _noise(size: int) -> bytes:
    # No zeros: a link that compresses would look faster than it is.
    return os.urandom(size)
