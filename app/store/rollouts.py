"""Rollouts and how far each box of them has come."""

from __future__ import annotations

import sqlite3

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.records import Rollout, RolloutBox
from edge_runtime.contracts import wire


def put_rollout(db: Database, rollout: Rollout) -> None:
    """Keep a rollout as it stands now."""
    row = {**wire.to_dict(rollout), "boxes": to_json(rollout.boxes)}
    db.write(lambda writer: writer.upsert("rollouts", row))


def get_rollout(db: Database, rollout: str) -> Rollout:
    """A rollout by its id or the unique beginning of it.

    :raises NotFound: there is none.
    """
    found = resolve(db, "rollouts", "rollout", rollout, "rollout")
    (row,) = db.read("SELECT * FROM rollouts WHERE rollout = ?", (found,))
    return _rollout(row)


def list_rollouts(db: Database) -> list[Rollout]:
    """Every rollout, newest first."""
    return [_rollout(row) for row in db.read("SELECT * FROM rollouts ORDER BY created_ms DESC, rollout")]


def _rollout(row: sqlite3.Row) -> Rollout:
    return Rollout(**{**dict(row), "boxes": wire.decode(row["boxes"], tuple[RolloutBox, ...], what="rollout's boxes")})
