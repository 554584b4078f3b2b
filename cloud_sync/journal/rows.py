"""What a row is once several desktops have written it: of each column the last writer's value, and what it beat unseen.

Every value stands under a *dot*, (clock, replica) of the change that wrote it; no two changes have the same. A row also
knows which dots its writers had seen. Of two values of one column the one that was seen by the writer of the other is
gone; where neither was, the later dot stands and the other one is *lost*: kept beside it, until somebody who had both
before them writes the column again. Whether the row is there at all is a column like any other, :data:`PRESENCE`.

Pure. :func:`merge` gives the same in whatever order, and however often, its parts arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.contracts import wire

Dot = tuple[str, str]
"""(clock, replica)."""

PRESENCE = ""
"""The column that says whether the row is there: 1 or 0. No real column has this name."""
EVERYONE = "*"
"""In ``seen``: all of whatever replica, up to a clock. Of rows that were written before dots were kept."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that another one beat without its writer having seen it."""

    field: str
    clock: str
    replica: str
    value: Any

    @property
    def dot(self) -> Dot:
        return self.clock, self.replica


@dataclass(frozen=True, slots=True)
class RowState:
    """A row as one replica has it."""

    dot: Dot
    """Of the change that last said whether the row is there."""
    values: Mapping[str, Any]
    """Of every column; of a row that is not there any more the last ones."""
    gone: bool = False
    seen: Mapping[str, str] = field(default_factory=dict)
    """Replica → the last of its dots that went into this row, by clock; :attr:`dot` need not be named."""
    stamps: Mapping[str, Dot] = field(default_factory=dict)
    """Of the columns that :attr:`dot` did not write."""
    lost: tuple[Lost, ...] = ()

    def saw(self, dot: Dot) -> bool:
        """Whether that change went into this row."""
        clock, replica = dot
        own = self.dot[0] if replica == self.dot[1] else ""
        return clock <= max(self.seen.get(replica, ""), self.seen.get(EVERYONE, ""), own)

    def siblings(self, column: str) -> dict[Dot, Any]:
        """Every value of a column that nobody has written over having seen it, by dot; the greatest one stands."""
        if column == PRESENCE:
            found: dict[Dot, Any] = {self.dot: int(not self.gone)}
        elif column in self.values:
            found = {self.stamps.get(column, self.dot): self.values[column]}
        else:
            return {}
        return found | {one.dot: one.value for one in self.lost if one.field == column}

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.values) | {PRESENCE}


def whole(dot: Dot, values: Mapping[str, Any] | None) -> RowState:
    """A row as a change of before dots were kept has it: all of it was written, or deleted, at once, and whatever is
    older counts as seen.
    """
    return RowState(dot=dot, values=values or {}, gone=values is None, seen={EVERYONE: dot[0]})


def merge(one: RowState, other: RowState, quiet: Collection[str] = ()) -> RowState:
    """What both say together.

    :param quiet: columns of which only the last value is of interest.
    """
    columns: dict[str, dict[Dot, Any]] = {}
    for column in one.columns | other.columns:
        mine, theirs = one.siblings(column), other.siblings(column)
        if not mine or not theirs:  # a column that one of the two did not know
            columns[column] = mine or theirs
            continue
        kept = {dot: value for dot, value in mine.items() if dot in theirs or not other.saw(dot)}
        for dot, value in theirs.items():
            if dot in kept:  # of two values under one dot, which only an unsound replica makes, the content decides
                kept[dot] = min(kept[dot], value, key=wire.encode)
            elif dot in mine or not one.saw(dot):
                kept[dot] = value
        columns[column] = kept or {**mine, **theirs}
    return _assembled(columns, _union(one, other), quiet)


def written(before: RowState | None, changed: Mapping[str, Any], dot: Dot) -> RowState:
    """The row after somebody who had it before them wrote these columns; of one that was not there, all of them."""
    if before is None:
        return RowState(dot=dot, values=dict(changed), seen={})
    columns = {column: before.siblings(column) for column in before.values}
    columns |= {column: {dot: value} for column, value in changed.items()}
    # Writing a row is no answer to the question whether it should have been deleted; making it anew is.
    denied = {} if before.gone else {one.dot: 0 for one in before.lost if one.field == PRESENCE and not one.value}
    columns[PRESENCE] = {**denied, dot: 1}
    return _assembled(columns, _union(before), ())


def deleted(before: RowState | None, dot: Dot) -> RowState:
    """The row after somebody who had it before them deleted it."""
    if before is None:
        return RowState(dot=dot, values={}, gone=True)
    columns: dict[str, dict[Dot, Any]] = {
        column: {before.stamps.get(column, before.dot): value} for column, value in before.values.items()
    }
    return _assembled({**columns, PRESENCE: {dot: 0}}, _union(before), ())


def settled(before: RowState, column: str, value: Any, dot: Dot) -> RowState:
    """The row after somebody decided a column of which values were lost, or whether it is there (:data:`PRESENCE`)."""
    columns = {name: before.siblings(name) for name in before.columns}
    columns[column] = {dot: value}
    if column != PRESENCE:
        # The dot of the row is its latest: a reader of before goes by it.
        columns[PRESENCE] = {**{old: kept for old, kept in columns[PRESENCE].items() if not kept}, dot: 1}
    return _assembled(columns, _union(before), ())


def renamed(state: RowState, names: Mapping[Dot, Dot], seen: Callable[[str, str], str]) -> RowState:
    """The row with other dots in place of some.

    :param seen: of a replica, and the last of its dots that counts as seen, the one that does from here on; beside the
        new ones. Nothing: none.
    """

    def name(dot: Dot) -> Dot:
        return names.get(dot, dot)

    capped = {who: seen(who, clock) for who, clock in _union(state).items()}
    columns = {column: {name(dot): value for dot, value in state.siblings(column).items()} for column in state.columns}
    for clock, who in (name(dot) for dots in columns.values() for dot in dots):
        capped[who] = max(capped.get(who, ""), clock)
    return _assembled(columns, {who: clock for who, clock in capped.items() if clock}, ())


def dots(state: RowState) -> frozenset[Dot]:
    """Every dot that something of the row stands under."""
    return frozenset(dot for column in state.columns for dot in state.siblings(column))


def contested(state: RowState) -> tuple[Lost, ...]:
    """What was lost and differs from what stands."""
    return tuple(
        one
        for one in state.lost
        if one.value != (int(not state.gone) if one.field == PRESENCE else state.values.get(one.field))
    )


def _union(*states: RowState) -> dict[str, str]:
    seen: dict[str, str] = {}
    for state in states:
        for replica, clock in (*state.seen.items(), state.dot[::-1]):
            seen[replica] = max(clock, seen.get(replica, ""))
    return seen


def _assembled(columns: Mapping[str, Mapping[Dot, Any]], seen: Mapping[str, str], quiet: Collection[str]) -> RowState:
    standing = {column: max(found) for column, found in columns.items()}
    dot = standing[PRESENCE]
    values = {column: columns[column][winner] for column, winner in standing.items() if column != PRESENCE}
    return RowState(
        dot=dot,
        values=values,
        gone=not columns[PRESENCE][dot],
        seen=_without_implied({**seen, dot[1]: max(dot[0], seen.get(dot[1], ""))}, dot),
        stamps={column: winner for column, winner in standing.items() if winner != dot and column != PRESENCE},
        lost=_sorted(
            Lost(column, *loser, value)
            for column, found in columns.items()
            if column not in quiet
            for loser, value in found.items()
            if loser != standing[column]
        ),
    )


def _without_implied(seen: dict[str, str], dot: Dot) -> dict[str, str]:
    clock, replica = dot
    return {who: until for who, until in seen.items() if (who, until) != (replica, clock)}


def _sorted(lost: Iterable[Lost]) -> tuple[Lost, ...]:
    return tuple(sorted(lost, key=lambda one: (one.field, one.clock, one.replica)))
