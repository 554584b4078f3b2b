"""Whole rows, of which the last writer's stands: how the small journal of these tests merges.

What desktops do with rows that may change is :mod:`cloud_sync.journal.rows`; this is enough to try how segments travel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloud_sync.journal.changes import Change, encode_change

Stamp = tuple[str, str]
"""(clock, replica)."""


def wins(challenger: Stamp, standing: Stamp) -> bool:
    """Whether a change replaces the one that stands: the later clock does, and of equal ones the greater replica."""
    return challenger > standing


def fold(changes: Iterable[Change], facts: Collection[str]) -> dict[tuple[str, str], Change]:
    """(table, key) → the change that stands, a deletion included. What every replica has once it has seen all.

    :param facts: tables whose rows never change once written: there the first writer's row stands, and nothing is
        ever deleted.
    """
    standing: dict[tuple[str, str], Change] = {}
    for change in changes:
        place = (change.table, change.key)
        if change.table in facts:
            if change.body is not None and (place not in standing or _order(change) < _order(standing[place])):
                standing[place] = change
        elif place not in standing or _order(change) > _order(standing[place]):
            standing[place] = change
    return standing


def _order(change: Change) -> tuple[str, str, bytes]:
    # No sound replica stamps two changes alike; of an unsound one's, the content decides.
    return change.clock, change.replica, encode_change(change)
