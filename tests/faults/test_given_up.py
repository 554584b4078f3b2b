"""A frame that hangs or crashes the real daemon comes first again after a restart: twice, and never a third time."""

from __future__ import annotations

import os
import platform
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow
from edge_runtime.identity import Identity, create_identity
from tests.fakes import models
from tests.fakes.box_process import CONFIG, BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
GLARE = models.frame(255)
SEVERAL = CONFIG.replace("keep_random = 1.0", "keep_random = 1.0\nworkers = 3\norder = 'name'")


def committed_box(folder: Path, desktop: Identity, model: bytes) -> BoxProcess:
    """Running, with this model committed."""
    return committed_from(FakeSite(folder / "site"), folder, desktop, model)


def committed_from(site: FakeSite, folder: Path, desktop: Identity, model: bytes) -> BoxProcess:
    """The same, with releases of this site."""
    box = make_box(folder, desktop, site, SEVERAL)
    box.start()
    with box.client(desktop) as client:
        install(client, site, site.release("1.0.0", model=model))
        wait_for_slot(client, "1.0.0", "TRIAL")
        for number in range(6):
            box.put_frame(f"0-{number}.png", models.frame(number))
        wait_for_slot(client, "1.0.0", "COMMITTED")
        wait_until(lambda: client.status().pipelines[0].frames == 6, 10, "the first answers")
    return box


def start(box: BoxProcess) -> None:
    (box.home / "run" / "address.json").unlink(missing_ok=True)
    box.start()


def check_account(client: BoxClient, box: BoxProcess) -> None:
    """The frame behind is answered; the one that was given up is counted, in the ledger and told of, once."""
    box.put_frame("2-after.png", models.frame(9))
    wait_until(lambda: answered(client, "2-after.png"), 30, "the line to go on")
    assert answered(client, "1-beside.png")
    assert not answered(client, "1-glare.png")
    assert "1-glare.png was left out" in (client.status().pipelines[0].last_error or "")
    assert client.status().pipelines[0].errors == 1
    losses = [row for row in client.page("losses", 0, 100).rows if isinstance(row, LossRow)]
    assert [(row.stream, row.count, row.bytes) for row in losses if row.reason == "frame.given-up"] == [
        ("frames", 1, len(GLARE))
    ]
    alerts = [row for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)]
    assert [(row.kind, row.pipeline) for row in alerts] == [("frame.given-up", "camera")]


def is_past(moment_s: float) -> bool:
    return time.monotonic() > moment_s


def answered(client: BoxClient, frame: str) -> bool:
    rows = client.page("results", 0, 1000).rows
    return any(isinstance(row, ResultRow) and row.frame == frame for row in rows)


def test_a_frame_that_hangs_the_model_is_given_up_after_two_restarts_by_the_watchdog(tmp_path: Path) -> None:
    desktop = create_identity(tmp_path / "desktop", "laptop")
    box = committed_box(tmp_path, desktop, models.trapped_model())
    try:
        box.put_frame("1-glare.png", GLARE)
        hand = next((box.home / "sources").glob("*.hand"))
        for _ in range(2):
            wait_until(lambda: any(hand.read_bytes()[: 33 * 64]), 30, "the frame to be in hand")
            # It stays there: a healthy one is put down within milliseconds.
            wait_until(partial(is_past, time.monotonic() + 0.5), 5, "a moment")
            assert any(hand.read_bytes()[: 33 * 64])
            # What systemd sends when the watchdog starves.
            assert box.stop(signal.SIGABRT) == -signal.SIGABRT
            start(box)
        box.put_frame("1-beside.png", models.frame(8))
        with box.client(desktop) as client:
            check_account(client, box)
        assert box.stop() == 0
        start(box)
        with box.client(desktop) as client:
            box.put_frame("3-last.png", models.frame(7))
            wait_until(lambda: answered(client, "3-last.png"), 30, "the line")
            assert client.status().pipelines[0].errors == 0, "it was committed and comes no more"
        assert box.stop() == 0
    finally:
        box.end()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors divide without complaint")
def test_a_frame_that_crashes_the_process_is_given_up_and_takes_none_along_that_was_in_hand_beside_it(
    tmp_path: Path,
) -> None:
    desktop = create_identity(tmp_path / "desktop", "laptop")
    box = committed_box(tmp_path, desktop, models.brittle_model())
    try:
        assert box.stop() == 0
        for name, level in (("1-beside.png", 8), ("1-glare.png", 255), ("1-next.png", 7), ("1-over-next.png", 6)):
            box.put_frame(name, models.frame(level))
        for _ in range(2):
            box.process = None
            (box.home / "run" / "address.json").unlink(missing_ok=True)
            box.run()
            assert box.process is not None
            assert box.process.wait(60) < 0, "it crashed"
        start(box)
        with box.client(desktop) as client:
            check_account(client, box)
            assert answered(client, "1-next.png")
            assert answered(client, "1-over-next.png")
        assert box.stop() == 0
    finally:
        box.end()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors divide without complaint")
def test_a_shadow_that_crashes_the_process_is_given_up_and_costs_the_line_no_frame(tmp_path: Path) -> None:
    desktop = create_identity(tmp_path / "desktop", "laptop")
    site = FakeSite(tmp_path / "site")
    box = committed_from(site, tmp_path, desktop, models.brightness_model())
    glares = ("1-glare.png", "2-glare.png", "3-glare.png")
    try:
        with box.client(desktop) as client:
            release = site.release("1.1.0", model=models.brittle_model())
            client.deliver(release.file, release.sha256, sent=lambda _here, _all: None)
            for path in site.repository.metadata_files():
                client.put_metadata(path.name, path.read_bytes())
            client.shadow(release.target)
        for name in glares[:2]:
            assert box.process is not None
            box.put_frame(name, GLARE)
            assert box.process.wait(60) < 0, "it crashed"
            box.process = None
            (box.home / "run" / "address.json").unlink(missing_ok=True)
            box.run()
        assert box.process is not None
        wait_until((box.home / "run" / "address.json").exists, 30, "the box to listen")
        with box.client(desktop) as client:
            box.put_frame(glares[2], GLARE)
            wait_until(lambda: all(answered(client, name) for name in glares), 30, "the line's answers")
            status = client.status()
            assert status.shadow is not None
            assert (status.shadow.state, status.pipelines[0].errors) == ("given-up", 0)
            assert "2 times" in (status.shadow.reason or "")
            alerts = [row.kind for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)]
            assert alerts == ["shadow.given-up"]
            losses = [row for row in client.page("losses", 0, 100).rows if isinstance(row, LossRow)]
            assert not [row for row in losses if row.stream == "frames"]
        assert box.stop() == 0
    finally:
        box.end()
