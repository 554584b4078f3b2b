"""What waits on the box: limits, the loss ledger, acknowledgements, and what a crash leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import LossRow, ResultRow, SampleRow, Stream
from edge_runtime.service import spool as spool_module
from edge_runtime.service import spool_disk
from edge_runtime.service.spool import Spool
from tests.unit.edge.rows import BOX, Clock, Reason, alert, loss, open_spool, result, rollup, sample
from tests.waiting import wait_until

KINDS = {"results": ResultRow, "samples": SampleRow, "losses": LossRow}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


def rows(spool: Spool, stream: Stream, after: int = 0, limit: int = 1000) -> list[ResultRow | SampleRow | LossRow]:
    return [wire.decode(bytes(raw), KINDS[stream]) for raw in spool.page(stream, after, limit).rows]


def losses(spool: Spool) -> list[tuple[str, int, str]]:
    spool.flush()
    return [(row.stream, row.count, row.reason) for row in rows(spool, "losses") if isinstance(row, LossRow)]


def put(spool: Spool, data: bytes, reason: Reason = "hard") -> str:
    assert spool.put_sample(sample(spool, data, reason), data)
    return hashlib.sha256(data).hexdigest()


def kept(spool: Spool) -> list[str]:
    spool.flush()
    return [row.sample for row in rows(spool, "samples") if isinstance(row, SampleRow)]


def test_rows_come_back_as_they_were_put_page_by_page(spool: Spool) -> None:
    put_rows = [result(spool, f"frame-{i}") for i in range(25)]
    for row in put_rows:
        spool.put_result(row)
    assert spool.flush()
    first = spool.page("results", 0, 10)
    assert (len(first.rows), first.more) == (10, True)
    last = spool.page("results", spool.page("results", first.cursor, 10).cursor, 10)
    assert (len(last.rows), last.more) == (5, False)
    assert rows(spool, "results") == put_rows
    assert [row.seq for row in put_rows] == list(range(25))
    empty = spool.page("results", last.cursor, 10)
    assert (empty.rows, empty.cursor, empty.more) == ((), last.cursor, False)


def test_acknowledged_rows_leave_and_cursors_are_never_used_again(spool: Spool) -> None:
    for i in range(5):
        spool.put_result(result(spool, f"frame-{i}"))
    spool.put_alert(alert(spool))
    spool.flush()
    cursor = spool.page("results", 0, 5).cursor
    spool.acknowledge("results", cursor)
    spool.acknowledge("results", cursor)
    assert rows(spool, "results") == []
    assert (spool.status().results, spool.status().alerts) == (0, 1)
    spool.put_result(result(spool, "later"))
    spool.flush()
    assert spool.page("results", cursor, 5).cursor == cursor + 1


def test_the_bytes_of_an_acknowledged_sample_stay_while_there_is_room(spool: Spool) -> None:
    name = put(spool, b"frame")
    spool.flush()
    spool.acknowledge("samples", spool.page("samples", 0, 10).cursor)
    assert kept(spool) == []
    assert spool.sample(name) == b"frame"
    status = spool.status()
    assert (status.samples, status.sample_bytes) == (0, 0)
    assert not spool.put_sample(sample(spool, b"frame"), b"frame")


def test_over_the_limit_the_fetched_and_the_least_worth_go_first(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, limits=SpoolLimits(max_bytes=40, reserve_bytes=0))
    fetched = put(spool, b"fetched-01", "hard")
    spool.flush()
    spool.acknowledge("samples", spool.page("samples", 0, 10).cursor)
    old_hard = put(spool, b"hard-00001")
    unlabelled = put(spool, b"unlabelled", "unlabelled")
    chance = put(spool, b"random-001", "random")
    new_hard = put(spool, b"hard-00002")
    assert kept(spool) == [old_hard, unlabelled, chance, new_hard]
    with pytest.raises(NotFound):
        spool.sample(fetched)
    assert losses(spool) == []
    newest = put(spool, b"hard-00003")
    assert kept(spool) == [old_hard, chance, new_hard, newest]
    assert losses(spool) == [("samples", 1, "limit.total")]
    assert spool.status().sample_bytes == 40
    spool.close()


def test_what_is_too_old_goes_and_the_ledger_says_from_when_to_when(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock=clock)
    begin = clock.now_ms
    spool.put_result(result(spool, "old"))
    clock.now_ms += 1000
    spool.put_result(result(spool, "old too"))
    old = put(spool, b"old", "random")
    hard = put(spool, b"hard")
    spool.flush()
    spool.close()
    clock.now_ms += 31 * 86_400_000
    spool = open_spool(tmp_path, clock=clock, boot="second")
    spool.put_result(result(spool, "new"))
    wait_until(lambda: spool.status().losses == 2, 10, "the ledger")
    assert [row.frame for row in rows(spool, "results") if isinstance(row, ResultRow)] == ["new"]
    assert losses(spool) == [("results", 2, "limit.age"), ("samples", 1, "limit.age")]
    first = rows(spool, "losses")[0]
    assert isinstance(first, LossRow)
    assert (first.first_ms, first.last_ms) == (begin, begin + 1000)
    with pytest.raises(NotFound):
        spool.sample(old)
    assert spool.sample(hard) == b"hard"
    spool.close()


class Seconds:
    """The monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_wall_clock_that_leaps_while_the_box_runs_expires_nothing_and_blocks_nothing(tmp_path: Path) -> None:
    clock, seconds = Clock(), Seconds()
    spool = open_spool(tmp_path, clock=clock, monotonic=seconds)
    spool.put_result(result(spool, "old"))
    spool.flush()
    for year_ms in (4_102_444_800_000, 5_000):
        clock.now_ms = year_ms
        seconds.now += 60
        spool.put_alert(alert(spool))
        spool.flush()
    # An age is looked for at every one of these leaps: the second alert is there, so it was by now.
    assert len(rows(spool, "results")) == 1
    seconds.now += 31 * 86_400
    spool.put_result(result(spool, "young"))
    wait_until(lambda: len(rows(spool, "results")) == 1, 10, "the old one to go, in 1970 as in any year")
    assert losses(spool) == [("results", 1, "limit.age")]
    assert spool.status().alerts == 2
    spool.close()


@pytest.mark.parametrize("year_ms", [5_000, 4_102_444_800_000])
def test_a_wall_clock_that_leapt_while_the_box_was_off_expires_nothing(tmp_path: Path, year_ms: int) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock=clock)
    spool.put_result(result(spool))
    spool.close()
    clock.now_ms = year_ms
    spool = open_spool(tmp_path, clock=clock, boot="second")
    spool.put_alert(alert(spool))
    assert spool.flush()
    wait_until(lambda: spool._disk._next_enforce_s > 0, 10, "the look at what is too old")
    assert len(rows(spool, "results")) == 1
    assert losses(spool) == []
    spool.close()


def test_a_precious_sample_takes_the_place_of_results_on_a_short_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"bytes": 1_000_000}
    monkeypatch.setattr(spool_disk.SpoolDisk, "free_bytes", lambda _self: free["bytes"])
    spool = open_spool(tmp_path, limits=SpoolLimits(reserve_bytes=900_000))
    for i in range(100):
        spool.put_result(result(spool, f"frame-{i}"))
    spool.flush()
    free["bytes"] = 900_000
    assert spool.put_sample(sample(spool, b"x" * 5000, "hard"), b"x" * 5000)
    free["bytes"] -= 5000
    wait_until(lambda: spool.status().results < 100, 10, "results to make room")
    told = losses(spool)
    assert {(stream, reason) for stream, _, reason in told} == {("results", "disk.reserve")}
    assert spool.status().samples == 1
    spool.close()


def test_nothing_is_kept_on_the_reserve(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, limits=SpoolLimits(reserve_bytes=2**60))
    assert not spool.put_sample(sample(spool, b"frame"), b"frame")
    spool.put_alert(alert(spool))
    assert losses(spool) == [("samples", 1, "disk.reserve")]
    assert (spool.status().samples, spool.status().alerts) == (0, 1)
    spool.close()


def test_losses_of_one_kind_grow_one_row_until_somebody_has_read_it(spool: Spool) -> None:
    for _ in range(3):
        spool.put_loss(loss(spool))
        spool.flush()
    spool.put_loss(loss(spool, reason="disk.full"))
    assert losses(spool) == [("frames", 3, "frame.unreadable"), ("frames", 1, "disk.full")]
    spool.put_loss(loss(spool, count=2))
    assert losses(spool)[2:] == [("frames", 2, "frame.unreadable")]
    keys = [(row.boot, row.seq) for row in rows(spool, "losses")]
    assert len(set(keys)) == 3


def test_a_damaged_sample_is_not_handed_out(tmp_path: Path, spool: Spool) -> None:
    name = put(spool, b"frame")
    spool.flush()
    (tmp_path / "samples" / name[:2] / name).write_bytes(b"other")
    with pytest.raises(NotFound, match="damaged"):
        spool.sample(name)
    assert kept(spool) == []
    assert losses(spool) == [("samples", 1, "sample.damaged")]


def test_after_a_kill_what_was_flushed_is_there_and_files_and_rows_agree(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path.cwd())!r})
from tests.unit.edge.rows import open_spool, result, sample
spool = open_spool(Path({str(tmp_path)!r}), boot="first")
for i in range(500):
    spool.put_result(result(spool, f"frame-{{i}}"))
spool.put_sample(sample(spool, b"frame"), b"frame")
assert spool.flush()
spool.put_result(result(spool, "perhaps"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    orphan = tmp_path / "samples" / "00" / ("00" * 32)
    orphan.parent.mkdir()
    orphan.write_bytes(b"no row of it was committed")
    spool = open_spool(tmp_path, boot="second")
    assert len(rows(spool, "results")) in (500, 501)
    assert spool.sample(hashlib.sha256(b"frame").hexdigest()) == b"frame"
    assert not orphan.exists()
    assert losses(spool) == [("samples", 1, "power.cut")]
    spool.put_result(result(spool, "after"))
    spool.flush()
    keys = {(row.box, row.boot, row.seq) for row in rows(spool, "results")}
    assert len(keys) == len(rows(spool, "results"))
    assert (BOX, "second", 0) in keys
    spool.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "RETRY_S", 0.02)


def fill(spool: Spool) -> None:
    """Let SQLite say that the disk is full, as it does when there is no page left."""
    spool.page("alerts", 0, 1)
    tables = spool._disk._open_tables
    assert tables is not None
    tables._database.execute(f"PRAGMA max_page_count={tables._number('PRAGMA page_count')}")


def empty(spool: Spool) -> None:
    tables = spool._disk._open_tables
    assert tables is not None
    tables._database.execute("PRAGMA max_page_count=1000000")


def put_until_full(spool: Spool) -> int:
    """Results until the disk takes no more; how many."""
    count = 0
    while spool.flush():
        for _ in range(50):
            spool.put_result(result(spool, f"frame-{count}"))
            count += 1
    return count


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_costs_no_row_while_memory_lasts_and_heals(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool)
    count = put_until_full(spool)
    spool.put_alert(alert(spool))
    status = spool.status()
    assert status.in_memory > 0
    assert status.problem is not None
    empty(spool)
    wait_until(lambda: spool.status().problem is None, 10, "the disk to take the rows")
    assert sorted(row.seq for row in rows(spool, "results", limit=5000)) == list(range(count))
    kinds = [json.loads(bytes(raw))["kind"] for raw in spool.page("alerts", 0, 10).rows]
    assert sorted(kinds) == ["disk.full", "drift.confidence"]
    assert losses(spool) == []
    spool.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("at_first", [200_000, 2**24])
def test_what_memory_cannot_hold_is_counted_to_the_row(tmp_path: Path, at_first: int) -> None:
    spool = open_spool(tmp_path, limits=SpoolLimits(reserve_bytes=0, memory_bytes=at_first))
    spool.limit_to(SpoolLimits(reserve_bytes=0, memory_bytes=200_000))
    fill(spool)
    count = put_until_full(spool)
    for i in range(2000):
        spool.put_result(result(spool, f"later-{i}"))
    spool.put_rollup(rollup(spool))
    assert not spool.flush()
    empty(spool)
    wait_until(lambda: spool.status().problem is None, 10, "the disk to take the rows")
    told = losses(spool)
    assert {(stream, reason) for stream, _, reason in told} == {("results", "disk.full")}
    lost = sum(number for _, number, _ in told)
    assert lost > 0
    assert spool.status().results + lost == count + 2000
    assert spool.status().rollups == 1
    assert rows(spool, "results", limit=5000)[-1].seq == count + 1999
    spool.close()


@pytest.mark.usefixtures("impatient")
def test_on_a_full_disk_a_desktop_still_fetches_and_acknowledges_and_that_makes_room(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for i in range(2000):
        spool.put_result(result(spool, f"before-{i}"))
    spool.flush()
    fill(spool)
    count = 2000 + put_until_full(spool)
    seen: list[int] = []

    def collect() -> bool:
        page = spool.page("results", 0, 5000)
        seen.extend(json.loads(bytes(raw))["seq"] for raw in page.rows)
        if page.rows:
            spool.acknowledge("results", page.cursor)
        return len(seen) == count

    wait_until(collect, 10, "every row")
    assert sorted(seen) == list(range(count))
    spool.close()


def test_a_row_that_cannot_be_stored_holds_up_nobody(spool: Spool) -> None:
    poison = dataclasses.replace(result(spool), at_ms=2**70)
    spool.put_result(poison)
    wait_until(spool.flush, 10, "the poison to be counted")
    spool.put_result(result(spool))
    assert spool.flush()
    assert [row.seq for row in rows(spool, "results")] == [1]
    assert losses(spool) == [("results", 1, "spool.fault")]


def test_nothing_is_dropped_for_an_acknowledgement_of_what_was_never_handed_out(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for i in range(10):
        spool.put_result(result(spool, f"frame-{i}"))
    spool.flush()
    page = spool.page("results", 0, 5)
    with pytest.raises(InputInvalid, match="Nobody was given"):
        spool.acknowledge("results", page.cursor + 1)
    assert spool.status().results == 10
    spool.close()
    # A desktop that was cut off by a restart may still say what it has.
    spool = open_spool(tmp_path, boot="second")
    spool.acknowledge("results", page.cursor)
    assert [row.seq for row in rows(spool, "results")] == [5, 6, 7, 8, 9]
    spool.close()


def test_a_spool_that_begins_anew_gives_out_no_cursor_twice(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock=clock)
    spool.put_result(result(spool))
    spool.flush()
    before = spool.page("results", 0, 5).cursor
    spool.close()
    (tmp_path / "spool.db").unlink()
    clock.now_ms += 1000
    spool = open_spool(tmp_path, clock=clock, boot="second")
    spool.put_result(result(spool, "anew"))
    spool.flush()
    assert [row.frame for row in rows(spool, "results", after=before) if isinstance(row, ResultRow)] == ["anew"]
    spool.close()
    (tmp_path / "spool.db").unlink()
    # Even where the clock went back: a cursor that this spool never gave out stands for its beginning.
    clock.now_ms = 5000
    spool = open_spool(tmp_path, clock=clock, boot="third")
    spool.put_result(result(spool, "in 1970"))
    spool.flush()
    page = spool.page("results", before, 5)
    assert (len(page.rows), page.more) == (1, False)
    assert page.cursor < before
    with pytest.raises(InputInvalid):
        spool.acknowledge("results", before)
    spool.close()


def test_a_spool_of_the_first_version_is_read_on(tmp_path: Path) -> None:
    plain = "id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, body BLOB NOT NULL"
    kept = b"frame"
    name = hashlib.sha256(kept).hexdigest()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        for table in ("results", "alerts", "losses"):
            database.execute(f"CREATE TABLE {table} ({plain})")
        database.execute(
            f"CREATE TABLE samples ({plain}, sample TEXT NOT NULL UNIQUE, size INT NOT NULL, rank INT NOT NULL,"
            " acked INT NOT NULL DEFAULT 0)"
        )
        database.execute("CREATE INDEX samples_by_worth ON samples (acked DESC, rank, id)")
        first = b'{"box":"%s","boot":"b","seq":0,"at_ms":1,"pipeline":"p","frame":"f","sample":"%s","model":"%s",'
        first += b'"label":"l","confidence":0.5,"margin":0.5,"latency_us":1}'
        digests = (BOX.encode(), name.encode(), b"cd" * 32)
        database.execute("INSERT INTO results (at_ms, body) VALUES (1, ?)", (first % digests,))
        database.execute("INSERT INTO samples (at_ms, body, sample, size, rank) VALUES (1, '{}', ?, 5, 2)", (name,))
    (tmp_path / "samples" / name[:2]).mkdir(parents=True)
    (tmp_path / "samples" / name[:2] / name).write_bytes(kept)
    spool = open_spool(tmp_path)
    spool.put_result(result(spool))
    spool.flush()
    assert len(spool.page("results", 0, 10).rows) == 2
    assert spool.sample(name) == kept
    assert (spool.status().samples, spool.status().sample_bytes) == (1, 5)
    assert losses(spool) == []
    spool.close()
