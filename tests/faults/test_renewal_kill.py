"""SIGKILL of the copy, or of the desktop, at each step of a renewal: an old or a new identity, never none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.usecases import boxes, clones
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.enrolment import read_home
from tests.fakes.clones import Machine, enrolled, make_machine
from tests.fakes.renewal_power_cut import BOX_STEPS, DESKTOP_STEPS
from tests.waiting import wait_until

CUT = "tests.fakes.renewal_power_cut"


@dataclass(frozen=True)
class Prepared:
    """A copy of an enrolled box, with a sample of its own, and the home of the desktop that knows the original."""

    desktop: Path
    copy: Machine


@pytest.fixture(scope="module")
def prepared(first_desktop: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Nothing of it runs; every test has its own of both."""
    folder = tmp_path_factory.mktemp("renewal")
    home = Path(shutil.copytree(first_desktop, folder / "desktop"))
    machines = [make_machine(folder / "one", "line-1")]
    try:
        with open_context(home) as site:
            machines[0].start()
            enrolled(site, machines[0])
            machines[0].stop()
            machines.append(machines[0].copy(folder / "two"))
            machines[1].start()
            machines[1].see(1)
            with boxes.connect(site, boxes.get_box(site, "line-1")) as client:
                client._host, client._port = "127.0.0.1", int(machines[1].address.rpartition(":")[2])
                wait_until(lambda: client.status().spool.samples == 1, 20, "the sample")
            machines[1].stop()
    finally:
        for machine in machines:
            machine.kill()
    return Prepared(home, machines[1])


@pytest.fixture
def site(prepared: Prepared, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(prepared.desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


@pytest.fixture
def copy(prepared: Prepared, tmp_path: Path) -> Iterator[Machine]:
    machine = prepared.copy.copy(tmp_path / "two")
    try:
        yield machine
    finally:
        machine.kill()


def check_renewed(site: Context, copy: Machine, before: str) -> None:
    box = boxes.get_box(site, "line-2")
    assert box.box == read_home(copy.home).box != before
    assert box.status is not None
    assert box.status.former == (before,)
    assert len([path for path in (copy.home / "keys").iterdir() if path.is_dir()]) == 1
    assert not (copy.home / "keys" / "identity.key").exists()
    assert boxes.collect(site, "line-2").samples == 1
    assert len(boxes.list_boxes(site)) == 2


@pytest.mark.parametrize("step", BOX_STEPS)
def test_the_power_of_the_copy_goes(site: Context, copy: Machine, step: str) -> None:
    before = read_home(copy.home).box
    copy.start({"RENEWAL_CUT": step}, module=CUT)
    assert copy.process is not None
    with pytest.raises(LinesideError):
        clones.renew(site, "line-1", copy.address, new_name="line-2")
    assert copy.process.wait(60) == -signal.SIGKILL
    # It starts, as what it was or as what it is to be.
    now = read_home(copy.home).box
    assert (now == before) == (step not in ("current", "taken"))
    copy.start()
    assert read_home(copy.home).box == now
    # It listens elsewhere after a restart here; a real one is where it was.
    address = copy.address
    if now == before:
        clones.renew(site, "line-1", address, new_name="line-2")
    else:
        (begun,) = (site.home / "renewals").glob("*.json")
        begun.rename(clones._begun_path(site, boxes.get_box(site, "line-1"), address))
        clones.renew(site, "line-1", address, new_name="line-2")
    check_renewed(site, copy, before)


@pytest.mark.parametrize("step", DESKTOP_STEPS)
def test_the_power_of_the_desktop_goes(site: Context, copy: Machine, step: str) -> None:
    before = read_home(copy.home).box
    copy.start()
    command = [sys.executable, "-m", CUT, "--home", str(site.home), "line-1", copy.address, "line-2"]
    done = subprocess.run(command, env={**os.environ, "RENEWAL_CUT": step}, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    clones.renew(site, "line-1", copy.address, new_name="line-2")
    check_renewed(site, copy, before)
