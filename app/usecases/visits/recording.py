"""Visits: what a trip is for, what was found, what was done, and the proof of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from app.fleet import edge_bundle
from app.store import activity as activity_store
from app.store import boxes as box_store
from app.store import decisions as decision_store
from app.store import visits as visit_store
from app.store.records import Box, VisitEntry, VisitKind
from app.store.writer import Writer
from app.usecases import boxes, clones, models, rollouts
from app.usecases.progress import CancelToken, Progress, silent
from app.usecases.visits.chain import append, check_chain
from app.usecases.visits.look import look_at
from app.usecases.visits.plan import EdgeStock, Known, Lost, VisitPlan, make_plan
from app.usecases.visits.records import MAX_ROWS, Audits, Begun, Ended, Head, Note, Snapshot, Visit, read_visit
from edge_runtime.contracts.enrolment_errors import EdgeBundleInvalid
from edge_runtime.contracts.errors import InputInvalid, ReportTampered
from edge_runtime.update.roots import read_root

if TYPE_CHECKING:
    from app.context import Context

MAX_TITLE = 200
MAX_NOTE = 4000


def plan_visit(ctx: Context, names: Sequence[str] = ()) -> VisitPlan:
    """What each box lacks, from what this desktop knows: nobody is asked, and nothing is changed.

    :param names: of the boxes to go to; empty: all.
    """
    known = box_store.list_boxes(ctx.database)
    chosen = _chosen(ctx, names)
    library = models.list_models(ctx)
    decided = decision_store.list_decisions(ctx.database)
    begun = rollouts.list_rollouts(ctx)
    files = {model.sha256 for model in library} | {one.object for one in begun if one.object is not None}
    since = _last_visits(ctx)
    lost = {
        box.box: Lost(rows=found[0], newest_ms=found[1])
        for box in chosen
        if (found := visit_store.losses_since(ctx.database, box.box, since.get(box.box, 0)))
    }
    return make_plan(
        Known(
            now_ms=boxes.now_ms(),
            site=ctx.site.site,
            site_name=ctx.site.name,
            root=ctx.roots().version,
            runtime=version("lineside"),
            boxes=chosen,
            models=library,
            rollouts=begun,
            clones=clones.known_clones(ctx),
            lost=lost,
            here=frozenset(file for file in files if ctx.blobs.has(file)),
            edge=edge_stock(),
            blacklisted={one.bundle: one.reason for one in decided if one.choice == "blacklist"},
            names={box.box: box.name for box in known},
            listed_since=_listed_since(ctx),
        )
    )


def edge_stock() -> dict[str, EdgeStock]:
    """The edge bundles of this desktop's version that lie where they usually do, by architecture."""
    beginning = f"lineside-edge-{version('lineside')}-"
    stock: dict[str, EdgeStock] = {}
    for folder in edge_bundle.usual_folders():
        for path in sorted(folder.glob(f"{beginning}*")):
            try:
                manifest = edge_bundle.open_edge_bundle(path).manifest
            except EdgeBundleInvalid:
                continue
            size = sum(file.size for file in manifest.files)
            stock.setdefault(manifest.arch, EdgeStock(name=path.name.removesuffix(".zip"), bytes=size))
    return stock


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """A visit in a list."""

    visit: str
    begun_ms: int
    who: str
    desktop: str
    here: bool
    """It was begun on this desktop."""
    title: str = ""
    ended_ms: int | None = None
    boxes: tuple[str, ...] = ()
    """Ids."""
    digest: str = ""
    problem: str | None = None
    """Why nothing else can be said: an entry of it was changed."""


def list_visits(ctx: Context) -> list[VisitRow]:
    """Every visit of the site that this desktop knows of, the newest first."""
    rows = []
    for first, _last in visit_store.list_ends(ctx.database):
        row = VisitRow(
            visit=first.visit,
            begun_ms=first.at_ms,
            who=first.who,
            desktop=first.desktop,
            here=first.replica == ctx.database.replica,
        )
        try:
            visit = get_visit(ctx, first.visit)
        except (ReportTampered, InputInvalid) as error:
            rows.append(replace(row, problem=error.message))
        else:
            rows.append(
                replace(
                    row,
                    title=visit.begun.title,
                    ended_ms=visit.ended_ms,
                    boxes=tuple(box for box, _name in visit.boxes),
                    digest=visit.digest,
                )
            )
    return rows


def get_visit(ctx: Context, visit: str) -> Visit:
    """A visit by the beginning of its id, its chain checked.

    :raises ReportTampered: an entry was changed.
    """
    return read_visit(entries_of(ctx, visit))


def entries_of(ctx: Context, visit: str) -> list[VisitEntry]:
    """As :func:`get_visit`, entry by entry."""
    entries = visit_store.entries_of(ctx.database, visit_store.find_visit(ctx.database, visit))
    check_chain(entries)
    return entries


def open_visit(ctx: Context) -> str | None:
    """The visit that was begun on this desktop and has not ended."""
    for first, last in visit_store.list_ends(ctx.database):
        if first.replica == ctx.database.replica and last.kind != "ended":
            return first.visit
    return None


def begin_visit(
    ctx: Context,
    *,
    title: str,
    names: Sequence[str] = (),
    pack: str = "",
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Visit:
    """Begin a visit with how every box is found.

    :param names: of the boxes it is about; empty: all. One that does not answer is written down so.
    :param pack: digest of the pack that was carried.
    :raises InputInvalid: a visit has begun already on this desktop; there are no boxes; the title cannot be used.
    """
    title = title.strip() or ctx.site.name
    if len(title) > MAX_TITLE or not title.isprintable():
        raise InputInvalid(f"The title of a visit has up to {MAX_TITLE} printable characters.")
    if open_visit(ctx) is not None:
        raise InputInvalid("A visit has begun already.", hint="End it first: `lineside visit record end`.")
    chosen = _chosen(ctx, names)
    if not chosen:
        raise InputInvalid("There is no box to visit.", hint="Enrol one first: `lineside boxes enrol`.")
    before = look_at(ctx, chosen, progress=progress, cancel=cancel or CancelToken())
    seq, digest = activity_store.newest(ctx.database) or (0, "")
    visit = f"{secrets.token_hex(8)}-{ctx.database.replica[:16]}"
    begun = Begun(
        title=title,
        site=ctx.site.site,
        site_name=ctx.site.name,
        desktop_name=_people(ctx).get(ctx.identity.fingerprint, ""),
        activity=Head(seq=seq, digest=digest),
        pack=pack,
        before=before,
    )
    _add(ctx, visit, [("begun", begun)], ("visit.begun", f"Began the visit {title!r} to {_names(chosen)}."))
    return get_visit(ctx, visit)


def note_visit(ctx: Context, text: str, *, box: str | None = None) -> Visit:
    """Write something down in the visit that is open.

    :param box: which box it is about.
    :raises InputInvalid: none is open; the text cannot be used.
    """
    text = text.strip()
    if not 1 <= len(text) <= MAX_NOTE:
        raise InputInvalid(f"A note has between 1 and {MAX_NOTE} characters.")
    about = boxes.get_box(ctx, box) if box else None
    note = Note(text=text, box=about.box if about else "", name=about.name if about else "")
    visit = _must_be_open(ctx)
    _add(ctx, visit, [("note", note)])
    return get_visit(ctx, visit)


def take_receipts(
    ctx: Context, names: Sequence[str] = (), *, progress: Progress = silent, cancel: CancelToken | None = None
) -> Visit:
    """Ask boxes what they run now, and sign their answers into the visit that is open.

    :param names: empty: all boxes of the visit.
    """
    visit = _must_be_open(ctx)
    _add(ctx, visit, [("receipt", one) for one in _receipts(ctx, visit, names, progress, cancel)])
    return get_visit(ctx, visit)


def end_visit(ctx: Context, *, progress: Progress = silent, cancel: CancelToken | None = None) -> Visit:
    """Take a receipt of every box of the visit, write down what was done and by whom, and close the chain. Cut off
    anywhere before the last write, the visit is still open and is ended again.
    """
    visit = _must_be_open(ctx)
    now = _receipts(ctx, visit, (), progress, cancel)
    before = get_visit(ctx, visit)
    done, count = visit_store.activity_after(ctx.database, before.begun.activity.seq, MAX_ROWS)
    seq, digest = activity_store.newest(ctx.database) or (0, "")
    audits = [found for one in now if (found := _audits(ctx, before, one))]
    ended = Ended(
        activity=Head(seq=seq, digest=digest),
        done=tuple(done),
        done_left_out=count - len(done),
        audits=tuple(audits),
        people=_people(ctx),
    )
    words = f"Ended the visit {before.begun.title!r}."
    _add(ctx, visit, [*(("receipt", one) for one in now), ("ended", ended)], ("visit.ended", words))
    return get_visit(ctx, visit)


def _receipts(
    ctx: Context, visit: str, names: Sequence[str], progress: Progress, cancel: CancelToken | None
) -> tuple[Snapshot, ...]:
    known = {box.box: box for box in box_store.list_boxes(ctx.database)}
    of_visit = [known[box] for box, _name in get_visit(ctx, visit).boxes if box in known]
    return look_at(ctx, _chosen(ctx, names) if names else of_visit, progress=progress, cancel=cancel or CancelToken())


def _audits(ctx: Context, visit: Visit, now: Snapshot) -> Audits | None:
    """What the box's chain has since the visit began; nothing where either end of it is not known."""
    first = next((one for one in visit.begun.before if one.box == now.box), None)
    if first is None or first.problem or now.problem or first.chain_beginning != now.chain_beginning:
        return None
    found, count = visit_store.audits_between(ctx.database, now.box, first.chain_entry, now.chain_entry, MAX_ROWS)
    return Audits(box=now.box, name=now.name, rows=tuple(found), left_out=count - len(found))


def _add(
    ctx: Context, visit: str, more: Sequence[tuple[VisitKind, object]], told: tuple[str, str] | None = None
) -> None:
    """Append entries, all in one transaction, with a line in the activity."""
    identity, replica = ctx.identity, ctx.database.replica

    def work(writer: Writer) -> None:
        entries = visit_store.read_entries(writer, visit)
        if entries and entries[-1].kind == "ended":
            raise InputInvalid("The visit has ended already.")
        for kind, body in more:
            entry = append(
                entries,
                visit=visit,
                replica=replica,
                at_ms=writer.now_ms,
                kind=kind,
                who=writer.who,
                body=body,
                identity=identity,
            )
            visit_store.keep_entry(writer, entry)
            entries.append(entry)
        if told is not None:
            writer.activity(told[0], visit, told[1])

    ctx.database.write(work)


def _must_be_open(ctx: Context) -> str:
    visit = open_visit(ctx)
    if visit is None:
        raise InputInvalid("No visit has begun on this desktop.", hint="Begin one: `lineside visit record begin`.")
    return visit


def _chosen(ctx: Context, names: Sequence[str]) -> list[Box]:
    if not names:
        return box_store.list_boxes(ctx.database)
    return list({box.box: box for box in (boxes.get_box(ctx, name) for name in names)}.values())


def _last_visits(ctx: Context) -> dict[str, int]:
    """When the last visit of each box ended."""
    ends: dict[str, int] = {}
    for visit in list_visits(ctx):
        for box in visit.boxes:
            ends[box] = max(ends.get(box, 0), visit.ended_ms or 0)
    return ends


def _listed_since(ctx: Context) -> int:
    """Number of the first root that lists this desktop's key; 1 where roots list nobody."""
    for path in ctx.roots().paths:
        facts = read_root(path.read_bytes())
        if facts.desktops is None or ctx.identity.fingerprint in facts.desktops:
            return facts.version
    return ctx.roots().version


def _people(ctx: Context) -> dict[str, str]:
    return {fingerprint: desktop.name for fingerprint, desktop in ctx.roots().desktops().items()}


def _names(chosen: Sequence[Box]) -> str:
    return ", ".join(box.name for box in chosen)
