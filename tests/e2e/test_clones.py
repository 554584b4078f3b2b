"""Two real boxes from one image: told apart, and the copy made another box without losing what it has seen."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.context import Context, open_context
from app.store import spool as spool_store
from app.usecases import activity, boxes, clones, finding
from edge_runtime.config import CONFIG_NAME
from edge_runtime.contracts.errors import AlreadyExists, BoxWrongKey
from edge_runtime.enrolment import read_home
from tests.fakes.clones import Machine, enrolled, make_machine
from tests.waiting import wait_until


@pytest.fixture
def site(first_desktop: Path, tmp_path: Path) -> Iterator[Context]:
    with open_context(Path(shutil.copytree(first_desktop, tmp_path / "desktop"))) as ctx:
        yield ctx


@pytest.fixture
def pair(site: Context, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """An enrolled box, with something in its spool, and a copy of it; both run."""
    one = make_machine(tmp_path / "one", "line-1")
    one.start()
    enrolled(site, one)
    one.see(1)
    wait_until(lambda: waiting(site, "line-1") == 1, 20, "the first sample")
    one.stop()
    two = one.copy(tmp_path / "two")
    one.start()
    two.start()
    boxes.enrol_local(site, one.home)
    try:
        yield one, two
    finally:
        one.kill()
        two.kill()


def waiting(site: Context, name: str) -> int:
    status = boxes.refresh(site, name)[0].status
    return status.spool.samples if status else 0


def cli(site: Context, *words: str, status: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", "app", *words, "--home", str(site.home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_copy_is_told_from_its_original(site: Context, pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    assert clones.look_for_clones(site) == (), "nobody has said yet that there is another"
    finding.scan(site, finding.ScanRequest(seconds=0, addresses=(one.address, two.address)))
    (found,) = cli(site, "boxes", "clones")["clones"]
    assert (found["marks"], found["proved"]) == (["key"], True)
    assert {side["address"] for side in found["sides"]} == {one.address, two.address}
    assert len({side["boot"] for side in found["sides"]}) == 2
    # It stands in the records: the window asks nobody.
    assert len(clones.known_clones(site)) == 1


def test_a_box_that_is_started_again_or_has_two_addresses_is_none(site: Context, pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    two.kill()
    port = one.address.rpartition(":")[2]
    for place in (f"127.0.0.1:{port}", f"127.0.0.2:{port}"):
        finding.scan(site, finding.ScanRequest(seconds=0, addresses=(place,)))
    assert clones.look_for_clones(site) == ()
    one.stop()
    one.start()
    boxes.enrol_local(site, one.home)
    assert clones.look_for_clones(site) == ()


def test_the_copy_becomes_another_box_and_keeps_what_it_has(site: Context, pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    original = read_home(one.home).box
    two.see(2)
    finding.scan(site, finding.ScanRequest(seconds=0, addresses=(two.address,)))
    assert len(clones.look_for_clones(site)) == 1
    where = two.address
    with pytest.raises(AlreadyExists, match="line-1"):
        clones.renew(site, "line-1", where)
    assert read_home(two.home).box == original
    before = (two.home / CONFIG_NAME).read_text()
    answer = cli(site, "boxes", "renew", "line-1", "--address", where, "--name", "line-2")["box"]
    renewed = boxes.get_box(site, "line-2")
    assert answer["box"] == renewed.box == read_home(two.home).box != original
    assert renewed.address == where
    assert (two.home / CONFIG_NAME).read_text() == before.replace('"line-1"', '"line-2"')
    assert renewed.status is not None
    assert renewed.status.former == (original,)
    assert clones.known_clones(site) == ()
    # The old key opens nothing there any more, and is gone from the disk.
    with pytest.raises(BoxWrongKey), boxes.connect(site, boxes.get_box(site, original)) as client:
        client._host, client._port = "127.0.0.1", int(where.rpartition(":")[2])
        client.status()
    keys = two.home / "keys"
    assert sorted(path.name for path in keys.iterdir()) == sorted(["current", (keys / "current").read_text()])

    # What both had seen counts once, and stays the original's; what the copy saw by itself is the copy's.
    numbers = itertools.count(3)

    def kept_three() -> bool:
        # Without a model a frame is kept only now and then.
        two.see(next(numbers))
        return waiting(site, "line-2") == 3

    wait_until(kept_three, 20, "a sample under the new key")
    boxes.collect(site)
    rows = site.database.read("SELECT frame, box FROM samples ORDER BY frame")
    assert [row["box"] for row in rows] == [original, renewed.box, renewed.box]
    assert [row["frame"] for row in rows][:2] == ["frame-001.png", "frame-002.png"]
    kinds = [row.kind for row in spool_store.page_audits(site.database, renewed.box).rows]
    assert "identity.renewed" in kinds
    verdict = activity.verify_activity(site)
    assert verdict.intact, verdict
    assert "box.renewed" in [entry.what for entry in activity.page_activity(site).rows]

    # It stays that one over a restart, at a home whose key is made at the first start alone.
    two.stop()
    two.start()
    assert read_home(two.home).box == renewed.box
    boxes.refresh(site)
    assert tomllib.loads((two.home / CONFIG_NAME).read_text())["name"] == "line-2"


def test_the_renewal_can_be_asked_for_again(site: Context, pair: tuple[Machine, Machine]) -> None:
    _one, two = pair
    where = two.address
    renewed = clones.renew(site, "line-1", where, new_name="line-2")
    with pytest.raises(BoxWrongKey):
        clones.renew(site, "line-1", where, new_name="line-3")
    assert boxes.refresh(site, renewed.box)[0].problem is None
    assert {box.name for box in boxes.list_boxes(site)} == {"line-1", "line-2"}
