"""A real box on a real disk that is full to the last byte: it infers, tells what it had to let go, and heals."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, Row, SampleRow, Stream
from edge_runtime.identity import Identity
from tests.fakes import models, small_disk
from tests.fakes.box_process import CONFIG, EDGE
from tests.fakes.small_disk import SmallBox, SmallDisk, free_port
from tests.faults.conftest import Committed
from tests.waiting import wait_until

SMALL_MEMORY = CONFIG.replace("reserve_bytes = 0", "reserve_bytes = 0\nmemory_bytes = 65536")

pytestmark = small_disk.needed


@pytest.fixture
def box(tmp_path: Path, disk: SmallDisk, committed: Committed) -> Iterator[SmallBox]:
    """Answers with a committed model."""
    port = free_port()
    config = SMALL_MEMORY.replace("127.0.0.1:0", f"127.0.0.1:{port}")
    made = committed.copy(disk.view / "box", tmp_path / "frames", config)
    box = SmallBox(made.home, made.frames, made.facts, own_port=port)
    try:
        box.run_on(disk, committed.desktop)
        yield box
    finally:
        box.end()


def fetch(client: BoxClient, stream: Stream) -> tuple[Row, ...]:
    return client.page(stream, 0, 5000).rows


def fill_up(client: BoxClient, box: SmallBox, disk: SmallDisk) -> None:
    """Once the box has written what it says at its start, and put something by for bad times."""

    def settled() -> bool:
        spool = client.status().spool
        return spool.audits > 0 and spool.in_memory == 0 and (box.home / "spool.ballast").exists()

    wait_until(settled, 20, "the box to have said what it has to say")
    disk.fill()


def put(box: SmallBox, first: int, count: int) -> None:
    for number in range(first, first + count):
        box.put_frame(f"frame-{number:05}.png", models.frame(number % 250) + number.to_bytes(4, "big"))


def answered(client: BoxClient, frames: int) -> None:
    wait_until(lambda: client.status().pipelines[0].frames >= frames, 30, f"{frames} frames to be answered")


def lost(client: BoxClient) -> Counter[str]:
    losses: Counter[str] = Counter()
    for row in fetch(client, "losses"):
        assert isinstance(row, LossRow)
        assert row.reason in {"disk.full", "power.cut"}
        losses[row.stream] += row.count
    return losses


def heal(client: BoxClient, disk: SmallDisk) -> None:
    disk.clear()
    wait_until(lambda: client.status().spool.problem is None, 20, "the spool to heal")
    wait_until(lambda: not client.status().spool.in_memory, 10, "the memory to be written")


def check_account(client: BoxClient, frames: int) -> None:
    """Every frame has its answer and its sample, or the ledger says that it has not."""
    results = [row for row in fetch(client, "results") if isinstance(row, ResultRow)]
    samples = [row for row in fetch(client, "samples") if isinstance(row, SampleRow)]
    losses = lost(client)
    assert len({row.frame for row in results}) == len(results)
    assert len(results) + losses["results"] == frames
    assert len(samples) + losses["samples"] == frames
    for row in samples:
        assert client.sample(row.sample)


def test_a_disk_that_fills_up_stops_nothing_and_is_told_exactly(
    box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    with box.client(desktop) as client:
        fill_up(client, box, disk)
        put(box, 0, 400)
        answered(client, 400)
        alerts = wait_until(lambda: fetch(client, "alerts"), 30, "the alert, while the disk is full")
        assert [row.kind for row in alerts if isinstance(row, AlertRow)] == ["disk.full"]
        assert client.status().spool.problem is not None
        heal(client, disk)
        check_account(client, 400)
        assert lost(client)["results"] > 0, "this memory does not hold 400 rows"
        put(box, 400, 5)
        answered(client, 405)
        wait_until(
            lambda: "frame-00404.png" in {row.frame for row in fetch(client, "results") if isinstance(row, ResultRow)},
            10,
            "the next answer",
        )
    assert box.stop() == 0


def test_who_fills_the_disk_for_ever_keeps_no_alert_from_a_desktop(
    box: SmallBox, disk: SmallDisk, desktop: Identity
) -> None:
    """Whatever the box lets go of, another program has taken before the box can."""
    with box.client(desktop) as client:
        fill_up(client, box, disk)
        # Nobody is faster than one who leaves no ballast to be given up.
        (box.home / "spool.ballast").unlink()
        disk.fill()
        with disk.filled_for_ever():
            put(box, 0, 400)
            answered(client, 400)
            alerts = wait_until(lambda: fetch(client, "alerts"), 30, "the alert, while the disk is full")
            assert [row.kind for row in alerts if isinstance(row, AlertRow)] == ["disk.full"]
            told = wait_until(lambda: lost(client), 30, "the ledger, while the disk is full")
            assert client.status().spool.alerts == 0, "the disk took it after all"
            audits = client.page("audits", 0, 5000)
            client.acknowledge("audits", audits.cursor)
            ledger = fetch(client, "losses")
        heal(client, disk)
        assert fetch(client, "alerts") == alerts
        assert not set(fetch(client, "audits")) & set(audits.rows), "what was acknowledged goes as soon as it can"
        assert set(fetch(client, "losses")) >= set(ledger), "what a desktop was told stays as it is"
        assert lost(client)["results"] >= told["results"] > 0
        check_account(client, 400)
    assert box.stop() == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_box_starts_on_a_full_disk_and_infers(
    box: SmallBox, disk: SmallDisk, desktop: Identity, end: signal.Signals
) -> None:
    with box.client(desktop) as client:
        fill_up(client, box, disk)
        put(box, 0, 20)
        answered(client, 20)
        # What the box puts by for bad times is used up as well.
        wait_until(lambda: fetch(client, "alerts"), 30, "the alert")
    box.stop(end)
    disk.fill()
    box.run_on(disk, desktop)
    with box.client(desktop) as client:
        # What was not on the disk when it ended comes again.
        answered(client, 20)
        put(box, 20, 20)
        answered(client, 40)
        assert client.status().slots[0].state == "COMMITTED"
        wait_until(lambda: client.status().spool.problem is not None, 10, "the spool to notice")
        heal(client, disk)
        frames = Counter(row.frame for row in fetch(client, "results") if isinstance(row, ResultRow))
        assert set(frames) == {f"frame-{number:05}.png" for number in range(40)}
        losses = lost(client)
        assert losses["results"] == 0
        # A frame that comes again may be told of again, but none is forgotten.
        assert 40 <= len(fetch(client, "samples")) + losses["samples"] <= 60
        address = box.home / "run" / "address.json"
        assert box.process is not None
        pid = f'"pid": {box.process.pid}'
        wait_until(lambda: address.exists() and pid in address.read_text(), 10, "the address")
    assert box.stop() == 0


def test_the_pipeline_command_says_what_it_could_not_keep_and_leaves_what_it_could(
    tmp_path: Path, disk: SmallDisk
) -> None:
    frames, model, number = tmp_path / "frames", tmp_path / "model.onnx", 1_500
    model.write_bytes(models.brightness_model())
    frames.mkdir()
    for place in range(number):
        (frames / f"frame-{place}.png").write_bytes(models.frame(place % 256))
    with (disk.view / "filler-0").open("wb") as filler:
        filler.write(bytes(disk.free - 700_000))
    command = [
        *disk.inside,
        *EDGE,
        "pipeline",
        "--source",
        f"folder:{frames}",
        "--model",
        str(model),
        "--once",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--out", str(disk.folder / "out")], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "disk.full"
    assert str(disk.folder / "out" / "spool.db") in error["hint"]
    copy = shutil.copytree(disk.view / "out", tmp_path / "copy")  # SQLite does not get along with such a path
    with closing(sqlite3.connect(copy / "spool.db")) as database:
        [(kept,)] = database.execute("SELECT count(*) FROM results")
    assert 0 < kept < number
    assert f"It has {kept:,} of them" in error["message"]


def test_a_pipeline_on_a_disk_that_is_full_already_says_no_more_than_that(disk: SmallDisk, tmp_path: Path) -> None:
    model, frames = tmp_path / "model.onnx", tmp_path / "frames"
    model.write_bytes(models.brightness_model())
    frames.mkdir()
    (frames / "frame.png").write_bytes(models.frame(9))
    disk.fill()
    command = [*disk.inside, *EDGE, "pipeline", "--source", f"folder:{frames}", "--model", str(model), "--once"]
    done = subprocess.run(
        [*command, "--out", str(disk.folder / "out")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    first, hint, code = done.stderr.splitlines()
    assert first.startswith("The disk is full: spool.db could not take any of the results")
    assert "what was written" not in hint
    assert code == "[disk.full]"
    assert not (disk.view / "out").exists()
