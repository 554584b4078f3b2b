"""The box's chain of audits goes on over restarts, crashes and rows that leave."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.store.audit_chain import ToldEnd, check_chain
from edge_runtime.config import ClassLimits, SpoolLimits
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ANEW, LOST, ChainHead, digest_of, joined, lost_entries
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.service.spool import Spool, SpoolPage
from tests.waiting import wait_until

BOX = "a" * 64


@contextmanager
def spool_in(home: Path, *, boot: str = "boot", limits: SpoolLimits | None = None) -> Iterator[Spool]:
    spool = Spool(home, box=BOX, boot=boot, limits=limits or SpoolLimits(reserve_bytes=0), now_ms=lambda: 0)
    try:
        yield spool
    finally:
        spool.close()


def audits(page: SpoolPage) -> list[AuditRow]:
    return [wire.decode(bytes(row), AuditRow) for row in page.rows]


def head(page: SpoolPage) -> ChainHead:
    assert page.chain is not None
    return page.chain


def write(spool: Spool, *messages: str) -> None:
    for message in messages:
        spool.audit("box.started", message)
    assert spool.flush()


def verify(rows: list[AuditRow], told: ChainHead) -> None:
    end = ToldEnd(beginning=told.beginning, entry=told.entry, digest=told.digest, anchor=told.anchor)
    report = check_chain(rows, [end])
    assert report.broken is None
    assert report.entries == told.entry - told.anchor


def _unsealed(body: bytes) -> bytes:
    fields: dict[str, object] = json.loads(body)
    return json.dumps({name: fields[name] for name in fields if name not in ("entry", "previous", "chain")}).encode()


def test_every_entry_follows_the_one_before_over_restarts(tmp_path: Path) -> None:
    for boot in ("first", "second", "third"):
        with spool_in(tmp_path, boot=boot) as spool:
            write(spool, f"{boot} a", f"{boot} b")
            page = spool.page("audits", 0, 100)
    rows = audits(page)
    assert [row.entry for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].previous == head(page).beginning
    assert all(row.previous == before.chain for before, row in itertools.pairwise(rows))
    assert all(row.chain == digest_of(row) for row in rows)
    assert (head(page).entry, head(page).digest, head(page).anchor) == (6, rows[-1].chain, 0)


def test_the_end_outlives_the_rows(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a", "b")
        page = spool.page("audits", 0, 100)
        seen = audits(page)
        spool.acknowledge("audits", page.cursor)
        assert (head(spool.page("audits", page.cursor, 100)).anchor, spool.page("audits", 0, 100).rows) == (2, ())
    with spool_in(tmp_path, boot="later") as spool:
        write(spool, "c")
        page = spool.page("audits", page.cursor, 100)
    assert head(page).anchor == 2
    verify([*seen, *audits(page)], ChainHead(beginning=head(page).beginning, entry=3, digest=head(page).digest))


def test_what_is_trimmed_leaves_an_anchor(tmp_path: Path) -> None:
    limits = SpoolLimits(reserve_bytes=0, audits=ClassLimits(max_bytes=4_000))
    with spool_in(tmp_path, limits=limits) as spool:
        write(spool, *(f"{number} {'x' * 100}" for number in range(40)))
        page = spool.page("audits", 0, 100)
        lost = [json.loads(bytes(row)) for row in spool.page("losses", 0, 100).rows]
    rows = audits(page)
    assert 0 < len(rows) < 40
    trimmed = sum(row["count"] for row in lost)
    assert head(page).anchor == trimmed == rows[0].entry - 1
    told = [row for row in rows if row.kind == LOST]
    assert 1 <= len(told) <= trimmed
    assert all(row.message.startswith("limit.bytes: entries ") for row in told)
    # Those that are here say it all, though some have gone themselves that said it first.
    assert joined(one for row in told for one in lost_entries(row)) == ((1, trimmed),)
    # No word of the ledger, nor of where the chain stands, is needed.
    report = check_chain(rows)
    assert (report.broken, [(gap.first, gap.last, gap.kind) for gap in report.gaps]) == (None, [(1, trimmed, "lost")])


def test_a_page_that_is_not_the_last_tells_no_end(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a", "b", "c")
        assert spool.page("audits", 0, 2).chain is None
        assert spool.page("results", 0, 2).chain is None
        assert head(spool.page("audits", 0, 3)).entry == 3


def test_rows_from_before_there_was_a_chain_stay_readable(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "old")
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        (body,) = database.execute("SELECT body FROM audits").fetchone()
        database.execute("UPDATE audits SET body = ?", (_unsealed(body),))
        database.execute("DROP TABLE chain")
        database.execute("PRAGMA user_version=1")
    with spool_in(tmp_path, boot="later") as spool:
        write(spool, "new")
        page = spool.page("audits", 0, 100)
        assert spool.page("alerts", 0, 100).rows == ()
    assert [(row.message, row.entry) for row in audits(page)] == [("old", 0), ("new", 1)]
    assert head(page).anchor == 0


def test_a_chain_that_no_box_writes_is_damage(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a")
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("UPDATE chain SET digest = 'rotten'")
    with spool_in(tmp_path, boot="later") as spool:
        write(spool, "b")
        assert spool.flush()
        page = spool.page("audits", 0, 100)
        kinds = [json.loads(bytes(row))["kind"] for row in spool.page("alerts", 0, 9).rows]
    assert [(row.entry, row.kind) for row in audits(page)] == [(1, "box.started"), (2, ANEW)]
    assert kinds == ["spool.damaged"]


def test_rows_under_a_new_id_go_on_with_the_chain(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a")
        spool.rename("b" * 64)
        write(spool, "b")
        page = spool.page("audits", 0, 100)
    assert [(row.box, row.entry) for row in audits(page)] == [(BOX, 1), ("b" * 64, 2)]
    verify(audits(page), head(page))


def test_a_row_that_cannot_be_read_is_a_gap_that_the_chain_tells_of(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a", "b", "c")
        with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
            database.execute("UPDATE audits SET body = 'rotten' WHERE id = (SELECT min(id) + 1 FROM audits)")
        page = spool.page("audits", 0, 100)
        told = spool.page("audits", page.cursor, 100)
    rows = audits(page) + audits(told)
    assert [(row.entry, row.kind) for row in rows] == [(1, "box.started"), (3, "box.started"), (4, LOST)]
    assert rows[-1].message == "spool.damaged: entries 2-2"
    assert check_chain(rows).broken is None
    assert check_chain([rows[0], rows[2]]).broken is not None


@contextmanager
def refusing(spool: Spool) -> Iterator[None]:
    """The disk takes nothing meanwhile, and can still be read."""
    tables = spool._disk._open_tables
    assert tables is not None
    tables._database.execute("PRAGMA query_only=ON")
    spool.audit("box.started", "while it refuses")
    wait_until(lambda: spool.status().problem is not None, 10, "the refusal")
    yield
    tables._database.execute("PRAGMA query_only=OFF")
    wait_until(lambda: spool.status().problem is None, 10, "the disk to take the rows")


def test_what_is_handed_out_of_the_memory_has_its_place_and_keeps_it(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "before")
        before = spool.page("audits", 0, 100)
        with refusing(spool):
            first = audits(spool.page("audits", before.cursor, 100))
            assert [row.entry for row in first] == [2]
            spool.audit("box.started", "one more")
            second = audits(spool.page("audits", before.cursor, 100))
            assert second[0] == first[0]
            assert check_chain([*audits(before), *second]).broken is None
        spool.audit("box.started", "after")
        assert spool.flush()
        page = spool.page("audits", before.cursor, 100)
    assert audits(page)[:2] == second
    assert [row.entry for row in audits(page)] == [2, 3, 4]
    verify([*audits(before), *audits(page)], head(page))


def test_what_was_handed_out_and_lost_is_told_of_by_the_chain(tmp_path: Path) -> None:
    limits = SpoolLimits(reserve_bytes=0, memory_bytes=4_000)
    with spool_in(tmp_path, limits=limits) as spool:
        write(spool, "before")
        before = spool.page("audits", 0, 100)
        with refusing(spool):
            handed = audits(spool.page("audits", before.cursor, 100))
            for number in range(20):
                spool.audit("box.started", f"more than memory holds: {number}")
            assert spool.page("audits", before.cursor, 100).rows
        spool.audit("box.started", "after")
        assert spool.flush()
        page = spool.page("audits", before.cursor, 100)
    rows = audits(page)
    assert handed[0].entry not in {row.entry for row in rows}
    assert (LOST, "disk.full: entries 2-2") in {(row.kind, row.message) for row in rows}
    assert check_chain([*audits(before), *rows]).broken is None
    assert check_chain([*audits(before), *handed, *rows]).broken is None, "whoever has it lacks nothing"
