"""Asking boxes for what a visit writes down of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.failures import problems_of
from app.redact import redact
from app.store import boxes as box_store
from app.store import chains as chain_store
from app.store import spool as spool_store
from app.store.records import Box, Heard
from app.usecases import boxes, roots
from app.usecases.contact import begin_contact
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from app.usecases.visits.records import LineFact, SlotFact, Snapshot
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import STREAMS
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.contracts.text import one_line

if TYPE_CHECKING:
    from app.context import Context

AT_ONCE = 8
MAX_TEXT = 500


def look_at(ctx: Context, chosen: Sequence[Box], *, progress: Progress, cancel: CancelToken) -> tuple[Snapshot, ...]:
    """How these boxes are now, several asked at a time; one that does not answer says why. Brings their audits along,
    and acknowledges nothing: what a box has to tell stays there until somebody collects it.
    """
    done = 0

    def one(box: Box) -> Snapshot:
        cancel.check()
        return _look(ctx, box)

    seen = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="visit") as pool:
        for snapshot in pool.map(one, chosen):
            done += 1
            progress(ProgressEvent(step="look", message=snapshot.name, fraction=done / len(chosen)))
            seen.append(snapshot)
    return tuple(seen)


def _look(ctx: Context, box: Box) -> Snapshot:
    try:
        with problems_of(box.address), boxes.connect(ctx, box) as client:
            head = _bring_audits(ctx, box, client)
            begun = begin_contact(ctx, box.address)
            status = client.status()
            heard = begun.end(status.at_ms)
    except LinesideError as problem:
        box_store.set_status(ctx.database, box.box, problem=problem)
        return Snapshot(box=box.box, name=box.name, at_ms=boxes.now_ms(), problem=_short(str(problem)))
    at_ms = boxes.now_ms()
    box_store.set_status(ctx.database, box.box, status=status, seen_ms=at_ms, heard=heard)
    return snapshot_of(box, status, heard, head, at_ms)


def _bring_audits(ctx: Context, box: Box, client: BoxClient) -> ChainHead | None:
    """Collect what the box's chain has beyond what is here; returns where it stands."""
    former = roots.ask_status(ctx, box, client).former
    while True:
        after = spool_store.cursor_of(ctx.database, box.box, "audits")
        page = client.page("audits", after)
        news = page.chain if page.chain and chain_store.is_news(ctx.database, box.box, page.chain) else None
        if page.rows or page.cursor != after or news:
            spool_store.collect(ctx.database, "audits", page.rows, page.cursor, box.box, former=former, chain=news)
        if not page.more:
            return page.chain


def snapshot_of(box: Box, status: BoxStatus, heard: Heard, head: ChainHead | None, at_ms: int) -> Snapshot:
    """A box's answer as a visit keeps it. Addresses of cameras and other words of the configuration stay out."""
    spool = wire.to_dict(status.spool)
    return Snapshot(
        box=box.box,
        name=box.name,
        at_ms=at_ms,
        version=_short(status.version),
        boot=status.boot,
        slots=tuple(
            SlotFact(
                slot=slot.slot,
                state=slot.state,
                name=_short(slot.name or ""),
                version=_short(slot.version or ""),
                bundle=slot.bundle or "",
                active=slot.active,
                reason=_short(slot.reason or ""),
            )
            for slot in status.slots
        ),
        lines=tuple(LineFact(name=line.name, state=line.state, drift=line.drift) for line in status.pipelines),
        skew_ms=round(heard.skew_ms, 2),
        skew_error_ms=round(heard.skew_error_ms, 2),
        waiting={stream: int(spool[stream]) for stream in STREAMS},
        disk_free_bytes=status.spool.disk_free_bytes,
        spool_problem=_short(status.spool.problem or ""),
        config=status.config.in_force if status.config is not None else 0,
        root=status.root,
        status_sha256=hashlib.sha256(wire.encode(status)).hexdigest(),
        chain_beginning=head.beginning if head else "",
        chain_entry=head.entry if head else 0,
        chain_digest=head.digest if head else "",
    )


def _short(text: str) -> str:
    return one_line(redact(text))[:MAX_TEXT]
