"""What people decided about bundles and boxes."""

from __future__ import annotations

import sqlite3

from app.store.database import Database
from app.store.records import EVERY_BOX, BundleDecision
from app.store.writer import Writer
from edge_runtime.contracts import wire


def put_decision(writer: Writer, decision: BundleDecision) -> None:
    """Keep a decision in place of the one before."""
    writer.upsert("decisions", wire.to_dict(decision))


def decision_of(db: Database, box: str, bundle: str) -> BundleDecision | None:
    """What stands for a box and a bundle: what was decided for every box before what was decided for this one."""
    for whom in (EVERY_BOX, box):
        row = db.read_one("SELECT * FROM decisions WHERE box = ? AND bundle = ?", (whom, bundle))
        if row is not None:
            return _decision(row)
    return None


def blacklisted(db: Database, bundle: str) -> BundleDecision | None:
    """The decision by which no box of the site gets this bundle."""
    row = db.read_one(
        "SELECT * FROM decisions WHERE box = ? AND bundle = ? AND choice = 'blacklist'", (EVERY_BOX, bundle)
    )
    return _decision(row) if row else None


def list_decisions(db: Database) -> list[BundleDecision]:
    """Every decision, newest first."""
    return [_decision(row) for row in db.read("SELECT * FROM decisions ORDER BY decided_ms DESC, box, bundle")]


def _decision(row: sqlite3.Row) -> BundleDecision:
    return BundleDecision(**dict(row))
