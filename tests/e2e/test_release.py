"""Taking everything off a machine again: the proof can fail, and what is on no list can be taken off, too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.fleet.ssh.hand.release import SCRATCH
from app.fleet.ssh.sign_in import SignIn
from app.usecases import activity, boxes, sites
from app.usecases.enrolment import Step
from app.usecases.progress import CancelToken
from app.usecases.release import ReleaseStep, Rows, release_machine
from edge_runtime.contracts.enrolment_errors import ReleaseLeftOver, ReleaseOtherSite, ReleaseRowsWait, SshBusy
from edge_runtime.contracts.errors import Cancelled, InputInvalid
from tests.fakes.bare_machine import PASSWORD, USER, needed
from tests.fakes.light_bundles import light_bundle
from tests.fakes.visits import NAME, Visit, at, visit
from tests.waiting import wait_until

pytestmark = needed


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return light_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bare(tmp_path: Path, bundle: Path, first_desktop: Path) -> Iterator[Visit]:
    with visit(tmp_path, bundle, first_desktop) as made:
        yield made


def test_what_its_user_still_has_is_found(bare: Visit) -> None:
    before = bare.machine.written()
    bare.enrol()
    left: list[subprocess.Popen[bytes]] = []

    def leave() -> None:
        """While it is looked, something of the box's user turns up: a file, and a process."""
        bare.machine.run("install", "-d", "-o", "lineside-edge", f"{SCRATCH[0]}/left")
        words = ("setpriv", "--reuid=lineside-edge", "--clear-groups", "sleep", "600")
        left.append(subprocess.Popen(bare.machine.command(*words)))
        wait_until(lambda: any("sleep 600" in line for line in bare.machine.processes()), 20, "the process")

    try:
        with pytest.raises(ReleaseLeftOver, match=rf"process [0-9]+, {SCRATCH[0]}/left"):
            bare.release(Rows.DISCARD, hook=at(ReleaseStep.PROVE, leave))
        # The user stays: without it nobody could tell the next time whose these are.
        assert bare.machine.run("id", "-u", "lineside-edge")
        report = bare.release()
    finally:
        for process in left:
            process.kill()
            process.wait()
    assert {"processes of lineside-edge", "user and group lineside-edge"} <= set(report.looked_for)
    assert {f"{SCRATCH[0]}/left", "user lineside-edge"} <= set(report.removed)
    assert bare.machine.changes(before) == {}


def test_a_link_in_a_folder_of_others_leads_the_sweep_nowhere(bare: Visit) -> None:
    bare.enrol()
    kept = bare.machine.root / "etc/lineside-kept"
    kept.write_text("kept")
    script = f"cd {SCRATCH[0]}; mkdir own; ln -s /etc own/etc; ln -s /etc/lineside-kept link; echo x > own/file"
    bare.machine.run("setpriv", "--reuid=lineside-edge", "--clear-groups", "sh", "-c", script)
    report = bare.release(Rows.DISCARD)
    assert {f"{SCRATCH[0]}/own", f"{SCRATCH[0]}/link"} <= set(report.removed)
    assert kept.read_text() == "kept"


def test_a_member_of_its_group_does_not_keep_the_group(bare: Visit) -> None:
    before = bare.machine.written()
    bare.enrol()
    bare.machine.run("usermod", "-aG", "lineside-edge", USER)
    bare.release(Rows.DISCARD)
    assert bare.machine.changes(before) == {}
    # A group that an older version has left behind does no harm.
    bare.machine.run("groupadd", "lineside-edge")
    assert "user" in bare.enrol().changed
    bare.release(Rows.DISCARD)
    assert bare.machine.changes(before) == {}


@pytest.mark.parametrize("step", [Step.INSTALL, Step.SERVICE, Step.START])
def test_half_an_enrolment_is_taken_off(bare: Visit, step: Step) -> None:
    before = bare.machine.written()
    token = CancelToken()
    with pytest.raises(Cancelled):
        bare.enrol(hook=at(step, token.cancel), cancel=token)
    assert boxes.list_boxes(bare.ctx) == []
    words: tuple[str, ...] = ("release", "--at", str(bare.target), "--host-key", bare.machine.fingerprint())
    words = (*words, "--password-file", bare.secret(PASSWORD))
    refused = bare.run(*words, status=1)
    assert refused["error"]["hint"] == "Use --yes."
    released = bare.run(*words, "--yes")["released"]
    assert "user lineside-edge" in released["removed"]
    assert bare.machine.changes(before) == {}
    assert activity.page_activity(bare.ctx).rows[0].what == "box.released"


def test_a_machine_is_not_taken_from_those_it_belongs_to(bare: Visit, tmp_path: Path) -> None:
    before = bare.machine.written()
    bare.enrol()
    release = partial(
        release_machine,
        target=bare.target,
        host_key=bare.machine.fingerprint(),
        sign_in=SignIn(password=PASSWORD),
    )
    with pytest.raises(InputInvalid, match=f"lives {NAME}, which is on the list"):
        release(bare.ctx, any_site=True)
    with sites.create_site(tmp_path / "other", "Plant 4", "correct horse") as other:
        with pytest.raises(ReleaseOtherSite, match=f"The box {NAME} at .* is of another site"):
            release(other, rows=Rows.DISCARD)
        with pytest.raises(ReleaseRowsWait):
            release(other, any_site=True)
        assert boxes.refresh(bare.ctx, NAME)[0].problem is None
        report = release(other, any_site=True, rows=Rows.DISCARD)
        assert (report.name, report.lost_rows) != (NAME, 0)
    assert bare.machine.changes(before) == {}


def test_two_at_once_wait_for_each_other(bare: Visit, tmp_path: Path) -> None:
    told: list[str] = []
    with sites.create_site(tmp_path / "other", "Plant 4", "correct horse") as other:
        stranger = Visit(other, bare.machine, bare.bundle, tmp_path)

        def come_too() -> None:
            for who, words in ((bare, "This desktop is at work"), (stranger, "is at work here; it was heard")):
                with pytest.raises(SshBusy, match=words):
                    who.enrol()
                told.append(words)

        assert bare.enrol(hook=at(Step.UPLOAD, come_too)).box.problem is None
        assert len(told) == 2
        assert not (bare.machine.root / "run/lineside-edge.visit").exists()
        # One whose desktop is gone keeps nobody away for ever: it was not heard for too long.
        silent = bare.machine.root / "run/lineside-edge.visit"
        silent.write_text('{"visitor": "' + "ab" * 32 + '", "heard": -1000.0}')
        assert bare.enrol().changed == ()
        assert not silent.exists()


def test_a_name_is_judged_before_anything_else(bare: Visit) -> None:
    before = bare.machine.written()
    for name in ("", "  ", "a" * 65, "-n", "x\ny", "a\x1b[31m", "\u202eevil", "name\x00z"):
        with pytest.raises(InputInvalid, match="cannot be the name of a box"):
            bare.enrol(name=name)
        assert bare.steps == []
    assert "lineside" not in bare.machine.run("cat", "/run/sshd.log")
    assert bare.machine.changes(before) == {}
    assert bare.enrol(name=" 箱-1号 x'y$(id) ").box.name == "箱-1号 x'y$(id)"
