"""How far each replica's journal goes, told by the names of small objects beside the journals' folders: one list says
it of all replicas at once, and nobody is asked who has nothing new.

An end is a hint and no truth. One that was lost, or is not listed yet, only delays: its writer puts it again at the
next sync, and once in a while everybody is asked, whatever the ends say. One that says too much costs a question. Of a
replica that never told its end, as earlier versions do not, the folder alone is listed, and it is asked each time.
"""

from __future__ import annotations

import re
from contextlib import suppress

from cloud_sync.objects.base import ObjectStore
from edge_runtime.contracts.errors import StoreRefused

REPLICA = re.compile(r"[A-Za-z0-9_-]{1,128}")
_END = re.compile(rf"({REPLICA.pattern})\.(\d{{10}})")

Ends = dict[str, set[int]]
"""Replica → every end that is listed of it, outdated ones included; empty: it tells none."""


def end_key(prefix: str, replica: str, seq: int) -> str:
    """What stands where a replica's last segment is ``seq``. Earlier versions pass by what is no folder there."""
    return f"{prefix}/journal/{replica}.{seq:010d}"


def read_ends(store: ObjectStore, prefix: str) -> Ends:
    """The ends of every replica of the site, for the price of one list."""
    found = store.children(f"{prefix}/journal")
    ends: Ends = {name: set() for name in found.folders if REPLICA.fullmatch(name)}
    for name in found.objects:
        if (told := _END.fullmatch(name)) is not None:
            ends.setdefault(told[1], set()).add(int(told[2]))
    return ends


def tell_end(store: ObjectStore, prefix: str, replica: str, seq: int) -> None:
    """Say that the replica's last segment is ``seq``."""
    store.put(end_key(prefix, replica, seq), b"1")


def mend_end(store: ObjectStore, prefix: str, replica: str, seq: int, told: set[int]) -> None:
    """Tell the own end again where the list does not have it; where it does, clear older ones away: never before, for
    a store may lose what it acknowledged.
    """
    if max(told, default=0) < seq:
        tell_end(store, prefix, replica, seq)
    elif seq in told:
        # Who may not delete can sync nevertheless.
        with suppress(StoreRefused):
            for old in told:
                if old < seq:
                    store.delete(end_key(prefix, replica, old))
