"""The box's chain of audits goes on over restarts, crashes and rows that leave."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.fleet.audit_chain import ToldEnd, check_chain
from edge_runtime.config import ClassLimits, SpoolLimits
from edge_runtime.contracts import wire
from edge_runtime.contracts.audit_chain import ChainHead, digest_of
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.service.spool import Spool, SpoolPage

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
    assert head(page).anchor == 40 - len(rows) == sum(row["count"] for row in lost)
    verify(rows, head(page))


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
        page = spool.page("audits", 0, 100)
        kinds = [json.loads(bytes(row))["kind"] for row in spool.page("alerts", 0, 9).rows]
    assert [(row.message, row.entry) for row in audits(page)] == [("b", 1)]
    assert kinds == ["spool.damaged"]


def test_rows_under_a_new_id_go_on_with_the_chain(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        write(spool, "a")
        spool.rename("b" * 64)
        write(spool, "b")
        page = spool.page("audits", 0, 100)
    assert [(row.box, row.entry) for row in audits(page)] == [(BOX, 1), ("b" * 64, 2)]
    verify(audits(page), head(page))
