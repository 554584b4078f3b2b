"""Import, labels, pages, datasets."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from app.context import Context
from app.store import datasets as dataset_store
from app.store import objects
from app.store.records import DatasetItem, Sample
from app.usecases import activity, datasets, samples
from app.usecases.progress import CancelToken, ProgressEvent
from edge_runtime.contracts.errors import Cancelled, InputInvalid, NotFound, ObjectCorrupt
from tests.unit.app.rows import jpeg, write_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", {"cat": 12, "dog": 8})
    (tmp_path / "images" / "loose.jpg").write_bytes(jpeg(100))
    return tmp_path / "images"


def test_a_folder_comes_in_with_its_labels(ctx: Context, folder: Path) -> None:
    told: list[ProgressEvent] = []
    report = samples.import_folder(ctx, folder, progress=told.append)
    assert (report.files, report.imported, report.known, report.labelled, report.skipped) == (21, 21, 0, 20, ())
    assert told[-1].fraction == 1.0
    assert samples.counts(ctx) == samples.SampleCounts(
        total=21, labelled=20, unlabelled=1, by_label={"cat": 12, "dog": 8}
    )
    loose = samples.page_samples(ctx, labelled=False).rows[0]
    assert (loose.frame, loose.media, loose.origin, loose.size) == ("loose.jpg", "image/jpeg", "import", len(jpeg(100)))
    assert samples.sample_bytes(ctx, loose.sample) == jpeg(100)
    assert len(objects.unsynced(ctx.database)) == 21


def test_again_changes_nothing(ctx: Context, folder: Path) -> None:
    first = samples.import_folder(ctx, folder)
    changes = ctx.database.read("SELECT COUNT(*) FROM changes")[0][0]
    again = samples.import_folder(ctx, folder)
    assert (again.imported, again.known, again.labelled, again.bytes) == (0, first.files, 0, 0)
    assert ctx.database.read("SELECT COUNT(*) FROM changes")[0][0] == changes


def test_what_is_no_image_is_named_and_left_out(ctx: Context, folder: Path) -> None:
    (folder / "cat" / "notes.txt").write_text("no image")
    (folder / "cat" / "empty.jpg").write_bytes(b"")
    (folder / "cat" / ".hidden.jpg").write_bytes(jpeg(7))
    (folder / ".thumbs").mkdir()
    (folder / ".thumbs" / "1.jpg").write_bytes(jpeg(8))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    report = samples.import_folder(ctx, folder)
    assert report.imported == 21
    assert {file.path for file in report.skipped} == {"cat/notes.txt", "cat/empty.jpg", "pipe.jpg", "gone.jpg"}
    assert all(file.reason for file in report.skipped)


def test_the_same_image_twice_is_one_sample(ctx: Context, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    write_images(folder, {"cat": 1})
    (folder / "cat" / "copy.jpg").write_bytes((folder / "cat" / "0.jpg").read_bytes())
    report = samples.import_folder(ctx, folder)
    assert (report.files, report.imported, report.known) == (2, 1, 1)


def test_an_import_can_be_stopped_and_keeps_what_it_has(ctx: Context, tmp_path: Path) -> None:
    write_images(tmp_path / "images", {"cat": 150})
    cancel = CancelToken()

    def stop_at_the_second_batch(event: ProgressEvent) -> None:
        if event.fraction:
            cancel.cancel()

    with pytest.raises(Cancelled):
        samples.import_folder(ctx, tmp_path / "images", progress=stop_at_the_second_batch, cancel=cancel)
    assert samples.counts(ctx).total == 100
    assert samples.import_folder(ctx, tmp_path / "images").imported == 50


def test_a_missing_folder_is_not_found(ctx: Context, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        samples.import_folder(ctx, tmp_path / "nowhere")


def test_pages_go_through_all_without_gap_or_double(ctx: Context, folder: Path) -> None:
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        # Many frames of one moment.
        os.utime(file, (number // 5, number // 5))
    samples.import_folder(ctx, folder)
    seen: list[Sample] = []
    cursor: str | None = None
    while True:
        page = samples.page_samples(ctx, cursor=cursor, limit=4)
        assert page.total == (21 if cursor is None else None)
        seen += page.rows
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == 21
    assert [(s.at_ms, s.sample) for s in seen] == sorted({(s.at_ms, s.sample) for s in seen}, reverse=True)
    assert samples.page_samples(ctx, labelled=True).total == 20
    assert samples.page_samples(ctx, reason="hard").rows == ()
    with pytest.raises(NotFound):
        samples.page_samples(ctx, box="nobody")
    with pytest.raises(InputInvalid):
        samples.page_samples(ctx, cursor="1; DROP TABLE samples")


def test_labels_change_and_go_and_are_all_remembered(ctx: Context, folder: Path) -> None:
    samples.import_folder(ctx, folder)
    cat = next(s for s in samples.page_samples(ctx).rows if s.label == "cat").sample
    assert samples.label_samples(ctx, {cat: "tiger"}) == 1
    assert activity.page_activity(ctx).rows[0].message == "Labelled 1 sample: tiger."
    assert samples.label_samples(ctx, {cat: "tiger"}) == 0
    assert samples.get_sample(ctx, cat[:8]).label == "tiger"
    assert samples.label_samples(ctx, {cat: None}) == 1
    assert samples.get_sample(ctx, cat).label is None
    events = ctx.database.read("SELECT label FROM label_events WHERE sample = ? ORDER BY clock", (cat,))
    assert [row["label"] for row in events] == ["cat", "tiger", None]


@pytest.mark.parametrize("label", ["", " cat", "a\nb", "x" * 201, "\x1b[31m"])
def test_a_bad_label_changes_nothing(ctx: Context, folder: Path, label: str) -> None:
    samples.import_folder(ctx, folder)
    first, second = (sample.sample for sample in samples.page_samples(ctx, labelled=True, limit=2).rows)
    with pytest.raises(InputInvalid):
        samples.label_samples(ctx, {first: "fine", second: label})
    with pytest.raises(NotFound):
        samples.label_samples(ctx, {first: "fine", "0" * 64: "fine"})
    assert "fine" not in samples.counts(ctx).by_label


def test_a_damaged_file_is_never_shown_as_the_sample(ctx: Context, folder: Path) -> None:
    samples.import_folder(ctx, folder)
    sample = samples.page_samples(ctx).rows[0].sample
    ctx.blobs.path(sample).write_bytes(b"other")
    with pytest.raises(ObjectCorrupt):
        samples.sample_bytes(ctx, sample)
    assert ctx.blobs.missing([sample]) == [sample], "set aside, so that a sync can bring it back"
    with pytest.raises(NotFound):
        samples.sample_bytes(ctx, sample)
    with pytest.raises(InputInvalid):
        samples.sample_bytes(ctx, "../../etc/passwd")


def test_a_dataset_is_its_content(ctx: Context, folder: Path) -> None:
    samples.import_folder(ctx, folder)
    first = datasets.freeze_dataset(ctx, "first")
    assert (first.train + first.held_out, first.labels) == (20, ("cat", "dog"))
    body = ctx.blobs.get(first.dataset)
    items = json.loads(body)["items"]
    assert hashlib.sha256(body).hexdigest() == first.dataset
    assert items == sorted(items, key=lambda item: item["sample"])
    assert items == [
        {"label": i.label, "sample": i.sample, "split": i.split} for i in datasets.dataset_items(ctx, first.dataset)
    ]
    assert datasets.freeze_dataset(ctx, "again") == first
    assert datasets.list_datasets(ctx) == [first]
    assert datasets.get_dataset(ctx, first.dataset[:8]) == datasets.get_dataset(ctx, "first") == first
    assert objects.Stored(first.dataset, len(body), "dataset") in objects.unsynced(ctx.database)


def test_a_new_label_makes_a_new_version_and_no_sample_changes_sides(ctx: Context, folder: Path) -> None:
    samples.import_folder(ctx, folder)
    first = datasets.freeze_dataset(ctx, "digits")
    samples.label_samples(ctx, {samples.page_samples(ctx, labelled=False).rows[0].sample: "dog"})
    second = datasets.freeze_dataset(ctx, "digits")
    assert second.dataset != first.dataset
    assert second.train + second.held_out == 21
    sides = {item.sample: item.split for item in datasets.dataset_items(ctx, second.dataset)}
    assert all(sides[item.sample] == item.split for item in datasets.dataset_items(ctx, first.dataset))
    assert datasets.get_dataset(ctx, "digits") == second


def test_the_share_held_out_is_about_what_was_asked_for() -> None:
    ids = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(2000)]
    held = sum(datasets.split_of(sample, 0.2) == "held-out" for sample in ids)
    assert 340 < held < 460


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_what_cannot_be_frozen_is_explained(ctx: Context, folder: Path, share: float) -> None:
    with pytest.raises(InputInvalid, match="at least two labels"):
        datasets.freeze_dataset(ctx, "empty")
    samples.import_folder(ctx, folder)
    with pytest.raises(InputInvalid, match="hold out"):
        datasets.freeze_dataset(ctx, "all", held_out=share)
    with pytest.raises(InputInvalid, match="too few"):
        datasets.freeze_dataset(ctx, "none", held_out=1e-9)
    with pytest.raises(InputInvalid, match="name"):
        datasets.freeze_dataset(ctx, " ")
    assert datasets.list_datasets(ctx) == []


def test_a_dataset_that_was_tampered_with_is_not_used(ctx: Context, folder: Path) -> None:
    samples.import_folder(ctx, folder)
    frozen = datasets.freeze_dataset(ctx, "first")
    ctx.database.write(lambda writer: writer.execute("UPDATE dataset_items SET label = 'cow' WHERE label = 'cat'"))
    with pytest.raises(ObjectCorrupt):
        datasets.dataset_items(ctx, frozen.dataset)
    with pytest.raises(InputInvalid, match="digest"):
        dataset_store.put_dataset(ctx.database, frozen, [DatasetItem(sample="a", label="b", split="train")])
