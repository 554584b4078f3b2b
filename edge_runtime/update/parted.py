"""Roots that were made apart: who of those that one side has struck off would come back with the other side's. Pure.

Of two newest roots the one with the lower number may be replaced by the other. It is, with nothing to be asked, where
the other one was made knowing it: each root names the one that it was made after by its digest, and these links lead
from the one to the other. Otherwise nobody may be listed in the newer one whom the older one's side has struck off
since the last root that both were made after, or ever, where the links do not lead to one; where that side's roots are
not all there, whoever it does not list counts as struck off.
"""

from __future__ import annotations

import hashlib
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
    believed: bool = False
    """Each of them took the place of the one before it where this was asked, so that what lies below another one says
    what that one was taken over after. What anybody else has below it says nothing.
    """

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
    if older.newest.desktops is None:
        return {}
    parted = _parted_at(older, newer)
    if parted == older.newest.version:
        return {}
    known = _listed_since(older, parted)
    return {
        fingerprint: desktop.name
        for fingerprint, desktop in (newer.newest.desktops or {}).items()
        if fingerprint not in older.newest.desktops and (known is None or fingerprint in known)
    }


def _parted_at(older: Chain, newer: Chain) -> int:
    """Number of the last root of the older side that the newer one's newest was made after; 0: none is known."""
    digest, before = newer.newest.digest, newer.newest.before
    for version in range(newer.newest.version, 0, -1):
        body = older.get(version) if version <= older.newest.version else None
        if body is not None and (_digest(body) == digest or (newer.believed and newer.get(version) == body)):
            return version
        if version < newer.newest.version:
            # Of what the newer side has there, that alone is believed which the root above it names.
            theirs = newer.get(version) if digest else None
            before = read_root(theirs).before if theirs is not None and _digest(theirs) == digest else None
        digest = before or ""
        if not digest and not newer.believed:
            break
    return 0


def _listed_since(older: Chain, parted: int) -> set[str] | None:
    """Whom the older side's roots have listed since this number; None: some of them are not there."""
    known: set[str] = set()
    for version in range(older.newest.version - 1, max(parted, 1) - 1, -1):
        body = older.get(version)
        if body is None:
            return None
        # One of before roots listed desktops has struck off nobody.
        known |= (read_root(body).desktops or {}).keys()
    return known


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
