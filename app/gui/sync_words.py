"""Where this desktop stands with the object store, in an icon and a word."""

from __future__ import annotations

from app.gui.states import State, state
from app.store.records import SyncStatus


def sync_state(status: SyncStatus) -> State:
    if status.store is None:
        return state("store.none")
    if status.problem is not None:
        return state("store.offline")
    return state("store.pending" if status.pending_changes or status.pending_objects else "store.synced")
