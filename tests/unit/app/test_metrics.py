"""Figures on their way to the bucket: nothing is lost, nothing counts twice, and what goes is safe before."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import pytest

from app.__main__ import main
from app.context import Context, open_context
from app.settings import Retention
from app.store import boxes, metric_files, metric_rows, migrations, spool
from app.store.activity import page_activity
from app.store.database import Database
from app.store.records import Box
from app.store.schema import STEPS
from app.usecases import sites, sync
from app.usecases.boxes import now_ms
from app.usecases.metrics import exporting, keeping, view
from app.usecases.metrics.exporting import ExportReport
from app.usecases.progress import CancelToken
from cloud_sync.metrics import rollup
from cloud_sync.metrics.partitions import NO_DATE, Kind
from cloud_sync.metrics.rollup import Span, Sums
from edge_runtime.contracts.errors import StoreUnreachable
from edge_runtime.contracts.rows import ResultRow, RollupRow
from tests.fakes.figures import BOX, Line, in_bucket
from tests.unit.sync.faulty_store import Cut, FaultyStore

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


@pytest.fixture
def store(bucket: Path) -> Iterator[FaultyStore]:
    opened = FaultyStore(bucket)
    yield opened
    opened.close()


@pytest.fixture
def desk(ctx: Context) -> Context:
    enrol(ctx)
    return ctx


def enrol(ctx: Context, box: str = BOX) -> None:
    boxes.put_box(
        ctx.database, Box(box=box, name=f"line {box[:4]}", address="192.0.2.1:7443", certificate="", enrolled_ms=1)
    )


def recent() -> Line:
    """A line whose rows are of a day that is over, and that no rule lets go."""
    return Line(at_ms=(now_ms() // DAY_MS - 10) * DAY_MS, every_ms=1000)


def collect(ctx: Context, results: list[ResultRow], minutes: list[RollupRow]) -> None:
    """As if the box had handed them out."""
    for row in results[:1] or minutes[:1]:
        spool.collect(ctx.database, "results", results, row.seq, row.box)
        spool.collect(ctx.database, "rollups", minutes, row.seq, row.box)


def keys(bucket: Path, kind: Kind = "results") -> list[tuple[str, int]]:
    return [(boot, seq) for boot, seq in in_bucket(bucket, kind, "boot", "seq")]


def keys_of(*parts: list[ResultRow] | list[RollupRow]) -> list[tuple[str, int]]:
    return sorted((row.boot, row.seq) for part in parts for row in part)


def frames_of(bucket: Path, kind: Kind) -> dict[tuple[str, int], int]:
    """By box and beginning: frames of all desktops together."""
    found: dict[tuple[str, int], int] = {}
    for box, moment, frames in in_bucket(bucket, kind, "box", "moment", "frames"):
        found[box, moment] = found.get((box, moment), 0) + frames
    return found


def frames_by(span: Span, minutes: list[RollupRow]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for row in minutes:
        key = row.box, rollup.begin_of(span, row.at_ms)
        found[key] = found.get(key, 0) + row.frames
    return found


def files_in(bucket: Path) -> set[str]:
    return {str(path.relative_to(bucket)) for path in bucket.glob("metrics/**/*.parquet")}


def settled(ctx: Context, bucket: Path) -> None:
    """The ledger and the bucket say the same of this desktop's files: nothing is missing, and there is no orphan."""
    own = {file.key for file in metric_files.written(ctx.database)}
    assert {key for key in files_in(bucket) if ctx.database.replica in key} == own
    assert metric_files.doomed(ctx.database) == []


def test_what_came_goes_to_the_bucket_once(desk: Context, store: FaultyStore, bucket: Path) -> None:
    line = recent()
    first = line.results(200)
    collect(desk, first, minutes := line.minutes())
    assert view.metrics_status(desk).waiting > 0
    report = exporting.export(desk, store)
    assert report.rows >= 200 + len(minutes)
    assert keys(bucket) == keys_of(first)
    assert view.metrics_status(desk).waiting == 0
    assert exporting.export(desk, store) == ExportReport()
    # The box was cut off before it heard of it, and hands the same rows out once more.
    collect(desk, first, minutes)
    assert exporting.export(desk, store) == ExportReport()

    more = line.results(100)
    collect(desk, more, late := line.minutes(last=True))
    exporting.export(desk, store)
    assert keys(bucket) == keys_of(first, more)
    assert keys(bucket, "minutes") == keys_of(minutes, late)
    for span in get_args(Span):
        assert frames_of(bucket, span) == frames_by(span, minutes + late)
    settled(desk, bucket)


def test_a_box_that_is_back_after_a_month_changes_its_old_hours(
    desk: Context, store: FaultyStore, bucket: Path
) -> None:
    line = recent()
    first, now = line.results(600), line.minutes()
    collect(desk, first[:300], now)
    exporting.export(desk, store)
    # The rest of the same hour comes after a month of others.
    line.at_ms += 30 * DAY_MS
    later = line.results(120)
    collect(desk, later, after := line.minutes(last=True))
    exporting.export(desk, store)
    collect(desk, first[300:], [])
    exporting.export(desk, store)
    assert keys(bucket) == keys_of(first, later)
    assert frames_of(bucket, "hours") == frames_by("hours", now + after)
    assert sum(frames_of(bucket, "days").values()) == len(first) + len(later)
    settled(desk, bucket)


def test_small_files_of_a_day_that_is_over_become_one(desk: Context, store: FaultyStore, bucket: Path) -> None:
    line = recent()
    rows: list[ResultRow] = []
    for _ in range(3):
        rows += (part := line.results(50))
        collect(desk, part, [])
        exporting.export(desk, store)
    assert len(metric_files.written(desk.database, "results")) == 1
    assert keys(bucket) == keys_of(rows)
    settled(desk, bucket)


@pytest.mark.parametrize("cut", ["before-put", "after-put", "late-put"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_a_cut_connection_loses_and_doubles_nothing(
    desk: Context, store: FaultyStore, bucket: Path, cut: Cut, nth: int
) -> None:
    line = recent()
    first, second = line.results(150), line.results(150)
    collect(desk, first, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    collect(desk, second, [replace(row, seq=row.seq + 10_000, at_ms=row.at_ms + HOUR_MS) for row in minutes])
    puts = 0
    put = FaultyStore.put

    class Cutting(FaultyStore):
        def put(self, key: str, data: bytes) -> None:
            nonlocal puts
            puts += 1
            if puts == nth:
                self.cut = cut
            put(self, key, data)

    cutting = Cutting(bucket)
    try:
        exporting.export(desk, cutting)
    except StoreUnreachable:
        pass
    else:
        assert nth > puts
    exporting.export(desk, cutting)
    cutting.land()
    exporting.export(desk, cutting)
    assert keys(bucket) == keys_of(first, second)
    assert sum(frames_of(bucket, "hours").values()) == 2 * sum(row.frames for row in minutes)
    cutting.close()


def test_two_desktops_that_collected_the_same_rows_count_them_once(
    home: Path, tmp_path: Path, store: FaultyStore, bucket: Path
) -> None:
    other_home = tmp_path / "other"
    sites.create_site(other_home, "North plant", "correct horse").close()
    with open_context(home) as one, open_context(other_home) as other:
        # A colleague's desktop at the same site.
        other.site = replace(other.site, site=one.site.site)
        for ctx in (one, other):
            enrol(ctx)
        line = recent()
        shared, alone = line.results(1200), line.results(600)
        minutes = line.minutes(last=True)
        # The first was cut off before it could acknowledge: the second is handed the same, and what came after.
        collect(one, shared, minutes[:20])
        collect(other, shared[300:] + alone, minutes[5:])
        exporting.export(other, store)
        exporting.export(one, store)
        assert keys(bucket) == keys_of(shared, alone)
        for span in get_args(Span):
            assert frames_of(bucket, span) == frames_by(span, minutes)
        # And again, however often they come by.
        collect(one, [], [replace(minutes[0], seq=99_999)])
        exporting.export(one, store)
        exporting.export(other, store)
        assert frames_of(bucket, "hours") == frames_by("hours", [*minutes, minutes[0]])
        settled(one, bucket)
        settled(other, bucket)


def test_rows_of_a_clock_that_was_never_set_have_no_date(desk: Context, store: FaultyStore, bucket: Path) -> None:
    line = Line(at_ms=5, every_ms=1000)
    rows = line.results(100)
    collect(desk, rows, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    assert keys(bucket) == keys_of(rows)
    assert {file.partition.period for file in metric_files.written(desk.database)} == {NO_DATE}
    assert set(in_bucket(bucket, "results", "date")) == {(NO_DATE,)}
    assert frames_of(bucket, "hours") == frames_by("hours", minutes)


@pytest.mark.parametrize("damage", ["lost", "cut short"])
def test_what_the_store_lost_goes_there_again(desk: Context, store: FaultyStore, bucket: Path, damage: str) -> None:
    line = recent()
    rows = line.results(150)
    collect(desk, rows, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    for path in bucket.glob("metrics/**/*.parquet"):
        if damage == "lost":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:40])
    # None of it is old: but the bucket is asked before anything goes.
    report = keeping.keep_house(desk, store)
    assert report.lost == len({"results", "minutes", "hours", "days"})
    exporting.export(desk, store)
    assert keys(bucket) == keys_of(rows)
    assert frames_of(bucket, "hours") == frames_by("hours", minutes)
    assert [entry.what for entry in page_activity(desk.database).rows[:1]] == ["metrics.lost"]
    settled(desk, bucket)


def test_a_file_that_is_lost_while_files_are_merged_is_made_again(
    desk: Context, store: FaultyStore, bucket: Path
) -> None:
    line = recent()
    first, second = line.results(50), line.results(50)
    collect(desk, first, [])
    exporting.export(desk, store)
    (path,) = bucket.glob("metrics/**/*.parquet")
    path.write_bytes(b"PAR1" + path.read_bytes()[4:].swapcase())
    collect(desk, second, [])
    exporting.export(desk, store)
    exporting.export(desk, store)
    assert keys(bucket) == keys_of(first, second)
    settled(desk, bucket)


def age(db: Database, days: int) -> None:
    """As if everything had come so many days ago."""
    db.write(lambda writer: writer.execute("UPDATE arrivals SET came_ms = came_ms - ?", (days * DAY_MS,)))


def test_only_what_is_safe_goes_from_here_and_it_is_told(desk: Context, store: FaultyStore, bucket: Path) -> None:
    line = recent()
    safe, waiting = line.results(120), line.results(30)
    collect(desk, safe, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    collect(desk, waiting, [])
    age(desk.database, 31)
    keeping.keep_house(desk, None)
    assert spool.count_results(desk.database) == 150
    assert keeping.keep_house(desk, store).stretches == 1
    assert spool.count_results(desk.database) == 30
    assert page_activity(desk.database).rows[0].what == "metrics.let-go"
    assert len(spool.page_rollups(desk.database, BOX).rows) == len(minutes)

    exporting.export(desk, store)
    assert keys(bucket) == keys_of(safe, waiting)
    # Minutes have an age of their own, and their hours stay; a late one is added to what it was.
    age(desk.database, 400)
    keeping.keep_house(desk, store)
    assert spool.page_rollups(desk.database, BOX).rows == ()
    late = [replace(minutes[0], seq=77_777)]
    collect(desk, [], late)
    exporting.export(desk, store)
    assert frames_of(bucket, "hours") == frames_by("hours", minutes + late)


def test_without_a_store_rows_stay_until_their_last_day(desk: Context) -> None:
    collect(desk, recent().results(100), [])
    age(desk.database, 364)
    assert keeping.keep_house(desk, None).stretches == 0
    keeping.change_retention(desk, Retention(results_unsafe=None))
    age(desk.database, 1000)
    assert keeping.is_due(desk)
    assert keeping.keep_house(desk, None).stretches == 0
    assert not keeping.is_due(desk)
    keeping.change_retention(desk, Retention())
    assert keeping.keep_house(desk, None).stretches == 1
    assert spool.count_results(desk.database) == 0


def test_files_of_the_bucket_go_by_their_own_day(desk: Context, store: FaultyStore, bucket: Path) -> None:
    line = Line(at_ms=now_ms() - 500 * DAY_MS, every_ms=1000)
    old = line.results(60)
    line.at_ms = now_ms() - 10 * DAY_MS
    new = line.results(60)
    collect(desk, old + new, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    keeping.change_retention(desk, Retention(bucket_results=450))
    assert keeping.keep_house(desk, store).files == 1
    assert keys(bucket) == keys_of(new)
    assert keys(bucket, "minutes") == keys_of(minutes)
    settled(desk, bucket)


def test_room_is_given_back_to_the_disk(desk: Context, store: FaultyStore) -> None:
    line = recent()
    for _ in range(20):
        collect(desk, line.results(1000), [])
    exporting.export(desk, store)
    age(desk.database, 31)
    (before,) = desk.database.read_one("PRAGMA page_count") or (0,)
    keeping.keep_house(desk, store)
    (after,) = desk.database.read_one("PRAGMA page_count") or (0,)
    assert after < before / 4
    assert desk.database.shrink(1) == 0


def test_a_new_store_gets_everything_that_is_here(desk: Context, store: FaultyStore, tmp_path: Path) -> None:
    line = recent()
    rows = line.results(150)
    collect(desk, rows, minutes := line.minutes(last=True))
    exporting.export(desk, store)
    sync.setup_store(desk, f"folder:{tmp_path / 'new'}")
    assert sync.sync_now(desk).figures_sent > 150
    assert keys(tmp_path / "new") == keys_of(rows)
    assert frames_of(tmp_path / "new", "hours") == frames_by("hours", minutes)
    settled(desk, tmp_path / "new")


def test_a_sync_that_nobody_asked_for_waits_for_more(desk: Context, tmp_path: Path) -> None:
    sync.setup_store(desk, f"folder:{tmp_path / 'store'}")
    line = recent()
    collect(desk, line.results(10), [])
    assert sync.sync_now(desk, patient=True).figures_sent == 10
    collect(desk, line.results(10), [])
    assert sync.sync_now(desk, patient=True).figures_sent == 0
    assert view.metrics_status(desk).waiting == 10
    assert sync.sync_now(desk).figures_sent == 10
    # A clock that was set back holds nothing up.
    desk.database.write(lambda writer: writer.note(exporting.EXPORTED_NOTE, str(2**50)))
    collect(desk, line.results(10), [])
    assert sync.sync_now(desk, patient=True).figures_sent == 10


def test_hours_are_there_without_any_store(desk: Context) -> None:
    line = recent()
    collect(desk, line.results(1000), minutes := line.minutes(last=True))
    exporting.roll_up(desk, cancel=CancelToken())
    (hour,) = view.page_spans(desk, "hours", BOX)
    assert (hour.frames, hour.minutes) == (1000, len(minutes))
    assert hour.latency_us_p99 is not None
    assert hour.latency_us_p50 is not None
    assert 7_500 < hour.latency_us_p50 < 8_500 < hour.latency_us_p99
    sums = reduce(rollup.add, map(rollup.of_minute, minutes), Sums())
    assert hour.confidence_mean == pytest.approx(sums.confidence_mean)
    assert view.page_spans(desk, "hours", BOX, before_ms=hour.at_ms) == []


def test_an_update_finds_what_was_collected_before_it(tmp_path: Path) -> None:
    before = [step for step in STEPS if step.name < "0010"]
    path = tmp_path / "old.db"
    migrations.bring_up_to_date(path, before)
    columns = "box, boot, seq, at_ms, pipeline, frame, sample, model, label, confidence, margin, latency_us"
    values = ((BOX, f"boot {seq % 2}", seq, seq, "camera", "", "", "", "ok", 1.0, 1.0, 5) for seq in range(90_000))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(f"INSERT INTO results ({columns}) VALUES ({', '.join('?' * 12)})", values)
    with closing(Database.open(path, replica="e" * 64)) as db:
        found = metric_rows.waiting(db, "results", BOX, 10**9)
        assert [one.rows for one in found] == [20_000, 20_000, 5_000] * 2
        rows = [row for one in found for part in metric_rows.rows_of(db, "results", one.stretch) for row in part]
        assert sorted(row[1] for row in rows) == list(range(90_000))
        # A file of before gives back what is deleted, too.
        assert db.read("PRAGMA auto_vacuum")[0][0] == 2


def test_the_command_line_shows_and_changes_what_is_kept(home: Path, tmp_path: Path) -> None:
    with open_context(home) as ctx:
        enrol(ctx)
        line = recent()
        collect(ctx, line.results(100), line.minutes(last=True))
        sync.setup_store(ctx, f"folder:{tmp_path / 'bucket'}")

    def run(*words: str) -> tuple[int, Any]:
        out = io.StringIO()
        with redirect_stdout(out):
            status = main([*words, "--home", str(home), "--json"])
        return status, json.loads(out.getvalue())

    status, body = run("metrics", "status")
    assert status == 0
    assert {one["kind"]: one["waiting"] for one in body["kinds"]}["results"] == 100
    assert run("metrics", "export")[1]["exported"]["rows"] >= 100
    assert {one["waiting"] for one in run("metrics", "status")[1]["kinds"]} == {0}
    (hour,) = run("metrics", "hours", BOX)[1]["hours"]
    assert hour["frames"] == 100
    assert run("metrics", "days", "line b0b0")[1]["days"][0]["frames"] == 100
    assert run("metrics", "keep", "--results", "7", "--bucket-results", "forever")[1]["retention"] == {
        "results": 7,
        "results_unsafe": 365,
        "minutes": 400,
        "bucket_results": None,
        "bucket_minutes": None,
    }
    assert run("metrics", "keep", "--results", "0") == (1, run("metrics", "keep", "--results", "0")[1])
    assert run("metrics", "keep")[1]["retention"]["results"] == 7
    assert run("metrics", "tidy")[1]["tidied"] == {"stretches": 0, "files": 0, "lost": 0}
    with redirect_stdout(io.StringIO()) as shown:
        assert main(["metrics", "status", "--home", str(home)]) == 0
    assert "results" in shown.getvalue()
