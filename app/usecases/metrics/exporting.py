"""Figures to the bucket: what came since the last time, and many small files made one.

Safe to be cut off anywhere: a file stands in the ledger before it is written, rows count as waiting until every file of
theirs stands, and what a new file replaces is deleted last. Done again, some rows may stand twice; a reader takes each
key once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.store import metric_files, metric_rollups, metric_rows
from app.store.journal import note_of
from app.store.metric_rollups import Rolled
from app.store.metric_rows import AT, Arrival, Exported
from app.store.writer import Writer
from app.usecases import turns
from app.usecases.boxes import now_ms
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from cloud_sync.metrics import parquet
from cloud_sync.metrics.partitions import Kind, Partition, digest_of, partition_of, read_key
from cloud_sync.metrics.plan import MOST_ROWS, File, joined, to_merge
from cloud_sync.metrics.rollup import SPANS, Span, three_figures
from cloud_sync.metrics.tables import FORMS
from edge_runtime.contracts.errors import ObjectCorrupt, ObjectMissing
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from arro3.core import RecordBatch

    from app.context import Context
    from cloud_sync.objects import ObjectStore

EVERY_MS = 15 * 60_000
"""How long rows wait for others, so that a bucket is not filled with files of a minute."""
MOST_BYTES = 32 * 2**20
"""Of rows that are held in memory before they are written."""
MOST_FILE_BYTES = 64 * 2**20
ROLLED_AT_ONCE = 10_000
LABELS_AT_ONCE = 10_000
EXPORTED_NOTE = "metrics-exported-ms"
_P50 = FORMS["minutes"].names.index("latency_us_p50")
"""Where the two percentiles of a minute begin."""
_KIND: dict[Exported, Kind] = {"rollups": "minutes", "results": "results"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What went to the bucket. ``rows``: of every kind."""

    rows: int = 0
    files: int = 0
    bytes: int = 0
    merged: int = 0
    """Small files that were made part of a larger one."""


def is_due(ctx: Context) -> bool:
    """Whether what waits has waited long enough for an export of its own accord."""
    waits = metric_rows.oldest_waiting_ms(ctx.database) is not None or metric_files.count_labels_waiting(ctx.database)
    last = int(note_of(ctx.database, EXPORTED_NOTE) or 0)
    # A clock that was set back must not hold it up.
    return bool(waits) and not 0 <= now_ms() - last < EVERY_MS


def export(
    ctx: Context, store: ObjectStore, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> ExportReport:
    """Write everything that waits. Done again after any cut, it goes on where it stopped.

    Waits while another window or command of this desktop is at it.

    :raises StoreUnreachable, StoreRefused: what was written stands; the rest waits.
    """
    token = cancel or CancelToken()
    with alone(ctx, token):
        work = _Export(ctx, store, progress, token)
        work.run()
        return work.report


def alone(ctx: Context, cancel: CancelToken) -> AbstractContextManager[None]:
    """One at a time of all windows and commands of this desktop."""
    return turns.alone(ctx.places.home / "metrics.lock", cancel.check)


def roll_up(ctx: Context, *, cancel: CancelToken) -> int:
    """Add the minutes that came to their hours and days; returns how many."""
    total = 0
    while rolled := metric_rollups.roll_up(ctx.database):
        total += rolled
        cancel.check()
    return total


def delete_doomed(ctx: Context, store: ObjectStore) -> None:
    """Delete the files of this desktop that another one has replaced, that a cut left behind, or whose time is over."""
    for file in metric_files.doomed(ctx.database):
        store.delete(file.key)
        metric_files.forget(ctx.database, [file])


class _Export:
    def __init__(self, ctx: Context, store: ObjectStore, progress: Progress, cancel: CancelToken) -> None:
        self._ctx, self._store, self._progress, self._cancel = ctx, store, progress, cancel
        self._now_ms = now_ms()
        self.report = ExportReport()

    def run(self) -> None:
        metric_files.doom_planned(self._ctx.database)
        delete_doomed(self._ctx, self._store)
        roll_up(self._ctx, cancel=self._cancel)
        for partition in self._stream("rollups"):
            self._give_away(partition)
        for span in SPANS:
            self._rollups(span)
        self._labels()
        self._stream("results")
        self._merge()
        delete_doomed(self._ctx, self._store)
        done_ms = str(now_ms())
        self._ctx.database.write(lambda writer: writer.note(EXPORTED_NOTE, done_ms))

    def _stream(self, stream: Exported) -> set[Partition]:
        """Rows as they came from the boxes; returns the partitions that got some."""
        database = self._ctx.database
        touched: set[Partition] = set()
        for number, box in enumerate(boxes := metric_rows.boxes_waiting(database, stream)):
            while arrivals := metric_rows.waiting(database, stream, box, MOST_ROWS):
                self._progress(
                    ProgressEvent(step=_KIND[stream], message=box[:12], fraction=number / len(boxes)),
                )
                touched |= self._round(stream, box, arrivals)
        return touched

    def _round(self, stream: Exported, box: str, arrivals: Sequence[Arrival]) -> set[Partition]:
        kind, files = _KIND[stream], _Files(self)
        for stretch in joined(arrival.stretch for arrival in arrivals):
            for rows in metric_rows.rows_of(self._ctx.database, stream, stretch):
                self._cancel.check()
                parts: defaultdict[Partition, list[parquet.Row]] = defaultdict(list)
                for row in map(_ROW[stream], rows):
                    parts[partition_of(kind, box, row[AT], self._now_ms)].append(row)
                for partition, part in parts.items():
                    files.add(partition, part)
        files.finish(lambda writer: metric_rows.mark_in_bucket(writer, arrivals))
        return files.touched

    def _rollups(self, span: Span) -> None:
        while changed := metric_rollups.unsent(self._ctx.database, span, ROLLED_AT_ONCE):
            self._cancel.check()
            files = _Files(self)
            parts: defaultdict[Partition, list[Rolled]] = defaultdict(list)
            for one in changed:
                parts[partition_of(span, one.place.box, one.place.at_ms, self._now_ms)].append(one)
            for partition, part in parts.items():
                files.add(partition, [_rolled_row(self._ctx.database.replica, one) for one in part])
            files.finish(partial(metric_rollups.mark_sent, sent=changed))

    def _labels(self) -> None:
        while labels := metric_files.labels_waiting(self._ctx.database, LABELS_AT_ONCE):
            self._cancel.check()
            files = _Files(self)
            parts: defaultdict[Partition, list[parquet.Row]] = defaultdict(list)
            for one in labels:
                parts[partition_of("labels", one.box, one.at_ms, self._now_ms)].append(one.row)
            for partition, part in parts.items():
                files.add(partition, part)
            files.finish(partial(metric_files.mark_labels_sent, through=labels[-1].event))

    def _give_away(self, partition: Partition) -> None:
        """Minutes that another desktop has brought there as well count in its hours, and no longer in ours.

        It happens where a box handed rows to two desktops, because the first was cut off before it could acknowledge
        them: of the two, the one that comes to the bucket second finds the other's file.
        """
        for info in self._store.list(partition.folder(self._ctx.site.site)):
            name = read_key(info.key)
            if name is None or name.partition != partition or name.replica == self._ctx.database.replica:
                continue
            self._cancel.check()
            try:
                body = self._body(info.key)
                keys = parquet.read_columns("minutes", body, ("boot", "seq"))
            except (ObjectMissing, ObjectCorrupt):
                # Its owner has replaced it, or will find the damage.
                continue
            metric_rollups.give_away(self._ctx.database, partition.box, [(boot, seq) for boot, seq in keys])

    def _merge(self) -> None:
        for group in to_merge(metric_files.crowded(self._ctx.database), self._now_ms):
            self._cancel.check()
            self._progress(ProgressEvent(step="merge", message=counted(len(group), "file", "files")))
            bodies = [body for file in group if (body := self._own_body(file)) is not None]
            if len(bodies) != len(group):
                continue
            body, rows = parquet.merge(group[0].partition.kind, bodies)
            new = self.put(group[0].partition, body, rows)

            def replace(writer: Writer, new: File = new, group: Sequence[File] = group) -> None:
                metric_files.mark_written(writer, [new])
                metric_files.doom(writer, group)

            self._ctx.database.write(replace)
            self.count(merged=len(group))

    def _own_body(self, file: File) -> bytes | None:
        try:
            return self._body(file.key)
        except (ObjectMissing, ObjectCorrupt):
            lost(self._ctx, [file])
            return None

    def _body(self, key: str) -> bytes:
        body = self._store.get(key, max_bytes=MOST_FILE_BYTES)
        name = read_key(key)
        if name is None or digest_of(body) != name.digest:
            raise ObjectCorrupt(f"The object store gave other bytes for {key}.")
        return body

    def put(self, partition: Partition, body: bytes, rows: int) -> File:
        """Write a file; it counts once it is marked as written."""
        file = metric_files.plan_file(self._ctx.database, self._ctx.site.site, partition, body, rows)
        self._store.put(file.key, body)
        self.count(files=1, size=len(body))
        return file

    def write(self, work: Callable[[Writer], None]) -> None:
        self._ctx.database.write(work)

    def count(self, *, rows: int = 0, files: int = 0, size: int = 0, merged: int = 0) -> None:
        before = self.report
        self.report = ExportReport(
            rows=before.rows + rows,
            files=before.files + files,
            bytes=before.bytes + size,
            merged=before.merged + merged,
        )


class _Files:
    """Files of one round: held back until they are large, and all marked in one transaction with what they hold."""

    def __init__(self, export: _Export) -> None:
        self._export = export
        self._pending: defaultdict[Partition, list[RecordBatch]] = defaultdict(list)
        self._bytes = 0
        self._files: list[File] = []
        self.touched: set[Partition] = set()

    def add(self, partition: Partition, rows: Sequence[parquet.Row]) -> None:
        batch = parquet.batch_of(partition.kind, rows)
        self._pending[partition].append(batch)
        self.touched.add(partition)
        self._bytes += batch.nbytes
        if self._bytes > MOST_BYTES:
            self._flush()

    def finish(self, mark: Callable[[Writer], None]) -> None:
        """Write what is held back, then mark all."""
        self._flush()

        def work(writer: Writer) -> None:
            metric_files.mark_written(writer, self._files)
            mark(writer)

        self._export.write(work)

    def _flush(self) -> None:
        for partition, batches in self._pending.items():
            rows = sum(batch.num_rows for batch in batches)
            self._files.append(self._export.put(partition, parquet.encode(partition.kind, batches), rows))
            self._export.count(rows=rows)
        self._pending.clear()
        self._bytes = 0


def lost(ctx: Context, files: Sequence[File]) -> None:
    """The store has lost these files of ours, or holds other bytes: whatever of them is still here goes there again."""

    def work(writer: Writer) -> None:
        metric_files.doom(writer, files)
        for kind, box in sorted({(file.partition.kind, file.partition.box) for file in files}):
            if kind == "results":
                metric_rows.send_again(writer, "results", box)
            elif kind == "minutes":
                metric_rows.send_again(writer, "rollups", box)
            elif kind == "labels":
                metric_files.mark_labels_sent(writer, 0)
            else:
                metric_rollups.send_again(writer, kind, box)
        message = f"Files of figures lost in the object store: {len(files)}; what is still here goes there again."
        writer.activity("metrics.lost", files[0].partition.box, message)

    ctx.database.write(work)


def _minute_row(row: parquet.Row) -> parquet.Row:
    return (*row[:_P50], three_figures(row[_P50]), three_figures(row[_P50 + 1]), *row[_P50 + 2 :])


_ROW: dict[Exported, Callable[[parquet.Row], parquet.Row]] = {"rollups": _minute_row, "results": lambda row: row}


def _rolled_row(replica: str, one: Rolled) -> parquet.Row:
    sums = one.sums
    labels = sorted(sums.labels.items())
    return (
        replica,
        one.place.pipeline,
        one.place.model,
        one.place.at_ms,
        sums.minutes,
        sums.frames,
        sums.errors,
        sums.kept,
        sums.confidence_mean,
        sums.latencies.first,
        sums.latencies.counts,
        [label for label, _number in labels],
        [number for _label, number in labels],
        sums.value_mean,
        sums.shadow_frames,
        sums.shadow_agreed,
        one.version,
    )
