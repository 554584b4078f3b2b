"""The desktop's own database as the journal, through real stores: two laptops and a newcomer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.store import boxes, journal, samples
from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.records import Box
from cloud_sync.journal.replicate import pull, push
from cloud_sync.objects import ObjectStore, open_store
from edge_runtime.contracts.errors import StoreUnreachable
from edge_runtime.identity import create_identity
from tests.object_server import object_server
from tests.unit.sync.faulty_store import Cut, FaultyStore

PREFIX = f"sites/{'5' * 64}"
SAMPLE = "a" * 64
OTHER = "b" * 64

Open = Callable[[str], Database]


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Open]:
    opened: list[Database] = []

    def open_database(letter: str) -> Database:
        opened.append(Database.open(tmp_path / f"{letter}.db", replica=letter * 64))
        return opened[-1]

    yield open_database
    for database in opened:
        database.close()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    identity = create_identity(tmp_path / "box", "line-1")
    return Box(
        box=identity.fingerprint,
        name="line-1",
        address="127.0.0.1:7443",
        certificate=identity.certificate_pem,
        enrolled_ms=1,
    )


def put_sample(db: Database, sample: str) -> None:
    db.write(lambda writer: samples.put_import(writer, sample=sample, frame="1", at_ms=5, media="image/jpeg", size=9))


def sync(store: ObjectStore, *databases: Database) -> None:
    for database in databases * 2:
        push(store, StoreJournal(database), PREFIX)
        assert pull(store, StoreJournal(database), PREFIX).problems == ()


def labels(db: Database) -> dict[str, str | None]:
    return {sample.sample: sample.label for sample in samples.page_samples(db, limit=10).rows}


def test_laptops_that_share_a_bucket_have_the_same(desktop: Open, box: Box, tmp_path: Path) -> None:
    with object_server(tmp_path / "s3") as server:
        store = open_store(
            f"s3://{server.bucket}/plant", endpoint_url=server.endpoint_url, credentials=server.credentials
        )
        a, b = desktop("a"), desktop("b")
        boxes.put_box(a, box)
        put_sample(a, SAMPLE)
        sync(store, a, b)
        samples.add_label(a, SAMPLE, "first")
        samples.add_label(b, SAMPLE, "second")
        put_sample(b, OTHER)
        sync(store, a, b)
        newcomer = desktop("c")
        sync(store, newcomer)
        assert labels(a) == labels(b) == labels(newcomer) == {SAMPLE: "second", OTHER: None}
        assert boxes.list_boxes(newcomer) == [box]
        boxes.remove_box(newcomer, box.box)
        sync(store, newcomer, a, b)
        assert boxes.list_boxes(a) == boxes.list_boxes(b) == []
        sealed = StoreJournal(a).sealed_through()
        sync(store, a, b, newcomer)
        assert StoreJournal(a).sealed_through() == sealed


@pytest.mark.parametrize("cut", ["before-put", "after-put", "late-put"])
def test_a_cut_at_any_step_loses_and_doubles_nothing(desktop: Open, tmp_path: Path, cut: Cut) -> None:
    store = FaultyStore(tmp_path / "store")
    a, b = desktop("a"), desktop("b")
    put_sample(a, SAMPLE)
    store.cut = cut
    with pytest.raises(StoreUnreachable):
        push(store, StoreJournal(a), PREFIX)
    assert journal.status(a, None).pending_changes == 1
    put_sample(a, OTHER)
    sync(store, a, b)
    store.land()
    assert StoreJournal(a).sealed_through()[0] == 2
    assert set(labels(b)) == set(labels(desktop("a"))) == {SAMPLE, OTHER}
    newcomer = desktop("c")
    sync(store, newcomer)
    assert set(labels(newcomer)) == {SAMPLE, OTHER}


def test_the_end_of_a_segment_is_planned_once(desktop: Open) -> None:
    own = StoreJournal(desktop("a"))
    assert own.plan_segment(1, 5) == 5
    assert own.plan_segment(1, 9) == 5
    own.mark_sealed(1, 5, "d")
    assert own.plan_segment(1, 9) == 5
    assert own.plan_segment(2, 9) == 9
    own.mark_sealed(1, 3, "d")
    assert own.sealed_through() == (1, 5)
