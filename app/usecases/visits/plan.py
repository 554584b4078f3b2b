"""What each box of a site lacks, and what a trip to them must carry. Pure: records in, a plan out, nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from app.fleet.clock import Skew
from app.redact import redact
from app.store.records import Box, Model, Rollout
from app.usecases.clone_rules import Clone
from edge_runtime.contracts.status import BoxStatus, SlotStatus
from edge_runtime.contracts.text import one_line

NeedKind = Literal[
    "never-seen", "stranger", "unseen", "no-answer", "copies", "root", "clock", "decision", "blacklisted", "model",
    "no-model", "configuration", "program", "runtime", "line", "drift", "disk", "spool", "losses", "rows",
]  # fmt: skip
"""Most pressing first: without an answer nothing else can be done."""
ItemKind = Literal["bundle", "edge", "rollout"]
NEED_KINDS: tuple[NeedKind, ...] = get_args(NeedKind)
UNSEEN_MS = 7 * 86_400_000
"""A box that has not answered for so long is told of."""
LOW_DISK_BYTES = 512 * 2**20
"""Less free disk than this is told of: an update needs room for two bundles beside what waits."""
ANY_ARCH = ""
MAX_REASON = 500
_OPEN_PARTS = frozenset({"waiting", "sending", "installing", "trial"})
_ON_BOX = frozenset({"installing", "trial"})
_REFUSED = frozenset({"REJECTED", "ROLLED_BACK"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that one box lacks."""

    kind: NeedKind
    facts: dict[str, str | int | float] = field(default_factory=dict)
    """What a sentence about it needs."""
    bytes: int = 0
    """What must be carried to it for this."""
    carry: str = ""
    """Key of the item that serves it; see :class:`Item`."""
    evidence_ms: int | None = None
    """When this was seen last; None: it never was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan:
    """One box, as it was known when the plan was made."""

    box: str
    name: str
    address: str
    seen_ms: int | None
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to carry, once for all boxes that need it."""

    key: str
    """``bundle:`` and the sha256 of the bundle's file, ``edge:`` and an architecture, or ``rollout:`` and the sha256 of
    the file with a configuration or a program that is rolled out."""
    kind: ItemKind
    name: str
    bytes: int
    here: bool
    """It lies on this desktop; otherwise it must be fetched before the trip."""
    boxes: tuple[str, ...]
    """Ids of those that need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlan:
    """What a trip is for."""

    made_ms: int
    site: str
    site_name: str
    root: int
    runtime: str
    """This desktop's version, which boxes should have."""
    boxes: tuple[BoxPlan, ...]
    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        """To be carried in all, each thing once."""
        return sum(item.bytes for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeStock:
    """An edge bundle of this desktop's version."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a box's loss ledger says since the last visit, as far as it was collected."""

    rows: int
    newest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a desktop knows of its site."""

    now_ms: int
    site: str
    site_name: str
    root: int
    runtime: str
    boxes: Sequence[Box]
    models: Sequence[Model] = ()
    rollouts: Sequence[Rollout] = ()
    clones: Sequence[Clone] = ()
    lost: Mapping[str, Lost] = field(default_factory=dict)
    """By box."""
    here: frozenset[str] = frozenset()
    """sha256 of the files of models and rollouts that lie on this desktop."""
    edge: Mapping[str, EdgeStock] = field(default_factory=dict)
    """By architecture."""
    blacklisted: Mapping[str, str] = field(default_factory=dict)
    """Why no box gets a bundle, by its id."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Of the boxes that clones speak of."""
    listed_since: int = 1
    """Number of the first root that lists this desktop's key."""


def make_plan(known: Known) -> VisitPlan:
    """The plan for all boxes of ``known``, those with the most pressing needs first."""
    planned = [
        BoxPlan(box=box.box, name=box.name, address=box.address, seen_ms=box.last_seen_ms, needs=_needs(known, box))
        for box in known.boxes
    ]
    planned.sort(key=lambda one: (_urgency(one), one.name.casefold(), one.box))
    return VisitPlan(
        made_ms=known.now_ms,
        site=known.site,
        site_name=known.site_name,
        root=known.root,
        runtime=known.runtime,
        boxes=tuple(planned),
        items=_items(known, planned),
    )


def is_older(version: str, than: str) -> bool:
    """Whether a version of Lineside comes before another; one that cannot be read comes before none."""
    one, other = _numbers(version), _numbers(than)
    return bool(one and other) and one < other


def _numbers(version: str) -> tuple[int, ...]:
    matched = re.match(r"\d{1,6}(?:\.\d{1,6}){0,5}", version)
    return tuple(map(int, matched[0].split("."))) if matched else ()


def _said(text: str) -> str:
    """Words of a box: a plan is carried about, and the passwords in addresses of cameras must not be in it."""
    return one_line(redact(text))[:MAX_REASON]


def _urgency(plan: BoxPlan) -> int:
    return min((NEED_KINDS.index(need.kind) for need in plan.needs), default=len(NEED_KINDS))


def _needs(known: Known, box: Box) -> tuple[Need, ...]:
    needs = [*_contact(known, box), *_copies(known, box), *_models(known, box), *_other_rollouts(known, box)]
    if box.status is not None:
        needs += _status_needs(known, box, box.status)
    if lost := known.lost.get(box.box):
        needs.append(Need(kind="losses", facts={"rows": lost.rows}, evidence_ms=lost.newest_ms))
    return tuple(
        need if need.evidence_ms is not None else replace(need, evidence_ms=box.last_seen_ms)
        for need in sorted(needs, key=lambda need: NEED_KINDS.index(need.kind))
    )


def _contact(known: Known, box: Box) -> Iterable[Need]:
    there = box.status.root if box.status else 0
    if there < known.listed_since and (there or (known.listed_since > 1 and box.last_seen_ms is None)):
        yield Need(kind="stranger", facts={"since": known.listed_since})
    if box.last_seen_ms is None:
        yield Need(kind="never-seen", facts={"reason": _said(box.problem or "")})
        return
    if known.now_ms - box.last_seen_ms > UNSEEN_MS:
        yield Need(kind="unseen", facts={"days": (known.now_ms - box.last_seen_ms) // 86_400_000})
    if box.problem is not None:
        yield Need(kind="no-answer", facts={"reason": _said(box.problem)})


def _copies(known: Known, box: Box) -> Iterable[Need]:
    for clone in known.clones:
        if any(side.box == box.box for side in clone.sides):
            others = sorted({f"{known.names.get(side.box, side.box[:12])} ({side.address})" for side in clone.sides})
            heard = max(side.last_ms for side in clone.sides)
            yield Need(kind="copies", facts={"sides": ", ".join(others)}, evidence_ms=heard)


def _status_needs(known: Known, box: Box, status: BoxStatus) -> Iterable[Need]:
    if 0 < status.root < known.root:
        yield Need(kind="root", facts={"there": status.root, "here": known.root})
    if box.skew_ms is not None and Skew(ms=box.skew_ms, error_ms=box.skew_error_ms or 0.0).matters:
        yield Need(kind="clock", facts={"ms": box.skew_ms})
    if is_older(status.version, known.runtime):
        yield from _runtime(known, status)
    for line in status.pipelines:
        if line.state in ("failing", "no-input"):
            yield Need(kind="line", facts={"line": line.name, "state": line.state})
        if line.drift:
            yield Need(kind="drift", facts={"line": line.name})
    if status.spool.disk_free_bytes < LOW_DISK_BYTES:
        yield Need(kind="disk", facts={"free": status.spool.disk_free_bytes})
    if status.spool.problem:
        yield Need(kind="spool", facts={"reason": _said(status.spool.problem)})
    spool = status.spool
    rows = spool.results + spool.samples + spool.alerts + spool.losses + spool.audits + spool.shadows + spool.rollups
    if rows:
        yield Need(kind="rows", facts={"rows": rows, "samples": spool.samples, "sample_bytes": spool.sample_bytes})


def _runtime(known: Known, status: BoxStatus) -> Iterable[Need]:
    """One bundle where the box tells its architecture; otherwise all that are here, for any may be the right one."""
    facts: dict[str, str | int | float] = {"there": status.version, "here": known.runtime, "arch": status.arch}
    for arch in [status.arch] if status.arch else sorted(known.edge) or [ANY_ARCH]:
        stock = known.edge.get(arch)
        yield Need(
            kind="runtime", facts={**facts, "arch": arch}, bytes=stock.bytes if stock else 0, carry=f"edge:{arch}"
        )


def _models(known: Known, box: Box) -> Iterable[Need]:
    slots = box.status.slots if box.status else ()
    refused = {slot.bundle: slot for slot in slots if slot.state in _REFUSED and slot.bundle}
    for slot in refused.values():
        facts: dict[str, str | int | float] = {
            "model": f"{slot.name or ''} {slot.version or ''}".strip(),
            "state": slot.state,
            "reason": _said(slot.reason or ""),
        }
        yield Need(kind="decision", facts=facts)
    for slot in slots:
        if slot.active and slot.bundle and slot.bundle in known.blacklisted:
            model_there = f"{slot.name or ''} {slot.version or ''}".strip()
            why = _said(known.blacklisted[slot.bundle])
            yield Need(kind="blacklisted", facts={"model": model_there, "reason": why})
    held = {slot.bundle for slot in slots if slot.bundle and slot.state not in (*_REFUSED, "EMPTY")}
    running = {slot.bundle for slot in slots if slot.bundle and slot.state == "COMMITTED" and slot.active}
    wanted = _wanted(known, box, slots)
    for model, why in wanted:
        if model.model in refused or model.model in running:
            continue
        there = model.model in held
        yield Need(
            kind="model",
            facts={"model": f"{model.name} {model.version}", "why": why, "there": int(there)},
            bytes=0 if there else model.size,
            carry="" if there else f"bundle:{model.sha256}",
        )
    if box.status is not None and not wanted and not any(slot.active for slot in slots):
        yield Need(kind="no-model")


def _other_rollouts(known: Known, box: Box) -> Iterable[Need]:
    """Configurations and programs that are on their way to the box."""
    for rollout in sorted(known.rollouts, key=lambda one: one.created_ms):
        if rollout.subject == "model" or rollout.finished_ms is not None or rollout.model in known.blacklisted:
            continue
        for part in rollout.boxes:
            if part.box == box.box and part.state in _OPEN_PARTS:
                there = part.state in _ON_BOX
                yield Need(
                    kind=rollout.subject,
                    facts={"version": rollout.version, "there": int(there)},
                    bytes=0 if there else rollout.size or 0,
                    carry="" if there else f"rollout:{rollout.object}",
                )


def _wanted(known: Known, box: Box, slots: Sequence[SlotStatus]) -> list[tuple[Model, str]]:
    """What is on its way to the box, else the newest release of each name that it runs."""
    by_id = {
        model.model: model
        for model in known.models
        if model.state == "released" and model.model not in known.blacklisted
    }
    wanted: dict[str, tuple[Model, str]] = {}
    for rollout in sorted(known.rollouts, key=lambda one: one.created_ms):
        open_here = any(part.box == box.box and part.state in _OPEN_PARTS for part in rollout.boxes)
        if rollout.finished_ms is None and open_here and rollout.model in by_id:
            model = by_id[rollout.model]
            wanted[model.name] = model, "rollout"
    for slot in slots:
        if not slot.active or not slot.name or slot.name in wanted:
            continue
        newer = [model for model in by_id.values() if model.name == slot.name and model.release > slot.release]
        if newer:
            wanted[slot.name] = max(newer, key=lambda model: model.release), "newest"
    return [wanted[name] for name in sorted(wanted)]


def _items(known: Known, planned: Iterable[BoxPlan]) -> tuple[Item, ...]:
    needed_by: dict[str, list[str]] = {}
    for plan in planned:
        for need in plan.needs:
            if need.carry:
                needed_by.setdefault(need.carry, []).append(plan.box)
    models = {f"bundle:{model.sha256}": model for model in known.models}
    rollouts = {f"rollout:{rollout.object}": rollout for rollout in known.rollouts}
    items = []
    for key, boxes in sorted(needed_by.items()):
        _, _, what = key.partition(":")
        kind: ItemKind = "edge"
        if model := models.get(key):
            kind, name, size, here = "bundle", f"{model.name} {model.version}", model.size, what in known.here
        elif rollout := rollouts.get(key):
            name, size, here = f"{rollout.subject} {rollout.version}", rollout.size or 0, what in known.here
            kind = "rollout"
        else:
            stock = known.edge.get(what)
            name = stock.name if stock else f"lineside-edge-{known.runtime}-{what or '?'}"
            size, here = (stock.bytes, True) if stock else (0, False)
        items.append(
            Item(
                key=key,
                kind=kind,
                name=name,
                bytes=size,
                here=here,
                boxes=tuple(dict.fromkeys(boxes)),
            )
        )
    return tuple(items)
