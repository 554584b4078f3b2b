"""How figures stand: here, waiting, and in the bucket. Answered from the local database alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store import metric_files, metric_rollups, metric_rows
from app.store.journal import note_of
from app.store.metric_files import InBucket
from app.store.metric_rollups import Rolled
from app.usecases.boxes import get_box
from app.usecases.metrics.exporting import EXPORTED_NOTE
from cloud_sync.metrics.partitions import KINDS, Kind
from cloud_sync.metrics.rollup import Span
from edge_runtime.contracts import latency_buckets
from edge_runtime.contracts.rows import LATEST_MS

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class KindStatus:
    """One kind of figures. ``here`` and ``waiting``: rows on this desktop, and of them those that wait for the bucket;
    ``here`` is None for labels, which are kept with their samples.
    """

    kind: Kind
    here: int | None
    waiting: int
    files: int
    rows: int
    bytes: int
    """In the bucket, by this desktop's hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsStatus:
    store: str | None
    """The object store's address; None: not set up."""
    last_ms: int | None
    """When everything that waited was written last."""
    kinds: tuple[KindStatus, ...]

    @property
    def waiting(self) -> int:
        return sum(one.waiting for one in self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """An hour or a day of one pipeline and model, from the minutes that this desktop collected."""

    at_ms: int
    pipeline: str
    model: str
    minutes: int
    frames: int
    errors: int
    kept: int
    confidence_mean: float
    latency_us_p50: int | None
    """Within :data:`~edge_runtime.contracts.latency_buckets.RELATIVE_ERROR`; None where the box counted none."""
    latency_us_p99: int | None


def metrics_status(ctx: Context) -> MetricsStatus:
    database = ctx.database
    bucket = metric_files.in_bucket(database)
    rows, minutes = metric_rows.count_rows(database, "results"), metric_rows.count_rows(database, "rollups")
    rolled = metric_rollups.count(database)
    here: dict[Kind, tuple[int | None, int]] = {
        "results": (rows.here, rows.waiting),
        "minutes": (minutes.here, minutes.waiting),
        "hours": rolled["hours"],
        "days": rolled["days"],
        "labels": (None, metric_files.count_labels_waiting(database)),
    }
    nothing = InBucket(files=0, rows=0, bytes=0)
    last = note_of(database, EXPORTED_NOTE)
    return MetricsStatus(
        store=ctx.settings.store,
        last_ms=int(last) if last else None,
        kinds=tuple(
            KindStatus(
                kind=kind,
                here=here[kind][0],
                waiting=here[kind][1],
                files=(there := bucket.get(kind, nothing)).files,
                rows=there.rows,
                bytes=there.bytes,
            )
            for kind in KINDS
        ),
    )


def page_spans(ctx: Context, span: Span, name: str, *, before_ms: int | None = None, limit: int = 100) -> list[SpanRow]:
    """The newest hours or days of a box, as far as its minutes were added up.

    :raises NotFound: no such box.
    """
    box = get_box(ctx, name).box
    rows = metric_rollups.page(
        ctx.database, span, box, before_ms=LATEST_MS if before_ms is None else before_ms, limit=limit
    )
    return [_shown(row) for row in rows]


def _shown(row: Rolled) -> SpanRow:
    counted = row.sums.latencies
    return SpanRow(
        at_ms=row.place.at_ms,
        pipeline=row.place.pipeline,
        model=row.place.model,
        minutes=row.sums.minutes,
        frames=row.sums.frames,
        errors=row.sums.errors,
        kept=row.sums.kept,
        confidence_mean=row.sums.confidence_mean,
        latency_us_p50=latency_buckets.quantile(counted, 0.5) if counted.total else None,
        latency_us_p99=latency_buckets.quantile(counted, 0.99) if counted.total else None,
    )
