"""A model that does not come back from its frames, after its commit: the box finds out, with and without systemd."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from app.fleet.ssh.hand import supervise
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import AlertRow, AuditRow, ResultRow
from edge_runtime.enrolment import read_address
from edge_runtime.identity import Identity, create_identity
from edge_runtime.service.crashes import HUNG, HUNG_STATUS, RETURNS_AFTER
from tests.fakes import models
from tests.fakes.box_process import BoxProcess, install, make_box, wait_for_slot
from tests.fakes.site import FakeSite
from tests.faults.test_watchdog import hear, systemd
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a box runs on Linux")
PATIENCE_S = 6.0
"""Of systemd. The box itself takes half of it for one that hangs."""
GLARE = models.frame(255)


@pytest.fixture
def desktop(tmp_path: Path) -> Identity:
    return create_identity(tmp_path / "desktop", "laptop")


@pytest.fixture
def box(tmp_path: Path, desktop: Identity) -> BoxProcess:
    """With a good model committed, and after it one that never comes back from a white frame. Not running."""
    site = FakeSite(tmp_path / "site")
    box = make_box(tmp_path, desktop, site)
    box.start()
    try:
        with box.client(desktop) as client:
            for version, model in (("1.0.0", models.brightness_model()), ("1.1.0", models.trapped_model())):
                install(client, site, site.release(version, model=model))
                wait_for_slot(client, version, "TRIAL")
                for number in range(6):
                    box.put_frame(f"{version}-{number}.png", models.frame(number))
                wait_for_slot(client, version, "COMMITTED")
        assert box.stop() == 0
    finally:
        box.end()
    return box


@contextmanager
def supervisor(box: BoxProcess, folder: Path) -> Iterator[None]:
    """What keeps a box running where there is no systemd."""
    program = folder / "lineside-edge"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edge_runtime "$@"\n')
    program.chmod(0o755)
    command = [sys.executable, "-I", supervise.__file__, str(box.home), str(program)]
    process = subprocess.Popen(command, env={**os.environ, "WATCHDOG_USEC": str(int(PATIENCE_S * 1e6))})
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_a_model_that_hangs_is_left_for_the_one_before_it_after_its_third_stall(
    tmp_path: Path, box: BoxProcess, desktop: Identity
) -> None:
    def returned() -> bool:
        try:
            with BoxClient(read_address(box.home), box.facts["certificate"], desktop) as client:
                return any(slot.version == "1.0.0" and slot.active for slot in client.status().slots)
        except (LinesideError, OSError):
            # It has just ended, or is not there yet.
            return False

    box.put_frame("glare.png", GLARE)
    with supervisor(box, tmp_path):
        wait_until(returned, 180, "the model before it")
        with BoxClient(read_address(box.home), box.facts["certificate"], desktop) as client:

            def answered() -> bool:
                rows = client.page("results", 0, 1000).rows
                return any(isinstance(row, ResultRow) and row.frame == "glare.png" for row in rows)

            wait_until(answered, 60, "the frame's answer, which the model before it has")
            (left,) = [slot for slot in client.status().slots if slot.version == "1.1.0"]
            assert left.state == "ROLLED_BACK"
            assert HUNG in (left.reason or "")
            alerts = [row.kind for row in client.page("alerts", 0, 100).rows if isinstance(row, AlertRow)]
            assert alerts == ["update.rolled-back"]
            audits = [row for row in client.page("audits", 0, 100).rows if isinstance(row, AuditRow)]
            crashes = [row.message for row in audits if row.kind == "box.crashed"]
            assert len(crashes) == RETURNS_AFTER
            assert all(message.startswith(HUNG) for message in crashes)
    log = (box.home / "log" / "supervise.log").read_text()
    assert log.count(f"ended with status {HUNG_STATUS}") == RETURNS_AFTER


def test_under_systemd_the_box_ends_itself_before_the_watchdog_would(
    tmp_path: Path, box: BoxProcess, desktop: Identity
) -> None:
    with systemd(box, f"lineside-hung-{os.getpid()}", PATIENCE_S) as channel:
        assert hear(channel, b"READY=1", 30)
        box.put_frame("glare.png", GLARE)
        assert hear(channel, b"STOPPING=1", 60)
        assert box.process is not None
        assert box.process.wait(60) == HUNG_STATUS
