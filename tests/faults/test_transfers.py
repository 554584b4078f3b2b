"""Files on their way to a real S3 server and back, while the network, the server or this process fails."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.context import Context, open_context
from app.store import objects as object_store
from app.store.rekey import rekey
from app.store.transfers import StoreLedger
from app.usecases import samples, sites, sync
from app.usecases.progress import CancelToken, ProgressEvent, silent
from app.usecases.stored import fetch_files
from cloud_sync.objects.base import PART_BYTES
from cloud_sync.pacing import at_once, once
from cloud_sync.resumable import Moving, fetch_large
from cloud_sync.transfer import object_key
from edge_runtime.contracts.errors import DiskFull, StoreRefused, StoreUnreachable
from tests.fakes.hostile_store import Fault, HostileStore, Request, hostile_store
from tests.fakes.small_disk import SmallDisk, needed
from tests.object_server import BUCKET, ObjectServer, object_server
from tests.unit.app.rows import write_images
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("LINESIDE_FAULT_ROUNDS", "6"))
LARGE = 3 * PART_BYTES + 4321
SMALL = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with object_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def hostile(server: ObjectServer) -> Iterator[HostileStore]:
    with hostile_store(server) as store:
        yield store


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a large file and some samples that wait, and beside it one that has nothing yet."""
    folder = tmp_path_factory.mktemp("site")
    home = folder / "here"
    sites.create_site(home, "North plant", "correct horse").close()
    shutil.copytree(home, folder / "other")
    write_images(folder / "images", {"dent": SMALL})
    with open_context(home) as ctx:
        samples.import_folder(ctx, folder / "images")
        sha256 = ctx.blobs.put(os.urandom(LARGE))
        ctx.database.write(lambda writer: object_store.add_object(writer, sha256, LARGE, "bundle"))
    return folder


@dataclass
class Site:
    """A desktop with files to send, another one, and the bucket between them."""

    here: Context
    other: Context
    prefix: str
    server: ObjectServer
    hostile: HostileStore

    def in_bucket(self) -> dict[str, str]:
        """Digest and key of every content-addressed object."""
        folder = self.server.folder / BUCKET / self.prefix / "objects"
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
        }

    def check(self) -> None:
        """Everything is everywhere, once, and whole."""
        sent = [row["sha256"] for row in self.here.database.read("SELECT sha256 FROM objects")]
        assert self.in_bucket() == {sha256: sha256 for sha256 in sent}
        assert object_store.unsynced(self.here.database) == []
        self.other.database.write(lambda writer: object_store.expect_object(writer, self.large, LARGE, "bundle"))
        sync.sync_now(self.other)
        assert hashlib.sha256(self.other.blobs.path(self.large).read_bytes()).hexdigest() == self.large
        names = [one.sample for one in samples.page_samples(self.here, limit=100).rows]
        assert [one.sample for one in samples.page_samples(self.other, limit=100).rows] == names
        for name in names:
            assert samples.sample_bytes(self.other, name) == samples.sample_bytes(self.here, name)
        assert list(self.other.blobs.folder.rglob(".*.part")) == []
        assert sync.sync_now(self.here).objects_sent == 0

    @property
    def large(self) -> str:
        row = self.here.database.read_one("SELECT sha256 FROM objects WHERE kind = 'bundle'")
        assert row is not None
        return str(row["sha256"])


@pytest.fixture
def site(
    template: Path, server: ObjectServer, hostile: HostileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    prefix = f"p{os.urandom(6).hex()}"
    with ExitStack() as stack:
        opened = []
        for name in ("here", "other"):
            ctx = stack.enter_context(open_context(Path(shutil.copytree(template / name, tmp_path / name))))
            if name == "other":
                rekey(ctx.database, "asked")
            sync.setup_store(ctx, f"s3://{BUCKET}/{prefix}", endpoint_url=hostile.endpoint_url)
            opened.append(ctx)
        hostile.reset(lambda _request: None)
        yield Site(opened[0], opened[1], prefix, server, hostile)


def sync_until_done(site: Site, rounds: int = 10) -> int:
    """As the window does it: again and again. How many times it took."""
    for number in range(1, rounds + 1):
        try:
            sync.sync_now(site.here)
        except StoreUnreachable:
            continue
        return number
    raise AssertionError("it never came to its end")


def test_a_sound_store_gets_every_byte_once(site: Site) -> None:
    sync.sync_now(site.here)
    size = sum(row["size"] for row in site.here.database.read("SELECT size FROM objects"))
    assert site.hostile.bytes_up <= 1.02 * size + 50_000
    site.check()


def test_the_journal_goes_before_any_file(site: Site) -> None:
    sync.sync_now(site.here)
    puts = [one.path for one in site.hostile.requests if one.method in ("PUT", "POST")]
    first = min(number for number, path in enumerate(puts) if "/objects/" in path)
    assert any("/journal/" in path for path in puts[:first])
    named = [number for number, path in enumerate(puts) if path.endswith(site.large)]
    other = [number for number, path in enumerate(puts) if "/objects/" in path and not path.endswith(site.large)]
    assert max(named) < min(other), "samples go last"


def test_a_server_that_fails_every_second_request(site: Site) -> None:
    site.hostile.reset(lambda one: Fault("answer") if one.number % 2 else None)
    sync_until_done(site)
    site.hostile.reset(lambda _one: None)
    site.check()


def test_a_server_that_is_asked_to_slow_down_for(site: Site) -> None:
    slow = Fault("answer", 503, "SlowDown")
    site.hostile.reset(lambda one: slow if "/objects/" in one.path and one.number < 40 else None)
    sync_until_done(site)
    site.hostile.reset(lambda _one: None)
    site.check()


def test_bodies_that_break_off(site: Site) -> None:
    sync.sync_now(site.here)
    cut = Fault("truncate")
    site.hostile.reset(lambda one: cut if one.method == "GET" and "/objects/" in one.path and one.number % 3 else None)
    site.other.database.write(lambda writer: object_store.expect_object(writer, site.large, LARGE, "bundle"))
    sync.sync_now(site.other)
    site.hostile.reset(lambda _one: None)
    site.check()


def test_tags_that_are_lies(site: Site) -> None:
    site.hostile.reset(lambda one: Fault("lie") if one.method in ("PUT", "HEAD") else None)
    sync.sync_now(site.here)
    site.hostile.reset(lambda _one: None)
    site.check()


def test_parts_that_were_acknowledged_and_lost_go_again(site: Site) -> None:
    lost: list[str] = []

    def lose(one: Request) -> Fault | None:
        if "partNumber=2" in one.query and not lost:
            lost.append(one.path)
            return Fault("lose")
        return None

    site.hostile.reset(lose)
    sync.sync_now(site.here)
    assert lost
    site.hostile.reset(lambda _one: None)
    site.check()


def test_a_file_that_was_acknowledged_and_lost_is_found_and_sent_again(site: Site) -> None:
    lost: list[str] = []

    def lose(one: Request) -> Fault | None:
        if one.method == "PUT" and "/objects/" in one.path and not one.query and len(lost) < 2:
            lost.append(one.path)
            return Fault("lose")
        return None

    site.hostile.reset(lose)
    sync.sync_now(site.here)
    assert len(site.in_bucket()) == SMALL + 1 - 2
    site.hostile.reset(lambda _one: None)
    assert sync.verify(site.here).lost_there == 2
    assert sync.sync_now(site.here).objects_sent == 2
    site.check()


def test_a_line_that_is_cut_in_mid_transfer(site: Site) -> None:
    """Everything fails from the second part on, for a while; what stood does not go again."""
    parts: list[int] = []

    def cut(one: Request) -> Fault | None:
        if "partNumber=" in one.query:
            parts.append(one.number)
        return Fault("drop") if len(parts) > 2 else None

    site.hostile.reset(cut)
    with pytest.raises(StoreUnreachable):
        sync.sync_now(site.here)
    status = sync.sync_status(site.here)
    assert status.queued
    assert {one.reason for one in status.waiting} == {"store-away"}
    site.hostile.reset(lambda _one: None)
    sync.sync_now(site.here)
    size = sum(row["size"] for row in site.here.database.read("SELECT size FROM objects"))
    assert site.hostile.bytes_up < size - PART_BYTES
    site.check()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (400, "ExpiredToken", "have expired"),
        (403, "RequestTimeTooSkewed", "clock"),
    ],
)
def test_what_a_person_must_mend_is_said_once_and_asked_once(site: Site, status: int, code: str, words: str) -> None:
    refused: list[str] = []

    def refuse(one: Request) -> Fault | None:
        """From the first file on: the journal has gone."""
        if not refused and "/objects/" not in one.path:
            return None
        refused.append(one.path)
        return Fault("answer", status, code)

    site.hostile.reset(refuse)
    with pytest.raises(StoreRefused, match=words) as caught:
        sync.sync_now(site.here)
    assert caught.value.hint
    assert len(refused) <= 8, "no storm"
    assert {one.reason for one in sync.sync_status(site.here).waiting} == {"refused"}
    site.hostile.reset(lambda _one: None)
    sync.sync_now(site.here)
    site.check()


class HeldUp(CancelToken):
    """Parts under it wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.checks = 0

    def check(self) -> None:
        super().check()
        self.checks += 1
        if threading.current_thread().name.startswith("part"):
            self.began.set()
            assert self.let_go.wait(120)


def twice(site: Site, method: str) -> list[str]:
    """What was asked of files more than once."""
    asked = Counter(
        f"{one.path}?{one.query} {one.span}"
        for one in site.hostile.requests
        if one.method == method and "/objects/" in one.path
    )
    return [words for words, count in asked.items() if count > 1]


def test_two_processes_of_one_desktop_send_each_file_once(site: Site) -> None:
    """The second one begins when the first one's parts are on their way; these wait for it."""
    first = HeldUp()

    def told(event: ProgressEvent) -> None:
        if event.step == "objects":
            first.let_go.set()

    with open_context(site.here.home) as beside, ThreadPoolExecutor(2) as pool:
        one = pool.submit(sync.sync_now, site.here, cancel=first)
        assert first.began.wait(60)
        two = pool.submit(sync.sync_now, beside, progress=told)
        two.add_done_callback(lambda _done: first.let_go.set())
        assert (one.result().objects_sent, two.result().objects_sent) == (SMALL + 1, 0)
    assert twice(site, "PUT") == []
    site.check()


def test_two_processes_of_one_desktop_fetch_a_large_file_once(site: Site) -> None:
    sync.sync_now(site.here)
    site.other.database.write(lambda writer: object_store.expect_object(writer, site.large, LARGE, "bundle"))
    site.hostile.reset(lambda _one: None)
    first, second = HeldUp(), HeldUp()
    second.let_go.set()

    def fetch(ctx: Context, cancel: CancelToken) -> int:
        with ctx.open_store() as store:
            return fetch_files(ctx, store, [site.large], silent, cancel)

    with open_context(site.other.home) as beside, ThreadPoolExecutor(2) as pool:
        one = pool.submit(fetch, site.other, first)
        assert first.began.wait(60)
        two = pool.submit(fetch, beside, second)
        # Its second question is whether it may wait on for the first one, who has the file.
        wait_until(lambda: second.checks > 1, 60, "the other one to wait")
        first.let_go.set()
        assert (one.result(), two.result()) == (1, 1)
    assert twice(site, "GET") == []
    assert hashlib.sha256(site.other.blobs.path(site.large).read_bytes()).hexdigest() == site.large
    assert list(site.other.blobs.folder.rglob(".*")) == []


def lineside(home: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app", "--home", str(home), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def run_and_kill(site: Site, home: Path, at: int, how: Fault) -> bool:
    """A sync of another process, killed at a request; False: it ended before that."""
    process = lineside(home, "sync", "now")

    def kill(one: Request) -> Fault | None:
        if one.number == at:
            process.kill()
            return how
        return None

    site.hostile.reset(kill)
    _out, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode != 0


def test_a_kill_at_any_step_costs_little_and_loses_nothing(site: Site, tmp_path: Path) -> None:
    """Before and after the server has done what it was asked for, for requests spread over the whole sync."""
    site.here.close()

    def prepare(name: str) -> Path:
        """A copy of the desktop with a place of its own in the bucket."""
        home = Path(shutil.copytree(site.here.home, tmp_path / name))
        site.prefix = f"p{os.urandom(6).hex()}"
        with open_context(home) as ctx:
            sync.setup_store(ctx, f"s3://{BUCKET}/{site.prefix}", endpoint_url=site.hostile.endpoint_url)
        return home

    assert not run_and_kill(site, prepare("whole"), 0, Fault("drop"))
    steps = len(site.hostile.requests)
    for at in sorted({1 + number * steps // ROUNDS for number in range(min(ROUNDS, steps))}):
        for how in (Fault("drop"), Fault("drop-after")):
            home = prepare(f"{at}-{how.kind}")
            run_and_kill(site, home, at, how)
            site.hostile.reset(lambda _one: None)
            with open_context(home) as again:
                sync.sync_now(again)
                sent = [row["sha256"] for row in again.database.read("SELECT sha256 FROM objects")]
                assert site.in_bucket() == {sha256: sha256 for sha256 in sent}, (at, how.kind)
                assert object_store.unsynced(again.database) == []
                assert not again.database.read("SELECT * FROM uploads")
                with again.open_store() as store:
                    assert store.clear_uploads("objects", 2**42) <= 1, "at most the one that was begun and not noted"
            shutil.rmtree(home)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.close()


@needed[0]
@needed[1]
def test_a_disk_that_is_full_keeps_what_came(site: Site, small_disk: SmallDisk) -> None:
    """Another program takes the room while a file comes; once there is room again, what is lacking comes."""
    body = os.urandom(2 * PART_BYTES + 100)
    sha256 = hashlib.sha256(body).hexdigest()
    ledger, target = StoreLedger(site.other.database), small_disk.view / sha256

    def fetch() -> None:
        with site.other.open_store() as store:
            moving = Moving(pace=at_once, persist=once, idle=lambda: None, workers=1)
            fetch_large(store, ledger, sha256, len(body), target, moving)

    with site.here.open_store() as store:
        store.put(object_key(sha256), body)
    small_disk.fill()
    with pytest.raises(DiskFull):
        fetch()
    assert not list(small_disk.view.glob(".*.part"))
    small_disk.clear()

    def stop_after_one(one: Request) -> Fault | None:
        """The line breaks after the first part, and the disk fills up meanwhile."""
        ranges.append(one.number)
        return Fault("drop") if len(ranges) > 2 else None

    ranges: list[int] = []
    site.hostile.reset(lambda one: stop_after_one(one) if one.method == "GET" else None)
    with pytest.raises(StoreUnreachable):
        fetch()
    small_disk.fill()
    site.hostile.reset(lambda _one: None)
    with pytest.raises(DiskFull):
        fetch()
    came = ledger.came(sha256, len(body), PART_BYTES)
    assert came == {1, 2}
    small_disk.clear()
    site.hostile.reset(lambda _one: None)
    fetch()
    assert target.read_bytes() == body
    assert len([one for one in site.hostile.requests if one.method == "GET"]) == 1
