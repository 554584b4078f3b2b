"""A spool whose file is taken away where the disk has no room for another one, or just before the box stops."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.config import SpoolLimits
from edge_runtime.service import spool as spool_module
from edge_runtime.service.spool import Spool
from edge_runtime.service.spool_tables import SpoolTables
from tests.unit.edge.rows import open_spool, result
from tests.waiting import wait_until

MIB = 2**20
LIMITS = SpoolLimits(max_bytes=32 * MIB, reserve_bytes=MIB, memory_bytes=MIB)
RESULTS = 24_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one, which is a real one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def free(disk: Path) -> int:
    return shutil.disk_usage(disk).free


def missing(spool: Spool) -> list[str]:
    """What the alerts say of a spool that was taken away."""
    told = [json.loads(bytes(raw)) for raw in spool.page("alerts", 0, 1000).rows]
    return [alert["message"] for alert in told if alert["kind"] == "spool.missing"]


def put(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.put_result(result(spool))
        if number % 1000 == 0:
            assert spool.flush()
    assert spool.flush()


def test_a_spool_that_is_taken_away_waits_for_room_and_takes_rows_meanwhile(disk: Path) -> None:
    home = disk / "box"
    spool = open_spool(home, limits=LIMITS)
    put(spool, RESULTS)
    size = (home / "spool.db").stat().st_size
    filler = disk / "filler"
    filler.write_bytes(bytes(free(disk) - size))
    (home / "spool.db").unlink()
    wait_until(lambda: missing(spool), 30, "the alert")
    [said] = missing(spool)
    assert "beside the reserve are no room for the" in said
    put(spool, 100)
    status = spool.status()
    assert (status.results, status.problem) == (RESULTS + 100, None)
    assert not list(home.glob("spool.copy*"))
    assert free(disk) >= MIB, "the reserve is left alone"
    filler.unlink()
    wait_until(lambda: len(missing(spool)) == 2, 30, "the spool to be written anew")
    assert "nothing is lost" in missing(spool)[1]
    spool.close()
    spool = open_spool(home, boot="second", limits=LIMITS)
    assert len(missing(spool)) == 2
    assert (spool.status().results, spool.status().losses) == (RESULTS + 100, 0)
    spool.close()


def test_a_copy_that_finds_no_room_after_all_is_told_of_and_goes(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There was room when it was looked at, and something else has taken it since."""
    monkeypatch.setattr(spool_module, "RETRY_S", 0.02)
    home = disk / "box"
    spool = open_spool(home, limits=LIMITS)
    put(spool, RESULTS)
    size = (home / "spool.db").stat().st_size
    filler = disk / "filler"
    filler.write_bytes(bytes(free(disk) - size))
    with monkeypatch.context() as patch:
        patch.setattr(SpoolTables, "file_bytes", lambda _tables: 0)
        (home / "spool.db").unlink()
        wait_until(lambda: missing(spool), 30, "the alert")
    assert "cannot be written anew" in missing(spool)[0]
    # Looked at properly it is not even tried, and the open file takes rows again.
    wait_until(lambda: spool.status().problem is None, 30, "the spool to be written again")
    assert not list(home.glob("spool.copy*"))
    put(spool, 100)
    filler.unlink()
    wait_until(lambda: len(missing(spool)) == 2, 30, "the spool to be written anew")
    assert spool.status().results == RESULTS + 100
    spool.close()


def test_a_spool_that_is_taken_away_just_before_the_end_is_told_of(tmp_path: Path) -> None:
    for number in range(20):
        home = tmp_path / str(number)
        spool = open_spool(home)
        spool.put_result(result(spool))
        assert spool.flush()
        (home / "spool.db").unlink()
        spool.close()
        spool = open_spool(home, boot="second")
        assert len(missing(spool)) == 1
        assert (spool.status().results, spool.status().losses) == (1, 0)
        spool.close()
