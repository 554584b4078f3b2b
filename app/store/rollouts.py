"""Rollouts, which are intent, and how far each box of them has come, which is a row of its own."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from app.store.database import Database
from app.store.lookup import resolve, to_json
from app.store.records import Rollout, RolloutBox, RolloutBoxState, RolloutState
from app.store.writer import Writer
from cloud_sync.release.plan import Plan
from edge_runtime.contracts import wire


def put_rollout(db: Database, rollout: Rollout) -> None:
    """Keep a rollout and all of its boxes as they stand now; rows that are so already are not told of."""
    db.write(lambda writer: write_rollout(writer, rollout))


def begin_rollout(writer: Writer, rollout: Rollout) -> Rollout:
    """Keep a rollout that this desktop starts now."""
    started = replace(rollout, replica=writer.replica, stamp=writer.tick())
    write_rollout(writer, started)
    return started


def write_rollout(writer: Writer, rollout: Rollout) -> None:
    """As :func:`put_rollout`, within a transaction."""
    row = wire.to_dict(rollout)
    del row["boxes"]
    writer.upsert("rollouts", {**row, "plan": to_json(rollout.plan)})
    for part in rollout.boxes:
        writer.upsert("rollout_boxes", {"rollout": rollout.rollout, **wire.to_dict(part)})


def move_rollout(
    writer: Writer,
    rollout: str,
    to: RolloutState,
    *,
    out_of: Collection[RolloutState],
    reason: str | None,
    finished_ms: int | None,
) -> bool:
    """Change a rollout's state where it is in one of ``out_of``; False where it is not, and nothing changed."""
    row = writer.execute("SELECT * FROM rollouts WHERE rollout = ?", (rollout,)).fetchone()
    if row is None or row["state"] not in out_of:
        return False
    writer.upsert("rollouts", {**dict(row), "state": to, "reason": reason, "finished_ms": finished_ms})
    return True


def move_box(
    writer: Writer,
    rollout: str,
    box: str,
    to: RolloutBoxState,
    reason: str | None,
    *,
    out_of: Iterable[RolloutBoxState],
    mark: int | None = None,
) -> bool:
    """Change a box's state where it is in one of ``out_of``; False where it is not. The time is that of the change of
    state, and a reason alone does not renew it.

    :param mark: see :class:`RolloutBox`; None leaves what is there.
    """
    row = writer.execute("SELECT * FROM rollout_boxes WHERE rollout = ? AND box = ?", (rollout, box)).fetchone()
    if row is None or row["state"] not in out_of:
        return False
    now = {"state": to, "reason": reason, "mark": row["mark"] if mark is None else mark}
    if any(row[column] != value for column, value in now.items()):
        updated_ms = row["updated_ms"] if row["state"] == to else writer.now_ms
        writer.upsert("rollout_boxes", {**dict(row), **now, "updated_ms": updated_ms})
        writer.touch("rollouts", rollout)
    return True


def get_rollout(db: Database, rollout: str) -> Rollout:
    """A rollout by its id or the unique beginning of it.

    :raises NotFound: there is none.
    """
    found = resolve(db, "rollouts", "rollout", rollout, "rollout")
    (row,) = db.read("SELECT * FROM rollouts WHERE rollout = ?", (found,))
    return _rollout(row, _boxes(db, found)[found])


def state_of(db: Database, rollout: str) -> RolloutState | None:
    """The rollout's state alone; None where there is none of that id."""
    row = db.read_one("SELECT state FROM rollouts WHERE rollout = ?", (rollout,))
    return row["state"] if row else None


def part_of(db: Database, rollout: str, box: str) -> RolloutBox | None:
    """One box of a rollout."""
    row = db.read_one("SELECT * FROM rollout_boxes WHERE rollout = ? AND box = ?", (rollout, box))
    return _part(dict(row)) if row else None


def list_rollouts(db: Database) -> list[Rollout]:
    """Every rollout, newest first."""
    parts = _boxes(db, None)
    rows = db.read("SELECT * FROM rollouts ORDER BY created_ms DESC, rollout")
    return [_rollout(row, parts[row["rollout"]]) for row in rows]


def list_going_on(db: Database, on_box: Collection[RolloutBoxState]) -> list[str]:
    """Ids of those that run or are paused, and of those that ended while a box was in one of these states."""
    marks = ", ".join("?" * len(on_box))
    sql = f"""SELECT rollout FROM rollouts r WHERE state IN ('running', 'paused') OR state IN ('stopped', 'aborted')
        AND EXISTS (SELECT 1 FROM rollout_boxes p WHERE p.rollout = r.rollout AND p.state IN ({marks}))
        ORDER BY created_ms DESC, rollout"""  # noqa: S608 - marks
    return [row["rollout"] for row in db.read(sql, tuple(on_box))]


def edition(db: Database) -> tuple[int, ...]:
    """Another one whenever a row of any rollout was written, here or by a sync: how many there are, and the sums of the
    two parts of the stamps at which each was written last.
    """
    row = db.read_one(
        """SELECT count(*), coalesce(sum(CAST(substr(clock, 1, 15) AS INTEGER)), 0),
            coalesce(sum(CAST(substr(clock, 17) AS INTEGER)), 0)
            FROM row_clocks WHERE table_name IN ('rollouts', 'rollout_boxes')"""
    )
    return tuple(row) if row else ()


def _boxes(db: Database, rollout: str | None) -> defaultdict[str, list[RolloutBox]]:
    sql = """SELECT p.* FROM rollout_boxes p LEFT JOIN boxes b USING (box)
        WHERE ?1 IS NULL OR p.rollout = ?1 ORDER BY p.rollout, p.wave, b.name COLLATE NOCASE, p.box"""
    parts: defaultdict[str, list[RolloutBox]] = defaultdict(list)
    for row in db.read(sql, (rollout,)):
        parts[row["rollout"]].append(_part(dict(row)))
    return parts


def _rollout(row: sqlite3.Row, parts: list[RolloutBox]) -> Rollout:
    plan = wire.decode(row["plan"], Plan, what="rollout's plan")
    return Rollout(**{**dict(row), "plan": plan}, boxes=tuple(parts))


def _part(fields: dict[str, Any]) -> RolloutBox:
    del fields["rollout"]
    return RolloutBox(**fields)
