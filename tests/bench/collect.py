"""Collected rows into the desktop's database, against bare SQLite with the same durability."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from app.store import boxes, spool
from app.store.database import Database
from app.store.records import Box
from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import ResultRow
from tests.bench.measure import Figure, alternate

BOX = "b" * 64
PAGE = 1000
PAGES = 10
COLUMNS = (
    "box",
    "boot",
    "seq",
    "at_ms",
    "pipeline",
    "frame",
    "sample",
    "model",
    "label",
    "confidence",
    "margin",
    "latency_us",
)
TABLE = f"CREATE TABLE results ({', '.join(COLUMNS)}, PRIMARY KEY (box, boot, seq)) WITHOUT ROWID"


def results() -> list[list[ResultRow]]:
    """Pages of results, as a box would send them."""
    row = ResultRow(
        box=BOX,
        boot="boot",
        seq=0,
        at_ms=0,
        frame="",
        sample="",
        pipeline="camera",
        model="c" * 64,
        label="7",
        confidence=0.97,
        margin=0.95,
        latency_us=480,
    )
    keys = ((number, f"{number:07d}.jpg", f"{number:064x}") for number in range(PAGE * PAGES))
    rows = [replace(row, seq=number, at_ms=number, frame=frame, sample=sample) for number, frame, sample in keys]
    return [rows[start : start + PAGE] for start in range(0, len(rows), PAGE)]


def into_lineside(path: Path, pages: list[list[ResultRow]]) -> None:
    """Each page in one transaction together with its cursor, checked and told to listeners."""
    with closing(Database.open(path, replica="a" * 64)) as database:
        boxes.put_box(database, Box(box=BOX, name="box", address="192.0.2.1:7443", certificate="", enrolled_ms=0))
        for page in pages:
            spool.collect(database, "results", page, page[-1].seq, BOX)


def into_sqlite(path: Path, pages: list[list[tuple[object, ...]]]) -> None:
    """Each page as ready tuples in one transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(TABLE)
        for page in pages:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", page)
            database.execute("COMMIT")


def measure() -> list[Figure]:
    pages = results()
    tuples = [[tuple(body[name] for name in COLUMNS) for body in map(wire.to_dict, page)] for page in pages]
    with TemporaryDirectory() as folder:
        fresh: Iterator[Path] = (Path(folder, f"{number}.db") for number in count())
        ours, theirs = alternate(
            lambda: into_lineside(next(fresh), pages), lambda: into_sqlite(next(fresh), tuples), rounds=7
        )
    return [
        Figure(
            what=f"Results into the desktop's database, {PAGE:,} a transaction",
            reference="bare `executemany` of ready tuples",
            unit="rows/s",
            ours=PAGE * PAGES / ours,
            theirs=PAGE * PAGES / theirs,
            higher_is_better=True,
        )
    ]
