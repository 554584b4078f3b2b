"""Roots that desktops made apart, knowing nothing of one another: none may bring back whom another one struck off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.contracts.errors import NotFound, TrustRefused
from edge_runtime.update.parted import Chain, who_returns
from edge_runtime.update.roots import RootFacts, follow

if TYPE_CHECKING:
    from cloud_sync.release.site_roots import SiteRoots


def chain_of(roots: SiteRoots) -> Chain:
    """This desktop's own."""
    return Chain(roots.facts, roots.body, believed=True)


def require_none_returns(own: SiteRoots, there: Chain, name: str) -> None:
    """Before the roots of either side take the place of the other's.

    :param name: of the box, or whatever has the other roots.
    :raises TrustRefused: somebody would come back, or nobody can tell.
    """
    if returning := who_returns(chain_of(own), there):
        names = ", ".join(sorted(returning.values()))
        older, newer = f"root {there.newest.version} of {name}", f"root {own.version} of this desktop"
        if there.newest.version >= own.version:
            older, newer = newer, older
        raise TrustRefused(
            f"Two people changed the keys apart: {older} had struck off {names}, and {newer} does not know of that.",
            hint=f"Strike off {names} where that is not known, too; or join the two with `lineside site introduce BOX` "
            "and the root key: whoever was struck off on either side stays out.",
        )


@dataclass(frozen=True, slots=True)
class Newer:
    """Roots of the other side that may take the place of this desktop's newest one. Nothing of them is written yet."""

    own: SiteRoots
    bodies: tuple[bytes, ...]
    newest: RootFacts
    """The last of them; this desktop's own where there is none."""

    def adopt(self) -> SiteRoots:
        """The roots here afterwards."""
        own = self.own
        for body in self.bodies:
            own = own.adopt(body)
        return own


def newer_there(own: SiteRoots, there: Callable[[int], bytes], name: str, *, until: int | None = None) -> Newer:
    """The roots that follow this desktop's newest one on the other side, as far as they reach, each of them checked.

    :param there: the roots of the other side, by number; raises NotFound for one that is not there.
    :param until: to this number, and no further.
    :raises TrustRefused: one does not follow, or is not there; or somebody would come back whom a root here has struck
        off.
    """
    bodies: dict[int, bytes] = {}
    trusted, version, newest = own.newest, own.version, own.facts
    with suppress(NotFound):
        while version != until:
            version += 1
            body = there(version)
            newest = follow(trusted, body)
            bodies[version] = trusted = body
    if until is not None and until not in bodies:
        raise TrustRefused(
            f"{name} has root {until} and cannot show root {version}, which lies between that and root {own.version}, "
            "the newest one of this desktop: it was enrolled with later ones alone.",
            hint="Bring this desktop the roots in between: refresh another box that has them, sync with the object "
            "store, or open a pack of a desktop that has them (`lineside visit open`). Whoever has the root key can "
            f"also join the two with `lineside site introduce {name}`.",
        )
    if bodies:
        # What was looked at, should the other side say something else the second time.
        require_none_returns(own, Chain(newest, lambda number: bodies.get(number) or there(number)), name)
    return Newer(own, tuple(bodies.values()), newest)
