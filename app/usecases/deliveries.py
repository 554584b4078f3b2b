"""Bringing a release to a box: what it may have already, and who beside it has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from app.fleet.delivery import Base, Delivered, Needed, Neighbour, deliver_bundle, needed_bytes
from app.store import boxes as box_store
from app.store import models as model_store
from app.store.records import Box, Model
from app.usecases import roots
from edge_runtime.contracts.status import BoxStatus

if TYPE_CHECKING:
    from app.context import Context
    from app.fleet.client import BoxClient
    from app.fleet.pacing import RateCap

MAX_BASES = 2
"""One a slot."""
MAX_NEIGHBOURS = 2
"""Asked for one delivery: each that fails costs time."""


def deliver_model(
    ctx: Context,
    box: Box,
    client: BoxClient,
    model: Model,
    status: BoxStatus,
    *,
    sent: Callable[[int, int], None],
    caps: Sequence[RateCap] = (),
) -> Delivered:
    """Have a model's bundle on a box, in the cheapest way that works; errors as :func:`deliver_bundle`.

    :param status: what the box says of itself now.
    """
    return deliver_bundle(
        client,
        ctx.blobs.checked(model.sha256),
        model.sha256,
        sent=sent,
        bases=_bases(ctx, model, status),
        patches=ctx.patches,
        neighbours=_neighbours(ctx, box, model),
        caps=caps,
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
