"""Any change of any past entry of a box's audits is found, and what need not be here is told as that."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.context import Context
from app.store import activity as activity_store
from app.store import boxes, chains, spool
from app.store.activity import RENEWED
from app.store.audit_chain import Break, ChainReport, ToldEnd, check_chain
from app.store.database import Database
from app.store.migrations import bring_up_to_date
from app.store.records import Box
from app.store.schema import STEPS
from app.usecases import activity
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ANEW, LOST, ChainHead, digest_of, lost_message, seal
from edge_runtime.contracts.rows import AuditRow, LossRow
from edge_runtime.contracts.status import BoxStatus
from tests.unit.app.rows import digest

BOX, BEGINNING = digest("box"), digest("beginning")


def chain_of(count: int, *, beginning: str = BEGINNING, boot: str = "boot") -> list[AuditRow]:
    rows: list[AuditRow] = []
    for entry in range(1, count + 1):
        row = AuditRow(box=BOX, boot=boot, seq=entry, at_ms=entry, kind="box.started", who="box", message=f"{entry}!")
        rows.append(seal(row, entry=entry, previous=rows[-1].chain if rows else beginning))
    return rows


def end_of(rows: Sequence[AuditRow], *, anchor: int = 0) -> ToldEnd:
    return ToldEnd(beginning=BEGINNING, entry=rows[-1].entry, digest=rows[-1].chain, anchor=anchor)


def check(rows: Sequence[AuditRow], whole: Sequence[AuditRow]) -> ChainReport:
    return check_chain(rows, [end_of(whole)])


def test_a_whole_chain_is_intact() -> None:
    rows = chain_of(9)
    assert check(rows, rows) == ChainReport(entries=9, unsealed=0)
    assert check(rows[::-1], rows) == ChainReport(entries=9, unsealed=0), "it does not matter how they are stored"
    assert check_chain([]) == ChainReport(entries=0, unsealed=0)


@given(st.integers(1, 12), st.data())
def test_a_change_of_any_field_is_found(count: int, data: st.DataObject) -> None:
    rows = chain_of(count)
    at = data.draw(st.integers(0, count - 1))
    row = rows[at]
    changed = data.draw(
        st.sampled_from(
            [
                replace(row, message="nothing happened"),
                replace(row, kind="clock.set"),
                replace(row, who="somebody"),
                replace(row, at_ms=0),
                replace(row, boot="another"),
                replace(row, seq=99),
                replace(row, entry=count + 5),
                replace(row, previous=digest("x")),
                replace(row, chain=digest("y")),
            ]
        )
    )
    broken = check([*rows[:at], changed, *rows[at + 1 :]], rows).broken
    assert broken is not None
    assert broken.entry == rows[at].entry


@given(st.integers(1, 12), st.data())
def test_a_change_with_a_seal_of_its_own_is_found(count: int, data: st.DataObject) -> None:
    rows = chain_of(count)
    at = data.draw(st.integers(0, count - 1))
    forged = seal(replace(rows[at], message="nothing"), entry=rows[at].entry, previous=rows[at].previous)
    broken = check([*rows[:at], forged, *rows[at + 1 :]], rows).broken
    assert broken is not None
    assert broken.entry in (rows[at].entry, rows[at].entry + 1)


@given(st.integers(1, 12), st.data())
def test_the_removal_of_any_is_found(count: int, data: st.DataObject) -> None:
    rows = chain_of(count)
    gone = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    broken = check([row for at, row in enumerate(rows) if at not in gone], rows).broken
    assert broken is not None
    assert (broken.entry, broken.kind) == (min(gone) + 1, "removed")


@given(st.integers(1, 12), st.data())
def test_what_was_put_in_is_found(count: int, data: st.DataObject) -> None:
    rows = chain_of(count)
    at = data.draw(st.integers(0, count - 1))
    row = AuditRow(box=BOX, boot="boot", seq=77, at_ms=0, kind="clock.set", who="box", message="forged")
    forged = seal(row, entry=rows[at].entry, previous=rows[at].previous)
    broken = check([*rows, forged], rows).broken
    assert broken is not None
    assert (broken.entry, broken.kind) == (rows[at].entry, "added")


@given(st.integers(2, 12), st.data())
def test_another_order_is_found(count: int, data: st.DataObject) -> None:
    rows = chain_of(count)
    one, other = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=2, max_size=2)))
    swapped = list(rows)
    # What was done changes places; number and links stay where they are.
    for here, there in ((one, other), (other, one)):
        swapped[here] = replace(
            rows[there], entry=rows[here].entry, previous=rows[here].previous, chain=rows[here].chain
        )
    broken = check(swapped, rows).broken
    assert broken is not None
    assert broken.entry == one + 1
    # Or everything from there on is sealed anew.
    order = [*rows[:one], rows[other], *rows[one + 1 : other], rows[one], *rows[other + 1 :]]
    sealed: list[AuditRow] = []
    for entry, row in enumerate(order, 1):
        sealed.append(seal(row, entry=entry, previous=sealed[-1].chain if sealed else BEGINNING))
    broken = check(sealed, rows).broken
    assert broken is not None


def lost(entry: int, previous: str, *gone: tuple[int, int]) -> AuditRow:
    row = AuditRow(
        box=BOX, boot="boot", seq=entry, at_ms=0, kind=LOST, who="box", message=lost_message("limit.bytes", gone)
    )
    return seal(row, entry=entry, previous=previous)


def test_only_what_the_chain_itself_says_is_lost_is_a_gap() -> None:
    rows = chain_of(9)
    told = lost(10, rows[-1].chain, (1, 2), (4, 4))
    report = check([rows[2], *rows[4:], told], [told])
    assert (report.broken, report.entries) == (None, 7)
    assert [(gap.first, gap.last, gap.kind) for gap in report.gaps] == [(1, 2, "lost"), (4, 4, "lost")]
    assert check([*rows[4:], told], [told]).broken == Break(entry=3, kind="removed")
    # One that is not sealed says nothing.
    bare = replace(told, entry=0, previous="", chain="")
    broken = check([*rows[4:], bare], rows).broken
    assert broken is not None
    assert (broken.entry, broken.kind) == (1, "removed")


def test_what_had_left_before_this_desktop_came_is_a_gap() -> None:
    rows = chain_of(9)
    report = check_chain(rows[4:], [end_of(rows, anchor=4)])
    assert report.broken is None
    assert [(gap.first, gap.last, gap.kind) for gap in report.gaps] == [(1, 4, "before")]
    assert check_chain(rows[5:], [end_of(rows, anchor=4)]).broken is not None


def test_a_spool_that_began_anew_is_told_of_by_its_chain_or_suspect() -> None:
    old, new = chain_of(4), chain_of(3, beginning=digest("another"), boot="later")
    anew = seal(replace(new[-1], seq=9, kind=ANEW), entry=4, previous=new[-1].chain)
    ends = [end_of(old), ToldEnd(beginning=digest("another"), entry=4, digest=anew.chain)]
    assert check_chain([*old, *new, anew], ends).broken is None
    assert check_chain([*old, *new], [ends[0], replace(ends[1], entry=3, digest=new[-1].chain)]).broken is not None
    assert check_chain([*old, *new, anew], ends[:1]).broken is not None, "the box never told of that beginning"


def test_old_rows_without_a_seal_stay_readable() -> None:
    old = [replace(row, seq=100 + row.seq, boot="old", entry=0, previous="", chain="") for row in chain_of(5)]
    rows = chain_of(3)
    report = check([*old, *rows], rows)
    assert (report.broken, report.unsealed, report.entries) == (None, 5, 3)
    # They excuse nothing that is missing.
    assert check([*old, *rows[1:]], rows).broken is not None
    # A start of the box that has a chain has no row beside it.
    broken = check([replace(old[0], boot="boot"), *rows], rows).broken
    assert broken is not None
    assert (broken.entry, broken.kind) == (0, "unsealed")


def test_a_copy_of_the_box_makes_two_histories() -> None:
    rows = chain_of(6)
    other = seal(replace(rows[4], message="of the copy", boot="copy"), entry=5, previous=rows[3].chain)
    assert check([*rows, other], rows).broken is not None
    report = check_chain([*rows, other], [end_of(rows)], was_copied=True)
    assert report.broken is None
    assert report.copied
    # The copy's own: what came before is kept under the id that both had.
    assert check_chain([other], elsewhere={row.chain for row in rows}).broken is None
    assert check_chain([other]).broken is not None


def test_a_box_that_knows_less_than_before_is_told_of() -> None:
    rows = chain_of(6)
    end = replace(end_of(rows), taken_back=4)
    broken = check_chain(rows, [end]).broken
    assert broken is not None
    assert (broken.entry, broken.kind) == (5, "taken-back")


def test_the_box_id_is_not_covered() -> None:
    row = chain_of(1)[0]
    assert digest_of(replace(row, box=digest("renewed"))) == row.chain


def head(rows: Sequence[AuditRow], anchor: int = 0) -> ChainHead:
    return ChainHead(beginning=BEGINNING, entry=rows[-1].entry, digest=rows[-1].chain, anchor=anchor)


@pytest.fixture
def line(ctx: Context, box: Box) -> Box:
    boxes.put_box(ctx.database, box)
    return box


def loss_of(box: Box, count: int) -> LossRow:
    return LossRow(
        box=box.box,
        boot="boot",
        seq=1,
        at_ms=9,
        stream="audits",
        count=count,
        bytes=500,
        first_ms=1,
        last_ms=5,
        reason="limit.bytes",
    )


def of(box: Box, rows: Sequence[AuditRow]) -> list[AuditRow]:
    return [replace(row, box=box.box) for row in rows]


def tamper(ctx: Context, sql: str) -> None:
    with closing(sqlite3.connect(ctx.database.path)) as connection:
        connection.execute(sql)
        connection.commit()


def test_collected_chains_are_verified_and_the_box_and_entry_are_named(ctx: Context, line: Box) -> None:
    rows = of(line, chain_of(8))
    spool.collect(ctx.database, "audits", rows, 8, line.box, chain=head(rows))
    verdict = activity.verify_activity(ctx)
    assert verdict.intact
    assert [(one.name, one.report.entries) for one in verdict.boxes] == [("line-2", 8)]
    tamper(ctx, "UPDATE audits SET message = 'nothing' WHERE entry = 3")
    verdict = activity.verify_activity(ctx)
    assert not verdict.intact
    (one,) = verdict.boxes
    assert one.report.broken is not None
    assert (one.name, one.report.broken.entry, one.report.broken.kind) == ("line-2", 3, "changed")


@pytest.mark.parametrize("column", ["boot", "kind", "who", "message", "previous", "chain"])
def test_an_entry_whose_text_is_none_is_named_and_the_rest_is_judged(ctx: Context, line: Box, column: str) -> None:
    rows, other = of(line, chain_of(8)), replace(line, box=digest("other"), name="line-3")
    boxes.put_box(ctx.database, other)
    spool.collect(ctx.database, "audits", rows, 8, line.box, chain=head(rows))
    spool.collect(ctx.database, "audits", of(other, chain_of(4)), 4, other.box, chain=head(chain_of(4)))
    tamper(ctx, f"UPDATE audits SET {column} = CAST(X'ED' AS TEXT) WHERE entry = 3 AND box = '{line.box}'")
    verdict = activity.verify_activity(ctx)
    wire.encode(verdict)
    assert [
        (one.name, one.report.broken and (one.report.broken.entry, one.report.broken.kind)) for one in verdict.boxes
    ] == [
        ("line-2", (3, "changed")),
        ("line-3", None),
    ]


def test_bytes_in_a_row_without_a_seal_do_not_pass_for_the_text_that_is_shown_for_them(ctx: Context, line: Box) -> None:
    row = replace(of(line, chain_of(1))[0], entry=0, previous="", chain="", message="said \\xed")
    spool.collect(ctx.database, "audits", [row], 1, line.box)
    assert activity.verify_activity(ctx).intact
    tamper(ctx, "UPDATE audits SET message = CAST(X'7361696420ED' AS TEXT)")
    assert not activity.verify_activity(ctx).intact


@pytest.mark.parametrize("table", ["audits", "audit_chains"])
def test_a_table_that_is_gone_is_told_as_what_was_in_it(ctx: Context, line: Box, table: str) -> None:
    rows = of(line, chain_of(3))
    spool.collect(ctx.database, "audits", rows, 3, line.box, chain=head(rows))
    tamper(ctx, f"ALTER TABLE {table} RENAME TO elsewhere")
    verdict = activity.verify_activity(ctx)
    assert verdict.problem is None, "this desktop's own chain is judged as ever"
    (one,) = verdict.boxes
    assert one.report.broken is not None
    assert one.report.broken.kind == ("removed" if table == "audits" else "told")


@pytest.mark.parametrize(
    "sql", ["DELETE FROM audits WHERE entry = 8", "DELETE FROM audits", "DELETE FROM audits WHERE entry < 3"]
)
def test_what_was_removed_here_is_never_excused_by_the_next_contact(ctx: Context, line: Box, sql: str) -> None:
    rows = of(line, chain_of(8))
    spool.collect(ctx.database, "audits", rows, 8, line.box, chain=head(rows))
    tamper(ctx, sql)
    # Everything was acknowledged meanwhile, so that it has left the box.
    spool.collect(ctx.database, "audits", [], 8, line.box, chain=head(rows, anchor=8))
    assert not activity.verify_activity(ctx).intact


def test_what_another_desktop_acknowledged_is_a_gap_until_it_is_synced(ctx: Context, line: Box) -> None:
    rows = of(line, chain_of(8))
    spool.collect(ctx.database, "audits", rows[5:], 8, line.box, chain=head(rows, anchor=5))
    verdict = activity.verify_activity(ctx)
    assert verdict.intact
    assert [gap.kind for gap in verdict.boxes[0].report.gaps] == ["before"]
    spool.collect(ctx.database, "audits", rows[:5], 8, line.box)
    verdict = activity.verify_activity(ctx)
    assert (verdict.intact, verdict.boxes[0].report.gaps) == (True, ())


def test_the_loss_ledger_explains_nothing(ctx: Context, line: Box) -> None:
    rows = of(line, chain_of(8))
    spool.collect(ctx.database, "losses", [loss_of(line, 5)], 1, line.box)
    spool.collect(ctx.database, "audits", rows[5:], 8, line.box, chain=head(rows))
    (one,) = activity.verify_activity(ctx).boxes
    assert one.report.broken == Break(entry=1, kind="removed")


def test_another_boxs_word_excuses_nothing(ctx: Context, line: Box) -> None:
    """Whichever box says that it was this one before: only a renewal that this desktop made itself counts."""
    rows = of(line, chain_of(8))
    spool.collect(ctx.database, "audits", rows, 8, line.box, chain=head(rows))
    spool.collect(ctx.database, "audits", [], 8, line.box, chain=head(rows[:5]))
    status = BoxStatus(box=BOX, name="evil", version="1", boot="b", at_ms=0, uptime_s=1, serial=1, former=(line.box,))
    boxes.put_box(ctx.database, replace(line, box=BOX, name="evil", status=status))
    (one,) = activity.verify_activity(ctx).boxes
    assert one.report.broken == Break(entry=6, kind="taken-back")
    ctx.database.write(lambda writer: writer.activity(RENEWED, line.box, "Gave the copy an identity of its own."))
    (one,) = activity.verify_activity(ctx).boxes
    assert (one.report.broken, one.report.copied) == (None, True)


def test_rows_of_a_former_id_are_the_renewed_boxes_but_for_those_that_are_here(ctx: Context, line: Box) -> None:
    past, own = chain_of(3), chain_of(5)[3:]
    boxes.put_box(ctx.database, replace(line, box=BOX, name="original"))
    spool.collect(ctx.database, "audits", past, 3, BOX, chain=head(past))
    every = [*past, *own]
    assert spool.collect(ctx.database, "audits", every, 5, line.box, former=(BOX,), chain=head(every)) == 2
    assert [row.entry for row in chains.all_audits(ctx.database, line.box)] == [4, 5]
    assert [row.entry for row in chains.all_audits(ctx.database, BOX)] == [1, 2, 3]


def test_what_came_before_audits_were_noted_is_noted_as_it_stands(tmp_path: Path, line: Box) -> None:
    before, rows = [step for step in STEPS if step.name < "0006"], of(line, chain_of(8))
    path = tmp_path / "old.db"
    bring_up_to_date(path, before)
    with closing(sqlite3.connect(path)) as connection, connection:
        for row in rows[3:]:
            values = wire.to_dict(row)
            names = ", ".join(values)
            connection.execute(
                f"INSERT INTO audits ({names}) VALUES ({', '.join(f':{name}' for name in values)})", values
            )
        end = (line.box, BEGINNING, 8, rows[-1].chain, 3, None)
        connection.execute("INSERT INTO audit_chains VALUES (?, ?, ?, ?, ?, ?)", end)
    database = Database.open(path, replica=digest("desk"))
    try:
        own = activity_store.read_chain(database)
        assert (own.entries, own.broken) == (1, None)
        report = check_chain(
            chains.all_audits(database, line.box),
            chains.known_chains(database, line.box),
            noted=own.noted[line.box],
        )
        assert (report.broken, report.entries) == (None, 5)
        assert [(gap.first, gap.last, gap.kind) for gap in report.gaps] == [(1, 3, "before")]
        assert check_chain([], noted=own.noted[line.box]).broken is not None
    finally:
        database.close()
