"""Dataset versions: what is labelled now, frozen."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Literal

from app.store import datasets as dataset_store
from app.store import samples as sample_store
from app.store.records import Dataset, DatasetItem
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context

MAX_NAME = 100
_SPLIT_STEPS = 2**32


def freeze_dataset(ctx: Context, name: str, *, held_out: float = 0.2) -> Dataset:
    """Freeze every labelled sample whose bytes are here into a dataset version.

    Whether a sample trains or is held out follows from its id alone, so it never changes sides from one version
    to the next, on any desktop. The same content is the same dataset: freezing it again, under whatever name,
    gives the one that is there.

    :param held_out: share kept away from training, between 0 and 1, both excluded.
    :raises InputInvalid: fewer than two labels, or too few samples for both splits.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InputInvalid(f"A dataset's name has between 1 and {MAX_NAME} printable characters.")
    if not 0.0 < held_out < 1.0:
        raise InputInvalid(f"The share to hold out lies between 0 and 1; {held_out} does not.")
    items = [
        DatasetItem(sample=sample, label=label, split=split_of(sample, held_out))
        for sample, label in sample_store.labelled_samples(ctx.database)
    ]
    labels = tuple(sorted({item.label for item in items}))
    kept_back = sum(item.split == "held-out" for item in items)
    if len(labels) < 2:
        raise InputInvalid(
            f"A dataset needs samples of at least two labels; there are {len(labels)}.",
            hint="Label more samples, or import a folder with one sub-folder for each label.",
        )
    if kept_back in (0, len(items)):
        raise InputInvalid(
            f"Labelled samples: {len(items)}; that is too few to hold {held_out:.0%} of them out.",
            hint="Label more samples, or hold out another share.",
        )
    body = dataset_store.dataset_object(items)
    dataset = Dataset(
        dataset=hashlib.sha256(body).hexdigest(),
        name=name,
        created_ms=time.time_ns() // 1_000_000,
        train=len(items) - kept_back,
        held_out=kept_back,
        labels=labels,
    )
    ctx.blobs.put(body)
    if not dataset_store.put_dataset(ctx.database, dataset, items):
        return dataset_store.get_dataset(ctx.database, dataset.dataset)
    counts = f"{dataset.train} to train, {dataset.held_out} held out, {counted(len(labels), 'label', 'labels')}"
    ctx.database.write(lambda w: w.activity("dataset.frozen", dataset.dataset, f"Froze {name}: {counts}."))
    return dataset


def split_of(sample: str, held_out: float) -> Literal["train", "held-out"]:
    """Which side a sample is on, by its id; independent of everything else."""
    return "held-out" if int(sample[:8], 16) < held_out * _SPLIT_STEPS else "train"


def list_datasets(ctx: Context) -> list[Dataset]:
    """Every dataset version, newest first."""
    return dataset_store.list_datasets(ctx.database)


def get_dataset(ctx: Context, dataset: str) -> Dataset:
    """A dataset version by the beginning of its id, or the newest one of a name."""
    return dataset_store.get_dataset(ctx.database, dataset)


def dataset_items(ctx: Context, dataset: str) -> list[DatasetItem]:
    """What a dataset version consists of, sorted by sample."""
    return dataset_store.items(ctx.database, get_dataset(ctx, dataset).dataset)
