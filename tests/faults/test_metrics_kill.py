"""SIGKILL at every step of figures to the bucket: no row is lost, none counts twice, and no file is left over."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.context import open_context
from app.store import boxes, metric_files, spool
from app.store.records import Box
from app.usecases import sites
from app.usecases.boxes import now_ms
from app.usecases.metrics import exporting
from cloud_sync.metrics.plan import DAY_MS
from cloud_sync.objects.folder import FolderStore
from tests.fakes.fatal_step import run_until
from tests.fakes.figures import BOX, Line, in_bucket

ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "12"))
"""Of how many steps the kill is tried, spread over all of them."""


def run(home: Path, bucket: Path, step: int) -> int | None:
    """Returns how many steps there were; None where it was killed."""
    return run_until("tests.fakes.metrics_power_cut", home, bucket, str(step))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A site with files in the bucket already, rows that wait, and rows that are to go from here."""

    home: Path
    bucket: Path
    keys: list[tuple[str, int]]
    """Of all frames."""
    frames: int
    """In all minutes."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("figures")
    home, bucket = folder / "home", folder / "bucket"
    sites.create_site(home, "North plant", "correct horse").close()
    # Of a day that is over, and that no rule lets go.
    line = Line(at_ms=(now_ms() // DAY_MS - 10) * DAY_MS, every_ms=1000)
    first, second = line.results(200), line.results(200)
    minutes = line.minutes(last=True)
    with open_context(home) as ctx, closing(FolderStore(bucket)) as store:
        db = ctx.database
        boxes.put_box(db, Box(box=BOX, name="line", address="192.0.2.1:7443", certificate="", enrolled_ms=1))
        spool.collect(db, "results", first, 1, BOX)
        spool.collect(db, "rollups", minutes[:3], 1, BOX)
        exporting.export(ctx, store)
        # They came long ago, and are safe: they go while the rest is on its way.
        db.write(lambda writer: writer.execute("UPDATE arrivals SET came_ms = came_ms - ?", (500 * DAY_MS,)))
        spool.collect(db, "results", second, 2, BOX)
        spool.collect(db, "rollups", minutes[3:], 2, BOX)
    keys = sorted((row.boot, row.seq) for row in first + second)
    return Prepared(home, bucket, keys, sum(row.frames for row in minutes))


def copied(prepared: Prepared, folder: Path) -> tuple[Path, Path]:
    return Path(shutil.copytree(prepared.home, folder / "home")), Path(
        shutil.copytree(prepared.bucket, folder / "bucket")
    )


def test_killed_at_any_step_and_run_again_the_bucket_has_all_of_it(prepared: Prepared, tmp_path: Path) -> None:
    steps = run(*copied(prepared, tmp_path / "whole"), 0)
    assert steps is not None
    assert steps > 20
    tried = sorted({1 + round(number * (steps - 1) / (ROUNDS - 1)) for number in range(ROUNDS)})
    for step in tried:
        home, bucket = copied(prepared, tmp_path / str(step))
        assert run(home, bucket, step) is None
        # A reader who comes just then misses nothing that was there before, and counts nothing twice.
        assert set(in_bucket(bucket, "results", "boot", "seq")) <= set(prepared.keys)
        assert len(in_bucket(bucket, "results", "seq")) >= len(prepared.keys) // 2
        assert run(home, bucket, 0) is not None
        assert in_bucket(bucket, "results", "boot", "seq") == prepared.keys
        for kind in ("hours", "days"):
            assert sum(frames for (frames,) in in_bucket(bucket, kind, "frames")) == prepared.frames, step
        with open_context(home) as ctx:
            assert spool.count_results(ctx.database) == len(prepared.keys) // 2, step
            own = {file.key for file in metric_files.written(ctx.database)}
            assert metric_files.doomed(ctx.database) == []
        assert {str(path.relative_to(bucket)) for path in bucket.glob("metrics/**/*.parquet")} == own, step
        shutil.rmtree(tmp_path / str(step))
