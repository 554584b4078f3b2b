"""Enrolment and release are cut off: by the link, by Ctrl+C, by SIGKILL, by a full disk. The same again finishes."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.fleet.ssh import session
from app.store import boxes as box_store
from app.usecases import activity, boxes
from app.usecases.enrolment import Step
from app.usecases.progress import CancelToken, ProgressEvent
from app.usecases.release import ReleaseStep, Rows
from edge_runtime.contracts.enrolment_errors import EnrolmentUnsuitable, ReleaseLeftOver, ReleaseRowsWait, SshCutOff
from edge_runtime.contracts.errors import BoxWrongKey, Cancelled, DiskFull
from tests.fakes.bare_machine import PASSWORD, USER, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.visits import NAME, Visit, at, visit
from tests.fakes.wall_clock import YEAR_S, needs_compiler

pytestmark = needed
MIB = 2**20
PADDING = 8 * MIB
AFTER_CONNECT = [step for step in Step if step is not Step.CONNECT]
SEED = 20260114


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light_bundle(tmp_path_factory.mktemp("bundle"), padding=PADDING)


@pytest.fixture
def bare(tmp_path: Path, bundle: Path, first_desktop: Path) -> Iterator[Visit]:
    with visit(tmp_path, bundle, first_desktop) as made:
        yield made


def size(bundle: Path) -> int:
    return sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())


def test_a_link_that_is_cut_in_the_middle_of_the_upload(bare: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SILENCE_MS", 2000)
    staging = bare.machine.root / "home" / USER / ".lineside-upload"

    def cut(event: ProgressEvent) -> None:
        if event.step == Step.UPLOAD and (event.fraction or 0) >= 0.5:
            bare.machine.cut()

    with pytest.raises(SshCutOff):
        bare.enrol(hook=cut)
    bare.machine.mend()
    arrived = sum(path.stat().st_size for path in staging.iterdir())
    assert size(bare.bundle) / 4 < arrived < size(bare.bundle)
    report = bare.enrol()
    assert report.sent_bytes == size(bare.bundle) - arrived
    assert bare.enrol().changed == ()


def test_what_arrived_damaged_is_sent_anew(bare: Visit) -> None:
    token = CancelToken()

    def stop(event: ProgressEvent) -> None:
        if event.step == Step.UPLOAD and (event.fraction or 0) >= 0.5:
            token.cancel()

    with pytest.raises(Cancelled):
        bare.enrol(hook=stop, cancel=token)
    staging = bare.machine.root / "home" / USER / ".lineside-upload"
    largest = max(staging.iterdir(), key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(MIB)
        file.write(b"other")
    damaged = largest.stat().st_size
    whole = sum(path.stat().st_size for path in staging.iterdir()) - damaged
    assert bare.enrol().sent_bytes == size(bare.bundle) - whole
    assert bare.enrol().changed == ()


def test_stopped_at_each_step_and_begun_again(bare: Visit) -> None:
    """One machine, on which each attempt is stopped one step later than the one before."""
    for step in AFTER_CONNECT:
        token = CancelToken()
        with pytest.raises(Cancelled):
            bare.enrol(hook=at(step, token.cancel), cancel=token)
        assert bare.steps[-1] == step
    bare.enrol()
    assert bare.enrol().changed == ()
    assert len([line for line in bare.machine.processes() if "lineside-edge run" in line]) == 1


@pytest.mark.parametrize("number", range(3))
def test_killed_anywhere_and_begun_again(bare: Visit, number: int) -> None:
    chance = random.Random(SEED + number)
    words = (
        *("enrol", str(bare.target), "--host-key", bare.machine.fingerprint(), "--name", NAME),
        *("--password-file", bare.secret(PASSWORD), "--bundle", str(bare.bundle)),
    )
    for step in sorted(chance.sample(AFTER_CONNECT, 2), key=AFTER_CONNECT.index):
        process = subprocess.Popen(bare.command(*words), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step):
                process.send_signal(chance.choice([signal.SIGKILL, signal.SIGINT]))
        process.communicate()
    bare.run(*words)
    assert bare.run(*words)["changed"] == []


def test_a_disk_without_room_is_said_first(tmp_path: Path, bundle: Path, first_desktop: Path) -> None:
    with visit(tmp_path, bundle, first_desktop, opt_bytes=16 * MIB) as bare:
        before = bare.machine.written()
        with pytest.raises(EnrolmentUnsuitable, match="too little room for the programs in /opt"):
            bare.enrol()
        assert bare.machine.changes(before) == {}


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, bundle: Path, first_desktop: Path) -> None:
    with visit(tmp_path, bundle, first_desktop, opt_bytes=64 * MIB, home_bytes=32 * MIB) as bare:
        for step, folder in ((Step.UPLOAD, "home"), (Step.USER, "opt")):
            filler = bare.machine.root / folder / "filler"

            def fill(filler: Path = filler) -> None:
                free = shutil.disk_usage(filler.parent).free
                filler.write_bytes(bytes(free - 2 * MIB))

            with pytest.raises(DiskFull):
                bare.enrol(hook=at(step, fill))
            filler.unlink()
        assert not (bare.machine.root / "opt/.lineside-edge.inbox").exists()
        assert bare.enrol().box.problem is None
        assert bare.enrol().changed == ()


@needs_compiler
def test_a_machine_with_its_clock_at_1970(bare: Visit, shim: Path) -> None:
    root = bare.machine.root
    shutil.copy(shim, root / "usr/local/lib/wall_clock.so")
    (root / "run/wall-clock-offset").write_bytes((-56 * YEAR_S).to_bytes(8, "little", signed=True))
    (root / "run/wall-clock-offset").chmod(0o666)
    (root / "etc/ld.so.preload").write_text("/usr/local/lib/wall_clock.so\n")
    assert int(bare.machine.run("date", "+%s")) < YEAR_S * 2
    report = bare.enrol()
    assert any("56 years slow" in warning and "date -s @" in warning for warning in report.warnings)
    assert any("56 years slow" in entry.message for entry in activity.page_activity(bare.ctx).rows)
    assert report.box.status is not None
    assert report.box.status.at_ms < YEAR_S * 2000
    assert bare.enrol().changed == ()
    bare.release(Rows.COLLECT)


def test_a_release_that_is_cut_goes_on(bare: Visit) -> None:
    before = bare.machine.written()
    bare.enrol()
    with pytest.raises(ReleaseRowsWait):
        bare.release()
    assert boxes.refresh(bare.ctx, NAME)[0].problem is None
    for step in (ReleaseStep.STOP, ReleaseStep.REMOVE, ReleaseStep.PROVE):
        token = CancelToken()
        with pytest.raises(Cancelled):
            bare.release(Rows.DISCARD, hook=at(step, token.cancel), cancel=token)
    # What waited was given up before: it is not asked about again.
    report = bare.release()
    assert bare.machine.changes(before) == {}
    assert report.looked_for
    assert boxes.list_boxes(bare.ctx) == []


def test_a_release_that_was_begun_can_be_taken_back(bare: Visit) -> None:
    box = bare.enrol().box
    token = CancelToken()
    with pytest.raises(Cancelled):
        bare.release(Rows.COLLECT, hook=at(ReleaseStep.REMOVE, token.cancel), cancel=token)
    bare.machine.run("true")
    again = bare.enrol()
    assert again.box.name == box.name
    assert bare.enrol().changed == ()


def test_a_release_takes_nothing_of_another_box(bare: Visit) -> None:
    bare.enrol()
    other = replace(boxes.get_box(bare.ctx, NAME), box="ab" * 32, name="line-9", address="192.0.2.1:7443")
    box_store.put_box(bare.ctx.database, other)
    with pytest.raises(BoxWrongKey, match="lives the box"):
        bare.release(Rows.DISCARD, name="line-9")
    assert boxes.refresh(bare.ctx, NAME)[0].problem is None


def test_what_is_left_is_named_and_the_box_stays_on_the_list(bare: Visit) -> None:
    bare.enrol()

    def keep() -> None:
        cron = bare.machine.root / "etc/cron.d"
        cron.mkdir(exist_ok=True)
        (cron / "lineside-edge").write_text("# kept\n")

    with pytest.raises(ReleaseLeftOver, match=r"/etc/cron\.d/lineside-edge"):
        bare.release(Rows.DISCARD, hook=at(ReleaseStep.PROVE, keep))
    assert [box.name for box in boxes.list_boxes(bare.ctx)] == [NAME]
    bare.release()
    assert list((bare.machine.root / "opt").iterdir()) == []


_SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> /run/systemctl.log
unit=/etc/systemd/system/lineside-edge.service
wants=/etc/systemd/system/multi-user.target.wants
begin() {
    home=/var/lib/lineside-edge
    setsid setpriv --reuid=lineside-edge --regid=lineside-edge --clear-groups \\
        /opt/lineside-edge/bin/lineside-edge run --home $home </dev/null >/dev/null 2>&1 &
}
case "$1" in
enable) mkdir -p $wants; ln -s $unit $wants/ ;;
start) begin ;;
restart) pkill -u lineside-edge; sleep 1; begin ;;
disable) rm -f $wants/lineside-edge.service; pkill -u lineside-edge ;;
esac
exit 0
"""


def test_where_there_is_systemd_the_unit_is_its_affair(bare: Visit) -> None:
    root = bare.machine.root
    (root / "run/systemd/system").mkdir(parents=True)
    program = root / "usr/local/bin/systemctl"
    program.write_text(_SYSTEMCTL)
    program.chmod(0o755)
    (root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    before = bare.machine.written()
    report = bare.enrol()
    assert report.boot == "systemd"
    log = (root / "run/systemctl.log").read_text().splitlines()
    assert log == ["daemon-reload", "enable lineside-edge.service", "start --no-block lineside-edge.service"]
    unit = (root / "etc/systemd/system/lineside-edge.service").read_text()
    assert unit == (bare.bundle / "lineside-edge.service").read_text()
    assert not (root / "opt/lineside-edge/bin/supervise").exists()
    if shutil.which("systemd-analyze"):
        done = bare.machine.run("systemd-analyze", "verify", "/etc/systemd/system/lineside-edge.service", check=False)
        assert "lineside-edge" not in done
    assert bare.enrol().changed == ()
    clock = root / "etc/systemd/system/lineside-edge.service.d/clock.conf"
    assert clock.read_text() == (bare.bundle / "lineside-edge-clock.conf").read_text()
    # Whoever takes it away does not get it back.
    clock.unlink()
    assert bare.enrol().changed == ()
    assert not clock.exists()
    bare.release(Rows.COLLECT)
    # What systemd's own programs leave: folders, and a note of when they looked.
    changed = {name for name in bare.machine.changes(before) if "lineside" in name}
    assert changed == set()
