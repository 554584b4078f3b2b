"""A configuration that brings down the process that tries it, or spoils its start: the box runs with what it had."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from app.fleet.client import BoxClient
from edge_runtime.configuring.store import NOTHING_BEFORE
from edge_runtime.configuring.versions import CUT_DURING_TRIAL
from edge_runtime.contracts import wire
from edge_runtime.contracts.configuring import ConfigChange
from edge_runtime.contracts.errors import BoxRefused, BoxUnreachable
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.identity import Identity
from edge_runtime.service.crashes import Life
from tests.fakes.bad_sources import put_bad_sources
from tests.fakes.box_process import CONFIG, EDGE, BoxProcess, make_box
from tests.fakes.drilled_site import running_line
from tests.fakes.site import FakeSite
from tests.faults.conftest import Committed
from tests.faults.test_watchdog import PATIENCE_S, hear
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="boxes run Linux")


@pytest.fixture
def box(committed: Committed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BoxProcess]:
    """With sources installed that bring it down."""
    monkeypatch.setenv("PYTHONPATH", str(put_bad_sources(tmp_path / "plug-ins")))
    box = committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG)
    try:
        yield box
    finally:
        box.end()


def alerts(client: BoxClient, kind: str) -> list[str]:
    rows = client.page("alerts", 0).rows
    return [row.message for row in rows if isinstance(row, AlertRow) and row.kind == kind]


def more_alerts(client: BoxClient, kind: str, before: int) -> list[str]:
    """Those there are, once they are more than ``before``."""
    told = alerts(client, kind)
    return told if len(told) > before else []


def at_work(client: BoxClient, frames: int) -> None:
    wait_until(lambda: client.status().pipelines[0].frames >= frames, 60, "the line to be at work")


def send(box: BoxProcess, desktop: Identity, source: str) -> bytes:
    """Put a line with this source on trial in place of the one that runs; returns the text of before."""
    old = (box.home / "edge.toml").read_bytes()
    new = old.decode().replace(f"folder:{box.frames}", source)
    # The box may be gone before it has answered.
    with suppress(BoxUnreachable, BoxRefused), box.client(desktop) as client:
        client.set_config(ConfigChange(toml=new, base=client.config().digest))
    return old


def check_returned(box: BoxProcess, client: BoxClient, old: bytes) -> None:
    """It runs as before, and says what became of the other one."""
    assert (box.home / "edge.toml").read_bytes() == old
    history = client.config_history()
    assert history.in_state("trial") is None
    tried = [one for one in history.versions if one.origin == "sent"]
    assert [(one.state, one.reason) for one in tried] == [("returned", CUT_DURING_TRIAL)]
    assert wait_until(lambda: alerts(client, "config.returned"), 30, "an alert")[0].endswith(CUT_DURING_TRIAL)
    status = client.status()
    assert [(line.name, line.source) for line in status.pipelines] == [("camera", f"folder:{box.frames}")]
    assert [slot.state for slot in status.slots if slot.active] == ["COMMITTED"]
    at_work(client, status.pipelines[0].frames + 5)


def again(box: BoxProcess) -> None:
    """As the service does with one that has ended."""
    (box.home / "run" / "address.json").unlink(missing_ok=True)
    box.start()


@pytest.mark.parametrize(
    ("source", "end"),
    [("killed:memory", signal.SIGKILL), ("crashed:driver", signal.SIGSEGV)],
    ids=["killed", "crashed"],
)
def test_what_ends_the_process_ends_the_trial(
    box: BoxProcess, desktop: Identity, source: str, end: signal.Signals
) -> None:
    box.start()
    with running_line(box.frames):
        with box.client(desktop) as client:
            at_work(client, 5)
        old = send(box, desktop, source)
        assert box.process is not None
        assert box.process.wait(60) == -end
        assert (box.home / "edge.toml").read_bytes() == old
        again(box)
        with box.client(desktop) as client:
            check_returned(box, client, old)
    life = wire.decode((box.home / "life.note").read_bytes().rstrip(b"\0 "), Life, what="note of this life")
    assert (life.bundle is not None, life.crashes) == (True, 0), "nothing is held against the model"


def test_what_hangs_the_process_ends_with_the_watchdog(box: BoxProcess, desktop: Identity) -> None:
    name = f"lineside-config-{os.getpid()}"
    environment = {**os.environ, "NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": str(int(PATIENCE_S * 1e6))}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        box.process = subprocess.Popen([*EDGE, "run", "--home", str(box.home)], env=environment)
        assert hear(channel, b"READY=1", 60)
        wait_until((box.home / "run" / "address.json").exists, 30, "the box's address file")
        with running_line(box.frames):
            with box.client(desktop) as client:
                at_work(client, 5)
            assert hear(channel, b"WATCHDOG=1", 60)
            old = send(box, desktop, "hung:driver")
            wait_until(lambda: not hear(channel, b"WATCHDOG=1", 2 * PATIENCE_S), 60, "the watchdog to starve")
            # What systemd does then.
            box.process.send_signal(signal.SIGABRT)
            assert box.process.wait(60) == -signal.SIGABRT
            again(box)
            with box.client(desktop) as client:
                check_returned(box, client, old)


@pytest.mark.parametrize("left", [b"", b"\0" * 400], ids=["empty", "zeros"])
def test_a_file_that_a_power_cut_emptied_stops_no_box(box: BoxProcess, desktop: Identity, left: bytes) -> None:
    box.start()
    assert box.stop(signal.SIGKILL) == -signal.SIGKILL
    (box.home / "edge.toml").write_bytes(left)
    with running_line(box.frames):
        again(box)
        with box.client(desktop) as client:
            at_work(client, 5)
            assert client.status().name == "line-2"
            (told,) = alerts(client, "config.invalid")[:1]
            assert told.endswith("The version that was in force before runs.")
            waiting = wait_until(lambda: client.config_history().in_state("waiting"), 30, "the file to be noticed")
            assert (waiting.bytes, bool(waiting.reason)) == (len(left), True)
            # From the desktop it is put in order again: the text of before, to replace what stands there.
            history = client.config_history()
            good = next(one for one in reversed(history.versions) if one.state == "in-force")
            asked = ConfigChange(toml=client.config(good.number).toml, base=client.config().digest)
            trial = client.set_config(asked).in_state("trial")
            assert trial is not None
            number = trial.number

            def judged() -> bool:
                found = client.config_history().version(number)
                return found is not None and found.state == "in-force"

            wait_until(judged, 60, "the end of the trial")
        assert b'name = "line-2"' in (box.home / "edge.toml").read_bytes()


class TestTheVeryFirstStart:
    """Nothing was in force before."""

    @pytest.fixture
    def fresh(self, tmp_path: Path, desktop: Identity) -> Iterator[BoxProcess]:
        box = make_box(tmp_path, desktop, FakeSite(tmp_path / "site"))
        try:
            yield box
        finally:
            box.end()

    def test_with_a_file_that_cannot_be_used_says_what_to_do(self, fresh: BoxProcess) -> None:
        (fresh.home / "edge.toml").write_text("name = 3\n")
        ended = subprocess.run(
            [*EDGE, "run", "--home", str(fresh.home)], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 1
        assert "edge.toml, line 1, name: expected" in ended.stderr
        assert NOTHING_BEFORE in ended.stderr
        assert "in force" not in ended.stderr

    def test_with_one_bad_section_runs_the_others(self, fresh: BoxProcess, desktop: Identity, tmp_path: Path) -> None:
        bad = '[[pipeline]]\nname = "bad"\nsource = "folder:/data"\nkeep_random = 7\n'
        text = (fresh.home / "edge.toml").read_text().replace("[[pipeline]]", f"{bad}[[pipeline]]", 1)
        (fresh.home / "edge.toml").write_text(text)
        line = text.splitlines().index("keep_random = 7") + 1
        for start in range(2):
            fresh.start()
            with fresh.client(desktop) as client, running_line(fresh.frames):
                at_work(client, 1)
                assert [one.name for one in client.status().pipelines] == ["camera"]
                told = wait_until(partial(more_alerts, client, "config.invalid", start), 30, "an alert")
                assert told[-1].startswith(f"edge.toml, line {line}, pipeline[0].keep_random: expected")
                assert told[-1].endswith("The other sections run.")
                in_force = client.config_history().in_state("in-force")
                assert in_force is not None
                assert in_force.number == 1
            assert fresh.stop() == 0
