"""What the database is, for whoever is asked for help."""

from __future__ import annotations

from typing import Any

from app.store.database import Database
from app.store.tables import TABLES


def facts(db: Database) -> dict[str, Any]:
    """Which changes of the schema were applied, and how many rows there are by table."""
    steps = db.read("SELECT name, applied_at FROM _sqlite_migrations ORDER BY id")
    counts = {table: db.read(f'SELECT count(*) AS n FROM "{table}"')[0]["n"] for table in sorted(TABLES)}  # noqa: S608 - names of ours
    check = db.read("PRAGMA quick_check(1)")[0][0]
    return {"schema": [dict(step) for step in steps], "rows": counts, "quick_check": check}


def people(db: Database) -> list[str]:
    """Who did something at this desktop."""
    return [row["who"] for row in db.read("SELECT DISTINCT who FROM activity")]
