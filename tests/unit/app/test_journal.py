"""Two desktops that tell each other what they did."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.store import boxes, datasets, journal, models, objects, rollouts, samples, spool
from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.records import Box, Dataset, DatasetItem, Model, Rollout, RolloutBox
from cloud_sync.journal.changes import Change
from cloud_sync.journal.replicate import pull, push
from cloud_sync.objects import open_store
from edge_runtime.contracts.errors import InputInvalid
from tests.unit.app.rows import OpenDatabase, digest, jpeg, sample

CONTENT = jpeg(1)
SAMPLE = digest("a sample")


class Desktops:
    """Two databases and the segments that go between them."""

    def __init__(self, a: Database, b: Database) -> None:
        self.a, self.b = a, b

    def exchange(self) -> None:
        """Each takes over everything new of the other, as push and pull do through a store."""
        segments = [(source, seal(source)) for source in (self.a, self.b)]
        for source, sealed in segments:
            if sealed is not None:
                target = self.b if source is self.a else self.a
                StoreJournal(target).apply(source.replica, *sealed)


def seal(db: Database) -> tuple[int, list[Change]] | None:
    own = StoreJournal(db)
    numbered = own.unsealed(10_000)
    if not numbered:
        return None
    seq = own.sealed_through()[0] + 1
    own.mark_sealed(seq, numbered[-1][0], "d")
    return seq, [change for _number, change in numbered]


@pytest.fixture
def desktops(open_database: OpenDatabase) -> Desktops:
    return Desktops(open_database("a"), open_database("b"))


def put_sample(db: Database, name: str = "a sample", at_ms: int = 5) -> None:
    db.write(
        lambda writer: samples.put_import(
            writer, sample=digest(name), frame="1.jpg", at_ms=at_ms, media="image/jpeg", size=100
        )
    )


def apply(db: Database, changes: Sequence[Change], *, seq: int = 1, replica: str = "f" * 64) -> None:
    StoreJournal(db).apply(replica, seq, changes)


def change(table: str, key: str, body: dict[str, Any] | None, clock: str = f"{1:015d}.{0:06d}") -> Change:
    return Change(table=table, key=key, body=body, clock=clock, replica="f" * 64)


def test_what_one_desktop_did_the_other_knows(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    put_sample(desktops.a)
    samples.add_label(desktops.a, SAMPLE, "7")
    told: list[tuple[str, frozenset[str]]] = []
    desktops.b.subscribe(lambda table, keys: told.append((table, keys)))
    desktops.exchange()
    assert boxes.list_boxes(desktops.b) == [box]
    there = samples.get_sample(desktops.b, SAMPLE)
    assert there == dataclasses.replace(samples.get_sample(desktops.a, SAMPLE), stored=True)
    assert samples.get_sample(desktops.b, SAMPLE).label == "7"
    assert ("boxes", frozenset({box.box})) in told
    assert any(table == "samples" and SAMPLE in keys for table, keys in told)


def test_what_was_taken_over_is_not_told_on(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    desktops.exchange()
    assert StoreJournal(desktops.b).unsealed(10) == []
    assert seal(desktops.a) is None


def test_the_later_of_two_changes_stands_on_both(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    desktops.exchange()
    boxes.put_box(desktops.a, dataclasses.replace(box, name="first"))
    boxes.put_box(desktops.b, dataclasses.replace(box, name="second"))
    desktops.exchange()
    names = {boxes.list_boxes(db)[0].name for db in (desktops.a, desktops.b)}
    assert len(names) == 1


def test_a_box_forgotten_on_one_is_forgotten_on_both(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    desktops.exchange()
    boxes.remove_box(desktops.b, box.box)
    desktops.exchange()
    assert boxes.list_boxes(desktops.a) == boxes.list_boxes(desktops.b) == []
    boxes.put_box(desktops.a, box)
    desktops.exchange()
    assert boxes.list_boxes(desktops.b) == [box]


def test_the_label_with_the_latest_clock_stands_in_whatever_order_it_comes(desktops: Desktops) -> None:
    put_sample(desktops.a)
    desktops.exchange()
    samples.add_label(desktops.a, SAMPLE, "1")
    samples.add_label(desktops.b, SAMPLE, "2")
    samples.add_label(desktops.b, SAMPLE, "3")
    desktops.exchange()
    standing = {samples.get_sample(db, SAMPLE).label for db in (desktops.a, desktops.b)}
    assert len(standing) == 1
    for db in (desktops.a, desktops.b):
        assert db.read("SELECT COUNT(*) FROM label_events")[0][0] == 3


def test_a_label_may_come_before_its_sample(desktops: Desktops, open_database: OpenDatabase) -> None:
    put_sample(desktops.a)
    desktops.exchange()
    samples.add_label(desktops.b, SAMPLE, "4")
    third = open_database("c")
    sealed_b, _ = seal(desktops.b), None
    assert sealed_b is not None
    StoreJournal(third).apply(desktops.b.replica, *sealed_b)
    assert samples.count_samples(third) == 0
    put_sample(third)
    assert samples.get_sample(third, SAMPLE).label == "4"


def test_everything_that_is_synced_travels(desktops: Desktops) -> None:
    items = [DatasetItem(sample=digest(str(n)), label=str(n % 2), split="train") for n in range(5)]
    body = datasets.dataset_object(items)
    dataset = Dataset(dataset=digest(body.decode()), name="first", created_ms=1, train=5, held_out=0, labels=("0", "1"))
    datasets.put_dataset(desktops.a, dataset, items)
    model = Model(
        model=digest("m"),
        sha256=digest("file"),
        size=10,
        name="digits",
        version="1.0.0",
        release=1,
        state="candidate",
        created_ms=1,
        burst=None,
        dataset=dataset.dataset,
    )
    models.put_model(desktops.a, model)
    parts = (RolloutBox(box=digest("box"), wave=0, state="waiting"),)
    rollout = Rollout(
        rollout="0f0f0f0f-0000-4000-8000-000000000000",
        model=model.model,
        version="1.0.0",
        state="running",
        created_ms=1,
        boxes=parts,
    )
    rollouts.put_rollout(desktops.a, rollout)
    desktops.exchange()
    assert datasets.list_datasets(desktops.b) == [dataset]
    assert datasets.items(desktops.b, dataset.dataset) == sorted(items, key=lambda item: item.sample)
    assert models.list_models(desktops.b) == [model]
    assert rollouts.list_rollouts(desktops.b) == [rollout]
    assert set(objects.wanted(desktops.b)) == {dataset.dataset, model.sha256}
    objects.mark_received(desktops.b, model.sha256)
    assert objects.wanted(desktops.b) == [dataset.dataset]
    assert objects.unsynced(desktops.b) == []


def test_a_box_sample_travels_once_its_bytes_are_here(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    row = sample(box.box, CONTENT)
    spool.collect(desktops.a, "samples", [row], 1, box.box)
    desktops.exchange()
    assert samples.count_samples(desktops.b) == 0
    samples.mark_present(desktops.a, row.sample)
    assert objects.unsynced(desktops.a) == [objects.Stored(row.sample, len(CONTENT), "sample")]
    desktops.exchange()
    assert samples.get_sample(desktops.b, row.sample).predicted == "3"
    assert objects.wanted(desktops.b) == [], "it stays in the store until somebody wants it"
    assert objects.fetchable(desktops.b, [row.sample, digest("other")]) == [row.sample]
    assert samples.get_sample(desktops.b, row.sample).stored
    samples.add_label(desktops.b, row.sample, "3")
    assert samples.labelled_samples(desktops.b) == [(row.sample, "3")]
    objects.mark_received(desktops.b, row.sample)
    assert not samples.get_sample(desktops.b, row.sample).stored
    assert samples.labelled_samples(desktops.b) == [(row.sample, "3")]


def test_a_sample_that_both_had_needs_no_fetching(desktops: Desktops) -> None:
    put_sample(desktops.a)
    put_sample(desktops.b)
    desktops.exchange()
    assert objects.wanted(desktops.a) == objects.wanted(desktops.b) == []


def test_the_same_row_again_is_no_change(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    boxes.put_box(db, box)
    assert len(StoreJournal(db).unsealed(10)) == 1


def test_the_change_stands_or_falls_with_its_row(db: Database, box: Box) -> None:
    def work(writer: Any) -> None:
        writer.upsert("boxes", {"box": box.box, "name": "x", "address": "x", "certificate": "x", "enrolled_ms": 1})
        raise ValueError

    with pytest.raises(ValueError):
        db.write(work)
    assert StoreJournal(db).unsealed(10) == []


def test_a_segment_is_taken_over_once(desktops: Desktops, box: Box) -> None:
    boxes.put_box(desktops.a, box)
    sealed = seal(desktops.a)
    assert sealed is not None
    other = StoreJournal(desktops.b)
    other.apply(desktops.a.replica, *sealed)
    boxes.remove_box(desktops.b, box.box)
    other.apply(desktops.a.replica, *sealed)
    assert boxes.list_boxes(desktops.b) == []
    assert other.positions() == {desktops.a.replica: 1}


def test_sealing_is_remembered(db: Database, box: Box) -> None:
    own = StoreJournal(db)
    assert own.sealed_through() == (0, 0)
    boxes.put_box(db, box)
    ((number, _change),) = own.unsealed(10)
    own.mark_sealed(1, number, "d")
    assert StoreJournal(db).sealed_through() == (1, number)


def test_tables_and_columns_of_a_newer_version_are_passed_by(db: Database, box: Box) -> None:
    body = {
        "box": box.box,
        "name": box.name,
        "address": box.address,
        "certificate": box.certificate,
        "enrolled_ms": 1,
        "colour": "green",
    }
    apply(db, [change("colours", "x", {"x": 1}), change("boxes", box.box, body)])
    assert boxes.list_boxes(db) == [box]
    assert StoreJournal(db).positions() == {"f" * 64: 1}


GOOD_SAMPLE = {
    "sample": SAMPLE,
    "origin": "import",
    "box": None,
    "pipeline": None,
    "frame": "1.jpg",
    "at_ms": 1,
    "media": "image/jpeg",
    "size": 3,
    "reason": "import",
    "model": None,
    "predicted": None,
    "confidence": None,
    "margin": None,
}


LABEL = {
    "event": "1",
    "sample": SAMPLE,
    "label": "7",
    "who": "x",
    "at_ms": 1,
    "clock": f"{1:015d}.{0:06d}",
    "replica": "f" * 64,
}


ROLLOUT_ID = "0f0f0f0f-0000-4000-8000-000000000000"
ROLLOUT = {
    "rollout": ROLLOUT_ID,
    "model": SAMPLE,
    "version": "1.0.0",
    "state": "running",
    "created_ms": 1,
    "finished_ms": None,
    "reason": None,
    "plan": "{}",
    "replica": "f" * 64,
    "stamp": f"{1:015d}.{0:06d}",
}
PART = {"rollout": ROLLOUT_ID, "box": SAMPLE, "wave": 0, "state": "waiting", "reason": None, "updated_ms": 1}
DECISION = {"box": "*", "bundle": SAMPLE, "choice": "blacklist", "reason": "x", "who": "x", "decided_ms": 1}


def test_a_label_of_its_own_desktop_and_time_is_taken_over(db: Database) -> None:
    apply(db, [change("samples", SAMPLE, GOOD_SAMPLE), change("label_events", "1", LABEL)])
    assert samples.get_sample(db, SAMPLE).label == "7"


@pytest.mark.parametrize(
    ("table", "key", "body"),
    [
        ("samples", SAMPLE, {**GOOD_SAMPLE, "size": "huge"}),
        ("samples", SAMPLE, {**GOOD_SAMPLE, "size": -1}),
        ("samples", SAMPLE, {**GOOD_SAMPLE, "size": 2**70}),
        ("samples", SAMPLE, {**GOOD_SAMPLE, "confidence": float("nan")}),
        ("samples", SAMPLE, {**GOOD_SAMPLE, "frame": ["a"]}),
        ("samples", SAMPLE, {"sample": SAMPLE}),
        ("samples", "../../etc/passwd", {**GOOD_SAMPLE, "sample": "../../etc/passwd"}),
        ("samples", digest("other"), GOOD_SAMPLE),
        ("samples", SAMPLE, {}),
        ("samples", SAMPLE, None),
        ("models", SAMPLE, None),
        ("label_events", "1", None),
        ("label_events", "1", {"event": "1", "sample": "x"}),
        ("label_events", "1", {**LABEL, "clock": f"{2 * 10**13:015d}.{0:06d}"}),
        ("label_events", "1", {**LABEL, "replica": "somebody-else"}),
        ("proofs", f"{SAMPLE}/{SAMPLE}", None),
        ("proofs", f"{SAMPLE}/{SAMPLE}", {"model": SAMPLE, "box": SAMPLE, "report": "{}"}),
        ("rollouts", "r", {**ROLLOUT, "rollout": "r"}),
        ("rollouts", ROLLOUT_ID, {**ROLLOUT, "state": "flying"}),
        ("rollouts", ROLLOUT_ID, {**ROLLOUT, "plan": json.dumps({"pause_minutes": -1})}),
        ("rollouts", ROLLOUT_ID, {**ROLLOUT, "stamp": "tomorrow"}),
        ("rollouts", ROLLOUT_ID, None),
        ("rollout_boxes", f"{ROLLOUT_ID}/{SAMPLE}", {**PART, "state": "flying"}),
        ("rollout_boxes", f"{ROLLOUT_ID}/{SAMPLE}", {**PART, "wave": "first"}),
        ("rollout_boxes", f"{ROLLOUT_ID}/x", {**PART, "box": "x"}),
        ("rollout_boxes", f"{ROLLOUT_ID}/{SAMPLE}", None),
        ("box_labels", f"{SAMPLE}/a/b", {"box": SAMPLE, "label": "a/b"}),
        ("box_labels", f"{SAMPLE}/", {"box": SAMPLE, "label": ""}),
        ("box_labels", SAMPLE, None),
        ("decisions", f"*/{SAMPLE}", {**DECISION, "choice": "perhaps"}),
        ("decisions", f"x/{SAMPLE}", {**DECISION, "box": "x"}),
        ("decisions", f"*/{SAMPLE}", None),
        ("bursts", "b", {"burst": "b", "state": "RUNNING"}),
        ("bursts", "b", {"burst": "b"}),
        ("models", SAMPLE, {"model": SAMPLE, "sha256": "x"}),
        ("datasets", SAMPLE, {"dataset": SAMPLE, "labels": "no json"}),
        ("dataset_items", f"{SAMPLE}/{SAMPLE}", {"dataset": SAMPLE, "sample": SAMPLE, "label": "1", "split": "x"}),
        ("alerts", "a/b/1", {"box": "a", "boot": "b", "seq": 1, "facts": "{}"}),
        ("audits", "a/b/1", {"box": "a", "boot": "b", "seq": 1, "kind": "x", "who": "box", "message": "x"}),
        ("boxes", SAMPLE, {"box": SAMPLE, "name": "x", "address": "x", "certificate": "x", "enrolled_ms": 1}),
    ],
)
def test_a_row_that_is_not_sound_is_refused_with_its_segment(
    db: Database, table: str, key: str, body: dict[str, Any] | None
) -> None:
    good = change("samples", digest("good"), {**GOOD_SAMPLE, "sample": digest("good")})
    with pytest.raises(InputInvalid):
        apply(db, [good, change(table, key, body)])
    assert samples.count_samples(db) == 0
    assert StoreJournal(db).positions() == {}


def test_a_stamp_far_in_the_future_is_refused(db: Database) -> None:
    with pytest.raises(InputInvalid, match="ahead"):
        apply(db, [change("samples", SAMPLE, GOOD_SAMPLE, clock=f"{10**14:015d}.{0:06d}")])
    put_sample(db)
    assert StoreJournal(db).unsealed(1)[0][1].clock < f"{10**14:015d}"


def test_a_segment_keeps_the_end_that_was_planned_first(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    put_sample(db)
    own = StoreJournal(db)
    first, second = (number for number, _change in own.unsealed(2))
    assert own.plan_segment(1, first) == first
    assert own.plan_segment(1, second) == first
    own.mark_sealed(1, first, "d")
    own.mark_sealed(1, second, "d")
    assert own.sealed_through() == (1, first)
    assert own.plan_segment(1, second) == first
    assert own.plan_segment(2, second) == second


def test_the_same_content_frozen_on_both_is_one_dataset_with_one_name(desktops: Desktops) -> None:
    items = [DatasetItem(sample=digest(str(n)), label=str(n % 2), split="train") for n in range(5)]
    dataset = hashlib.sha256(datasets.dataset_object(items)).hexdigest()
    for name, db in (("mine", desktops.a), ("yours", desktops.b)):
        frozen = Dataset(dataset=dataset, name=name, created_ms=1, train=5, held_out=0, labels=("0", "1"))
        datasets.put_dataset(db, frozen, items)
    desktops.exchange()
    assert datasets.list_datasets(desktops.a) == datasets.list_datasets(desktops.b)


def test_through_a_real_store_and_after_a_cut(desktops: Desktops, box: Box, tmp_path: Path) -> None:
    with contextlib.closing(open_store(str(tmp_path / "bucket"))) as store:
        boxes.put_box(desktops.a, box)
        for number in range(30):
            put_sample(desktops.a, str(number), at_ms=number)
        assert push(store, StoreJournal(desktops.a), "sites/x").changes == 31
        pulled = pull(store, StoreJournal(desktops.b), "sites/x")
        assert (pulled.changes, pulled.problems) == (31, ())
        rows = [dataclasses.replace(row, stored=True) for row in samples.page_samples(desktops.a, limit=50).rows]
        assert list(samples.page_samples(desktops.b, limit=50).rows) == rows
        # The desktop forgets that it has sent everything, as after a cut or a move back to this store.
        journal.forget_store(desktops.a)
        samples.add_label(desktops.a, digest("3"), "7")
        push(store, StoreJournal(desktops.a), "sites/x")
        assert pull(store, StoreJournal(desktops.b), "sites/x").changes == 1
        assert samples.get_sample(desktops.b, digest("3")).label == "7"
        assert pull(store, StoreJournal(desktops.a), "sites/x").changes == 0


def test_nobody_can_give_a_box_another_key(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    with pytest.raises(InputInvalid, match="another key"):
        apply(db, [change("boxes", "0" * 64, {"box": "0" * 64, "certificate": box.certificate})])
    assert boxes.list_boxes(db) == [box]


def test_moving_to_another_store_sends_everything_again(db: Database, box: Box) -> None:
    boxes.put_box(db, box)
    put_sample(db)
    seal(db)
    objects.mark_synced(db, [(SAMPLE, 100)])
    journal.set_last_sync(db, at_ms=7, problem=None)
    before = journal.status(db, "folder:/x")
    assert (before.pending_changes, before.pending_objects, before.objects, before.last_ms) == (0, 0, 1, 7)
    journal.set_last_sync(db, at_ms=None, problem="refused")
    assert (journal.status(db, None).last_ms, journal.status(db, None).problem) == (7, "refused")
    journal.forget_store(db)
    after = journal.status(db, "folder:/y")
    assert (after.pending_changes, after.pending_objects, after.pending_bytes) == (2, 1, 100)
    assert (after.objects, after.last_ms, after.problem) == (0, None, None)
