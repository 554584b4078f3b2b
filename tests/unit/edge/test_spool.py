"""What waits on the box: limits, the loss ledger, acknowledgements, and what a crash leaves."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.config import SpoolLimits
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import NotFound
from edge_runtime.contracts.rows import LossRow, ResultRow, SampleRow, Stream
from edge_runtime.service import spool as spool_module
from edge_runtime.service.spool import Spool
from tests.unit.edge.rows import BOX, NO_RESERVE, Clock, Reason, alert, loss, open_spool, result, sample
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
    spool = open_spool(tmp_path, limits=SpoolLimits(max_sample_bytes=40, reserve_bytes=0))
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
    assert losses(spool) == [("samples", 1, "limit.bytes")]
    assert spool.status().sample_bytes == 40
    spool.close()


def test_what_is_too_old_goes_and_the_ledger_says_from_when_to_when(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock=clock)
    begin = clock.now_ms
    spool.put_result(result(spool, "old"))
    clock.now_ms += 1000
    spool.put_result(result(spool, "old too"))
    old = put(spool, b"old")
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


def test_a_spool_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.close()
    (tmp_path / "spool.db").write_bytes(b"this is no database, whatever its name says" * 100)
    spool = open_spool(tmp_path, boot="second")
    assert losses(spool) == [("samples", 1, "spool.damaged")]
    assert (tmp_path / "spool.db.damaged").exists()
    spool.put_result(result(spool))
    spool.flush()
    assert len(rows(spool, "results")) == 1
    spool.close()


def test_a_disk_that_refuses_for_a_while_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "RETRY_S", 0.05)
    monkeypatch.setattr(spool_module, "FLUSH_TIMEOUT_S", 0.3)
    spool = open_spool(tmp_path)
    blocker = sqlite3.connect(tmp_path / "spool.db", isolation_level=None)
    spool.flush()
    spool._database.execute("PRAGMA busy_timeout=10")
    blocker.execute("BEGIN IMMEDIATE")
    spool.put_result(result(spool))
    assert not spool.flush()
    blocker.execute("ROLLBACK")
    blocker.close()
    wait_until(spool.flush, 10, "the disk to take the row")
    assert len(rows(spool, "results")) == 1
    spool.close()


def test_memory_is_bounded_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MAX_PENDING", 100)
    monkeypatch.setattr(spool_module, "COMMIT_EVERY_S", 60.0)
    spool = open_spool(tmp_path, limits=NO_RESERVE)
    spool.flush()
    spool.put_alert(alert(spool))
    for i in range(150):
        spool.put_result(result(spool, f"frame-{i}"))
    ((stream, lost, reason),) = losses(spool)
    assert (stream, reason) == ("results", "disk.full")
    status = spool.status()
    assert (status.results + lost, status.alerts) == (150, 1)
    assert rows(spool, "results")[-1].seq == 149
    spool.close()
