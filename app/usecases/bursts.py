"""Bursts: bounded pieces of training, quoted before they start and followed until their result is here."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.store import bursts as burst_store
from app.store import datasets as dataset_store
from app.store import models as model_store
from app.store import objects as object_store
from app.store.records import Burst, CurvePoint, Dataset
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BurstFailed, InputInvalid, LinesideError, NotFound
from edge_runtime.contracts.manifest import InputSpec, OutputSpec, QuantizationFacts

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.bursts.controller import Controller
    from cloud_sync.bursts.hosts.base import Host
    from cloud_sync.bursts.record import BurstRecord, BurstView
    from cloud_sync.bursts.spec import BurstSpec
    from cloud_sync.objects import ObjectStore

PAUSE_S = 0.3
CHECKPOINT = "checkpoint.npz"
ENDED = frozenset({"CLOSED", "CANCELLED", "FAILED"})
WITH_RESULT = frozenset({"FINISHING", "IMPORTED", "GATED", "CLOSED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRequest:
    """What a person asks for."""

    dataset: str
    base_model: str | None = None
    """Start from the checkpoint of this model's burst."""
    recipe: str = "classify-images"
    host: str = "local"
    minutes: float = 20.0
    """It ends by then, finished or not."""
    cap_usd: float = 0.0
    """It never costs more, over all attempts."""
    params: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstQuote:
    """What it would cost at worst, before anything is started."""

    host: str
    source: str
    """Where the price is from, in plain words."""
    usd_per_hour: float
    worst_case_usd: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a finished burst left behind, verified by digest."""

    fp32: bytes
    int8: bytes
    input_spec: InputSpec
    output_spec: OutputSpec
    quantization: QuantizationFacts
    recipe_version: str


def require_training_here() -> None:
    """:raises TrainingUnavailable: the Python that runs Lineside cannot train; says what is missing."""
    from cloud_sync.bursts.hosts.local import LocalHost

    LocalHost(Path()).check()


def quote_burst(ctx: Context, request: BurstRequest) -> BurstQuote:
    """The worst case of a burst; starts and keeps nothing.

    :raises InputInvalid, NotFound: the request cannot be carried out; says why.
    :raises TrainingUnavailable: the host cannot run it.
    """
    from cloud_sync.bursts.budget import worst_case_usd

    spec, dataset = _spec(ctx, request)
    quote = _host(ctx, request.host).quote(spec)
    return BurstQuote(
        host=quote.host,
        source=quote.source,
        usd_per_hour=quote.price.usd_per_hour,
        worst_case_usd=worst_case_usd(
            quote.price,
            now_ms=spec.created_ms,
            deadline_ms=spec.deadline_ms,
            cap_usd=spec.cap_usd,
            max_attempts=spec.max_attempts,
        ),
        samples=dataset.train + dataset.held_out,
    )


def start_burst(
    ctx: Context, request: BurstRequest, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Burst:
    """Bring the inputs to where the agent finds them and launch the first attempt; returns once it is on its way.

    Where the store does not answer, the burst waits in QUEUED_OFFLINE and goes on by :func:`advance_bursts`.
    """
    token = cancel or CancelToken()
    spec, dataset = _spec(ctx, request)
    with _controller(ctx) as (controller, store):
        progress(ProgressEvent(step="inputs", message="Samples go to the object store", fraction=0.0))
        try:
            _send_inputs(ctx, store, spec, progress, token)
        except LinesideError as error:
            if error.code not in ("store.unreachable", "store.refused"):
                raise
        view = controller.prepare(spec, request.host)
        _keep(ctx, view, request=request, dataset=dataset)
        ctx.database.write(
            lambda w: w.activity(
                "burst.started",
                spec.burst,
                f"Training on {dataset.name} at {request.host}, at most {spec.cap_usd} USD.",
            )
        )
        token.check()
        return _keep(ctx, controller.step(spec.burst))


def advance_bursts(ctx: Context) -> list[Burst]:
    """Look once after every burst that this desktop controls and that has not ended."""
    waiting = [burst for burst in list_bursts(ctx) if burst.state not in ENDED and _is_ours(ctx, burst)]
    if not waiting:
        return []
    with _controller(ctx) as (controller, store):
        return [_advance(ctx, controller, store, burst.burst) for burst in waiting]


def follow_burst(ctx: Context, burst: str, *, progress: Progress = silent, cancel: CancelToken | None = None) -> Burst:
    """Watch a burst until its result is there.

    Cancelling only stops the watching; the burst goes on (see :func:`cancel_burst`).

    :raises BurstFailed: it ended without a result; says why.
    """
    token = cancel or CancelToken()
    record = get_burst(ctx, burst)
    with _controller(ctx) as (controller, store):
        while record.state not in WITH_RESULT and record.state not in ENDED:
            record = _advance(ctx, controller, store, record.burst)
            progress(ProgressEvent(step="burst", message=record.step, fraction=record.progress))
            if record.state not in WITH_RESULT and record.state not in ENDED:
                token.wait(PAUSE_S)
        _fetch_story(ctx, controller, record.burst)
    if record.state not in WITH_RESULT:
        raise BurstFailed(f"The burst {record.burst[:8]} is {record.state}: {record.message or 'no reason was given'}")
    return record


def cancel_burst(ctx: Context, burst: str) -> Burst:
    """Stop a burst for good; its checkpoints stay in the store. One that has ended stays as it is."""
    record = get_burst(ctx, burst)
    if not _is_ours(ctx, record):
        raise InputInvalid(
            f"The burst {record.burst[:8]} was started on another desktop.", hint="Cancel it on that desktop."
        )
    with _controller(ctx) as (controller, _store):
        cancelled = _keep(ctx, controller.cancel(record.burst))
    if cancelled.state != record.state:
        ctx.database.write(lambda w: w.activity("burst.cancelled", record.burst, "Cancelled by hand."))
    return cancelled


def stop_all(ctx: Context) -> None:
    """Cancel every burst of this desktop that may still be at work."""
    for burst in list_bursts(ctx):
        if burst.state not in ENDED and burst.state not in WITH_RESULT and _is_ours(ctx, burst):
            cancel_burst(ctx, burst.burst)


def list_bursts(ctx: Context) -> list[Burst]:
    """Every burst of the site, newest first."""
    return burst_store.list_bursts(ctx.database)


def get_burst(ctx: Context, burst: str) -> Burst:
    """A burst by its id or the beginning of it."""
    return burst_store.get_burst(ctx.database, burst)


def burst_log(ctx: Context, burst: str, after: int = 0) -> list[str]:
    """What the agent wrote, without the first ``after`` lines; from the local database."""
    return burst_store.log(ctx.database, get_burst(ctx, burst).burst, after)


def burst_curve(ctx: Context, burst: str) -> list[CurvePoint]:
    """The training curve as far as it is known here."""
    return burst_store.points(ctx.database, get_burst(ctx, burst).burst)


def training_result(ctx: Context, burst: Burst) -> TrainingResult:
    """The artifacts of a finished burst; its checkpoint is kept here for later bursts to start from.

    :raises BurstFailed: it has no result.
    """
    with _controller(ctx) as (controller, _store):
        view = controller.view(burst.burst)
        if view.done is None:
            raise BurstFailed(f"The burst {burst.burst[:8]} has no result: it is {burst.state}.")

        def artifact(name: str) -> bytes:
            return controller.artifact(burst.burst, name)

        result = TrainingResult(
            fp32=artifact("model.fp32.onnx"),
            int8=artifact("model.int8.onnx"),
            input_spec=wire.decode(artifact("input.json"), InputSpec, what="input of the burst's model"),
            output_spec=wire.decode(artifact("output.json"), OutputSpec, what="output of the burst's model"),
            quantization=wire.decode(artifact("quantization.json"), QuantizationFacts, what="quantization facts"),
            recipe_version=view.done.recipe_version,
        )
        checkpoint = artifact(CHECKPOINT)
        sha256 = ctx.blobs.put(checkpoint)
        ctx.database.write(lambda w: object_store.add_object(w, sha256, len(checkpoint), "other"))
        _keep(ctx, controller.mark(burst.burst, "imported"))
    return result


def close_burst(ctx: Context, burst: str, *, model: str) -> None:
    """Note which model came of a burst and that nothing is left to do for it."""
    with _controller(ctx) as (controller, _store):
        controller.mark(burst, "gated")
        closed = _keep(ctx, controller.mark(burst, "closed"))
    burst_store.put_burst(ctx.database, replace(closed, model=model))


def _spec(ctx: Context, request: BurstRequest) -> tuple[BurstSpec, Dataset]:
    from cloud_sync.bursts.spec import BurstSpec

    if not 0 < request.minutes <= 7 * 24 * 60:
        raise InputInvalid(f"{request.minutes} minutes is no length for a burst; give up to a week.")
    if request.recipe not in ctx.recipes:
        raise NotFound(f"There is no recipe {request.recipe!r}; installed: {', '.join(sorted(ctx.recipes))}.")
    _host(ctx, request.host)
    ctx.recipes[request.recipe].check(request.params)
    dataset = dataset_store.get_dataset(ctx.database, request.dataset)
    if len(dataset.labels) < 2:
        raise InputInvalid(f"The dataset {dataset.name!r} has {len(dataset.labels)} label; training needs two or more.")
    now = time.time_ns() // 1_000_000
    body = {
        "burst": str(uuid.uuid4()),
        "recipe": request.recipe,
        "dataset": dataset.dataset,
        "labels": dataset.labels,
        "created_ms": now,
        "deadline_ms": now + round(request.minutes * 60_000),
        "params": dict(request.params),
        "base_checkpoint": _checkpoint_of(ctx, request.base_model) if request.base_model else None,
        "cap_usd": request.cap_usd,
    }
    return wire.from_dict(body, BurstSpec, what="burst request"), dataset


def _host(ctx: Context, name: str) -> Host:
    if name not in ctx.hosts:
        raise NotFound(f"There is no training host {name!r}; installed: {', '.join(sorted(ctx.hosts))}.")
    return ctx.hosts[name]


def _checkpoint_of(ctx: Context, model: str) -> str:
    record = model_store.get_model(ctx.database, model)
    body = burst_store.get_record(ctx.database, record.burst) if record.burst else None
    done = _decode_record(body).done if body else None
    if done is None or CHECKPOINT not in done.artifacts:
        raise NotFound(f"The checkpoint of {record.name} {record.version} is not known on this desktop.")
    return done.artifacts[CHECKPOINT].sha256


def _send_inputs(ctx: Context, store: ObjectStore, spec: BurstSpec, progress: Progress, cancel: CancelToken) -> None:
    from cloud_sync.transfer import Transferred, object_key, put_many

    needed = [spec.dataset, *(item.sample for item in dataset_store.items(ctx.database, spec.dataset))]
    if ctx.settings.store is not None:
        # What lies in the site's store alone need not go there.
        there = set(object_store.in_store(ctx.database, ctx.blobs.missing(needed)))
        needed = [sha256 for sha256 in needed if sha256 not in there]
    if spec.base_checkpoint:
        needed.append(spec.base_checkpoint)
    sent: list[tuple[str, int]] = []

    def one_more(item: Transferred) -> None:
        sent.append((item.sha256, item.size))
        words = f"{len(sent)} of {len(needed)} files in the object store"
        progress(ProgressEvent(step="inputs", message=words, fraction=len(sent) / len(needed)))
        cancel.check()

    try:
        report = put_many(store, ((sha256, ctx.blobs.path(sha256)) for sha256 in needed), progress=one_more)
    finally:
        if ctx.settings.store is not None:
            object_store.mark_synced(ctx.database, sent)
    for sha256, problem in report.problems.items():
        # Gone here, but the agent finds it where it is needed.
        if store.head(object_key(sha256)) is None:
            raise problem


def _advance(ctx: Context, controller: Controller, store: ObjectStore, burst: str) -> Burst:
    view = controller.view(burst)
    if view.state == "QUEUED_OFFLINE":
        record = get_burst(ctx, burst)
        try:
            _send_inputs(ctx, store, _load(ctx, burst).spec, silent, CancelToken())
        except LinesideError as error:
            waiting = replace(record, message=f"{error.message} {error.hint}")
            burst_store.put_burst(ctx.database, waiting)
            return waiting
    kept = _keep(ctx, controller.step(burst))
    if kept.state not in ("QUEUED_OFFLINE", "UNKNOWN"):
        _fetch_story(ctx, controller, burst)
    return kept


def _fetch_story(ctx: Context, controller: Controller, burst: str) -> None:
    """Bring curve and log over, so that they can be read without the store."""
    try:
        points, lines = controller.curve(burst), controller.log(burst)
    except LinesideError:
        return
    known = len(burst_store.points(ctx.database, burst))
    if len(points) > known:
        fresh = [CurvePoint(step=p.step, loss=p.loss, accuracy=p.accuracy) for p in points]
        burst_store.put_points(ctx.database, burst, fresh)
    if len(lines) > len(burst_store.log(ctx.database, burst)):
        burst_store.put_log(ctx.database, burst, lines)


def _keep(
    ctx: Context, view: BurstView, *, request: BurstRequest | None = None, dataset: Dataset | None = None
) -> Burst:
    """Write what the controller says into the row that people see."""
    if request is not None and dataset is not None:
        base = model_store.get_model(ctx.database, request.base_model).model if request.base_model else None
        row = Burst(
            burst=view.burst,
            recipe=request.recipe,
            host=view.host,
            dataset=dataset.dataset,
            base_model=base,
            state=view.state,
            created_ms=view.created_ms,
            deadline_ms=view.deadline_ms,
            cap_usd=request.cap_usd,
        )
    else:
        row = get_burst(ctx, view.burst)
    shown = replace(
        row,
        state=view.state,
        cost_usd=view.cost_usd,
        worst_case_usd=view.worst_case_usd,
        attempt=view.attempt,
        started_ms=view.started_ms,
        finished_ms=view.finished_ms,
        progress=view.progress,
        step=view.step,
        message=view.message,
    )
    if request is not None or shown != row:
        burst_store.put_burst(ctx.database, shown)
    return shown


class _Records:
    """The controller's memory, in this desktop's database."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, burst: str) -> BurstRecord:
        return _load(self._ctx, burst)

    def save(self, record: BurstRecord) -> None:
        from cloud_sync.bursts.record import RecordStale

        def follows(kept: str | None) -> bool:
            return record.revision == (_decode_record(kept).revision if kept else 0) + 1

        body = wire.encode(record).decode()
        if not burst_store.replace_record(self._ctx.database, record.spec.burst, body, replaces=follows):
            raise RecordStale(record.spec.burst)


def _load(ctx: Context, burst: str) -> BurstRecord:
    body = burst_store.get_record(ctx.database, burst)
    if body is None:
        raise NotFound(f"This desktop does not control a burst {burst[:8]}.")
    return _decode_record(body)


def _decode_record(body: str) -> BurstRecord:
    from cloud_sync.bursts.record import BurstRecord

    return wire.decode(body, BurstRecord, what="burst's record")


def _is_ours(ctx: Context, burst: Burst) -> bool:
    return burst_store.get_record(ctx.database, burst.burst) is not None


@contextmanager
def _controller(ctx: Context) -> Iterator[tuple[Controller, ObjectStore]]:
    from cloud_sync.bursts.controller import Controller

    with ctx.open_burst_store() as store:
        credentials = ctx.secrets.store_credentials(store.address) if store.address.startswith("s3:") else None
        env = credentials.to_environment() if credentials else {}
        yield (
            Controller(_Records(ctx), store, ctx.hosts, endpoint_url=ctx.settings.endpoint_url, env=env),
            store,
        )
