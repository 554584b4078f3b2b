"""Bringing a release to a box: its signatures, and those of its bytes that the box does not have yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.store import links as link_store
from app.store.records import Box, LinkFigure, Model
from app.usecases import models, roots
from app.usecases.boxes import now_ms

if TYPE_CHECKING:
    from app.context import Context

TELLING_BYTES = 64 * 1024
"""A delivery of less says nothing about the link."""
Sent = Callable[[int, int], None]
"""Bytes there, and in all; may raise to stop."""


def needed_bytes(client: BoxClient, model: Model) -> int:
    """Bytes that would have to go to the box; asks it, and changes nothing there."""
    if any(slot.bundle == model.model and slot.state == "COMMITTED" for slot in client.status().slots):
        return 0
    return max(model.size - client.have(model.sha256), 0)


def deliver(
    ctx: Context,
    box: Box,
    client: BoxClient,
    model: Model,
    *,
    sent: Sent,
    pause: Callable[[float], None],
    cap_bytes_per_s: int | None = None,
) -> str:
    """Send a release with its signatures, from where an earlier attempt stopped; returns the target's name.

    :param pause: waits so many seconds, or raises to stop.
    :param cap_bytes_per_s: on average no more than that.
    """
    from cloud_sync.release.sign import target_name

    target = target_name(model.name, model.version)
    status = roots.ask_status(ctx, box, client)
    with ctx.signing:
        repository = ctx.repository()
        if not repository.has(target):
            # Another desktop of the site released it; this one answers for it with its own signature now.
            repository.add(models.bundle_path(ctx, model), ctx.bundle(model.sha256).manifest, model.proofs)
        if repository.signed_s < status.signed_s:
            repository.renew(above=status.signed_s)
        # Read now: before they have all been sent, another box may have them signed anew.
        files = [(file.name, file.read_bytes()) for file in repository.metadata_files()]
    for name, body in files:
        client.put_metadata_body(name, body)
    began_s = time.monotonic()
    first: int | None = None
    here = 0

    def told(done: int, total: int) -> None:
        nonlocal first, here
        first, here = done if first is None else first, done
        sent(done, total)
        if cap_bytes_per_s is not None and done < total:
            pause((done - first) / cap_bytes_per_s - (time.monotonic() - began_s))

    client.deliver(models.bundle_path(ctx, model), model.sha256, sent=told)
    moved, took_s = here - (first or 0), time.monotonic() - began_s
    if cap_bytes_per_s is None and moved >= TELLING_BYTES and took_s > 0:
        link_store.put_link(ctx.database, LinkFigure(box=box.box, bytes_per_s=moved / took_s, at_ms=now_ms()))
    return target
