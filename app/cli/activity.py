"""``lineside activity``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics, add_paging
from app.cli.session import Session
from edge_runtime.contracts.errors import DatabaseDamaged

if TYPE_CHECKING:
    from app.usecases.activity import BoxChain, Verdict

_BROKEN = {
    "changed": "was changed",
    "removed": "was removed",
    "out-of-order": "does not follow the one before it",
    "added": "was put in",
    "taken-back": "was there, and the box does not know of it any more: it was put back to an older state, or a copy "
    "of it answers",
}
_GAPS = {
    "ledger": "the box had to let them go, as its loss ledger says",
    "before": "they had left the box before this desktop came",
    "memory": "they came while the box's disk took nothing, and have no seal",
}


def register(topics: Topics, everywhere: argparse.ArgumentParser) -> None:
    topic = Topic(
        topics, everywhere, "activity", "what was done on this desktop and its boxes, in chains that show any change"
    )
    add_paging(topic.verb("list", _list, "entries, newest first"))
    topic.verb("verify", _verify, "recompute the whole chain, and the collected chain of every box")


def _list(arguments: argparse.Namespace, session: Session) -> None:
    from app.usecases import activity

    with session.open() as ctx:
        page = activity.page_activity(ctx, cursor=arguments.cursor, limit=arguments.limit)
        session.rows(
            "activity",
            page.rows,
            {
                "NO": lambda entry: entry.seq,
                "WHEN": lambda entry: text.moment(entry.at_ms),
                "WHO": lambda entry: entry.who,
                "WHAT": lambda entry: entry.what,
                "MESSAGE": lambda entry: entry.message,
            },
            empty="Nothing was done yet.",
            cursor=page.cursor,
        )


def _verify(_arguments: argparse.Namespace, session: Session) -> int:
    from app.usecases import activity
    from edge_runtime.contracts import wire

    with session.open() as ctx:
        verdict = activity.verify_activity(ctx)
    body = {**wire.to_dict(verdict), "intact": verdict.intact}
    if verdict.problem is not None:
        body["error"] = DatabaseDamaged(verdict.problem, hint=verdict.hint).to_dict()
    session.answer(body, _lines(verdict))
    return 0 if verdict.intact else 1


def _lines(verdict: Verdict) -> list[str]:
    own = f"This desktop: the chain of {verdict.entries} entries is intact."
    if verdict.problem:
        own = f"This desktop: BROKEN. {verdict.problem} {verdict.hint}"
    return [own, *(line for box in verdict.boxes for line in _of_box(box))]


def _of_box(chain: BoxChain) -> list[str]:
    name, report = text.clean(chain.name), chain.report
    unsealed = f"; {report.unsealed} without a seal" if report.unsealed else ""
    if report.broken:
        when = f" ({text.moment(report.broken.at_ms)})" if report.broken.at_ms is not None else ""
        lines = [f"{name}: BROKEN at entry {report.broken.entry}{when}: it {_BROKEN[report.broken.kind]}{unsealed}."]
    else:
        lines = [f"{name}: the chain of {report.entries} entries is intact{unsealed}."]
    for gap in report.gaps:
        entries = f"entry {gap.first}" if gap.first == gap.last else f"entries {gap.first} to {gap.last}"
        lines.append(f"  {entries} not here: {_GAPS[gap.kind]}.")
    if report.copied:
        lines.append("  Two histories: this box and its copy, which has an identity of its own by now.")
    return lines
