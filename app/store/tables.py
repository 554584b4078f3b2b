"""Which tables there are, what their keys are, and which of their columns travel between desktops.

The single list that the writer, the journal and the SQL helpers go by: a table or column that is not named
here cannot be reached by a change from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """``key``: primary key; ``columns``: what travels besides the key; ``fact``: rows are never changed afterwards;
    ``deletable``: another desktop may delete rows, too; ``quiet``: columns that programs write, not people: of two
    values the later one stands, and nobody is told of the other.
    """

    key: tuple[str, ...]
    columns: tuple[str, ...] = ()
    synced: bool = False
    fact: bool = False
    deletable: bool = False
    quiet: frozenset[str] = frozenset()

    @property
    def travelling(self) -> tuple[str, ...]:
        return (*self.key, *self.columns)


_SAMPLE = (
    *("origin", "box", "pipeline", "frame", "at_ms", "media", "size", "reason"),
    *("model", "predicted", "confidence", "margin"),
)
_BURST = (
    *("recipe", "host", "dataset", "base_model", "state", "created_ms", "deadline_ms", "cap_usd", "cost_usd"),
    *("worst_case_usd", "attempt", "started_ms", "finished_ms", "message", "model"),
)
_ROLLOUT = (
    *("model", "version", "state", "created_ms", "finished_ms", "reason", "plan", "replica", "stamp"),
    *("subject", "object", "size", "signature"),
)
_ROLLOUT_BOX = ("wave", "state", "reason", "updated_ms", "base", "mark", "signature")


TABLES: Mapping[str, Table] = {
    "boxes": Table(
        ("box",),
        ("name", "address", "certificate", "enrolled_ms"),
        synced=True,
        deletable=True,
        quiet=frozenset({"certificate", "enrolled_ms"}),
    ),
    "samples": Table(("sample",), _SAMPLE, synced=True, quiet=frozenset(_SAMPLE)),
    "label_events": Table(
        ("event",), ("sample", "label", "who", "at_ms", "clock", "replica", "base"), synced=True, fact=True
    ),
    # Not a fact: two desktops may have frozen the same content under different names.
    "datasets": Table(
        ("dataset",),
        ("name", "created_ms", "train", "held_out", "labels", "size"),
        synced=True,
        quiet=frozenset({"created_ms", "train", "held_out", "labels", "size"}),
    ),
    "dataset_items": Table(("dataset", "sample"), ("label", "split"), synced=True, fact=True),
    "bursts": Table(("burst",), _BURST, synced=True, quiet=frozenset(_BURST)),
    "models": Table(
        ("model",),
        ("sha256", "size", "name", "version", "release", "state", "created_ms", "burst", "dataset", "gate"),
        synced=True,
        quiet=frozenset({"sha256", "size", "created_ms", "burst", "dataset", "gate"}),
    ),
    "proofs": Table(("model", "box"), ("report",), synced=True, quiet=frozenset({"report"})),
    # Intent alone: how far each box has come is a row of its own, so that no desktop overwrites another's boxes.
    "rollouts": Table(
        ("rollout",),
        _ROLLOUT,
        synced=True,
        quiet=frozenset(_ROLLOUT) - {"state", "plan"},
    ),
    # Every desktop mends these rows to what the boxes say: app.usecases.rollout_conflicts.
    "rollout_boxes": Table(
        ("rollout", "box"),
        _ROLLOUT_BOX,
        synced=True,
        quiet=frozenset(_ROLLOUT_BOX),
    ),
    "box_labels": Table(("box", "label"), synced=True, deletable=True),
    "decisions": Table(
        ("box", "bundle"),
        ("choice", "reason", "who", "decided_ms", "subject"),
        synced=True,
        quiet=frozenset({"reason", "who", "decided_ms", "subject"}),
    ),
    "alerts": Table(
        ("box", "boot", "seq"), ("at_ms", "kind", "message", "pipeline", "model", "facts"), synced=True, fact=True
    ),
    "audits": Table(
        ("box", "boot", "seq"),
        ("at_ms", "kind", "who", "message", "entry", "previous", "chain"),
        synced=True,
        fact=True,
    ),
    "visit_entries": Table(
        ("visit", "seq"),
        ("replica", "at_ms", "kind", "who", "desktop", "certificate", "body", "previous", "digest", "signature"),
        synced=True,
        fact=True,
    ),
    "replicas": Table(("replica",), ("former", "void", "at_ms", "reason"), synced=True, fact=True),
    "box_status": Table(("box",)),
    "box_ssh": Table(("box",)),
    "links": Table(("box",)),
    "cursors": Table(("box", "stream")),
    "audit_chains": Table(("box", "beginning")),
    "sightings": Table(("box", "address", "boot")),
    "results": Table(("box", "boot", "seq")),
    "losses": Table(("box", "boot", "seq")),
    "shadows": Table(("box", "boot", "seq")),
    "rollups": Table(("box", "boot", "seq")),
    "arrivals": Table(("id",)),
    "metric_rollups": Table(("span", "box", "pipeline", "model", "at_ms")),
    "metric_files": Table(("number",)),
    "burst_points": Table(("burst", "step")),
    "burst_log": Table(("burst", "line")),
    "burst_records": Table(("burst",)),
    "objects": Table(("sha256",)),
    "row_clocks": Table(("table_name", "row_key")),
    "positions": Table(("replica",)),
    "own_segments": Table(("seq",)),
    "notes": Table(("name",)),
}


def key_of(table: str, row: Mapping[str, Any]) -> str:
    """The row's key as one text, as listeners and the journal name it."""
    return "/".join(str(row[column]) for column in TABLES[table].key)


def columns_of(table: str, key: str) -> dict[str, str]:
    """The key columns of a row by the text that :func:`key_of` made; the last one may contain slashes.

    :raises ValueError: the text has fewer parts than the key.
    """
    spec = TABLES[table].key
    return dict(zip(spec, key.split("/", len(spec) - 1), strict=True))


@cache
def upsert_sql(table: str, columns: tuple[str, ...]) -> str:
    """``INSERT`` with named parameters that replaces the given columns where the key is there already."""
    key = TABLES[table].key
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    action = f"DO UPDATE SET {changed}" if changed else "DO NOTHING"
    return f"{_insert(table, columns)} ON CONFLICT ({', '.join(key)}) {action}"


@cache
def insert_new_sql(table: str, columns: tuple[str, ...], *, positional: bool = False) -> str:
    """``INSERT`` that leaves a row with this key alone; with named parameters, or with ``?`` in the columns' order."""
    return f"{_insert(table, columns, positional=positional)} ON CONFLICT ({', '.join(TABLES[table].key)}) DO NOTHING"


@cache
def select_sql(table: str, columns: tuple[str, ...]) -> str:
    """The row with a given key, which is passed as named parameters."""
    # Names come from TABLES alone, never from a value.
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {_by_key(table)}"  # noqa: S608 - names of ours


@cache
def delete_sql(table: str) -> str:
    """Delete the row with a given key, which is passed as named parameters."""
    # Names come from TABLES alone, never from a value.
    return f"DELETE FROM {table} WHERE {_by_key(table)}"  # noqa: S608 - names of ours


def _by_key(table: str) -> str:
    return " AND ".join(f"{column} = :{column}" for column in TABLES[table].key)


def _insert(table: str, columns: tuple[str, ...], *, positional: bool = False) -> str:
    # Names come from TABLES and from the code that calls, never from a value.
    marks = ("?" if positional else f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(marks)})"  # noqa: S608 - names of ours
