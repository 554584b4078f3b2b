"""Desktops that synced agree, whatever they did before and in whatever order."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.store import boxes, samples
from app.store.database import Database
from app.store.journal import StoreJournal
from app.store.records import Box
from app.store.tables import TABLES
from cloud_sync.journal.replicate import pull, push
from cloud_sync.objects import open_store
from tests.unit.app.rows import OpenDatabase, digest


def put_sample(db: Database, sample: str, at_ms: int) -> None:
    db.write(
        lambda writer: samples.put_import(
            writer, sample=sample, frame="1.jpg", at_ms=at_ms, media="image/jpeg", size=100
        )
    )


def everything_synced(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    shown = {}
    for name, table in TABLES.items():
        if table.synced:
            columns = ", ".join(table.travelling)
            shown[name] = [tuple(row) for row in db.read(f"SELECT {columns} FROM {name} ORDER BY {columns}")]
    labels = db.read("SELECT sample, label, label_clock FROM samples ORDER BY sample")
    return {**shown, "standing labels": [tuple(row) for row in labels]}


@pytest.mark.parametrize("seed", range(4))
def test_three_desktops_agree_whatever_they_did_and_whenever_they_synced(
    open_database: OpenDatabase, box: Box, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    desks = [open_database(name) for name in "abc"]
    with contextlib.closing(open_store(str(tmp_path / "bucket"))) as store:

        def label(db: Database) -> None:
            known = samples.page_samples(db).rows
            if known:
                samples.add_label(db, chance.choice(known).sample, str(chance.randrange(3)))

        deeds: list[Callable[[Database], object]] = [
            label,
            label,
            lambda db: put_sample(db, digest(str(chance.randrange(6))), chance.randrange(9)),
            lambda db: boxes.put_box(db, dataclasses.replace(box, name=f"line-{chance.randrange(9)}")),
            lambda db: boxes.remove_box(db, box.box),
            lambda db: push(store, StoreJournal(db), "sites/x"),
            lambda db: pull(store, StoreJournal(db), "sites/x"),
        ]
        for _ in range(60):
            chance.choice(deeds)(chance.choice(desks))
        for db in desks:
            push(store, StoreJournal(db), "sites/x")
        for db in desks:
            assert pull(store, StoreJournal(db), "sites/x").problems == ()
    first, *others = [everything_synced(db) for db in desks]
    assert all(other == first for other in others)
