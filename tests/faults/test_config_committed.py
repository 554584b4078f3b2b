"""A box that crashes again and again after a commit: what changed last gives way, and nothing else does."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigChange, ConfigVersion
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import AlertRow, AuditRow, ResultRow
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.identity import Identity
from edge_runtime.service.crash_trace import TRACE_BYTES
from edge_runtime.service.crashes import NOTE_BYTES, RETURNS_AFTER, Life
from tests.fakes import models
from tests.fakes.box_process import CONFIG, BoxProcess, install, wait_for_slot
from tests.fakes.drilled_site import running_line
from tests.fakes.site import Delivery
from tests.faults.conftest import Committed
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="boxes run Linux"),
    pytest.mark.skipif(
        platform.machine() not in ("x86_64", "AMD64"), reason="other processors divide without complaint"
    ),
]
WHITE = models.frame(255)

BRITTLE = "7.1.0"
REASON = f"the box crashed {RETURNS_AFTER} times with it in force, the last time by: Floating"


@pytest.fixture(scope="module")
def brittle(committed: Committed) -> Delivery:
    """A model that crashes the whole process on a white frame."""
    return committed.site.release(BRITTLE, model=models.brittle_model())


@pytest.fixture
def box(committed: Committed, tmp_path: Path) -> Iterator[BoxProcess]:
    """It runs, with a model that was committed."""
    box = committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG)
    box.start()
    try:
        yield box
    finally:
        box.end()


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Another folder of frames."""
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


def put_model(box: BoxProcess, committed: Committed, brittle: Delivery) -> None:
    """Have the box commit it; needs a line that runs."""
    with box.client(committed.desktop) as client:
        install(client, committed.site, brittle)
        wait_for_slot(client, BRITTLE, "COMMITTED")


def configure(box: BoxProcess, desktop: Identity, folder: Path) -> ConfigVersion:
    """Have the box commit a configuration whose line reads this folder; needs frames in it."""
    new = (box.home / "edge.toml").read_text().replace(f"folder:{box.frames}", f"folder:{folder}")
    with box.client(desktop) as client:
        asked = client.set_config(ConfigChange(toml=new, base=client.config().digest)).in_state("trial")
        assert asked is not None
        number = asked.number

        def committed() -> ConfigVersion | None:
            found = client.config_history().version(number)
            return found if found is not None and found.state == "in-force" else None

        return wait_until(committed, 60, "the commit of the configuration")


def put_white(folder: Path) -> None:
    """More than are given up: each after two crashes."""
    for number in range(2 * RETURNS_AFTER):
        part = folder / f"white-{number}.png.part"
        part.write_bytes(WHITE + bytes([number]))
        part.rename(part.with_suffix(""))


def crash_until_it_runs(box: BoxProcess, desktop: Identity) -> None:
    """Started again whenever it ends, as long as it crashes."""
    crashes = 0

    def runs() -> bool:
        nonlocal crashes
        if box.process is not None and box.process.poll() is not None:
            assert box.process.returncode < 0, "it crashed"
            crashes += 1
            (box.home / "run" / "address.json").unlink(missing_ok=True)
            box.run()
        try:
            with box.client(desktop) as client:
                return crashes >= RETURNS_AFTER and bool(client.status().pipelines)
        except (LinesideError, OSError, AssertionError):
            # It has just ended, or is not there yet.
            return False

    wait_until(runs, 240, "the box to be rid of what crashes it")
    assert crashes == RETURNS_AFTER


def answered(client: BoxClient, beginning: str) -> None:
    """Wait for the answer of a frame whose name begins so."""

    def is_there() -> bool:
        rows = client.page("results", 0, 5000).rows
        return any(isinstance(row, ResultRow) and row.frame.startswith(beginning) for row in rows)

    wait_until(is_there, 60, f"the answer of {beginning}")


def crash_at_the_third_start(box: BoxProcess) -> None:
    """Stop it, and leave what the third crash in a row leaves, whenever that comes: also before a line begins."""
    # In good order: everything that it had decided is on the disk.
    assert box.stop() == 0
    note = box.home / "life.note"
    life = wire.decode(note.read_bytes().rstrip(b"\0 "), Life, what=note.name)
    note.write_bytes(wire.encode(replace(life, running=True, crashes=RETURNS_AFTER - 1)).ljust(NOTE_BYTES))
    (box.home / "crash.trace").write_bytes(b"Fatal Python error: Floating point exception\n".ljust(TRACE_BYTES, b"\0"))


def running(status: BoxStatus) -> str | None:
    return next((slot.version for slot in status.slots if slot.active and slot.state == "COMMITTED"), None)


def messages(client: BoxClient, kind: str) -> list[str]:
    rows = (*client.page("alerts", 0).rows, *client.page("audits", 0).rows)
    return [row.message for row in rows if isinstance(row, (AlertRow, AuditRow)) and row.kind == kind]


def test_a_configuration_committed_after_the_model_gives_way_to_the_one_before_and_the_model_stays(
    box: BoxProcess, desktop: Identity, committed: Committed, brittle: Delivery, camera: Path
) -> None:
    before = (box.home / "edge.toml").read_bytes()
    with running_line(box.frames):
        put_model(box, committed, brittle)
        with running_line(camera):
            bad = configure(box, desktop, camera)
        put_white(camera)
        # What comes from now on is read by the line of before alone.
        box.put_frame("after.png", models.frame(40))
        crash_until_it_runs(box, desktop)
        with box.client(desktop) as client:
            assert running(client.status()) == BRITTLE
            answered(client, "after")
    assert (box.home / "edge.toml").read_bytes() == before
    with box.client(desktop) as client:
        history = client.config_history()
        left, in_force = history.version(bad.number), history.in_state("in-force")
        assert left is not None
        assert in_force is not None
        assert (left.state, left.reason[: len(REASON)]) == ("returned", REASON)
        assert in_force.number < bad.number
        status = client.status()
        assert [line.source for line in status.pipelines] == [f"folder:{box.frames}"]
        assert not status.refused, "nothing is held against the model"
        told = wait_until(lambda: messages(client, "config.returned"), 30, "an alert and an audit")
        assert len(told) == 2
        assert all(REASON in words for words in told)
        assert len(messages(client, "box.crashed")) == RETURNS_AFTER
    # It stays so.
    assert box.stop() == 0
    box.start()
    with box.client(desktop) as client:
        assert (running(client.status()), client.config_history()) == (BRITTLE, history)


def test_a_model_committed_after_the_configuration_is_taken_back_and_the_configuration_stays(
    box: BoxProcess, desktop: Identity, committed: Committed, brittle: Delivery, camera: Path
) -> None:
    with running_line(camera):
        with running_line(box.frames):
            good = configure(box, desktop, camera)
        put_model(box, committed, brittle)
        put_white(camera)
        crash_until_it_runs(box, desktop)
        with box.client(desktop) as client:
            assert running(client.status()) == "1.0.0"
            answered(client, "white")
    with box.client(desktop) as client:
        assert client.config_history().in_state("in-force") == good
        assert messages(client, "config.returned") == []
        (slot,) = [slot for slot in client.status().slots if slot.version == BRITTLE]
        assert (slot.state, slot.bundle in client.status().refused) == ("ROLLED_BACK", True)


def test_nothing_of_the_configuration_that_is_left_outlives_the_start_and_an_edit_of_the_file_does(
    box: BoxProcess, desktop: Identity, camera: Path
) -> None:
    with running_line(box.frames), running_line(camera):
        with box.client(desktop) as client:
            before = client.config_history().in_state("in-force")
        bad = configure(box, desktop, camera)
        crash_at_the_third_start(box)
        # Somebody is just at it, and it cannot be used as it stands: the version in force ran, and is left.
        edited = (box.home / "edge.toml").read_bytes() + b"unfinished"
        (box.home / "edge.toml").write_bytes(edited)
        box.start()
        with box.client(desktop) as client:
            history, status = client.config_history(), client.status()
            assert history.in_state("in-force") == before
            assert [one.reason[: len(REASON)] for one in history.versions if one.number == bad.number] == [REASON]
            assert (running(status), [line.source for line in status.pipelines]) == (
                "1.0.0",
                [f"folder:{box.frames}"],
            )
            assert messages(client, "model.crashing") == []
    assert (box.home / "edge.toml").read_bytes() == edited


def test_where_there_is_nothing_to_go_back_to_the_model_is_suspected(
    box: BoxProcess, desktop: Identity, camera: Path
) -> None:
    with running_line(box.frames), running_line(camera):
        now = configure(box, desktop, camera)
        crash_at_the_third_start(box)
        for number in range(1, now.number):
            (box.home / "config" / f"{number}.toml").write_bytes(b"")
        box.start()
        with box.client(desktop) as client:
            assert client.config_history().in_state("in-force") == now
            told = wait_until(lambda: messages(client, "model.crashing"), 30, "an alert")
            assert "There is no model before it to return to." in told[0]
            assert messages(client, "config.returned") == []
