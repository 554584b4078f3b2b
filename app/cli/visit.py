"""``lineside visit``: prepared before the trip, proved after it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics
from app.cli.session import Columns, Session
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.context import Context
    from app.usecases.visits.plan import VisitPlan
    from app.usecases.visits.recording import VisitRow
    from app.usecases.visits.records import Visit

_VISIT = "beginning of the id"


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(topics, everywhere, "visit", "come to a site prepared, and leave with proof")
    plan = topic.verb("plan", _plan, "what each box lacks and what to bring, from what is known here")
    _add_boxes(plan)
    pack = topic.verb("pack", _pack, "write all of it to a stick or a folder; again: only what is missing there")
    pack.add_argument("dest", type=Path, metavar="DEST", help="folder of the pack; it is made")
    _add_boxes(pack)
    topic.verb("open", _open, "check a pack that a desktop of the site made, and take it over").add_argument(
        "pack", type=Path, metavar="PACK", help="folder of the pack"
    )
    record = topic.verb("record", _show_open, "write a visit down; alone: the one that is open")
    steps = record.add_subparsers(metavar="STEP", title="steps")
    begin = steps.add_parser("begin", help="how every box is found", parents=[everywhere])
    begin.add_argument("--title", default="", help="what the visit is called (default: the site's name)")
    begin.add_argument("--pack", type=Path, metavar="PACK", help="take this pack over first, and note which it was")
    _add_boxes(begin)
    begin.set_defaults(run=_begin)
    note = steps.add_parser("note", help="write something down", parents=[everywhere])
    note.add_argument("text", metavar="TEXT")
    note.add_argument("--box", metavar="BOX", help="which box it is about")
    note.set_defaults(run=_note)
    receipt = steps.add_parser("receipt", help="have boxes say what they run now", parents=[everywhere])
    _add_boxes(receipt)
    receipt.set_defaults(run=_receipt)
    end = steps.add_parser("end", help="a receipt of every box, and what was done", parents=[everywhere])
    end.set_defaults(run=_end)
    topic.verb("list", _list, "visits, newest first")
    topic.verb("show", _show, "one visit").add_argument("visit", help=_VISIT)
    report = topic.verb("report", _report, "write a visit as a page to print and to keep")
    report.add_argument("visit", help=_VISIT)
    report.add_argument("--out", type=Path, required=True, metavar="FILE", help="a name that ends in .html or .pdf")
    report.add_argument("--language", choices=("en", "zh"), help="default: this desktop's language")
    topic.verb("verify", _verify, "find any change in a report").add_argument("report", type=Path, metavar="REPORT")


def _add_boxes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="BOX",
        dest="boxes",
        help="name or id; again for more (default: all)",
    )


_ROWS: Columns[VisitRow] = {
    "VISIT": lambda row: text.short(row.visit),
    "TITLE": lambda row: row.title,
    "BEGUN": lambda row: text.moment(row.begun_ms),
    "ENDED": lambda row: text.moment(row.ended_ms) if row.ended_ms else "open",
    "BY": lambda row: row.who,
    "BOXES": lambda row: len(row.boxes),
    "PROBLEM": lambda row: row.problem,
}


def _plan(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx:
        plan = recording.plan_visit(ctx, arguments.boxes)
        session.answer({"plan": plan, "bytes": plan.bytes}, _plan_lines(plan))


def _plan_lines(plan: VisitPlan) -> list[str]:
    from app.usecases.visits.words import need_words

    if not plan.boxes:
        return ["No box is enrolled yet."]
    lines: list[str] = []
    for box in plan.boxes:
        lines.append(f"{text.clean(box.name)}, {text.clean(box.address)}, last seen {text.moment(box.seen_ms)}")
        for need in box.needs:
            carried = f" {text.size(need.bytes)}" if need.bytes else ""
            lines.append(f"  {need.kind}:{carried} {need_words('en', need)}")
        if not box.needs:
            lines.append("  nothing is known to be missing")
    lines.append("")
    if plan.items:
        lines += text.table(
            ("BRING", "SIZE", "BOXES", "HERE"),
            [
                (
                    item.name,
                    text.size(item.bytes),
                    counted(len(item.boxes), "box", "boxes"),
                    "yes" if item.here else "NO, fetch it first",
                )
                for item in plan.items
            ],
        )
    lines.append(f"{text.size(plan.bytes)} to bring.")
    return lines


def _pack(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import packing

    with session.open() as ctx, session.stoppable() as cancel:
        made = packing.pack_visit(ctx, arguments.dest, arguments.boxes, progress=session.progress, cancel=cancel)
        lines = [
            (
                f"{made.folder}: {counted(made.files, 'file', 'files')}, {text.size(made.bytes)}; "
                f"{made.written} written now."
            ),
            f"sealed by this desktop: {made.digest}",
            *(f"NOT in it, for it is not on this desktop: {name}" for name in made.missing),
        ]
        session.answer({"pack": made}, lines)


def _open(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import taking_over

    with session.open() as ctx, session.stoppable() as cancel:
        taken = taking_over.open_pack(ctx, arguments.pack, progress=session.progress, cancel=cancel)
        lines = [
            f"packed by {text.clean(taken.desktop_name)} ({text.short(taken.desktop)}) {text.moment(taken.made_ms)}",
            f"models: {', '.join(map(text.clean, taken.models)) or 'none'}",
            f"edge bundles: {', '.join(map(text.clean, taken.edge)) or 'none'}",
            f"files of rollouts: {', '.join(taken.rollouts) or 'none'}",
            f"roots taken over: {taken.roots}",
        ]
        session.answer({"pack": taken}, lines)


def _begin(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording, taking_over

    with session.open() as ctx, session.stoppable() as cancel:
        digest = ""
        if arguments.pack is not None:
            digest = taking_over.open_pack(ctx, arguments.pack, progress=session.progress, cancel=cancel).digest
        visit = recording.begin_visit(
            ctx,
            title=arguments.title,
            names=arguments.boxes,
            pack=digest,
            progress=session.progress,
            cancel=cancel,
        )
        _answer(session, visit)


def _note(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx:
        _answer(session, recording.note_visit(ctx, arguments.text, box=arguments.box))


def _receipt(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx, session.stoppable() as cancel:
        _answer(session, recording.take_receipts(ctx, arguments.boxes, progress=session.progress, cancel=cancel))


def _end(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx, session.stoppable() as cancel:
        _answer(session, recording.end_visit(ctx, progress=session.progress, cancel=cancel))


def _show_open(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx:
        visit = recording.open_visit(ctx)
        if visit is None:
            session.answer({"visit": None}, ["No visit is open. Begin one: `lineside visit record begin`."])
        else:
            _answer(session, recording.get_visit(ctx, visit))


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx:
        _answer(session, recording.get_visit(ctx, arguments.visit))


def _list(_arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import recording

    with session.open() as ctx:
        empty = "No visit yet. Begin one with `lineside visit record begin`."
        session.rows("visits", recording.list_visits(ctx), _ROWS, empty=empty)


def _answer(session: Session, visit: Visit) -> None:
    from app.usecases.visits.view import box_table

    ended = text.moment(visit.ended_ms) if visit.ended_ms is not None else "open"
    lines = text.facts(
        [
            ("visit", visit.visit),
            ("title", visit.begun.title),
            ("begun", f"{text.moment(visit.begun_ms)} by {visit.who}"),
            ("ended", ended),
            ("digest", visit.digest),
        ]
    )
    for box, name in visit.boxes:
        lines += ["", text.clean(name)]
        lines += text.table(
            ("", "BEFORE", "AFTER"), [(row.label, row.before, row.after) for row in box_table("en", visit, box)]
        )
    lines += [f"note, {text.moment(at_ms)}: {text.clean(note.text)}" for at_ms, _who, note in visit.notes]
    session.answer({"visit": visit}, lines)


def _report(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import reporting

    with session.open() as ctx:
        written = reporting.write_report(ctx, arguments.visit, arguments.out, language=arguments.language)
        session.answer({"report": written}, [f"{written.path}, {text.size(written.bytes)}, sha256 {written.sha256}"])


def _verify(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases.visits import verification
    from edge_runtime.contracts.errors import SiteMissing

    ctx: Context | None = None
    try:
        ctx = session.open()
    except SiteMissing:
        # Whoever was handed a report can check it without a site, too.
        ctx = None
    try:
        proof = verification.verify_report(arguments.report, ctx)
    finally:
        if ctx is not None:
            ctx.close()
    known = "this desktop's site" if proof.own_site else "compare it with what the site says of itself"
    lines = [
        f"Nothing was changed: {text.clean(proof.title)}, {counted(proof.entries, 'entry', 'entries')}.",
        *text.facts(
            [
                ("site", f"{text.clean(proof.site_name)} ({proof.site}): {known}"),
                ("recorded by", f"{text.clean(proof.desktop_name)} ({proof.desktop})"),
                ("written by", f"{text.clean(proof.writer_name)} ({proof.writer})"),
                ("visit digest", proof.digest),
            ]
        ),
    ]
    if proof.struck_off:
        lines.append(
            f"Not listed any more: {text.clean(', '.join(proof.struck_off))}. The visit was known here before."
        )
    if proof.page == "not-compared":
        lines.append("Another version or other fonts drew the page: believe what stands here, not what it shows.")
    session.answer({"proof": proof}, lines)
