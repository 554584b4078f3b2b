"""Bringing a bundle to a box in the cheapest way that works: not at all, by a neighbour, as a patch, or whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.fleet.client import BoxClient, split_address
from app.fleet.pacing import Pace, RateCap
from app.fleet.patches import Patches
from edge_runtime.contracts.delivery import LEAST_BYTES_PER_S, FetchRequest, GuestRequest, MakeRequest
from edge_runtime.contracts.errors import (
    Cancelled,
    InputInvalid,
    LinesideError,
    NotFound,
    NotHandedOver,
    ObjectCorrupt,
    PatchUnusable,
)

if TYPE_CHECKING:
    from cloud_sync.release.patch import Patch

Way = Literal["there", "neighbour", "patch", "whole"]
Sent = Callable[[int, int], None]
"""Told (bytes on the box, bytes in all) after each piece; may raise to stop."""
Neighbour = Callable[[], BoxClient]
"""Connects to a box that may hand the bundle over; its address must be one at which the other box reaches it too."""
CHEAPER = 0.8
"""A patch is worth its way where it is at most this share of what would have to be sent otherwise."""
MIN_HANDOVER_BYTES = 256 * 1024
"""Less is sent from here at once: what is said around a hand-over takes its time, too."""
HANDOVER_S = 900
"""A box may read another one's file for so long; then it is sent from here, where it is not there yet."""
STALLED_S = 30.0
"""A box that does not itself give up a neighbour which is too slow: after so long it is sent from here."""
WORTH_WHILE = 0.1
"""Of what this desktop's own link carries: a neighbour that is slower takes too long for what it saves."""
_WAIT_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Base:
    """A bundle that the box may have, and that is on this desktop too."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How a bundle came to a box."""

    way: Way
    sent: int
    """Bytes of bundles and patches that went over this desktop's own link, this time."""
    detours: tuple[str, ...] = ()
    """Why what would have been cheaper did not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a delivery would take, as far as can be known before it."""

    way: Way
    sent: int
    """Bytes over this desktop's own link."""
    disk: int
    """Bytes that the box needs at most at one time beside what lies there now, until the trial has begun."""
    missing: int = 0
    """Bytes of the bundle that are not there."""


def deliver_bundle(
    client: BoxClient,
    path: Path,
    sha256: str,
    *,
    sent: Sent,
    bases: Sequence[Base] = (),
    patches: Patches | None = None,
    neighbours: Sequence[Neighbour] = (),
    caps: Sequence[RateCap] = (),
    link_bytes_per_s: float | None = None,
    now_s: Callable[[], float] = time.monotonic,
) -> Delivered:
    """Have the bundle at ``path`` on the box, whole and with the right digest. Again after any failure: it goes on from
    what is there.

    :param bases: tried in this order; those that the box does not have cost one question each.
    :param patches: where patches are kept; None: none are made.
    :param neighbours: asked in this order; one that fails costs time, and no harm.
    :param caps: bytes a second, of this delivery and of those beside it.
    :param link_bytes_per_s: what this desktop's own link to the box carries, where that is known.
    :param now_s: a monotonic clock, seconds.
    :raises BoxUnreachable: the connection broke; what has arrived stays there.
    :raises DiskFull: no room on the box.
    """
    size, detours, pace = path.stat().st_size, list[str](), Pace(caps, now_s=now_s)
    state = client.object_state(sha256, size)
    if state.complete:
        sent(size, size)
        return Delivered(way="there", sent=0)
    least = least_of_neighbour(link_bytes_per_s, caps)
    able = neighbours if size - state.have >= MIN_HANDOVER_BYTES else ()
    for neighbour in able:
        try:
            _hand_over(client, neighbour, sha256, size, least=least, sent=sent, now_s=now_s)
            return Delivered(way="neighbour", sent=0, detours=tuple(detours))
        except Cancelled:
            raise
        except LinesideError as error:
            detours.append(_detour(f"{sha256[:12]} was not handed over by a neighbour. {error.message}"))
    if able:
        # What one of them brought before it failed need not be sent.
        state = client.object_state(sha256, size)
    if patches and (found := _cheapest(client, path, sha256, size - state.have, bases, patches)):
        base, patch = found

        def in_all(done: int, total: int) -> None:
            sent(size * done // (total + 1), size)

        try:
            client.deliver(patch.path, patch.sha256, sent=in_all, pace=pace)
            client.make_object(sha256, MakeRequest(base=base.sha256, patch=patch.sha256))
            sent(size, size)
            return Delivered(way="patch", sent=pace.passed, detours=tuple(detours))
        except (PatchUnusable, ObjectCorrupt, NotFound) as error:
            # The patch is at fault, its base has gone, or the box knows no patches. Whatever else it is would stop the
            # whole as well.
            if not isinstance(error, NotFound):
                patches.forget(patch)
            detours.append(_detour(f"The patch to {sha256[:12]} did not work. {error}"))
    try:
        client.deliver(path, sha256, sent=sent, pace=pace, state=state)
    except (ObjectCorrupt, InputInvalid) as error:
        if not (state.have or able):
            raise
        # What a neighbour brought was not what it was taken for: the box has dropped that, maybe only just now.
        detours.append(_detour(f"What lay on the box of {sha256[:12]} was wrong. {error.message}"))
        client.deliver(path, sha256, sent=sent, pace=pace)
    return Delivered(way="whole", sent=pace.passed, detours=tuple(detours))


def needed_bytes(
    client: BoxClient,
    path: Path,
    sha256: str,
    *,
    bases: Sequence[Base] = (),
    patches: Patches | None = None,
    neighbours: Sequence[Neighbour] = (),
) -> Needed:
    """What :func:`deliver_bundle` would take now. The box is asked what it has; nothing is sent to it."""
    size = path.stat().st_size
    state = client.object_state(sha256, size)
    missing = size - state.have
    # The copy in the slot is written beside what was delivered and beside what the slot held.
    if state.complete:
        return Needed(way="there", sent=0, disk=size)
    if missing >= MIN_HANDOVER_BYTES and any(_has(neighbour, sha256, size) for neighbour in neighbours):
        return Needed(way="neighbour", sent=0, disk=missing + size, missing=missing)
    if patches and (found := _cheapest(client, path, sha256, missing, bases, patches)):
        patch = found[1]
        there = client.object_state(patch.sha256, patch.size).have
        return Needed(way="patch", sent=patch.size - there, disk=2 * size + patch.size - there, missing=missing)
    return Needed(way="whole", sent=missing, disk=missing + size, missing=missing)


def least_of_neighbour(link_bytes_per_s: float | None, caps: Sequence[RateCap] = ()) -> int:
    """Bytes a second at which a neighbour is still worth it. Pure."""
    ways = [cap.bytes_per_s for cap in caps] + ([link_bytes_per_s] if link_bytes_per_s is not None else [])
    return max(LEAST_BYTES_PER_S, int(WORTH_WHILE * min(ways, default=0)))


def _detour(why: str) -> str:
    _log.info("%s", why)
    return why


def _has(neighbour: Neighbour, sha256: str, size: int) -> bool:
    with suppress(LinesideError), neighbour() as giver:
        return giver.object_state(sha256, size).complete
    return False


def _cheapest(
    client: BoxClient, path: Path, sha256: str, missing: int, bases: Sequence[Base], patches: Patches
) -> tuple[Base, Patch] | None:
    """The smallest patch against what the box has, where that is worth it."""
    found = [
        (base, patch)
        for base in bases
        if client.object_state(base.sha256, base.path.stat().st_size).complete
        and (patch := patches.between(base.path, base.sha256, path, sha256)) is not None
        and patch.size <= CHEAPER * missing
    ]
    return min(found, key=lambda pair: pair[1].size, default=None)


def _hand_over(
    client: BoxClient,
    neighbour: Neighbour,
    sha256: str,
    size: int,
    *,
    least: int,
    sent: Sent,
    now_s: Callable[[], float],
) -> None:
    """Have one box give the bundle to the other.

    :raises LinesideError: it did not come about.
    """
    with neighbour() as giver:
        if not giver.object_state(sha256, size).complete:
            raise NotFound(f"The box at {giver.address} does not have it.")
        host, port = split_address(giver.address)
        giver.admit_guest(GuestRequest(certificate=client.certificate, sha256=sha256, seconds=HANDOVER_S))
        try:
            request = FetchRequest(
                host=host,
                port=port,
                certificate=giver.certificate,
                size=size,
                seconds=HANDOVER_S,
                least_bytes_per_s=least,
            )
            client.fetch_object(sha256, request)
            _follow(client, sha256, size, least=least, sent=sent, now_s=now_s)
        finally:
            with suppress(LinesideError):
                giver.admit_guest(GuestRequest(certificate=client.certificate, sha256=sha256, seconds=0))


def _follow(client: BoxClient, sha256: str, size: int, *, least: int, sent: Sent, now_s: Callable[[], float]) -> None:
    """Until the box has fetched it.

    :raises NotHandedOver: the neighbour failed, or too little has come for long.
    """
    had, since_s = 0, now_s()
    serial = client.status().serial
    while True:
        state = client.object_state(sha256, size)
        sent(size if state.complete else state.have, size)
        if state.complete:
            return
        if state.fetch is None or state.fetch.state != "running":
            raise NotHandedOver((state.fetch and state.fetch.reason) or "The box started anew in the middle of it.")
        if (took_s := now_s() - since_s) > STALLED_S:
            if (came := state.have - had) < least * took_s:
                raise NotHandedOver(f"It is too slow: {max(came, 0)} bytes have come in {took_s:.0f} s.")
            had, since_s = state.have, now_s()
        serial = client.status(since=serial, wait_s=_WAIT_S).serial
