"""A box that wakes up in 1970 is diagnosed, and mended with consent; what had begun before goes on as if nothing was.

The clock that is set is one of the process's own, preloaded into a real box: the machine's is shared with everybody.
That the real call works under the unit's rights, and is refused without them, the last two tests show: they set the
machine's clock to what it says already.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app.context import Context, open_context
from app.store import spool as spool_store
from app.usecases import activity, boxes, clocks
from edge_runtime.contracts.errors import ClockForbidden, ClockRefused
from edge_runtime.contracts.rows import AuditRow
from tests.fakes import models
from tests.fakes.box_process import CONFIG, install, wait_for_slot
from tests.fakes.clones import Machine, enrolled, make_machine
from tests.fakes.wall_clock import TO_1970, TO_2100, Clock, needs_compiler
from tests.faults.conftest import Committed
from tests.waiting import wait_until

needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv"
)


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


@pytest.fixture
def clock(tmp_path: Path, shim: Path) -> Clock:
    return Clock(tmp_path, shim)


@pytest.fixture
def box(site: Context, clock: Clock, tmp_path: Path) -> Iterator[Machine]:
    """An enrolled box at work, in 1970."""
    machine = make_machine(tmp_path / "one", "line-1")
    clock.leap(TO_1970)
    machine.start(clock.preload)
    try:
        enrolled(site, machine)
        yield machine
    finally:
        machine.kill()


def cli(site: Context, *words: str, status: int = 0, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "app", "boxes", "clock", *words, "--home", str(site.home), "--json"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    assert done.returncode == status, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@needs_compiler
def test_a_box_in_1970_is_diagnosed_and_mended(site: Context, box: Machine, clock: Clock) -> None:
    (reading,) = cli(site)["clocks"]
    assert reading["matters"]
    assert reading["error_ms"] > 0
    assert abs(reading["skew_ms"] - 1000 * clock.offset_s) < 1000 + reading["error_ms"]
    # A look changes nothing, and nobody is there to be asked.
    assert cli(site, "--set", status=1)["error"]["code"] == "input.invalid"
    assert clock.offset_s < -1_000_000_000
    refreshed = boxes.refresh(site)[0]
    assert refreshed.skew_ms is not None
    assert abs(refreshed.skew_ms / 1000 - clock.offset_s) < 60

    (change,) = cli(site, "--set", "--yes")["set"]
    assert abs(clock.offset_s) <= 1
    assert change["before"]["skew_ms"] < -1e12
    assert abs(change["after"]["skew_ms"]) < 2500 + change["after"]["error_ms"]
    assert not clocks.read_clocks(site)[0].matters
    assert cli(site, "--set")["clocks"][0]["matters"] is False, "what is right is left alone"

    # Both sides keep who did it, from when and to when.
    boxes.collect(site)
    (audit,) = [row for row in spool_store.page_audits(site.database).rows if row.kind == "clock.set"]
    assert audit.who == site.identity.fingerprint
    assert audit.message.startswith("From 1970-")
    told = [entry for entry in activity.page_activity(site).rows if entry.what == "box.clock-set"]
    assert [entry.subject for entry in told] == [audit.box]
    assert activity.verify_activity(site).intact


@needs_compiler
@pytest.mark.parametrize("years", [2, TO_2100, TO_1970])
def test_a_desktop_whose_own_clock_is_in_doubt_sets_none(
    site: Context, box: Machine, clock: Clock, tmp_path: Path, shim: Path, years: int
) -> None:
    (tmp_path / "own").mkdir()
    own = Clock(tmp_path / "own", shim)
    own.leap(years)
    before = clock.offset_s
    answer = cli(site, "line-1", "--set", "--yes", status=1, environment=own.environment)
    assert answer["error"]["code"] == "clock.doubtful"
    assert clock.offset_s == before
    assert not [entry for entry in activity.page_activity(site).rows if "clock" in entry.what]


@needs_compiler
def test_no_time_before_what_the_box_knows_to_have_happened(site: Context, box: Machine, clock: Clock) -> None:
    with boxes.connect(site, boxes.get_box(site, "line-1")) as client:
        floor_ms = client.clock().floor_ms
        for at_ms in (0, floor_ms - 1):
            with pytest.raises(ClockRefused):
                client.set_clock(at_ms)
        assert clock.offset_s < -1_000_000_000
        client.set_clock(floor_ms)
    assert clock.offset_s > -1_000_000_000


@needs_compiler
def test_a_release_that_was_accepted_raises_the_floor(tmp_path: Path, committed: Committed, clock: Clock) -> None:
    machine = _start(tmp_path, committed, clock)
    try:
        with machine.client(committed.desktop) as client:
            signed = committed.site.release("5.0.0")
            before = client.clock().floor_ms
            install(client, committed.site, signed)
            wait_for_slot(client, "5.0.0", "TRIAL")
            assert client.clock().floor_ms > before
    finally:
        _kill(machine)


@needs_compiler
@pytest.mark.parametrize("years", [TO_1970, TO_2100])
def test_what_had_begun_before_the_clock_was_set_goes_on(
    tmp_path: Path, committed: Committed, clock: Clock, years: int
) -> None:
    """A trial neither ends nor lasts for ever, rows go on in their order, nothing is let go, the floors stay."""
    clock.leap(years if years < 0 else 0)
    machine = _start(tmp_path, committed, clock)
    try:
        with machine.client(committed.desktop) as client:
            version = "6.0.0" if years < 0 else "6.1.0"
            delivery = committed.site.release(version)
            install(client, committed.site, delivery)
            wait_for_slot(client, version, "TRIAL")
            machine.put_frame("before.png", models.frame(10))
            wait_until(lambda: client.page("results", 0).rows, 20, "the first answer")
            now_ms = client.clock().at_ms
            true_ms = now_ms - clock.offset_s * 1000
            # From 1970 to today, as the doctor would; and from today to 2100, as a wrong desktop would.
            client.set_clock(true_ms if years < 0 else true_ms + 74 * 31_557_600_000)
            assert [slot.state for slot in client.status().slots if slot.version == version] == ["TRIAL"]
            for number in range(6):
                machine.put_frame(f"after-{number}.png", models.frame(20 + number))
            wait_for_slot(client, version, "COMMITTED")
            assert client.status().floors == {"parts": delivery.manifest.release}
            rows = wait_until(
                lambda: rows if len(rows := client.page("results", 0).rows) == 7 else (), 20, "every answer"
            )
            assert [row.seq for row in rows] == sorted(row.seq for row in rows)
            assert client.page("losses", 0).rows == ()
            chain = [row for row in client.page("audits", 0).rows if isinstance(row, AuditRow)]
            assert [row.entry for row in chain] == list(range(chain[0].entry, chain[0].entry + len(chain)))
            assert "clock.set" in {row.kind for row in chain}
    finally:
        _kill(machine)


def _start(tmp_path: Path, committed: Committed, clock: Clock) -> Any:
    machine = committed.copy(tmp_path / "box", tmp_path / "frames", CONFIG)
    address = machine.home / "run" / "address.json"
    address.unlink(missing_ok=True)
    command = [sys.executable, "-m", "edge_runtime", "run", "--home", str(machine.home)]
    machine.process = subprocess.Popen(command, env=clock.environment)
    wait_until(address.exists, 30, "the box's address file")
    return machine


def _kill(machine: Any) -> None:
    machine.process.kill()
    machine.process.wait()


@pytest.fixture
def unprivileged(site: Context, tmp_path: Path) -> Iterator[Machine]:
    """A box in a home of nobody's; not started."""
    machine = make_machine(tmp_path / "one", "line-1")
    for path in [tmp_path, *tmp_path.parents]:
        # Nobody has to get there.
        if path.stat().st_uid == 0 and path != Path("/") and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    for path in [machine.home, machine.frames, *machine.home.rglob("*"), machine.home.parent]:
        os.chown(path, 65534, 65534)
    try:
        yield machine
    finally:
        machine.kill()


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")


@needs_root
def test_without_the_right_it_says_so_and_what_to_do(site: Context, unprivileged: Machine) -> None:
    unprivileged.start(prefix=NOBODY)
    enrolled(site, unprivileged)
    assert not clocks.read_clocks(site)[0].may_set
    with pytest.raises(ClockForbidden, match="CAP_SYS_TIME") as refused:
        clocks.set_clock(site, "line-1")
    # Where there is no systemd, no drop-in of it could help.
    way = "lineside-edge-clock.conf" if Path("/run/systemd/system").is_dir() else "by hand"
    assert way in refused.value.hint


@needs_root
def test_with_the_rights_of_the_unit_the_real_call_is_made_and_no_child_has_them(
    site: Context, unprivileged: Machine
) -> None:
    rights = ("--bounding-set=-all,+sys_time", "--inh-caps=-all,+sys_time", "--ambient-caps=-all,+sys_time")
    unprivileged.start(prefix=(*NOBODY, *rights))
    enrolled(site, unprivileged)
    (reading,) = clocks.read_clocks(site)
    assert reading.may_set
    # To what it says already: other programs on this machine go by it.
    change = clocks.set_clock(site, "line-1")
    assert abs(change.after.skew_ms or 0.0) <= 1000
    assert unprivileged.process is not None
    status = Path(f"/proc/{unprivileged.process.pid}/status").read_text()
    assert "CapAmb:\t0000000000000000" in status
