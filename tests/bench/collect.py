"""Pages of results as a box sends them into the desktop's database, against bare SQLite with the same durability."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import fields
from itertools import count
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from app.fleet.pages import SpoolPage, read_page
from app.store import boxes, spool
from app.store.database import Database
from app.store.records import Box
from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import ResultRow
from tests.bench.measure import Figure, Goal, alternate
from tests.fakes.figures import BOX, Line

PAGE = 1000
PAGES = 40
ROUNDS = 7
NAMES = tuple(field.name for field in fields(ResultRow) if field.name not in ("objects", "areas"))
INSERT = (
    f"INSERT INTO results ({', '.join(NAMES)}) VALUES ({', '.join('?' * len(NAMES))})"
    " ON CONFLICT (box, boot, seq) DO NOTHING"
)


def bodies() -> list[bytes]:
    """Pages of results, as bytes that came from a box."""
    line = Line()
    return [
        wire.encode(SpoolPage(tuple(line.results(PAGE)), cursor=number, more=True)) for number in range(1, PAGES + 1)
    ]


def open_database(path: Path, stack: ExitStack) -> Database:
    database = stack.enter_context(closing(Database.open(path, replica="a" * 64)))
    boxes.put_box(database, Box(box=BOX, name="box", address="192.0.2.1:7443", certificate="", enrolled_ms=0))
    return database


def into_lineside(database: Database, pages: Sequence[bytes]) -> None:
    """Each page in one transaction together with its cursor, checked, told to listeners, and noted for the bucket."""
    for body in pages:
        page = read_page("results", body, what="page")
        spool.collect(database, "results", page.rows, page.cursor, BOX)


def into_sqlite(connection: sqlite3.Connection, pages: Sequence[bytes]) -> None:
    """The same pages, decoded and checked by the same decoder, into the same table: nothing else is done."""
    read = attrgetter(*NAMES)
    for body in pages:
        page = read_page("results", body, what="page")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, map(read, page.rows))
        connection.execute("COMMIT")


def measure() -> list[Figure]:
    pages = bodies()
    numbers = count()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        # Made before the clock runs: what is measured is what every page costs.
        ours = iter([open_database(Path(folder, f"{next(numbers)}.db"), stack) for _ in range(ROUNDS + 1)])
        theirs = iter([_bare(Path(folder, f"{next(numbers)}.db"), stack) for _ in range(ROUNDS + 1)])
        mine, bare = alternate(
            lambda: into_lineside(next(ours), pages), lambda: into_sqlite(next(theirs), pages), rounds=ROUNDS
        )
    return [
        Figure(
            what=f"Pages of {PAGE:,} results from a box into the desktop's database",
            reference="bare `executemany … ON CONFLICT` of the same decoded pages into the same table",
            unit="rows/s",
            ours=PAGE * PAGES / mine,
            theirs=PAGE * PAGES / bare,
            higher_is_better=True,
            goal=Goal(ratio=0.8),
        )
    ]


def _bare(path: Path, stack: ExitStack) -> sqlite3.Connection:
    # The table and its index are Lineside's own.
    open_database(path, stack).close()
    connection = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
    connection.execute("PRAGMA synchronous = FULL")
    return connection
