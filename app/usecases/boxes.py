"""Boxes: enrolling, asking, and collecting what they saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient, split_address
from app.fleet.failures import as_problem, is_full_here, problems_of
from app.store import boxes as box_store
from app.store import chains as chain_store
from app.store import samples as sample_store
from app.store import spool as spool_store
from app.store.activity import ENROLLED, FORGOTTEN
from app.store.records import Box, Page
from app.usecases import roots
from app.usecases.contact import begin_contact
from app.usecases.crew import side_by_side
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.witnesses import tell_head
from edge_runtime.contracts.errors import AlreadyExists, BoxWrongKey, LinesideError, NotFound, TrustRefused
from edge_runtime.contracts.rows import STREAMS, AlertRow, AuditRow, LossRow, RollupRow, ShadowRow
from edge_runtime.identity import fingerprint_of
from edge_runtime.update.roots import to_be_brought

if TYPE_CHECKING:
    from app.context import Context

WRITERS = 8
BATCH = 64
"""Samples that are marked as here in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectReport:
    """What came over from one or more boxes."""

    boxes: int = 0
    audits: int = 0
    alerts: int = 0
    samples: int = 0
    shadows: int = 0
    rollups: int = 0
    results: int = 0
    losses: int = 0
    bytes: int = 0
    unreachable: tuple[str, ...] = ()
    """Names of boxes that did not answer; what they hold stays there."""


def now_ms() -> int:
    """This desktop's clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def enrol_local(ctx: Context, box_home: Path, *, address: str | None = None) -> Box:
    """Enrol a box whose home folder is on this machine: the keys change hands through the file system.

    :param address: ``host:port`` of its management listener; by default what the running box wrote down.
    :raises NotFound: there is no box's home in that folder, or it is not running and no address was given.
    :raises TrustRefused: the box already belongs to another site.
    """
    from edge_runtime.enrolment import read_address, read_home, trust_desktop

    found = read_home(box_home)
    where = address or read_address(box_home)
    split_address(where)
    require_free_name(ctx, found.box, found.name)
    trust_desktop(box_home, desktop_pem=ctx.identity.certificate_pem, roots=to_be_brought(ctx.roots().chain()))
    return enter_box(ctx, box=found.box, name=found.name, address=where, certificate=found.certificate_pem)


def require_free_name(ctx: Context, box: str, name: str) -> None:
    """:raises AlreadyExists: another box than this one is called so, be it in other capitals: people type names."""
    known = box_store.list_boxes(ctx.database)
    namesake = next((other for other in known if other.name.casefold() == name.casefold() and other.box != box), None)
    if namesake is not None:
        raise AlreadyExists(
            f"Another box ({namesake.box[:12]}) is already called {namesake.name!r}.",
            hint=f"If it is the same box with a new key, forget the old one: `lineside boxes forget {namesake.name}`.",
        )


def enter_box(ctx: Context, *, box: str, name: str, address: str, certificate: str) -> Box:
    """Put a box that trusts this desktop on the list; again for the same one: it may have moved.

    :raises BoxWrongKey: the certificate is another box's.
    """
    if fingerprint_of(certificate) != box:
        raise BoxWrongKey(f"The certificate that came for {name} belongs to another key than {box[:12]}.")
    before = next((known for known in box_store.list_boxes(ctx.database) if known.box == box), None)
    entered = Box(
        box=box,
        name=name,
        address=address,
        certificate=certificate,
        enrolled_ms=before.enrolled_ms if before else now_ms(),
    )
    box_store.put_box(ctx.database, entered)
    if before is None:
        ctx.database.write(lambda w: w.activity(ENROLLED, box, f"Enrolled {name} at {address}."))
    return entered


def list_boxes(ctx: Context) -> list[Box]:
    """Every enrolled box with what it last said."""
    return box_store.list_boxes(ctx.database)


def get_box(ctx: Context, name: str) -> Box:
    """A box by name, id or the beginning of its id."""
    return box_store.get_box(ctx.database, name)


def forget_box(ctx: Context, name: str) -> None:
    """Strike a box from this desktop's list; what it sent stays, and the box itself is not touched."""
    box = get_box(ctx, name)
    box_store.remove_box(ctx.database, box.box)
    ctx.database.write(lambda w: w.activity(FORGOTTEN, box.box, f"Forgot {box.name}."))


def connect(ctx: Context, box: Box) -> BoxClient:
    """A connection to an enrolled box; the caller closes it."""
    return roots.connect(ctx, box)


def refresh(ctx: Context, name: str | None = None) -> list[Box]:
    """Ask one box, or all, how they are, and keep the answers. A box that does not answer keeps its last status.

    They are asked side by side: one that is silent, or drips, keeps no other from hearing of new keys.
    """
    for _asked in side_by_side(partial(_ask, ctx), _chosen(ctx, name), "refresh"):
        pass
    roots.forget_former_keys(ctx)
    return _chosen(ctx, name)


def require_levelled(ctx: Context, box: Box) -> None:
    """:raises TrustRefused: the roots of a box and of this desktop did not fit at the last contact, and do not now:
    nothing can be done with that box.
    """
    if box.problem_code == TrustRefused.code:
        with connect(ctx, box) as client:
            roots.ask_status(ctx, box, client)


def _ask(ctx: Context, box: Box) -> None:
    try:
        with problems_of(box.address), connect(ctx, box) as client:
            begun = begin_contact(ctx, box.address)
            status = roots.ask_status(ctx, box, client)
            heard = begun.end(status.at_ms)
    except LinesideError as problem:
        if is_full_here(problem):
            raise
        box_store.set_status(ctx.database, box.box, problem=problem)
    else:
        box_store.set_status(ctx.database, box.box, status=status, seen_ms=now_ms(), heard=heard)


def collect(
    ctx: Context, name: str | None = None, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> CollectReport:
    """Bring everything that waits over from one box or all, the most precious first.

    Rows are acknowledged only after they stand in this desktop's database, so a cut costs time and nothing
    else. A box that does not answer is named in the report; the others are still collected. When one box was
    named and does not answer, its error is raised.
    """
    token = cancel or CancelToken()
    totals: dict[str, int] = {**dict.fromkeys(STREAMS, 0), "bytes": 0}
    unreachable: list[str] = []
    boxes = _chosen(ctx, name)
    for number, box in enumerate(boxes):
        progress(ProgressEvent(step="collect", message=box.name, fraction=number / len(boxes)))
        try:
            with connect(ctx, box) as client:
                _collect_box(ctx, box, client, totals, token)
        except Exception as error:
            problem = as_problem(error, box.address)
            if problem.code == "task.cancelled" or is_full_here(problem):
                raise
            box_store.set_status(ctx.database, box.box, problem=problem)
            if name is not None:
                raise
            unreachable.append(box.name)
    return CollectReport(boxes=len(boxes) - len(unreachable), unreachable=tuple(unreachable), **totals)


def _collect_box(ctx: Context, box: Box, client: BoxClient, totals: dict[str, int], cancel: CancelToken) -> None:
    former = roots.ask_status(ctx, box, client).former
    for stream in STREAMS:
        more = True
        while more:
            cancel.check()
            after = spool_store.cursor_of(ctx.database, box.box, stream)
            page = client.page(stream, after)
            chain = page.chain if page.chain and chain_store.is_news(ctx.database, box.box, page.chain) else None
            if page.rows or page.cursor != after or chain:
                spool_store.collect(ctx.database, stream, page.rows, page.cursor, box.box, former=former, chain=chain)
                totals[stream] += len(page.rows)
            more = page.more
        if stream == "samples":
            totals["bytes"] += _collect_sample_bytes(ctx, box, client, cancel)
        if stream == "audits":
            # Before the box lets them go it is to know that they were noted here.
            tell_head(ctx, client)
        acknowledged = spool_store.cursor_of(ctx.database, box.box, stream)
        if acknowledged:
            client.acknowledge(stream, acknowledged)
    box_store.set_status(ctx.database, box.box, status=client.status(), seen_ms=now_ms())


def _collect_sample_bytes(ctx: Context, box: Box, client: BoxClient, cancel: CancelToken) -> int:
    received = 0
    missing = sample_store.missing_bytes(ctx.database, box.box)
    # Threads, because every file waits for the disk to have it.
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="collect") as pool:
        for start in range(0, len(missing), BATCH):
            cancel.check()
            bodies = [body for sample in missing[start : start + BATCH] if (body := _fetch(ctx, client, sample))]
            sample_store.mark_present(ctx.database, *pool.map(ctx.blobs.put, bodies))
            received += sum(map(len, bodies))
    return received


def _fetch(ctx: Context, client: BoxClient, sample: str) -> bytes | None:
    try:
        return client.sample(sample)
    except NotFound:
        # The box let it go under its limits (its loss ledger says so) before we came.
        sample_store.mark_lost(ctx.database, sample)
        return None


def page_alerts(
    ctx: Context, name: str | None = None, *, cursor: str | None = None, limit: int = 100
) -> Page[AlertRow]:
    """Alerts of one box or all, newest first."""
    return spool_store.page_alerts(ctx.database, _id_of(ctx, name), cursor, limit)


def page_audits(
    ctx: Context, name: str | None = None, *, cursor: str | None = None, limit: int = 100
) -> Page[AuditRow]:
    """What was done to one box or all, and by whom, newest first."""
    return spool_store.page_audits(ctx.database, _id_of(ctx, name), cursor, limit)


def page_shadows(
    ctx: Context, name: str | None = None, *, cursor: str | None = None, limit: int = 100
) -> Page[ShadowRow]:
    """Frames on which the shadow model of one box, or of any, said otherwise, newest first."""
    return spool_store.page_shadows(ctx.database, _id_of(ctx, name), cursor, limit)


def page_rollups(
    ctx: Context, name: str | None = None, *, cursor: str | None = None, limit: int = 100
) -> Page[RollupRow]:
    """Minutes of the pipelines of one box or all, newest first."""
    return spool_store.page_rollups(ctx.database, _id_of(ctx, name), cursor, limit)


def page_losses(ctx: Context, name: str | None = None, *, cursor: str | None = None, limit: int = 100) -> Page[LossRow]:
    """What one box or all had to let go, and why, newest first."""
    return spool_store.page_losses(ctx.database, _id_of(ctx, name), cursor, limit)


def roll_back(ctx: Context, name: str, reason: str) -> Box:
    """Send a box back to the model before this one.

    :raises BoxRefused: there is none to go back to.
    """
    box = get_box(ctx, name)
    with connect(ctx, box) as client:
        client.roll_back(reason)
    ctx.database.write(lambda w: w.activity("box.rolled-back", box.box, f"Sent {box.name} back: {reason}."))
    return refresh(ctx, box.box)[0]


def wait_for(
    ctx: Context, name: str, ready: Callable[[Box], bool], *, cancel: CancelToken, pause_s: float = 0.25
) -> Box:
    """Ask a box again and again until ``ready`` holds; only ``cancel`` ends the wait otherwise."""
    while True:
        box = refresh(ctx, name)[0]
        if ready(box):
            return box
        cancel.wait(pause_s)


def _id_of(ctx: Context, name: str | None) -> str | None:
    return get_box(ctx, name).box if name else None


def _chosen(ctx: Context, name: str | None) -> list[Box]:
    return [get_box(ctx, name)] if name else box_store.list_boxes(ctx.database)
