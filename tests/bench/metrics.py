"""What a row of figures takes in the bucket, and how long other writes wait while old rows go."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.context import Context, open_context
from app.store import boxes, metric_files, spool
from app.store.records import Box
from app.usecases import sites
from app.usecases.metrics import exporting, keeping
from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts import latency_buckets, wire
from edge_runtime.contracts.rows import ResultRow, RollupRow
from tests.bench.measure import Figure, Goal
from tests.fakes.figures import AUTUMN_MS, DAY_MS, LABELS, MODEL, SHARES, Line

BOXES = 4
FRAMES = 1_000_000
PAGE = 1000
FRAME_MS = 100.0
DAYS = 70
PIPELINES = ("camera-1", "camera-2")
FRAMES_A_MINUTE = 60
MINUTES_A_DAY = 1440
LOOK_S = 0.02


class _Lines:
    """How long rows are as gzipped JSON lines."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        self.bytes = 0

    def add(self, rows: Iterable[ResultRow | RollupRow]) -> None:
        for row in rows:
            body = wire.to_dict(row)
            # Neither is in the files of the bucket.
            body.pop("sample", None)
            self.bytes += len(self._packer.compress(wire.encode(body) + b"\n"))

    def finish(self) -> int:
        return self.bytes + len(self._packer.flush())


@contextmanager
def _site() -> Iterator[tuple[Context, FolderStore]]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder, "home")
        sites.create_site(home, "Bench", "correct horse").close()
        ctx = stack.enter_context(open_context(home))
        yield ctx, stack.enter_context(closing(FolderStore(Path(folder, "bucket"))))


def _enrol(ctx: Context, number: int) -> str:
    box = f"{number:02x}" * 32
    made = Box(box=box, name=f"line-{number}", address="192.0.2.1:7443", certificate="", enrolled_ms=1)
    boxes.put_box(ctx.database, made)
    return box


def _frames(ctx: Context) -> int:
    """A million frames of four boxes, collected; returns their size as gzipped JSON lines."""
    lines = _Lines()
    for number in range(BOXES):
        line = Line(box=_enrol(ctx, number), every_ms=FRAME_MS, seed=number)
        for _ in range(FRAMES // BOXES // PAGE):
            page = line.results(PAGE)
            lines.add(page)
            spool.collect(ctx.database, "results", page, page[-1].seq, line.box)
    return lines.finish()


def _day(box: str, number: int, chance: np.random.Generator) -> list[RollupRow]:
    """A day's minutes of two pipelines: latencies as those of :class:`tests.fakes.figures.Line`."""
    rows = []
    for minute in range(MINUTES_A_DAY):
        for at, pipeline in enumerate(PIPELINES):
            frames = int(chance.poisson(FRAMES_A_MINUTE))
            latencies = 8000 * np.exp(chance.normal(0, 0.08, frames))
            latencies[chance.random(frames) < 0.01] *= chance.uniform(1.5, 4)
            ordered = np.sort(latencies.astype(np.int64))
            counted = latency_buckets.count(ordered.tolist())
            labels = chance.multinomial(frames, np.array(SHARES) / sum(SHARES))
            rows.append(
                RollupRow(
                    box=box,
                    boot="7d0c5c6e-1b1f-4a53-9a7e-0b1d35a0c001",
                    seq=(number * MINUTES_A_DAY + minute) * len(PIPELINES) + at,
                    at_ms=AUTUMN_MS + number * DAY_MS + minute * 60_000 + int(chance.integers(0, 400)),
                    span_ms=60_000,
                    pipeline=pipeline,
                    model=MODEL,
                    frames=frames,
                    errors=int(chance.poisson(0.02)),
                    kept=int(chance.poisson(2)),
                    confidence_mean=float(min(1.0, 0.968 + chance.normal(0, 0.004))),
                    latency_us_p50=int(ordered[frames // 2]),
                    latency_us_p99=int(ordered[min(frames - 1, round(0.99 * frames))]),
                    latency_first=counted.first,
                    latency_counts=counted.counts,
                    labels={label: int(count) for label, count in zip(LABELS, labels, strict=True) if count},
                )
            )
    return rows


def _minutes(ctx: Context) -> int:
    """Seventy days of one box's minutes, collected; returns their size as gzipped JSON lines."""
    lines, box, chance = _Lines(), _enrol(ctx, 1), np.random.default_rng(5)
    for number in range(DAYS):
        rows = _day(box, number, chance)
        lines.add(rows)
        spool.collect(ctx.database, "rollups", rows, rows[-1].seq, box)
    return lines.finish()


def _longest_wait(ctx: Context, during: Sequence[threading.Thread]) -> float:
    """Seconds that the slowest of many small writes took while the threads ran; of fifty, without any."""
    longest = 0.0
    for thread in during:
        thread.start()
    for _ in range(50):
        longest = max(longest, _write(ctx))
    while any(thread.is_alive() for thread in during):
        longest = max(longest, _write(ctx))
    return longest


def _write(ctx: Context) -> float:
    start = time.perf_counter()
    ctx.database.write(lambda writer: writer.note("bench", "1"))
    took = time.perf_counter() - start
    time.sleep(LOOK_S)
    return took


def measure() -> list[Figure]:
    return [*_of_frames(), _of_minutes()]


def _of_frames() -> list[Figure]:
    with _site() as (ctx, store):
        gzipped = _frames(ctx)
        exporting.export(ctx, store)
        results = metric_files.in_bucket(ctx.database)["results"]
        alone = _longest_wait(ctx, ())
        ctx.database.write(lambda writer: writer.execute("UPDATE arrivals SET came_ms = 0"))
        waited = _longest_wait(ctx, [threading.Thread(target=keeping.keep_house, args=(ctx, store))])
        assert spool.count_results(ctx.database) == 0
    return [
        Figure(
            what=f"A frame's row in the bucket, of {results.rows:,} in {results.files} files",
            reference="the same columns as gzipped JSON lines",
            unit="bytes",
            ours=results.bytes / results.rows,
            theirs=gzipped / FRAMES,
            higher_is_better=False,
            goal=Goal(figure=6.0),
        ),
        Figure(
            what=f"Longest wait of another write while {FRAMES:,} rows go and the file gives back its room",
            reference="the longest of fifty such writes before",
            unit="ms",
            ours=waited * 1000,
            theirs=alone * 1000,
            higher_is_better=False,
        ),
    ]


def _of_minutes() -> Figure:
    with _site() as (ctx, store):
        gzipped = _minutes(ctx)
        exporting.export(ctx, store)
        kinds = metric_files.in_bucket(ctx.database)
    rolled = [kinds[kind] for kind in ("minutes", "hours", "days")]
    rows, files = sum(kind.rows for kind in rolled), sum(kind.files for kind in rolled)
    return Figure(
        what=f"A roll-up row in the bucket, of {rows:,} minutes, hours and days in {files} files",
        reference="the same minutes as gzipped JSON lines",
        unit="bytes",
        ours=sum(kind.bytes for kind in rolled) / rows,
        theirs=gzipped / kinds["minutes"].rows,
        higher_is_better=False,
        goal=Goal(figure=8.0),
    )
