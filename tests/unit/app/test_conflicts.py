"""What two desktops decided differently while apart: kept, shown, and decided once for all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from app.store import boxes, conflicts, labels, samples
from app.store.conflicts import Conflict
from app.store.database import Database, wall_ms
from app.store.journal import StoreJournal, status
from app.store.records import Box
from app.store.rekey import rekey
from app.usecases.exchange import exchange
from cloud_sync.journal.changes import Change
from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.identity import create_identity

PREFIX = f"sites/{'5' * 64}"
SAMPLE = hashlib.sha256(b"a sample").hexdigest()


class Pair:
    """Two desktops that meet in a folder. No two of their moments are alike: what is done later has the later stamp."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "store")
        moments = count(wall_ms())
        self.a = Database.open(folder / "a.db", replica="a" * 64, now_ms=lambda: next(moments))
        self.b = Database.open(folder / "b.db", replica="b" * 64, now_ms=lambda: next(moments))

    def meet(self) -> None:
        for db in (self.a, self.b, self.a):
            assert exchange(db, self.store, PREFIX).pulled.problems == ()

    def close(self) -> None:
        self.a.close()
        self.b.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with closing(Pair(tmp_path)) as both:
        yield both


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = create_identity(tmp_path / "box", "line-1")
    return Box(
        box=made.fingerprint, name="line-1", address="10.0.0.1:7443", certificate=made.certificate_pem, enrolled_ms=1
    )


def shown(db: Database) -> list[tuple[str, str, object, object]]:
    return [(one.table, one.field, one.stands, one.other) for one in conflicts.list_conflicts(db)]


def only(db: Database) -> Conflict:
    (one,) = conflicts.list_conflicts(db)
    return one


def rename(db: Database, box: Box, name: str | None = None, address: str | None = None) -> None:
    now = boxes.get_box(db, box.box)
    boxes.put_box(db, dataclasses.replace(now, name=name or now.name, address=address or now.address))


def test_different_columns_of_one_box_both_stand(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    rename(pair.a, box, name="press 4")
    rename(pair.b, box, address="10.0.0.9:7443")
    pair.meet()
    for db in (pair.a, pair.b):
        found = boxes.get_box(db, box.box)
        assert (found.name, found.address) == ("press 4", "10.0.0.9:7443")
        assert shown(db) == []


@pytest.mark.parametrize("take", [True, False])
@pytest.mark.parametrize("where", ["a", "b"])
def test_one_column_written_twice_is_decided_for_both(pair: Pair, box: Box, take: bool, where: str) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    rename(pair.a, box, name="first")
    rename(pair.b, box, name="second")
    pair.meet()
    one = only(pair.a)
    assert one == only(pair.b)
    assert (one.field, one.stands, one.stands_by, one.other, one.other_by) == (
        "name",
        "second",
        "b" * 64,
        "first",
        "a" * 64,
    )
    assert status(pair.a, None).conflicts == 1
    conflicts.decide(getattr(pair, where), one.conflict[:6], take=take)
    pair.meet()
    for db in (pair.a, pair.b):
        assert boxes.get_box(db, box.box).name == ("first" if take else "second")
        assert shown(db) == []
    with pytest.raises(NotFound):
        conflicts.decide(pair.a, one.conflict, take=take)


def test_whoever_writes_the_column_anew_has_decided(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    rename(pair.a, box, name="first")
    rename(pair.b, box, name="second")
    pair.meet()
    rename(pair.a, box, address="10.0.0.9:7443")
    assert len(shown(pair.a)) == 1, "another column is no answer"
    rename(pair.a, box, name="third")
    assert shown(pair.a) == []
    pair.meet()
    assert shown(pair.b) == []


@pytest.mark.parametrize("deleted_last", [True, False])
@pytest.mark.parametrize("take", [True, False])
def test_a_box_forgotten_while_it_was_renamed(pair: Pair, box: Box, deleted_last: bool, take: bool) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    if deleted_last:
        rename(pair.b, box, name="renamed")
        boxes.remove_box(pair.a, box.box)
    else:
        boxes.remove_box(pair.a, box.box)
        rename(pair.b, box, name="renamed")
    pair.meet()
    there = not deleted_last
    for db in (pair.a, pair.b):
        assert bool(boxes.list_boxes(db)) == there
        assert shown(db) == [("boxes", "", int(there), int(not there))]
    conflicts.decide(pair.b, only(pair.b).conflict, take=take)
    pair.meet()
    for db in (pair.a, pair.b):
        assert [one.name for one in boxes.list_boxes(db)] == (["renamed"] if there != take else [])
        assert shown(db) == []


def test_a_sample_labelled_on_both(pair: Pair) -> None:
    pair.a.write(lambda w: samples.put_import(w, sample=SAMPLE, frame="1", at_ms=5, media="image/png", size=9))
    pair.meet()
    samples.add_label(pair.a, SAMPLE, "good")
    pair.meet()
    samples.add_label(pair.a, SAMPLE, "scratch")
    samples.add_label(pair.b, SAMPLE, "dent")
    pair.meet()
    assert shown(pair.a) == shown(pair.b) == [("label_events", "label", "dent", "scratch")]
    conflicts.decide(pair.a, only(pair.a).conflict, take=True)
    pair.meet()
    for db in (pair.a, pair.b):
        assert samples.get_sample(db, SAMPLE).label == "scratch"
        assert shown(db) == []
    samples.add_label(pair.a, SAMPLE, "dent")
    samples.add_label(pair.b, SAMPLE, "dent")
    pair.meet()
    assert shown(pair.a) == shown(pair.b) == [], "they agree"
    samples.add_label(pair.a, SAMPLE, "one")
    samples.add_label(pair.b, SAMPLE, "two")
    pair.meet()
    conflicts.decide(pair.b, only(pair.b).conflict, take=False)
    pair.meet()
    assert samples.get_sample(pair.a, SAMPLE).label == "two"
    assert shown(pair.a) == shown(pair.b) == []


def test_groups_that_one_took_away_and_the_other_gave(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    labels.change_labels(pair.a, box.box, add=["hall 2"], remove=[])
    pair.meet()
    labels.change_labels(pair.a, box.box, add=[], remove=["hall 2"])
    pair.meet()
    assert shown(pair.a) == shown(pair.b) == []
    assert boxes.get_box(pair.b, box.box).labels == ()


def test_an_id_must_name_one(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    rename(pair.a, box, name="first", address="1.1.1.1:1")
    rename(pair.b, box, name="second", address="2.2.2.2:2")
    pair.meet()
    assert len(shown(pair.a)) == 2
    with pytest.raises((InputInvalid, NotFound)):
        conflicts.decide(pair.a, "", take=True)


def test_a_copy_of_a_desktop_goes_on_as_another_one(pair: Pair, box: Box, tmp_path: Path) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    samples_before = StoreJournal(pair.a).sealed_through()
    rename(pair.a, box, name="waits in both")
    pair.a.close()
    (tmp_path / "copy.db").write_bytes((tmp_path / "a.db").read_bytes())
    pair.a = Database.open(tmp_path / "a.db", replica="a" * 64)
    with closing(Database.open(tmp_path / "copy.db", replica="a" * 64)) as copy:
        assert StoreJournal(copy).sealed_through() == samples_before
        rename(pair.a, box, address="1.1.1.1:1")
        exchange(pair.a, pair.store, PREFIX)
        rename(copy, box, name="by the copy")
        done = exchange(copy, pair.store, PREFIX)
        assert done.rekeyed is not None
        assert done.rekeyed.former == "a" * 64
        assert copy.replica == done.rekeyed.replica != "a" * 64
        pair.meet()
        assert exchange(copy, pair.store, PREFIX).rekeyed is None
        for db in (pair.a, pair.b, copy):
            found = boxes.get_box(db, box.box)
            assert (found.name, found.address) == ("by the copy", "1.1.1.1:1")
            assert shown(db) == [], "what waited in both was sent by one of them"
            entries = db.read("SELECT 1 FROM activity WHERE what = 'sync.rekeyed'")
            assert len(entries) == (1 if db is copy else 0)
    assert pair.a.replica == "a" * 64


def test_a_desktop_put_back_from_a_backup_gets_its_own_changes_back(pair: Pair, box: Box, tmp_path: Path) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    pair.a.close()
    backup = (tmp_path / "a.db").read_bytes()
    pair.a = Database.open(tmp_path / "a.db", replica="a" * 64)
    rename(pair.a, box, name="after the backup")
    exchange(pair.a, pair.store, PREFIX)
    pair.a.close()
    (tmp_path / "a.db").write_bytes(backup)
    pair.a = Database.open(tmp_path / "a.db", replica="a" * 64)
    done = exchange(pair.a, pair.store, PREFIX)
    assert done.rekeyed is not None, "found without anything to send"
    assert boxes.get_box(pair.a, box.box).name == "after the backup"
    rename(pair.a, box, address="9.9.9.9:9")
    pair.meet()
    assert boxes.get_box(pair.b, box.box).address == "9.9.9.9:9"
    assert shown(pair.a) == shown(pair.b) == []


def test_a_new_id_can_be_asked_for(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    pair.meet()
    rename(pair.a, box, name="not sent yet")
    done = rekey(pair.a, "asked")
    assert (done.former, done.changes) == ("a" * 64, 2)
    pair.meet()
    assert boxes.get_box(pair.b, box.box).name == "not sent yet"
    assert rekey(pair.a, "asked").former == done.replica


def test_a_segment_that_the_store_lost_is_sent_again_as_it_was(pair: Pair, box: Box, tmp_path: Path) -> None:
    boxes.put_box(pair.a, box)
    exchange(pair.a, pair.store, PREFIX)
    rename(pair.a, box, name="second")
    exchange(pair.a, pair.store, PREFIX)
    segments = {path: path.read_bytes() for path in sorted((tmp_path / "store").rglob("*.zst"))}
    assert len(segments) == 2
    for path in segments:
        path.unlink()
    rename(pair.a, box, name="third")
    exchange(pair.a, pair.store, PREFIX)
    assert {path: path.read_bytes() for path in segments} == segments
    exchange(pair.b, pair.store, PREFIX)
    assert boxes.get_box(pair.b, box.box).name == "third"


def test_changes_of_a_version_of_before_are_taken_as_they_were(pair: Pair, box: Box) -> None:
    boxes.put_box(pair.a, box)
    body = {"box": box.box, "name": "old", "address": "x:1", "certificate": box.certificate, "enrolled_ms": 1}
    clock = f"{pair.a.now_ms():015d}.999999"
    StoreJournal(pair.a).apply("f" * 64, 1, [Change("boxes", box.box, body, clock, "f" * 64)])
    assert boxes.get_box(pair.a, box.box).name == "old"
    assert shown(pair.a) == []
