"""What a report shows of a visit, as words in one language: the page and the PDF draw the same. Pure.

Every text is one line of printable characters; escaping is for whoever draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.fleet.clock import Skew
from app.usecases.visits.records import Audits, LineFact, SlotFact, Snapshot, Visit
from app.usecases.visits.words import Language, moment, second, size, span, state_word, word
from edge_runtime.contracts.text import one_line

NOTHING = "–"
Fact = tuple[str, str]
Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """One line of a box's table."""

    label: str
    before: str
    after: str
    changed: bool


@dataclass(frozen=True, slots=True)
class BoxView:
    """One box."""

    name: str
    box: str
    rows: tuple[BeforeAfter, ...]
    left: tuple[str, ...]
    """What is still to be done there, in a few words each."""


@dataclass(frozen=True, slots=True)
class TableView:
    """A heading with a table of texts, or with one sentence where there is nothing."""

    heading: str
    columns: Cells
    rows: tuple[Cells, ...]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What one box said at the end."""

    name: str
    box: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """A whole report."""

    language: Language
    heading: str
    title: str
    facts: tuple[Fact, ...]
    figures: tuple[Fact, ...]
    """(words, figure): what a reader wants to know first."""
    box_heading: str
    columns: Cells
    """Of the boxes' tables."""
    boxes: tuple[BoxView, ...]
    tables: tuple[TableView, ...]
    """Notes, what was done, what boxes wrote down."""
    receipt_heading: str
    receipt_why: str
    receipts: tuple[ReceiptView, ...]
    proof_heading: str
    proof_why: str
    proof: tuple[Fact, ...]
    foot: str
    """At the foot of each page."""

    def texts(self) -> Iterable[str]:
        """Everything that is drawn: which characters the fonts must have."""
        yield from (self.heading, self.title, self.box_heading, *self.columns, self.foot)
        yield from (self.receipt_heading, self.receipt_why, self.proof_heading, self.proof_why)
        for facts in (self.facts, self.figures, self.proof, *(one.facts for one in self.receipts)):
            for fact in facts:
                yield from fact
        for box in self.boxes:
            yield from (box.name, box.box, *box.left)
            for row in box.rows:
                yield from (row.label, row.before, row.after)
        for table in self.tables:
            yield from (table.heading, table.remark, *table.columns)
            for cells in table.rows:
                yield from cells
        for receipt in self.receipts:
            yield from (receipt.name, receipt.box)


def report_view(visit: Visit, language: Language) -> ReportView:
    """The report of a visit."""
    views = tuple(_box(language, visit, box, name) for box, name in visit.boxes)
    ended = moment(visit.ended_ms) if visit.ended_ms is not None else word(language, "not-ended")
    by = one_line(f"{visit.who}, {visit.begun.desktop_name}" if visit.begun.desktop_name else visit.who)
    facts = [
        (word(language, "site"), one_line(visit.begun.site_name)),
        (word(language, "by"), by),
        (word(language, "begun"), moment(visit.begun_ms)),
        (word(language, "ended"), ended),
    ]
    if visit.begun.pack:
        facts.append((word(language, "pack"), visit.begun.pack))
    return ReportView(
        language=language,
        heading=word(language, "report"),
        title=one_line(visit.begun.title),
        facts=tuple(facts),
        figures=_figures(language, visit, views),
        box_heading=word(language, "before-after"),
        columns=("", word(language, "before"), word(language, "after")),
        boxes=views,
        tables=tuple(_tables(language, visit)),
        receipt_heading=word(language, "receipts"),
        receipt_why=word(language, "receipts-why"),
        receipts=tuple(_receipts(language, visit)),
        proof_heading=word(language, "proof"),
        proof_why=word(language, "proof-why"),
        proof=_proof(language, visit),
        foot=f"{word(language, 'digest')} {visit.digest}",
    )


def box_table(language: Language, visit: Visit, box: str) -> tuple[BeforeAfter, ...]:
    """How a box was found, and how it was left."""
    before = next((one for one in visit.begun.before if one.box == box), None)
    after = visit.after(box)
    lines: tuple[tuple[str, Callable[[Snapshot], str]], ...] = (
        ("model", lambda one: _slot(language, one.model)),
        ("other-slot", lambda one: "; ".join(_other(language, slot) for slot in one.slots if _shows(slot))),
        ("program", lambda one: one_line(one.version)),
        ("configuration", lambda one: str(one.config or "")),
        ("clock", lambda one: _clock(language, one)),
        ("lines", lambda one: ", ".join(_line(language, line) for line in one.lines)),
        ("drift", lambda one: one_line(", ".join(one.drifting)) or word(language, "no")),
        ("waiting", lambda one: f"{sum(one.waiting.values()):,}"),
        ("disk", lambda one: one_line(f"{size(one.disk_free_bytes)} {one.spool_problem}").strip()),
        ("root", lambda one: str(one.root)),
    )
    rows = [_row(word(language, "answer"), _answers(language, before), _answers(language, after))]
    known = [one for one in (before, after) if one is not None and not one.problem]
    for key, read in lines if known else ():
        said = [read(one) or NOTHING if one is not None and not one.problem else NOTHING for one in (before, after)]
        rows.append(_row(word(language, key), *said))
    return tuple(rows)


def _row(label: str, before: str, after: str) -> BeforeAfter:
    return BeforeAfter(label, before, after, before != after and after != NOTHING)


def _answers(language: Language, one: Snapshot | None) -> str:
    if one is None:
        return word(language, "not-asked")
    return one_line(one.problem) if one.problem else word(language, "yes")


def _slot(language: Language, slot: SlotFact | None) -> str:
    if slot is None:
        return word(language, "none")
    return one_line(f"{slot.name} {slot.version} ({state_word(language, slot.state)})")


def _shows(slot: SlotFact) -> bool:
    return not slot.active and slot.state != "EMPTY"


def _other(language: Language, slot: SlotFact) -> str:
    reason = f": {slot.reason}" if slot.reason else ""
    return one_line(f"{slot.name} {slot.version} ({state_word(language, slot.state)}{reason})")


def _line(language: Language, line: LineFact) -> str:
    return one_line(f"{line.name} ({state_word(language, line.state)})")


def _clock(language: Language, one: Snapshot) -> str:
    if one.skew_ms is None:
        return ""
    if _is_off(one):
        return word(language, "off", ms=span(language, one.skew_ms))
    most = abs(one.skew_ms) + (one.skew_error_ms or 0.0)
    return word(language, "right", ms=span(language, max(most, 1.0)).lstrip("+"))


def _is_off(one: Snapshot) -> bool:
    return one.skew_ms is not None and Skew(ms=one.skew_ms, error_ms=one.skew_error_ms or 0.0).matters


def _box(language: Language, visit: Visit, box: str, name: str) -> BoxView:
    return BoxView(one_line(name), box, box_table(language, visit, box), tuple(_left(language, visit.after(box))))


def _left(language: Language, after: Snapshot | None) -> Iterable[str]:
    """What a person would still have to see to."""
    if after is None or after.problem:
        yield f"{word(language, 'answer')}: {word(language, 'no')}"
        return
    if after.model is None:
        yield f"{word(language, 'model')}: {word(language, 'none')}"
    if _is_off(after):
        yield f"{word(language, 'clock')}: {_clock(language, after)}"
    if after.drifting:
        yield f"{word(language, 'drift')}: {one_line(', '.join(after.drifting))}"
    for line in after.lines:
        if line.state in ("failing", "no-input"):
            yield _line(language, line)
    if after.spool_problem:
        yield f"{word(language, 'disk')}: {one_line(after.spool_problem)}"


def _figures(language: Language, visit: Visit, views: Sequence[BoxView]) -> tuple[Fact, ...]:
    after = [visit.after(box) for box, _name in visit.boxes]
    answered = sum(one is not None and not one.problem for one in after)
    changed = sum(_what_runs(visit, box) for box, _name in visit.boxes)
    return (
        (word(language, "answered"), word(language, "of", n=answered, all=len(views))),
        (word(language, "changed"), str(changed)),
        (word(language, "problems"), str(sum(bool(view.left) for view in views))),
    )


def _what_runs(visit: Visit, box: str) -> bool:
    """Whether it runs another model or program than before."""
    before, after = next((one for one in visit.begun.before if one.box == box), None), visit.after(box)
    if before is None or after is None or before.problem or after.problem:
        return False
    models = [one.model.bundle if one.model else "" for one in (before, after)]
    return models[0] != models[1] or before.version != after.version


def _tables(language: Language, visit: Visit) -> Iterable[TableView]:
    when, who, what = (word(language, key) for key in ("when", "who", "message"))
    if visit.notes:
        rows = [
            (second(at_ms), one_line(by), one_line(f"{note.name}: {note.text}" if note.name else note.text))
            for at_ms, by, note in visit.notes
        ]
        yield TableView(word(language, "notes"), (when, who, what), tuple(rows))
    if visit.ended is None:
        return
    done = tuple((second(one.at_ms), one_line(one.who), one_line(one.message)) for one in visit.ended.done)
    remark = word(language, "left-out", n=visit.ended.done_left_out) if visit.ended.done_left_out else ""
    nothing = "" if done else word(language, "nothing")
    yield TableView(word(language, "done"), (when, who, what), done, remark or nothing)
    for audits in visit.ended.audits:
        if audits.rows:
            yield _audits(language, visit, audits, (when, who, what))


def _audits(language: Language, visit: Visit, audits: Audits, columns: Cells) -> TableView:
    people = visit.ended.people if visit.ended else {}
    rows = tuple(
        (second(row.at_ms), one_line(people.get(row.who, row.who[:12])), one_line(row.message)) for row in audits.rows
    )
    remark = word(language, "left-out", n=audits.left_out) if audits.left_out else ""
    return TableView(word(language, "audits", name=one_line(audits.name)), columns, rows, remark)


def _receipts(language: Language, visit: Visit) -> Iterable[ReceiptView]:
    newest = {snapshot.box: (entry, snapshot) for entry, snapshot in visit.receipts}
    for box, name in visit.boxes:
        if box not in newest:
            continue
        entry, said = newest[box]
        facts = [(word(language, "when"), second(said.at_ms)), (word(language, "answer"), _answers(language, said))]
        if not said.problem:
            facts += [
                (word(language, "slots"), "; ".join(_signed_slot(language, slot) for slot in said.slots) or NOTHING),
                (word(language, "audits-head"), _head(language, said)),
                (word(language, "status"), said.status_sha256),
            ]
        facts.append((word(language, "signature"), f"{entry.signature} ({word(language, 'entry', n=entry.seq)})"))
        yield ReceiptView(one_line(name), box, tuple(facts))


def _signed_slot(language: Language, slot: SlotFact) -> str:
    here = "*" if slot.active else ""
    return one_line(f"{slot.slot}{here}: {slot.name} {slot.version} {state_word(language, slot.state)} {slot.bundle}")


def _head(language: Language, said: Snapshot) -> str:
    return f"{word(language, 'entry', n=said.chain_entry)}: {said.chain_digest}" if said.chain_digest else NOTHING


def _proof(language: Language, visit: Visit) -> tuple[Fact, ...]:
    head = visit.ended.activity if visit.ended else visit.begun.activity
    return (
        (word(language, "digest"), visit.digest),
        (word(language, "site-id"), visit.begun.site),
        (word(language, "desktop"), visit.desktop),
        (word(language, "chain-head"), f"{word(language, 'entry', n=head.seq)}: {head.digest or NOTHING}"),
    )
