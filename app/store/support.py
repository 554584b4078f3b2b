"""What the database is, for whoever is asked for help; what of it can be read where it is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.store.database import Database
from app.store.tables import TABLES

_SCHEMA = "SELECT name, applied_at FROM _sqlite_migrations ORDER BY id"
_BOXES = """SELECT name, address, (SELECT group_concat(label, char(10)) FROM box_labels l WHERE l.box = b.box) AS labels
    FROM boxes b ORDER BY box"""
_PEOPLE = "SELECT DISTINCT who FROM activity"
_MACHINES = "SELECT DISTINCT user, host FROM box_ssh"
_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class SalvagedNames:
    """Names in a database that may be damaged."""

    boxes: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Name, address, labels."""
    people: tuple[str, ...]
    machines: tuple[tuple[str, str], ...]
    """Users and hosts over SSH."""
    whole: bool
    """All of them could be read."""


def facts(db: Database) -> dict[str, Any]:
    """Which changes of the schema were applied, and how many rows there are by table."""
    steps = db.read(_SCHEMA)
    counts = {table: db.read(f'SELECT count(*) AS n FROM "{table}"')[0]["n"] for table in sorted(TABLES)}  # noqa: S608 - names of ours
    check = db.read("PRAGMA quick_check(1)")[0][0]
    return {"schema": [dict(step) for step in steps], "rows": counts, "quick_check": check}


def people(db: Database) -> list[str]:
    """Who did something at this desktop."""
    return [row["who"] for row in db.read(_PEOPLE)]


def machines(db: Database) -> list[tuple[str, str]]:
    """Users and hosts of machines that were reached over SSH."""
    return [(row["user"], row["host"]) for row in db.read(_MACHINES)]


def salvage(path: Path, *, rows: int) -> dict[str, Any]:
    """What can be read of a database that cannot be opened; nothing of it is changed.

    :param rows: of the activity, the newest.
    """
    told: dict[str, Any] = {"quick_check": [], "schema": [], "rows": {}, "activity": [], "problems": {}}
    problems = told["problems"]
    with _reading(path) as connection:

        def ask(what: str, sql: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            try:
                # Row by row: those before the first damaged page are told.
                found.extend(dict(row) for row in connection.execute(sql))
            except (sqlite3.Error, UnicodeDecodeError) as error:
                problems[what] = str(error)
            return found

        told["quick_check"] = [row["quick_check"] for row in ask("quick_check", f"PRAGMA quick_check({_FINDINGS})")]
        told["schema"] = ask("schema", _SCHEMA)
        for table in sorted(TABLES):
            for row in ask(table, f'SELECT count(*) AS n FROM "{table}"'):  # noqa: S608 - names of ours
                told["rows"][table] = row["n"]
        newest = f"SELECT seq, at_ms, who, what, subject, message FROM activity ORDER BY seq DESC LIMIT {rows:d}"  # noqa: S608 - a number
        told["activity"] = ask("activity", newest)
    return told


def salvaged_names(path: Path) -> SalvagedNames:
    """Names in a database that cannot be opened, as far as they can be read."""
    found: dict[str, list[sqlite3.Row]] = {_BOXES: [], _PEOPLE: [], _MACHINES: []}
    whole = True
    for sql, rows in found.items():
        try:
            with _reading(path) as connection:
                rows.extend(connection.execute(sql))
        except (sqlite3.Error, UnicodeDecodeError):
            whole = False
    return SalvagedNames(
        tuple(
            (str(row["name"]), str(row["address"]), tuple((row["labels"] or "").split("\n"))) for row in found[_BOXES]
        ),
        tuple(str(row["who"]) for row in found[_PEOPLE]),
        tuple((str(row["user"]), str(row["host"])) for row in found[_MACHINES]),
        whole,
    )


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection
