"""What is kept of figures, how long and where: on this desktop and in the bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.settings import Retention
from app.store import metric_files, metric_rows
from app.store.journal import note_of
from app.store.metric_rows import Exported
from app.store.writer import Writer
from app.usecases.boxes import now_ms
from app.usecases.metrics.exporting import alone, delete_doomed, lost, roll_up
from app.usecases.progress import CancelToken
from cloud_sync.metrics.partitions import KINDS, ROOT, Kind
from cloud_sync.metrics.plan import DAY_MS, File, expired

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore

EVERY_MS = 6 * 3_600_000
SLICE_PAGES = 64
"""Pages that one write gives back to the disk: a quarter of a mebibyte."""
KEPT_NOTE = "metrics-kept-ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingReport:
    """What went. ``stretches``: of rows on this desktop; ``files``: in the bucket."""

    stretches: int
    files: int
    lost: int
    """Files of this desktop that the store should have and has not, or not whole."""


def change_retention(ctx: Context, retention: Retention) -> None:
    """Keep figures for so long from now on; what is over its age goes when the house is kept next.

    :raises ConfigInvalid: a number of days that is not allowed; nothing was changed.
    """
    ctx.change_settings(replace(ctx.settings, retention=retention))
    ctx.database.write(lambda writer: writer.note(KEPT_NOTE, None))


def is_due(ctx: Context) -> bool:
    """Whether it is time to keep house again."""
    last = int(note_of(ctx.database, KEPT_NOTE) or 0)
    return not 0 <= now_ms() - last < EVERY_MS


def keep_house(ctx: Context, store: ObjectStore | None, *, cancel: CancelToken | None = None) -> KeepingReport:
    """Let go what is over its age, and give the room back to the disk; in slices, so that no other write waits long.

    Rows that stand in the bucket go only after it was asked whether it still has every file of ours.

    :param store: None: away, or there is none; then only the rules that need none are followed.
    """
    token = cancel or CancelToken()
    rules = ctx.settings.retention
    with alone(ctx, token):
        roll_up(ctx, cancel=token)
        gone = missing = stretches = 0
        if store is not None:
            missing = _check(ctx, store)
            stretches += _let_go(ctx, "results", rules.results, token, safe=True)
            stretches += _let_go(ctx, "rollups", rules.minutes, token, safe=True)
            gone = _expire(ctx, store, rules)
        stretches += _let_go(ctx, "results", rules.results_unsafe, token, safe=False)
        while ctx.database.shrink(SLICE_PAGES):
            token.check()
        done_ms = str(now_ms())
        ctx.database.write(lambda writer: writer.note(KEPT_NOTE, done_ms))
    return KeepingReport(stretches=stretches, files=gone, lost=missing)


def _check(ctx: Context, store: ObjectStore) -> int:
    """Ask the store for all files that it should have; returns how many it has lost."""
    missing: list[File] = []
    for kind in KINDS:
        own = metric_files.written(ctx.database, kind)
        if own:
            sizes = {info.key: info.size for info in store.list(f"{ROOT}/kind={kind}/site={ctx.site.site}")}
            missing += [file for file in own if sizes.get(file.key) != file.size]
    for files in _by_box(missing):
        lost(ctx, files)
    delete_doomed(ctx, store)
    return len(missing)


def _by_box(files: Iterable[File]) -> Iterable[list[File]]:
    found: defaultdict[str, list[File]] = defaultdict(list)
    for file in files:
        found[file.partition.box].append(file)
    return found.values()


def _let_go(ctx: Context, stream: Exported, days: int | None, cancel: CancelToken, *, safe: bool) -> int:
    if days is None:
        return 0
    before_ms = now_ms() - days * DAY_MS
    day = datetime.fromtimestamp(before_ms / 1000, UTC).date()
    why = "they stand in the object store" if safe else "no object store took them in all that time"
    told: str | None = f"Rows of {stream} that came before {day} go from this desktop: {why}."
    total = 0
    while gone := metric_rows.let_go(ctx.database, stream, before_ms=before_ms, only_safe=safe, told=told):
        total += gone
        told = None
        cancel.check()
    return total


def _expire(ctx: Context, store: ObjectStore, rules: Retention) -> int:
    total = 0
    limits: dict[Kind, int | None] = {"results": rules.bucket_results, "minutes": rules.bucket_minutes}
    for kind, days in limits.items():
        over = expired(metric_files.written(ctx.database, kind), kind, days, now_ms())
        if over:
            message = (
                f"Files of {kind} that go from the object store, older than the limit in days ({days}): {len(over)}."
            )

            def work(writer: Writer, over: list[File] = over, kind: str = kind, message: str = message) -> None:
                metric_files.doom(writer, over)
                writer.activity("metrics.let-go", kind, message)

            ctx.database.write(work)
            total += len(over)
    delete_doomed(ctx, store)
    return total
