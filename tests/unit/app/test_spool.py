"""What boxes send, kept once however often it comes."""

from __future__ import annotations

import dataclasses

import pytest

from app.store import boxes, samples, spool
from app.store.database import Database
from app.store.records import Box
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import AlertRow, LossRow
from tests.unit.app.rows import digest, jpeg, result, sample


@pytest.fixture
def enrolled(db: Database, box: Box) -> Box:
    boxes.put_box(db, box)
    return box


def test_rows_and_cursor_come_together_and_again_without_effect(db: Database, enrolled: Box) -> None:
    rows = [result(enrolled.box, seq) for seq in range(1000)]
    assert spool.collect(db, "results", rows, 1000, enrolled.box) == 1000
    assert spool.collect(db, "results", rows[500:], 1000, enrolled.box) == 0
    assert spool.count_results(db) == spool.count_results(db, enrolled.box) == 1000
    assert spool.cursor_of(db, enrolled.box, "results") == 1000
    assert spool.cursor_of(db, enrolled.box, "alerts") == 0


def test_results_are_paged_newest_first_without_gap_or_double(db: Database, enrolled: Box) -> None:
    # Several frames a millisecond, and one boot after the other.
    rows = [result(enrolled.box, seq, at_ms=seq // 7) for seq in range(300)]
    rows += [dataclasses.replace(row, boot="boot:2", at_ms=row.at_ms + 10) for row in rows]
    spool.collect(db, "results", rows, 600, enrolled.box)
    seen, cursor = [], None
    while True:
        page = spool.page_results(db, enrolled.box, cursor, 64)
        seen += page.rows
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen, key=lambda row: (row.at_ms, row.boot, row.seq), reverse=True) == seen
    assert {(row.boot, row.seq) for row in seen} == {(row.boot, row.seq) for row in rows}
    assert len(seen) == 600


@pytest.mark.parametrize("cursor", ["x", "1:2", "one:2:boot", ""])
def test_a_cursor_from_elsewhere_is_refused(db: Database, enrolled: Box, cursor: str) -> None:
    if cursor:
        with pytest.raises(InputInvalid, match="position"):
            spool.page_results(db, enrolled.box, cursor)
    with pytest.raises(InputInvalid, match="rows"):
        spool.page_results(db, enrolled.box, None, 0)


def test_alerts_and_losses_are_kept(db: Database, enrolled: Box) -> None:
    alerts = [
        AlertRow(box=enrolled.box, boot="b", seq=n, at_ms=n, kind="drift.classes", message="!", facts={"p_value": 0.01})
        for n in range(3)
    ]
    loss = LossRow(
        box=enrolled.box,
        boot="b",
        seq=9,
        at_ms=9,
        stream="results",
        count=4,
        bytes=400,
        first_ms=1,
        last_ms=5,
        reason="age",
    )
    spool.collect(db, "alerts", alerts, 3, enrolled.box)
    spool.collect(db, "losses", [loss], 1, enrolled.box)
    assert spool.list_alerts(db) == alerts[::-1]
    assert spool.list_alerts(db, box=enrolled.box, limit=1) == [alerts[2]]
    assert spool.list_alerts(db, box=digest("other")) == []
    assert db.read("SELECT count, reason FROM losses")[0]["count"] == 4


def test_a_box_speaks_only_for_itself(db: Database, enrolled: Box) -> None:
    with pytest.raises(InputInvalid, match="in the name of"):
        spool.collect(db, "results", [result(digest("other"), 1)], 1, enrolled.box)
    with pytest.raises(InputInvalid, match="ResultRow"):
        spool.collect(db, "alerts", [result(enrolled.box, 1)], 1, enrolled.box)
    with pytest.raises(NotFound):
        spool.collect(db, "results", [result(digest("other"), 1)], 1, digest("other"))
    assert spool.count_results(db) == 0
    assert spool.cursor_of(db, enrolled.box, "results") == 0


def test_samples_wait_for_their_bytes_or_are_given_up(db: Database, enrolled: Box) -> None:
    rows = [sample(enrolled.box, jpeg(seed), seed) for seed in range(3)]
    assert spool.collect(db, "samples", rows, 3, enrolled.box) == 3
    assert samples.missing_bytes(db, enrolled.box) == [row.sample for row in rows]
    samples.mark_present(db, rows[0].sample)
    samples.mark_lost(db, rows[1].sample)
    assert samples.missing_bytes(db, enrolled.box) == [rows[2].sample]
    shown = samples.page_samples(db).rows
    assert [row.sample for row in shown] == [rows[2].sample, rows[0].sample]
    assert (shown[0].predicted, shown[0].label, shown[0].box) == ("3", None, enrolled.box)
    assert samples.count_samples(db) == 2
    samples.mark_lost(db, rows[0].sample)
    assert samples.count_samples(db) == 2
