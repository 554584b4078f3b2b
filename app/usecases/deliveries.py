"""Bringing a release to a box: its signatures, what it may have already, and who beside it has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from app.fleet.delivery import Base, Delivered, Needed, Neighbour, deliver_bundle, needed_bytes
from app.store import boxes as box_store
from app.store import links as link_store
from app.store import models as model_store
from app.store.records import Box, LinkFigure, Model
from app.usecases import roots, signatures
from app.usecases.boxes import now_ms
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap

MAX_BASES = 2
"""One a slot."""
MAX_NEIGHBOURS = 2
"""Asked for one delivery: each that fails costs time."""
TELLING_BYTES = 64 * 1024
"""A delivery of less says nothing about the link."""
Sent = Callable[[int, int], None]
"""Told bytes on the box, and in all; may raise to stop."""


def deliver_release(
    ctx: Context, box: Box, client: BoxClient, model: Model, *, sent: Sent, caps: Sequence[RateCap] = ()
) -> str:
    """Have a release on a box with its signatures, from where an earlier attempt stopped; returns the target's name.

    :raises SignedInFuture, ClockDoubtful: it cannot be signed so that the box takes it; errors as
        :func:`deliver_model`.
    """
    from cloud_sync.release.sign import target_name

    target = target_name(model.name, model.version)
    status = roots.ask_status(ctx, box, client)
    with ctx.signing:
        repository = ctx.repository()
        if not repository.has(target):
            # Another desktop of the site released it; this one answers for it with its own signature now.
            repository.add(ctx.blobs.checked(model.sha256), ctx.bundle(model.sha256).manifest, model.proofs)
        files = signatures.newest(repository, box, status)
    signatures.bring(client, files)
    began_s = time.monotonic()
    done = deliver_model(ctx, box, client, model, status, sent=sent, caps=caps)
    took_s = time.monotonic() - began_s
    if done.way == "whole" and not done.detours and not caps and done.sent >= TELLING_BYTES and took_s > 0:
        link_store.put_link(ctx.database, LinkFigure(box=box.box, bytes_per_s=done.sent / took_s, at_ms=now_ms()))
    return target


def deliver_model(
    ctx: Context,
    box: Box,
    client: BoxClient,
    model: Model,
    status: BoxStatus,
    *,
    sent: Sent,
    caps: Sequence[RateCap] = (),
) -> Delivered:
    """Have a model's bundle on a box, in the cheapest way that works; errors as :func:`deliver_bundle`.

    :param status: what the box says of itself now.
    """
    known = link_store.link_of(ctx.database, box.box)
    return deliver_bundle(
        client,
        ctx.blobs.checked(model.sha256),
        model.sha256,
        sent=sent,
        bases=_bases(ctx, model, status),
        patches=ctx.patches,
        neighbours=_neighbours(ctx, box, model),
        caps=caps,
        link_bytes_per_s=known.bytes_per_s if known else None,
    )


def needed_for_model(ctx: Context, box: Box, client: BoxClient, model: Model, status: BoxStatus) -> Needed:
    """What :func:`deliver_model` would take now; nothing is sent."""
    return needed_bytes(
        client,
        ctx.blobs.checked(model.sha256),
        model.sha256,
        bases=_bases(ctx, model, status),
        patches=ctx.patches,
        neighbours=_neighbours(ctx, box, model),
    )


def holders(boxes: Iterable[Box], taker: Box, bundle: str) -> list[Box]:
    """Boxes that may hand a bundle to another one, best first: those that run it, said so last, and answered last time.

    Of their addresses it is known only that this desktop reaches them; those that begin as the taker's does are the
    likeliest to be in its network.
    """
    able = [
        box
        for box in boxes
        if box.box != taker.box
        and box.problem is None
        and box.status is not None
        and any(slot.bundle == bundle and slot.state == "COMMITTED" for slot in box.status.slots)
    ]
    return sorted(able, key=lambda box: _shared(box.address, taker.address), reverse=True)


def _bases(ctx: Context, model: Model, status: BoxStatus) -> list[Base]:
    """What lies in the box's slots and is in the library too, the one that answers first."""
    library = {known.model: known for known in model_store.list_models(ctx.database) if known.name == model.name}
    slots = sorted(status.slots, key=lambda slot: not slot.active)
    found = [library[slot.bundle] for slot in slots if slot.bundle in library and slot.bundle != model.model]
    return [Base(ctx.blobs.path(one.sha256), one.sha256) for one in found if ctx.blobs.has(one.sha256)][:MAX_BASES]


def _neighbours(ctx: Context, box: Box, model: Model) -> list[Neighbour]:
    able = holders(box_store.list_boxes(ctx.database), box, model.model)
    return [partial(roots.connect, ctx, one) for one in able[:MAX_NEIGHBOURS]]


def _shared(one: str, other: str) -> int:
    """How many characters two addresses begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
