"""A drill on one box: asked for, watched, and its proof kept in the activity, whatever becomes of this desktop."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store import spool as spool_store
from app.store.records import Box
from app.usecases.boxes import collect, connect, get_box, refresh
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts import wire
from edge_runtime.contracts.drill import USUAL_S, DrillAnswer, DrillKind, DrillReport, DrillRequest, said
from edge_runtime.contracts.errors import (
    BoxRefused,
    BoxUnreachable,
    DrillNotRecovered,
    DrillRefused,
    InputInvalid,
    LinesideError,
)
from edge_runtime.contracts.rows import LossRow
from edge_runtime.contracts.text import counted
from edge_runtime.drills.machine import BEFORE_S, RECOVER_S
from edge_runtime.identity import certificate_der, is_signed_by

if TYPE_CHECKING:
    from app.context import Context

ASKED, DRILLED, NOT_HELD = "box.drill-asked", "box.drilled", "box.drill-refused"
LOOK_EVERY_S = 0.25
PATIENCE_S = 30.0
"""Beyond the time that the box gives itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What this desktop wants of a box, noted before the box is asked."""

    drill: str
    kind: DrillKind
    seconds: int
    lost: dict[str, int] = field(default_factory=dict)
    """Rows in the box's loss ledger before, by stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillProof:
    """What a drill showed. The report is the box's own, and ``signature`` is that of its key."""

    box: str
    name: str
    report: DrillReport
    signed: str
    """The report to the letter, as it was signed."""
    signature: str
    away_s: float | None = None
    """How long the box did not answer this desktop; None: nobody watched."""
    lost: dict[str, int] = field(default_factory=dict)
    """Rows that its loss ledger has more than before, by stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillEntry:
    """A drill in this desktop's activity; without ``proof`` its end is not known here."""

    entry: int
    at_ms: int
    box: str
    name: str
    asked: Asked
    proof: DrillProof | None = None


def drill_box(
    ctx: Context,
    name: str,
    kind: DrillKind,
    *,
    seconds: int = USUAL_S,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> DrillProof:
    """Make a fault on one box on purpose, and bring back how it got over it.

    The box ends the fault by itself, also when this desktop is gone or ``cancel`` ends the watching; the proof is then
    brought by :func:`list_drills`.

    :raises DrillRefused: the box does not hold it now; nothing was done there.
    :raises DrillNotRecovered: it was not as before when the time for it had run out. What it measured is kept.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: it does not answer, or not this desktop.
    """
    token, box = cancel or CancelToken(), get_box(ctx, name)
    if kind == "fill":
        # What is safe here cannot be lost there.
        collect(ctx, box.box, progress=progress, cancel=token)
    with connect(ctx, box) as client:
        asked = Asked(drill=uuid.uuid4().hex, kind=kind, seconds=seconds, lost=_ledger(ctx, client, box))
        request = DrillRequest(drill=asked.drill, kind=kind, seconds=seconds)
        facts = wire.encode(asked)
        words = f"Asked {box.name} for a drill: {kind} for {seconds} s."
        ctx.database.write(lambda w: w.activity(ASKED, box.box, words, facts=facts))
        try:
            client.begin_drill(request)
        except BoxUnreachable:
            # It may have heard.
            raise
        except LinesideError as error:
            why = f"{box.name} held no drill: {error.message}"
            ctx.database.write(lambda w: w.activity(NOT_HELD, box.box, why, facts=facts))
            raise
        answer, away_s = _watch(client, box, asked, progress, token)
        proof = _enter(ctx, client, box, asked, answer, away_s)
    refresh(ctx, box.box)
    require_recovered(proof)
    return proof


def list_drills(ctx: Context, name: str | None = None) -> list[DrillEntry]:
    """Drills of one box or all, newest first. Proofs that were not brought yet are fetched from boxes that answer."""
    box = get_box(ctx, name).box if name else None
    for entry in known_drills(ctx, box):
        if entry.proof is None:
            _settle(ctx, entry)
    return known_drills(ctx, box)


def require_recovered(proof: DrillProof) -> None:
    """:raises DrillRefused: the fault was not made. :raises DrillNotRecovered: the box did not get over it."""
    report = proof.report
    why = " ".join(report.problems)
    if report.outcome == "given-up":
        raise DrillRefused(f"{proof.name} gave the drill up. {why}")
    if report.outcome != "recovered":
        raise DrillNotRecovered(f"{proof.name} did not get over the drill ({report.kind}) in time. {why}")


def _settle(ctx: Context, entry: DrillEntry) -> None:
    try:
        box = get_box(ctx, entry.box)
        with connect(ctx, box) as client:
            answer = client.drill()
            report = read_report(answer, box)
            if report is not None and report.drill == entry.asked.drill and report.phase == "done":
                _enter(ctx, client, box, entry.asked, answer, None)
    except LinesideError:
        # Not now: it stands open until the box answers, or has held another one since.
        return


def _watch(
    client: BoxClient, box: Box, asked: Asked, progress: Progress, cancel: CancelToken
) -> tuple[DrillAnswer, float]:
    """Until the box has done with it; what it says, and for how long it did not answer in between."""
    whole_s = BEFORE_S + asked.seconds + RECOVER_S + PATIENCE_S
    begun = answered = time.monotonic()
    away_s = 0.0
    while (now := time.monotonic()) - begun < whole_s:
        phase = "away"
        with suppress(BoxUnreachable):
            answer = client.drill()
            now = time.monotonic()
            if now - answered > 2 * LOOK_EVERY_S:
                away_s = max(away_s, now - answered)
            answered = now
            report = read_report(answer, box)
            if report is None or report.drill != asked.drill:
                raise DrillNotRecovered(f"{box.name} knows nothing of this drill any more.")
            if report.phase == "done":
                return answer, round(away_s, 2)
            phase = report.phase
        progress(ProgressEvent(step="drill", message=f"{box.name}: {asked.kind}, {phase}"))
        cancel.wait(LOOK_EVERY_S)
    raise DrillNotRecovered(
        f"{box.name} has not said how the drill ({asked.kind}) ended for {whole_s:.0f} s.",
        hint="Go and look at the box now. Once it answers, `lineside boxes drills` brings what it measured.",
    )


def read_report(answer: DrillAnswer, box: Box) -> DrillReport | None:
    """:raises BoxRefused: it is not signed by the box's own key."""
    if not answer.report:
        return None
    if not is_signed_by(certificate_der(box.certificate), said(answer.report), answer.signature):
        raise BoxRefused(f"The report of {box.name} is not signed with its own key.")
    return wire.decode(answer.report.encode(), DrillReport, what=f"report of {box.name}")


def _enter(
    ctx: Context, client: BoxClient, box: Box, asked: Asked, answer: DrillAnswer, away_s: float | None
) -> DrillProof:
    report = read_report(answer, box)
    if report is None or report.box != box.box:
        raise BoxRefused(f"The report of {box.name} is about another box.")
    after = _ledger(ctx, client, box)
    more = {stream: count - asked.lost.get(stream, 0) for stream, count in after.items()}
    proof = DrillProof(
        box=box.box,
        name=box.name,
        report=report,
        signed=answer.report,
        signature=answer.signature,
        away_s=away_s,
        lost={stream: count for stream, count in more.items() if count > 0},
    )
    facts, message = wire.encode(proof), f"Drill on {box.name}: {summary(proof)}"
    ctx.database.write(lambda w: w.activity(DRILLED, box.box, message, facts=facts))
    return proof


def summary(proof: DrillProof) -> str:
    """One line."""
    report = proof.report
    gap = "" if report.longest_gap_ms is None else f", longest gap {report.longest_gap_ms:.0f} ms"
    away = f", away for {proof.away_s:.1f} s" if proof.away_s else ""
    lost = f", lost {counted(sum(proof.lost.values()), 'row', 'rows')}" if proof.lost else ""
    return f"{report.kind}: {report.outcome}{gap}{away}{lost}."


def _ledger(ctx: Context, client: BoxClient, box: Box) -> dict[str, int]:
    """Rows that the box had to let go so far, by stream: what was collected of its ledger, and what waits there."""
    totals = Counter(spool_store.lost_by_stream(ctx.database, box.box))
    cursor, more = spool_store.cursor_of(ctx.database, box.box, "losses"), True
    while more:
        page = client.page("losses", cursor, 5000)
        for row in page.rows:
            if isinstance(row, LossRow):
                totals[row.stream] += row.count
        cursor, more = page.cursor, page.more
    return dict(totals)


def known_drills(ctx: Context, box: str | None = None) -> list[DrillEntry]:
    """As :func:`list_drills`, by what is here already; no box is asked.

    :param box: its id; it need not be on the list any more.
    """
    names = _names(ctx)
    found: dict[str, DrillEntry] = {}
    for noted in activity_store.noted_about(ctx.database, (ASKED, DRILLED, NOT_HELD)):
        if box not in (None, noted.subject):
            continue
        try:
            if noted.what == DRILLED:
                proof = wire.decode(noted.facts.encode(), DrillProof, what="proof")
                if (entry := found.get(proof.report.drill)) is not None:
                    found[proof.report.drill] = replace(entry, proof=proof)
                continue
            asked = wire.decode(noted.facts.encode(), Asked, what="drill")
        except InputInvalid:
            continue
        if noted.what == NOT_HELD:
            found.pop(asked.drill, None)
        else:
            found[asked.drill] = DrillEntry(
                entry=noted.seq,
                at_ms=noted.at_ms,
                box=noted.subject,
                name=names.get(noted.subject, noted.subject[:12]),
                asked=asked,
            )
    return sorted(found.values(), key=lambda one: -one.entry)


def _names(ctx: Context) -> Mapping[str, str]:
    return {box.box: box.name for box in box_store.list_boxes(ctx.database)}
