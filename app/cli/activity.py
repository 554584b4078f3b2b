"""``lineside activity``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli import text
from app.cli.commands import Topic, Topics, add_paging
from app.cli.session import Session
from edge_runtime.contracts.errors import DatabaseDamaged
from edge_runtime.contracts.text import counted

if TYPE_CHECKING:
    from app.usecases.activity import BoxChain, Verdict
    from app.usecases.witnesses import Witness

_BROKEN = {
    "changed": "was changed",
    "removed": "was removed",
    "out-of-order": "does not follow the one before it",
    "added": "was put in",
    "unsealed": "has no seal, though the box has a chain: it was put in, or an entry lost its seal",
    "told": "is not what the box told of the end of its chain: that was changed here",
    "taken-back": "was there, and the box does not know of it any more: it was put back to an older state, or a copy "
    "of it answers",
}
_GAPS = {
    "lost": "the box lost them, as its chain itself says",
    "before": "they had left the box before this desktop came",
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
    body = {
        **wire.to_dict(verdict),
        "intact": verdict.intact,
        "standing": verdict.standing,
        "witnessed": verdict.witnessed,
    }
    if verdict.problem is not None:
        body["error"] = DatabaseDamaged(verdict.problem, hint=verdict.hint).to_dict()
    session.answer(body, _lines(verdict))
    return 0 if verdict.intact else 1


def _lines(verdict: Verdict) -> list[str]:
    witnesses = (f"  {_of_witness(one)}" for one in verdict.witnesses)
    return [_of_own(verdict), *witnesses, *(line for box in verdict.boxes for line in _of_box(box))]


def _of_own(verdict: Verdict) -> str:
    if verdict.problem:
        return f"This desktop: BROKEN. {verdict.problem} {verdict.hint}"
    if not verdict.witnessed:
        return (
            f"This desktop: the chain of {counted(verdict.entries, 'entry', 'entries')} fits together, but no box that "
            "answers has witnessed it: if all of it was written anew, nothing here shows that."
        )
    rest = verdict.entries - verdict.witnessed
    newer = f"; no box has witnessed the {rest} after it" if rest > 0 else ""
    return f"This desktop: the chain is intact as far as entry {verdict.witnessed}, witnessed by boxes{newer}."


def _of_witness(witness: Witness) -> str:
    name, entry = text.clean(witness.name), f"entry {witness.entry}"
    at = f" ({text.moment(witness.at_ms)} by its clock)" if witness.at_ms else ""
    match witness.says:
        case "confirms":
            return f"{name} has witnessed {entry}{at}."
        case "contradicts":
            return f"{name} has witnessed another {entry}{at}, signed with this desktop's key, than the one here."
        case "forged":
            return (
                f"{name} claims an {entry} that this desktop's key did not sign: look at that box, not at this chain."
            )
        case "nothing":
            return f"{name} has not witnessed any entry yet: collect from it."
        case "silent":
            return f"{name} could not be asked: {text.clean(witness.problem or '')}"


def _of_box(chain: BoxChain) -> list[str]:
    name, report = text.clean(chain.name), chain.report
    unsealed = f"; {report.unsealed} from before it have no seal" if report.unsealed else ""
    if report.broken:
        when = f" ({text.moment(report.broken.at_ms)})" if report.broken.at_ms is not None else ""
        where = f"at entry {report.broken.entry}{when}: it" if report.broken.entry else f"beside its chain{when}: a row"
        lines = [f"{name}: BROKEN {where} {_BROKEN[report.broken.kind]}{unsealed}."]
    else:
        lines = [
            f"{name}: the chain of {counted(report.entries, 'entry', 'entries')} is what came from the box{unsealed}."
        ]
    for gap in report.gaps:
        entries = f"entry {gap.first}" if gap.first == gap.last else f"entries {gap.first} to {gap.last}"
        lines.append(f"  {entries} not here: {_GAPS[gap.kind]}.")
    if report.copied:
        lines.append("  Two histories: this box and its copy, which has an identity of its own by now.")
    return lines
