"""Rows that may change, and who wrote which of their columns: :mod:`cloud_sync.journal.rows` over SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from app.store.tables import TABLES, columns_of, delete_sql, key_of, select_sql, upsert_sql
from cloud_sync.journal.changes import Change, change_of, grouped, plain, ungrouped
from cloud_sync.journal.rows import PRESENCE, Lost, RowState
from edge_runtime.contracts import wire

Execute = Callable[..., sqlite3.Cursor]
Read = Callable[..., list[sqlite3.Row]]


def quiet_columns(table: str) -> frozenset[str]:
    """Columns of which only the last value is kept; whether the row is there, where no desktop ever deletes one."""
    spec = TABLES[table]
    return spec.quiet if spec.deletable else spec.quiet | {PRESENCE}


def load_row(read: Read, table: str, key: str) -> RowState | None:
    """The row as this desktop has it, gone ones included; None where it was never written."""
    found = read(
        "SELECT clock, replica, seen, stamps, lost, held FROM row_clocks WHERE table_name = ? AND row_key = ?",
        (table, key),
    )
    if not found:
        return None
    clock, replica, seen, stamps, lost, held = found[0]
    values, gone = standing_values(read, table, key), False
    if values is None:
        values, gone = (json.loads(held) if held else {}), True
    return state_of((clock, replica), values, gone=gone, seen=seen, stamps=stamps, lost=lost)


def state_of(
    dot: tuple[str, str], values: Mapping[str, Any], *, gone: bool, seen: str, stamps: str, lost: str
) -> RowState:
    """The row of which ``row_clocks`` says this; its texts are those that :func:`save_row` wrote."""
    return RowState(
        dot=dot,
        values=values,
        gone=gone,
        seen=json.loads(seen) if seen else {},
        stamps=ungrouped(json.loads(stamps)) if stamps else {},
        lost=tuple(Lost(*one) for one in json.loads(lost)) if lost else (),
    )


def standing_values(read: Read, table: str, key: str) -> dict[str, Any] | None:
    """The travelling columns of a row, without its key; None where it does not stand."""
    columns = TABLES[table].columns
    # Of a table that has nothing but its key, that one is asked for.
    found = read(select_sql(table, columns or TABLES[table].key), columns_of(table, key))
    return dict(zip(columns, found[0], strict=False)) if found else None


def save_row(execute: Execute, table: str, key: str, row: RowState) -> None:
    """Keep what is known of a row, apart from the row itself."""
    clock, replica = row.dot
    execute(
        "INSERT INTO row_clocks (table_name, row_key, clock, replica, seen, stamps, lost, held)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (table_name, row_key) DO UPDATE SET clock = excluded.clock,"
        " replica = excluded.replica, seen = excluded.seen, stamps = excluded.stamps, lost = excluded.lost,"
        " held = excluded.held",
        (
            table,
            key,
            clock,
            replica,
            _text(row.seen),
            _text(grouped(row.stamps)),
            _text(plain(row.lost)),
            _text(row.values) if row.gone else None,
        ),
    )


def put_row(execute: Execute, table: str, key: str, row: RowState) -> None:
    """Make the row itself be what is known of it: there with these columns, or gone."""
    named = columns_of(table, key)
    if row.gone:
        execute(delete_sql(table), named)
    else:
        full = {**named, **row.values}
        execute(upsert_sql(table, tuple(full)), full)


def to_change(table: str, key: str, row: RowState) -> Change:
    """The change by which others learn of the row."""
    change = change_of(table, key, row)
    if change.body is None and row.gone:
        return change
    body = {**columns_of(table, key), **row.values}
    return Change(table, key, body, change.clock, change.replica, row.seen, row.stamps, row.lost, row.gone)


def from_change(change: Change, body: Mapping[str, Any] | None) -> RowState:
    """What a change says of a row, of the columns that this version knows alone.

    :param body: the change's, checked.
    """
    spec = TABLES[change.table]
    said = change.row
    columns = {column: value for column, value in (body or {}).items() if column in spec.columns}
    return RowState(
        dot=said.dot,
        values=columns,
        gone=said.gone,
        seen=said.seen,
        stamps={column: dot for column, dot in said.stamps.items() if column in columns},
        lost=tuple(one for one in said.lost if one.field == PRESENCE or one.field in columns),
    )


def state_text(change: Change) -> str | None:
    """What a change says beside its body, as the outbox keeps it; None: nothing."""
    if change.seen is None:
        return None
    return wire.encode(
        {
            "seen": change.seen,
            "stamps": grouped(change.stamps),
            "lost": plain(change.lost),
            "gone": change.gone,
        }
    ).decode()


def kept_change(row: sqlite3.Row, replica: str) -> Change:
    """A change as the outbox kept it.

    :param replica: whose it is where the row does not say so.
    """
    state = json.loads(row["state"]) if row["state"] is not None else None
    whose = row["replica"] or replica
    body = None if row["body"] is None else json.loads(row["body"])
    if state is None:
        return Change(row["table_name"], row["row_key"], body, row["clock"], whose)
    return Change(
        row["table_name"],
        row["row_key"],
        body,
        row["clock"],
        whose,
        state["seen"],
        ungrouped(state["stamps"]),
        tuple(Lost(*one) for one in state["lost"]),
        state["gone"],
    )


def keep_change(execute: Execute, change: Change, own: str) -> None:
    """Into the outbox."""
    execute(
        "INSERT INTO changes (table_name, row_key, body, clock, state, replica) VALUES (?, ?, ?, ?, ?, ?)",
        (
            change.table,
            change.key,
            None if change.body is None else wire.encode(change.body).decode(),
            change.clock,
            state_text(change),
            None if change.replica == own else change.replica,
        ),
    )


def fact_change(table: str, row: Mapping[str, Any], clock: str, replica: str) -> Change:
    """The change by which others learn of a fact."""
    spec = TABLES[table]
    return Change(table, key_of(table, row), {column: row[column] for column in spec.travelling}, clock, replica)


def _text(value: Any) -> str:
    return wire.encode(value).decode() if value else ""
