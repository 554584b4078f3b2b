"""Frozen dataset versions."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.objects import add_object
from app.store.records import Dataset, DatasetItem
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, ObjectCorrupt


def dataset_object(items: Sequence[DatasetItem]) -> bytes:
    """The file by which a dataset travels to a training host; its sha256 is the dataset's id."""
    return wire.encode({"items": sorted(items, key=lambda item: item.sample)})


def put_dataset(db: Database, dataset: Dataset, items: Sequence[DatasetItem]) -> bool:
    """Keep a dataset whose object lies in the blobs; False where it was there, which is then left as it is.

    :raises InputInvalid: the id is not the items' digest.
    """
    body = dataset_object(items)
    if hashlib.sha256(body).hexdigest() != dataset.dataset:
        raise InputInvalid("The dataset's id is not the digest of its items.")

    def work(writer: Writer) -> bool:
        row = {**wire.to_dict(dataset), "labels": to_json(dataset.labels), "size": len(body)}
        if not writer.insert_new("datasets", row):
            return False
        for item in items:
            writer.insert_new("dataset_items", {"dataset": dataset.dataset, **wire.to_dict(item)})
        add_object(writer, dataset.dataset, len(body), "dataset")
        return True

    return db.write(work)


def list_datasets(db: Database) -> list[Dataset]:
    """Every dataset version, newest first."""
    return [_dataset(row) for row in db.read("SELECT * FROM datasets ORDER BY created_ms DESC, dataset")]


def get_dataset(db: Database, dataset: str) -> Dataset:
    """A dataset version by its id or the unique beginning of it, or the newest one of a name.

    :raises NotFound: there is none.
    """
    named = db.read_one("SELECT * FROM datasets WHERE name = ? ORDER BY created_ms DESC LIMIT 1", (dataset,))
    if named is not None:
        return _dataset(named)
    (row,) = db.read(
        "SELECT * FROM datasets WHERE dataset = ?", (resolve(db, "datasets", "dataset", dataset, "dataset"),)
    )
    return _dataset(row)


def items(db: Database, dataset: str) -> list[DatasetItem]:
    """What a dataset consists of, sorted by sample; ``dataset`` is the whole id.

    :raises ObjectCorrupt: the rows here are not what the id stands for.
    """
    rows = db.read("SELECT sample, label, split FROM dataset_items WHERE dataset = ? ORDER BY sample", (dataset,))
    found = [DatasetItem(**row) for row in rows]
    if hashlib.sha256(dataset_object(found)).hexdigest() != dataset:
        raise ObjectCorrupt(f"The items of dataset {dataset[:12]} on this desktop are not those that were frozen.")
    return found


def _dataset(row: sqlite3.Row) -> Dataset:
    return Dataset(
        dataset=row["dataset"],
        name=row["name"],
        created_ms=row["created_ms"],
        train=row["train"],
        held_out=row["held_out"],
        labels=wire.decode(row["labels"], tuple[str, ...], what="dataset's labels"),
    )
