"""A spool that is damaged, in whole or in a row, or whose disk refuses: told of, and never in anybody's way."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.contracts.rows import STREAMS, Stream
from edge_runtime.service import spool as spool_module
from edge_runtime.service.spool import Spool
from edge_runtime.service.spool_files import why_lost
from edge_runtime.service.spool_memory import Gone
from tests.unit.edge.cut_copy import RESULTS
from tests.unit.edge.rows import Reason, alert, loss, open_spool, result, sample
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
killed = pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
UNCOUNTED = [stream for stream in STREAMS if stream != "samples"]
"""What a file that nobody can read held is not known; samples are counted by their files."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "RETRY_S", 0.02)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


def sequence(spool: Spool, stream: Stream) -> list[int]:
    return [json.loads(bytes(raw))["seq"] for raw in spool.page(stream, 0, 1000).rows]


def losses(spool: Spool) -> list[tuple[str, int, str]]:
    spool.flush()
    told = [json.loads(bytes(raw)) for raw in spool.page("losses", 0, 1000).rows]
    return [(row["stream"], row["count"], row["reason"]) for row in told]


def alerts(spool: Spool) -> list[str]:
    return [json.loads(bytes(raw))["kind"] for raw in spool.page("alerts", 0, 1000).rows]


def put(spool: Spool, data: bytes, reason: Reason = "hard") -> str:
    assert spool.put_sample(sample(spool, data, reason), data)
    return hashlib.sha256(data).hexdigest()


def spoil(home: Path, *statements: str) -> None:
    """Change the file behind the spool's back, as another program might, or a bad block."""
    with closing(sqlite3.connect(home / "spool.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def test_a_spool_that_breaks_while_it_is_used_is_put_aside_and_loses_no_new_row(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.put_alert(alert(spool))
    spool.flush()
    page = spool.page("samples", 0, 10)
    tables = spool._disk._open_tables
    assert tables is not None
    tables.settle_log()
    size = (tmp_path / "spool.db").stat().st_size
    with (tmp_path / "spool.db").open("r+b") as file:
        file.write(b"\xa5" * size)
    tables._database.execute("PRAGMA shrink_memory")
    for i in range(200):
        spool.put_result(result(spool, f"frame-{i}"))
    kept = put(spool, b"meanwhile")
    wait_until(spool.flush, 20, "a new spool")
    assert (tmp_path / "spool.db.damaged").exists()
    assert sorted(sequence(spool, "results")) == list(range(200))
    assert spool.sample(kept) == b"meanwhile"
    assert spool.page("samples", page.cursor, 10).rows
    wait_until(lambda: losses(spool) == [("alerts", 1, "spool.damaged")], 10, "the ledger")
    reasons = [json.loads(bytes(raw))["reason"] for raw in spool.page("samples", 0, 10).rows]
    assert reasons == ["recovered", "hard"], "of the one that came meanwhile all is known"
    assert alerts(spool) == ["spool.damaged"]
    spool.close()


def test_a_spool_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.close()
    (tmp_path / "spool.db").write_bytes(b"this is no database, whatever its name says" * 100)
    spool = open_spool(tmp_path, boot="second")
    told = [(stream, 0, "spool.damaged") for stream in UNCOUNTED]
    wait_until(lambda: sorted(losses(spool)) == sorted(told), 10, "the ledger")
    assert (tmp_path / "spool.db.damaged").exists()
    assert alerts(spool) == ["spool.damaged"]
    spool.put_result(result(spool))
    spool.flush()
    assert len(sequence(spool, "results")) == 1
    spool.close()


def test_a_spool_without_a_byte_is_told_of_as_any_other_damage(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.close()
    (tmp_path / "spool.db").write_bytes(b"")
    spool = open_spool(tmp_path, boot="second")
    told = [(stream, 0, "spool.damaged") for stream in UNCOUNTED]
    wait_until(lambda: sorted(losses(spool)) == sorted(told), 10, "the ledger")
    assert alerts(spool) == ["spool.damaged"]
    spool.close()
    spool = open_spool(tmp_path, boot="third")
    assert spool.flush()
    assert alerts(spool) == ["spool.damaged"], "told once"
    spool.close()


def test_a_spool_that_is_not_there_any_more_is_told_of_and_costs_no_sample_that_is_whole(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    whole, torn = put(spool, b"\xff\xd8\xff whole"), put(spool, b"torn")
    spool.audit("box.started", "before")
    spool.close()
    for path in tmp_path.glob("spool.db*"):
        path.unlink()
    (tmp_path / "samples" / torn[:2] / torn).write_bytes(b"to")
    spool = open_spool(tmp_path, boot="second")
    told = [("samples", 1, "spool.missing"), *((stream, 0, "spool.missing") for stream in UNCOUNTED)]
    wait_until(lambda: sorted(losses(spool)) == sorted(told), 10, "the ledger")
    assert alerts(spool) == ["spool.missing"]
    (audit,) = [json.loads(bytes(raw)) for raw in spool.page("audits", 0, 10).rows]
    assert (audit["kind"], audit["message"].partition(":")[0]) == ("audits.begun-anew", "spool.missing")
    (row,) = [json.loads(bytes(raw)) for raw in spool.page("samples", 0, 10).rows]
    assert (row["sample"], row["reason"], row["media"]) == (whole, "recovered", "image/jpeg")
    assert spool.sample(whole) == b"\xff\xd8\xff whole"
    assert spool.status().sample_bytes == len(b"\xff\xd8\xff whole")
    spool.close()
    spool = open_spool(tmp_path, boot="third")
    assert spool.flush()
    assert alerts(spool) == ["spool.missing"], "told once"
    assert sequence(spool, "samples") == [0]
    spool.close()


@pytest.mark.parametrize("how", ["file", "all", "other"])
def test_a_spool_that_is_taken_away_while_it_is_used_loses_nothing(tmp_path: Path, how: str) -> None:
    spool = open_spool(tmp_path)
    whole = put(spool, b"\xff\xd8\xff whole")
    spool.audit("box.started", "before")
    spool.put_result(result(spool))
    assert spool.flush()
    handed_out = spool.page("results", 0, 10).cursor
    for path in tmp_path.glob("spool.db*" if how == "all" else "spool.db"):
        path.unlink()
    if how == "other":
        # In one moment: a file that is still empty is another kind of damage.
        (elsewhere := tmp_path / "elsewhere").mkdir()
        spoil(elsewhere, "CREATE TABLE other (x)")
        (elsewhere / "spool.db").rename(tmp_path / "spool.db")
    spool.put_result(result(spool))
    wait_until(lambda: alerts(spool) == ["spool.missing"], 10, "the alert")
    spool.put_result(result(spool))
    assert [spool.flush(), sequence(spool, "results"), losses(spool)] == [True, [0, 1, 2], []]
    assert len(spool.page("results", handed_out, 10).rows) == 2, "what a desktop has seen does not come again"
    spool.close()
    spool = open_spool(tmp_path, boot="second")
    assert [spool.flush(), sequence(spool, "results"), losses(spool)] == [True, [0, 1, 2], []]
    assert [json.loads(bytes(raw))["message"] for raw in spool.page("audits", 0, 10).rows] == ["before"]
    assert spool.sample(whole) == b"\xff\xd8\xff whole"
    assert alerts(spool) == ["spool.missing"], "told once"
    assert not [path.name for path in tmp_path.glob("*.copy*")]
    if how == "other":
        with closing(sqlite3.connect(tmp_path / "spool.db.damaged")) as kept:
            assert kept.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]
    spool.close()


def crash_in_the_copy(home: Path, when: str) -> None:
    command = [sys.executable, "-m", "tests.unit.edge.cut_copy", str(home), when]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=120).returncode == -signal.SIGKILL
    assert (home / "spool.copy").exists()
    assert not (home / "spool.db").exists()


def copies(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("spool.copy*"))


@killed
def test_a_copy_that_was_whole_when_the_box_was_killed_is_taken_up(tmp_path: Path) -> None:
    crash_in_the_copy(tmp_path, "after")
    for boot in ("second", "third"):
        spool = open_spool(tmp_path, boot=boot)
        assert spool.flush()
        assert sequence(spool, "results") == list(range(RESULTS))
        assert (len(sequence(spool, "samples")), len(sequence(spool, "audits"))) == (1, 1)
        assert (losses(spool), alerts(spool), copies(tmp_path)) == ([], ["spool.missing"], [])
        spool.close()


@killed
def test_a_copy_that_was_not_whole_goes_and_what_it_should_have_held_is_in_the_ledger(tmp_path: Path) -> None:
    crash_in_the_copy(tmp_path, "within")
    spool = open_spool(tmp_path, boot="second")
    told = [(stream, 0, "spool.missing") for stream in UNCOUNTED]
    wait_until(lambda: sorted(losses(spool)) == sorted(told), 10, "the ledger")
    assert (alerts(spool), copies(tmp_path)) == (["spool.missing"], [])
    assert len(sequence(spool, "samples")) == 1, "the sample itself is whole"
    spool.close()


@killed
def test_a_copy_whose_place_somebody_else_has_taken_is_kept_and_what_it_held_is_counted(tmp_path: Path) -> None:
    crash_in_the_copy(tmp_path, "after")
    other = open_spool(tmp_path / "other", boot="other")
    other.put_result(result(other))
    other.close()
    for path in tmp_path.glob("spool.db-*"):
        path.unlink()
    shutil.copy(tmp_path / "other" / "spool.db", tmp_path / "spool.db")
    spool = open_spool(tmp_path, boot="second")
    told = [("results", RESULTS, "spool.missing"), ("audits", 1, "spool.missing"), ("samples", 1, "power.cut")]
    wait_until(lambda: sorted(losses(spool)) == sorted(told), 10, "the ledger")
    assert (alerts(spool), copies(tmp_path)) == (["spool.missing"], ["spool.copy.damaged"])
    assert len(sequence(spool, "results")) == 1
    spool.close()


def test_a_spool_without_a_byte_where_there_never_was_one_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"")
    spool = open_spool(tmp_path)
    spool.put_result(result(spool))
    assert spool.flush()
    assert (losses(spool), alerts(spool)) == ([], [])
    spool.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE samples SET rank = 9",
        "UPDATE samples SET size = 'much'",
        "UPDATE samples SET sample = CAST(x'ff' AS TEXT)",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "DROP TABLE clock",
        "DROP TABLE results",
    ],
)
def test_a_database_that_is_sound_but_no_spool_is_put_aside(tmp_path: Path, statement: str) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.close()
    spoil(tmp_path, statement)
    spool = open_spool(tmp_path, boot="second")
    spool.put_result(result(spool))
    wait_until(spool.flush, 10, "a new spool")
    wait_until(lambda: alerts(spool) == ["spool.damaged"], 10, "the alert")
    assert ("results", 0, "spool.damaged") in losses(spool)
    assert (tmp_path / "spool.db.damaged").exists()
    assert spool.status().results == 1
    spool.close()


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_somebody_else_is_put_aside(tmp_path: Path, version: int) -> None:
    spoil(tmp_path, "CREATE TABLE other (x)", f"PRAGMA user_version={version}")
    spool = open_spool(tmp_path)
    spool.put_result(result(spool))
    wait_until(spool.flush, 10, "a new spool")
    with closing(sqlite3.connect(tmp_path / "spool.db.damaged")) as kept:
        assert kept.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]
    wait_until(lambda: alerts(spool) == ["spool.damaged"], 10, "the alert")
    spool.close()


@pytest.mark.parametrize("statement", ["UPDATE samples SET rank = 9", "DROP TABLE results"])
def test_a_spool_that_rots_while_it_is_used_begins_anew_and_the_writer_goes_on(
    tmp_path: Path, spool: Spool, statement: str
) -> None:
    put(spool, b"frame")
    spool.put_result(result(spool))
    spool.put_alert(alert(spool))
    wait_until(spool.flush, 10, "the rows")
    name = hashlib.sha256(b"frame").hexdigest()
    spoil(tmp_path, statement)
    # The damage shows as soon as the sample is to go, or the next row is to come.
    (tmp_path / "samples" / name[:2] / name).write_bytes(b"other")
    with pytest.raises(Exception, match=r"cannot be used|damaged"):
        spool.sample(name)
    spool.put_result(result(spool))
    wait_until(spool.flush, 10, "a new spool")
    assert sequence(spool, "results") == [1]
    wait_until(lambda: alerts(spool) == ["spool.damaged"], 10, "the alert")
    assert {("results", 1, "spool.damaged"), ("alerts", 1, "spool.damaged")} <= set(losses(spool))
    assert spool._thread.is_alive()
    assert spool.status().problem is None


@pytest.mark.parametrize("body", ["x'ff00'", "'{}'", "17", "'{\"box\": 1}'"])
def test_a_row_that_cannot_be_read_holds_up_nobody_behind_it(tmp_path: Path, spool: Spool, body: str) -> None:
    for number in range(10):
        spool.put_result(result(spool, f"frame-{number}"))
    assert spool.flush()
    spoil(tmp_path, f"UPDATE results SET body = {body} WHERE id % 10 < 4")
    first = spool.page("results", 0, 3)
    assert len(first.rows) == 3
    assert len(sequence(spool, "results")) == 6
    spool.acknowledge("results", spool.page("results", 0, 100).cursor)
    assert spool.status().results == 0
    assert (
        sum(count for stream, count, reason in losses(spool) if (stream, reason) == ("results", "spool.damaged")) == 4
    )


def test_a_sample_and_a_loss_that_cannot_be_read_are_dropped_too(tmp_path: Path, spool: Spool) -> None:
    rotten = put(spool, b"rotten")
    spool.put_loss(spool._loss(Gone("frames", 1, 1, 1, 1), "frame.unreadable"))
    assert spool.flush()
    put(spool, b"sound")
    assert spool.flush()
    spoil(
        tmp_path,
        "UPDATE samples SET body = 'x' WHERE id = (SELECT min(id) FROM samples)",
        "UPDATE losses SET body = 'x'",
    )
    assert len(spool.page("samples", 0, 10).rows) == 1
    assert not (tmp_path / "samples" / rotten[:2] / rotten).exists()
    told = {("samples", 1, "spool.damaged"), ("losses", 1, "spool.damaged")}
    wait_until(lambda: set(losses(spool)) == told, 10, "the ledger")
    assert spool.status().samples == 1


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_samples_that_vanish_while_running_stop_nobody(tmp_path: Path, spool: Spool, instead: str) -> None:
    put(spool, b"before")
    assert spool.flush()
    shutil.rmtree(tmp_path / "samples")
    if instead == "a file":
        (tmp_path / "samples").write_bytes(b"")
    row = sample(spool, b"after")
    assert spool.put_sample(row, b"after") == (instead == "nothing")
    spool.put_result(result(spool))
    spool._disk.enforce_soon()
    assert spool.flush()
    assert spool.status().results == 1
    assert spool.status().disk_free_bytes > 0
    assert losses(spool) == ([] if instead == "nothing" else [("samples", 1, "disk.error")])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk.full"),
        (errno.EDQUOT, "disk.full"),
        (errno.EROFS, "disk.read-only"),
        (errno.EACCES, "disk.denied"),
        (errno.EIO, "disk.error"),
    ],
)
def test_the_ledger_tells_a_full_disk_from_a_broken_one(number: int, reason: str) -> None:
    assert why_lost(OSError(number, "no")) == reason
    assert why_lost(sqlite3.OperationalError("disk I/O error")) == "disk.error"


def test_a_home_that_vanishes_stops_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    spool = open_spool(home)
    put(spool, b"before")
    assert spool.flush()
    home.rename(tmp_path / "elsewhere")
    assert spool.status().disk_free_bytes == 0
    home.write_bytes(b"")
    assert not spool.put_sample(sample(spool, b"after"), b"after")
    spool._disk.enforce_soon()
    spool.put_result(result(spool))
    wait_until(lambda: spool.status().problem is not None, 10, "the writer to notice")
    assert spool._thread.is_alive()
    spool.close()


def test_a_samples_folder_that_cannot_be_read_at_the_start_costs_no_row(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    put(spool, b"frame")
    spool.close()
    (tmp_path / "samples").rename(tmp_path / "elsewhere")
    (tmp_path / "samples").write_bytes(b"")
    spool = open_spool(tmp_path, boot="second")
    assert len(spool.page("samples", 0, 10).rows) == 1
    assert losses(spool) == []
    spool.close()


def test_a_disk_that_refuses_raises_one_alert_an_episode(tmp_path: Path, spool: Spool) -> None:
    spool.put_alert(alert(spool))
    assert spool.flush()
    for episode in (1, 2):
        tables = spool._disk._open_tables
        assert tables is not None
        tables._database.execute("PRAGMA query_only=ON")
        spool.put_result(result(spool))
        wait_until(lambda: spool.status().problem is not None, 10, "the refusal")
        assert not spool.flush()
        wait_until(lambda: spool.status().in_memory >= 2, 10, "the alert to wait beside the row")
        tables._database.execute("PRAGMA query_only=OFF")
        wait_until(lambda: spool.status().problem is None, 10, "the disk to take the rows")
        wait_until(spool.flush, 10, "the rows")
        assert alerts(spool) == ["drift.confidence", *["disk.refused"] * episode]
    assert losses(spool) == []
    assert sequence(spool, "results") == [0, 1]


def test_a_disk_that_refuses_keeps_nothing_urgent_from_a_desktop(spool: Spool) -> None:
    spool.audit("box.started", "before")
    assert spool.flush()
    before = spool.page("audits", 0, 10)
    tables = spool._disk._open_tables
    assert tables is not None
    tables._database.execute("PRAGMA query_only=ON")
    spool.put_result(result(spool))
    wait_until(lambda: alerts(spool) == ["disk.refused"], 10, "the alert, while the disk refuses")
    spool.put_loss(loss(spool, 3))
    told = spool.page("alerts", 0, 10), spool.page("losses", 0, 10)
    assert [(len(page.rows), page.more) for page in told] == [(1, False), (1, False)]
    spool.put_loss(loss(spool, 4))
    once_more = [json.loads(bytes(raw))["count"] for raw in spool.page("losses", told[1].cursor, 10).rows]
    assert once_more == [3, 4], "what was told stays as it is"
    assert spool.page("results", 0, 10).rows == ()
    spool.acknowledge("audits", before.cursor)
    tables._database.execute("PRAGMA query_only=OFF")
    wait_until(lambda: spool.status().problem is None, 10, "the disk to take the rows")
    wait_until(lambda: spool.status().audits == 0, 10, "what was acknowledged to go")
    assert spool.page("alerts", told[0].cursor, 10).rows == told[0].rows
    assert losses(spool) == [("frames", 3, "frame.unreadable"), ("frames", 4, "frame.unreadable")]
