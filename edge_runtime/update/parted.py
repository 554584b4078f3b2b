"""Roots that were made apart: who of those that one side has struck off would come back with the other side's. Pure.

Of two newest roots the one with the lower number may be replaced by the other. It is, with nothing to be asked, where
the other one was made knowing it. Otherwise nobody may be listed in the newer one whom the older one's side has struck
off; where that side's roots are not all there, whoever it does not list counts as struck off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.contracts.errors import NotFound
from edge_runtime.update.roots import RootFacts, read_root


@dataclass(frozen=True, slots=True)
class Chain:
    """The roots of one side: a desktop, a box, the object store, a pack."""

    newest: RootFacts
    body: Callable[[int], bytes]
    """By number; raises NotFound for one that is not there, as on a box that was brought only later ones."""

    def get(self, version: int) -> bytes | None:
        try:
            return self.body(version)
        except NotFound:
            return None


def who_returns(one: Chain, other: Chain) -> dict[str, str]:
    """Whom the newer one of two newest roots lists although the older one's side has struck them off: name by
    fingerprint. Empty where the newer one was made knowing the older one.

    :raises InputInvalid: what a side has is no root.
    """
    older, newer = (other, one) if other.newest.version < one.newest.version else (one, other)
    version = older.newest.version
    if older.newest.desktops is None or newer.get(version) == older.body(version):
        return {}
    known = _listed_since_they_parted(older, newer)
    return {
        fingerprint: desktop.name
        for fingerprint, desktop in (newer.newest.desktops or {}).items()
        if fingerprint not in older.newest.desktops and (known is None or fingerprint in known)
    }


def _listed_since_they_parted(older: Chain, newer: Chain) -> set[str] | None:
    """Whom the older side's roots have listed since the last one that both have, or ever, where none is known; None:
    some of these are not there.
    """
    known: set[str] = set()
    for version in range(older.newest.version - 1, 0, -1):
        body = older.get(version)
        if body is None or (desktops := read_root(body).desktops) is None:
            return None
        known |= desktops.keys()
        if newer.get(version) == body:
            break
    return known
