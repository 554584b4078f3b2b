"""A box's own program: what an update would send, bringing it, and how its trial on the box ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.edge_bundle import EdgeBundle, find_edge_bundle, open_edge_bundle, usual_folders
from app.fleet.link_speed import measure_link
from app.fleet.pacing import Pace, RateCap
from app.fleet.runtime_bundle import Piece, as_file, digest_of, facts_of, pieces
from app.store import links as link_store
from app.store.records import Box, LinkFigure
from app.usecases import boxes, roots, signatures
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import BoxUnreachable, LinesideError, NotFound
from edge_runtime.contracts.runtime import RuntimeAnswer, RuntimeFacts, RuntimeRequest
from edge_runtime.contracts.runtime_errors import (
    RuntimeNoLauncher,
    RuntimeRefused,
    RuntimeRolledBack,
    RuntimeUndecided,
)
from edge_runtime.contracts.status import BoxStatus, RuntimeStatus, SlotStatus
from edge_runtime.update.slots import IN_FLIGHT

if TYPE_CHECKING:
    from app.context import Context

ASKED, UPDATED, RETURNED = "box.runtime-asked", "box.runtime-updated", "box.runtime-returned"
LOOK_EVERY_S = 0.5
PATIENCE_S = 900.0
"""So long may it all take on the box; whatever it does then, it does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePlan:
    """What would become of a box. Nothing was changed."""

    box: str
    name: str
    running: str
    """The version that runs."""
    version: str
    bundle: str
    """sha256 of the bundle's manifest."""
    files: int
    """That the box lacks."""
    bytes: int
    """That would be sent."""
    whole_bytes: int
    """Of everything that the version consists of."""
    bytes_per_s: float | None = None
    minutes: float | None = None
    """To send it; None where the link's speed is not known."""
    free_disk_bytes: int
    there: bool = False
    """That very version runs already."""
    refusal: str = ""
    """Why the box would not take it; nothing: it would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update did."""

    box: str
    name: str
    before: str
    version: str
    changed: bool
    sent: int
    """Bytes."""
    away_s: float = 0.0
    """How long the box did not answer this desktop."""
    unjudged: tuple[str, ...] = ()
    """Lines that the trial could not judge, for their frames come too seldom."""


def plan_update(ctx: Context, name: str, *, path: Path | None = None, again: bool = False) -> UpdatePlan:
    """What an update would send to a box, how long that takes, and what would refuse it.

    :param path: the edge bundle; None: the one of this desktop's own version, where bundles usually lie.
    :param again: even though it was rolled back there before.
    :raises RuntimeNoLauncher: the box has to be enrolled once more over SSH.
    :raises EdgeBundleMissing, EdgeBundleInvalid, EdgeInstallUnsuitable: there is no bundle for it.
    """
    box = boxes.get_box(ctx, name)
    with boxes.connect(ctx, box) as client:
        status, there = ask_program(ctx, box, client)
        bundle = _open(path, there)
        speed = measure_link(client.measure)
        link_store.put_link(ctx.database, LinkFigure(box=box.box, bytes_per_s=speed, at_ms=boxes.now_ms()))
        lacks = lacking(client, pieces(bundle, there))
    return make_plan(box, status, there, bundle, facts_of(bundle), lacks, again=again, speed=speed)


def update_box(
    ctx: Context,
    name: str,
    *,
    path: Path | None = None,
    again: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> UpdateReport:
    """Bring a box another version of its own program, and wait until its trial there has ended.

    The box goes on by itself, also when this desktop is gone or ``cancel`` ends the watching.

    :raises RuntimeRefused: it would not take it; nothing was sent.
    :raises RuntimeRolledBack: it went back to the version before, for the reason that is named.
    :raises RuntimeUndecided: it does not say for a quarter of an hour how it ended.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: it does not answer, or not this desktop. Other errors as
        :func:`plan_update`.
    """
    token, box = cancel or CancelToken(), boxes.get_box(ctx, name)
    with boxes.connect(ctx, box) as client:
        status, there = ask_program(ctx, box, client)
        bundle = _open(path, there)
        facts = facts_of(bundle)
        lacks = lacking(client, pieces(bundle, there))
        plan = make_plan(box, status, there, bundle, facts, lacks, again=again)
        if plan.there:
            if there.status.unsigned:
                sign_program(ctx, box, client, bundle, facts, status)
            return UpdateReport(
                box=box.box, name=box.name, before=plan.running, version=plan.version, changed=False, sent=0
            )
        if plan.refusal:
            raise RuntimeRefused(f"{box.name}: {plan.refusal}")
        target = sign_program(ctx, box, client, bundle, facts, status)

        def told(done: int, size: int) -> None:
            token.check()
            progress(ProgressEvent(step="send", message=box.name, fraction=done / size if size else None))

        sent = bring_pieces(client, bundle, lacks, plan.bytes, told)
        words = f"Asked {box.name} to try version {facts.version} of its program in place of {status.version}."
        ctx.database.write(lambda w: w.activity(ASKED, box.box, words, facts=wire.encode(plan)))
        client.install_runtime(RuntimeRequest(target=target, again=again))
        away_s, unjudged = _watch(client, box, plan.bundle, progress, token, _Outcome(ctx, box, plan))
    with suppress(LinesideError):
        boxes.refresh(ctx, box.box)
    return UpdateReport(
        box=box.box,
        name=box.name,
        before=status.version,
        version=facts.version,
        changed=True,
        sent=sent,
        away_s=away_s,
        unjudged=unjudged,
    )


def return_box(
    ctx: Context, name: str, *, progress: Progress = silent, cancel: CancelToken | None = None
) -> UpdateReport:
    """Have a box run the version before the one that it runs, which it keeps still; the one that it leaves comes again
    only where somebody says so.

    :raises RuntimeRefused: it has none, or another one is on its way.
    :raises RuntimeUndecided: it does not say what it runs.
    """
    token, box = cancel or CancelToken(), boxes.get_box(ctx, name)
    with boxes.connect(ctx, box) as client:
        status, _there = ask_program(ctx, box, client)
        client.return_runtime()
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE_S:
            with suppress(BoxUnreachable):
                now = client.status()
                if now.boot != status.boot:
                    break
            progress(ProgressEvent(step="return", message=box.name))
            token.wait(LOOK_EVERY_S)
        else:
            raise RuntimeUndecided(f"{box.name} has not said for {PATIENCE_S:.0f} s which version it runs.")
    words = f"{box.name} went back from version {status.version} of its program to {now.version}, as it was told."
    ctx.database.write(lambda w: w.activity(RETURNED, box.box, words))
    with suppress(LinesideError):
        boxes.refresh(ctx, box.box)
    return UpdateReport(box=box.box, name=box.name, before=status.version, version=now.version, changed=True, sent=0)


def program_words(status: BoxStatus | None) -> str:
    """Which version runs and what became of the last one that came, in one line."""
    if status is None:
        return ""
    runtime = status.runtime
    if runtime is None:
        return f"{status.version}; updates over SSH alone: enrol it once more to have them come by themselves"
    words = [f"{status.version}{' (on trial)' if _on_trial(runtime) else ''}"]
    if runtime.slot and runtime.base != status.version:
        words.append(f"{runtime.base} is installed on the machine")
    if unjudged := unjudged_in(runtime, runtime.bundle):
        words.append(unjudged_words(unjudged))
    if runtime.unsigned:
        words.append("whoever signed it counts no more, so it is not started again: update it once more")
    words += [f"{slot.version} {slot.state}: {slot.reason}" for slot in runtime.slots if slot.reason]
    if runtime.problem:
        words.append(f"takes no versions over the network: {runtime.problem}")
    return "; ".join(words)


def unjudged_in(runtime: RuntimeStatus | None, bundle: str) -> tuple[str, ...]:
    """The lines that the trial of a version could not judge; nothing where the box does not say, or did not keep it."""
    slot = slot_of(runtime, bundle)
    return slot.trial.unjudged if slot is not None and slot.state == "COMMITTED" and slot.trial is not None else ()


def unjudged_words(lines: Sequence[str]) -> str:
    """That in English."""
    return f"not judged in its trial, for their frames come too seldom: {', '.join(lines)}"


def _on_trial(runtime: RuntimeStatus) -> bool:
    return any(slot.state == "TRIAL" for slot in runtime.slots)


def ask_program(ctx: Context, box: Box, client: BoxClient) -> tuple[BoxStatus, RuntimeAnswer]:
    """What a box says of its own program.

    :raises RuntimeNoLauncher: it cannot change it.
    """
    status = roots.ask_status(ctx, box, client)
    try:
        there = client.runtime()
    except NotFound as error:
        raise RuntimeNoLauncher(f"{box.name} runs version {status.version}, which cannot do this.") from error
    if there.status.problem:
        raise RuntimeNoLauncher(f"{box.name}: {there.status.problem}")
    return status, there


def _open(path: Path | None, there: RuntimeAnswer) -> EdgeBundle:
    return open_edge_bundle(path or find_edge_bundle(there.arch, usual_folders()))


def lacking(client: BoxClient, wanted: Sequence[Piece]) -> list[tuple[Piece, int]]:
    """What the box lacks, each with the bytes of it that are still to be sent."""
    found = []
    for piece in wanted:
        state = client.object_state(piece.sha256, piece.size)
        if not state.complete:
            found.append((piece, piece.size - min(state.have, piece.size)))
    return found


def make_plan(
    box: Box,
    status: BoxStatus,
    there: RuntimeAnswer,
    bundle: EdgeBundle,
    facts: RuntimeFacts,
    lacks: Sequence[tuple[Piece, int]],
    *,
    again: bool,
    speed: float | None = None,
) -> UpdatePlan:
    """What would become of a box, from what it said. Errors as :func:`plan_update`."""
    size, digest, runtime = sum(left for _piece, left in lacks), digest_of(bundle), there.status
    wheels = [file for file in bundle.files_for(there.python) if file.path.startswith("wheels/")]
    return UpdatePlan(
        box=box.box,
        name=box.name,
        running=status.version,
        version=facts.version,
        bundle=digest,
        files=len(lacks),
        bytes=size,
        whole_bytes=sum(file.size for file in wheels),
        bytes_per_s=speed,
        minutes=size / speed / 60 if speed else None,
        free_disk_bytes=there.free_bytes,
        there=runs(bundle, there),
        refusal=_refusal(facts, digest, runtime, again=again),
    )


def runs(bundle: EdgeBundle, there: RuntimeAnswer) -> bool:
    """Whether a box runs that very version. Of the base the manifest is not known; it is the same where every wheel is.

    :raises EdgeInstallUnsuitable: there is nothing for it in the bundle.
    """
    wheels = {file.sha256 for file in bundle.files_for(there.python) if file.path.startswith("wheels/")}
    return there.status.bundle == digest_of(bundle) or (not there.status.slot and wheels <= set(there.wheels))


def _refusal(facts: RuntimeFacts, digest: str, runtime: RuntimeStatus, *, again: bool) -> str:
    if any(slot.state in IN_FLIGHT for slot in runtime.slots):
        return "Another version is on its way or on trial there."
    if facts.release < runtime.release:
        return f"Version {facts.version} was built before the one that it has run; it takes nothing older."
    if digest in runtime.refused and not again:
        return f"Version {facts.version} was rolled back there before: {runtime.refused[digest]}."
    return ""


def sign_program(
    ctx: Context, box: Box, client: BoxClient, bundle: EdgeBundle, facts: RuntimeFacts, status: BoxStatus
) -> str:
    """Have the version's signatures on a box; returns the target's name."""
    with ctx.signing:
        repository = ctx.repository()
        target = repository.add_runtime(bundle.manifest_bytes, facts)
        files = signatures.newest(repository, box, status)
    signatures.bring(client, files)
    return target


def bring_pieces(
    client: BoxClient,
    bundle: EdgeBundle,
    lacks: Sequence[tuple[Piece, int]],
    size: int,
    sent: Callable[[int, int], None],
    caps: Sequence[RateCap] = (),
) -> int:
    """Send what a box lacks, each from where an earlier attempt stopped; returns how many bytes were sent.

    :param sent: told bytes of ``size``, and ``size``; may raise to stop.
    """
    done = 0
    for piece, left in lacks:
        before = done

        def told(here: int, whole: int, before: int = before, left: int = left) -> None:
            sent(before + max(left - (whole - here), 0), size)

        with as_file(bundle, piece) as path:
            done += client.deliver(path, piece.sha256, sent=told, pace=Pace(caps))
    return done


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Enters into the activity how it ended."""

    ctx: Context
    box: Box
    plan: UpdatePlan

    def note(self, kind: str, words: str) -> None:
        box, facts = self.box.box, wire.encode(self.plan)
        self.ctx.database.write(lambda w: w.activity(kind, box, words, facts=facts))


def _watch(
    client: BoxClient, box: Box, bundle: str, progress: Progress, cancel: CancelToken, outcome: _Outcome
) -> tuple[float, tuple[str, ...]]:
    """Until the trial has ended well; for how many seconds the box did not answer meanwhile, and which lines were not
    judged.

    :raises RuntimeRolledBack: it ended otherwise.
    :raises RuntimeUndecided: it does not end.
    """
    version = outcome.plan.version
    begun = answered = time.monotonic()
    away_s = 0.0
    while time.monotonic() - begun < PATIENCE_S:
        step = "away"
        with suppress(BoxUnreachable):
            status = client.status()
            away_s, answered = max(away_s, time.monotonic() - answered - LOOK_EVERY_S), time.monotonic()
            slot = slot_of(status.runtime, bundle)
            if slot is not None and slot.state == "COMMITTED":
                unjudged = unjudged_in(status.runtime, bundle)
                told = f"; {unjudged_words(unjudged)}" if unjudged else ""
                outcome.note(UPDATED, f"{box.name} runs version {version} of its program from now on{told}.")
                return round(max(away_s, 0.0), 2), unjudged
            if slot is not None and slot.state in ("REJECTED", "ROLLED_BACK"):
                why = slot.reason or "it does not say why"
                words = f"{box.name} runs version {status.version}; {version} was given up: {why}."
                outcome.note(RETURNED, words)
                raise RuntimeRolledBack(words)
            step = slot.state.lower() if slot is not None else "asked"
        progress(ProgressEvent(step="trial", message=f"{box.name}: {version}, {step}"))
        cancel.wait(LOOK_EVERY_S)
    raise RuntimeUndecided(f"{box.name} has not said for {PATIENCE_S:.0f} s how the trial of {version} ended.")


def slot_of(runtime: RuntimeStatus | None, bundle: str) -> SlotStatus | None:
    return next((slot for slot in runtime.slots if slot.bundle == bundle), None) if runtime else None
