"""Roots that desktops made apart, knowing nothing of one another: none may bring back whom another one struck off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import NotFound, TrustRefused
from edge_runtime.update.roots import RootFacts, read_root

if TYPE_CHECKING:
    from cloud_sync.release.site_roots import SiteRoots

Bodies = Callable[[int], bytes]
"""The roots of a box or of the object store, by number; raises NotFound for one that is not there."""


def who_returns(own: SiteRoots, there: Bodies, newest: RootFacts) -> dict[str, str]:
    """Whom the newer one of two newest roots lists although the older one had struck them off beside it: name by
    fingerprint. Empty where one follows the other, or nobody can tell whether it does.

    :param there: the roots of the other side.
    :param newest: of those.
    """
    older, newer = (newest, own.facts) if newest.version < own.version else (own.facts, newest)
    try:
        followed = own.body(older.version) == there(older.version)
    except NotFound:
        # A box that was enrolled later, whose first root is above this desktop's.
        return {}
    if followed or older.desktops is None:
        return {}
    known = _last_in_common(own, there, older.version - 1)
    return {
        fingerprint: desktop.name
        for fingerprint, desktop in (newer.desktops or {}).items()
        # Where they parted before anything that both still have, whoever is not listed counts as struck off.
        if fingerprint not in older.desktops and (known is None or fingerprint in known)
    }


def require_none_returns(own: SiteRoots, there: Bodies, newest: RootFacts, name: str) -> None:
    """:raises TrustRefused: as :func:`who_returns`. ``name``: of the box, or whatever has the other roots."""
    if returning := who_returns(own, there, newest):
        names = ", ".join(sorted(returning.values()))
        older, newer = f"root {newest.version} of {name}", f"root {own.version} of this desktop"
        if newest.version >= own.version:
            older, newer = newer, older
        raise TrustRefused(
            f"Two people changed the keys apart: {older} had struck off {names}, and {newer} does not know of that.",
            hint=f"Strike off {names} where that is not known, too; or join the two with `lineside site introduce BOX` "
            "and the root key: whoever was struck off on either side stays out.",
        )


def _last_in_common(own: SiteRoots, there: Bodies, version: int) -> dict[str, object] | None:
    """Whom the last root lists that both sides have, from this number down; None: there is none, or it lists nobody."""
    for number in range(version, 0, -1):
        try:
            body = there(number)
            if own.body(number) == body:
                desktops = read_root(body).desktops
                return None if desktops is None else dict(desktops)
        except NotFound:
            return None
    return None
