"""What boxes send, kept once however often it comes."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.store import boxes, migrations, samples, schema, spool
from app.store.database import Database
from app.store.records import Box, Page
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import (
    AlertRow,
    AuditRow,
    FoundObject,
    LossRow,
    ResultRow,
    RollupRow,
    Row,
    ShadowRow,
    Stream,
)
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
    seen: list[ResultRow] = []
    cursor: str | None = None
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
    assert spool.page_alerts(db).rows == tuple(alerts[::-1])
    assert spool.page_alerts(db, box=digest("other")).rows == ()
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


def key(box: str, seq: int) -> dict[str, Any]:
    return {"box": box, "boot": "boot:1", "seq": seq, "at_ms": 1000 + seq}


def audit(box: str, seq: int) -> AuditRow:
    return AuditRow(**key(box, seq), kind="config.changed", who=digest("desk"), message="x")


def shadow(box: str, seq: int) -> ShadowRow:
    return ShadowRow(
        **key(box, seq),
        pipeline="camera",
        frame="1.jpg",
        sample=digest("frame"),
        model=digest("old"),
        shadow=digest("new"),
        label="3",
        shadow_label="8",
        confidence=0.5,
        shadow_confidence=0.75,
        latency_us=900,
        shadow_latency_us=800,
    )


def rollup(box: str, seq: int) -> RollupRow:
    return RollupRow(
        **key(box, seq),
        span_ms=60_000,
        pipeline="camera",
        model=digest("old"),
        frames=60,
        errors=1,
        kept=3,
        confidence_mean=0.875,
        latency_us_p50=900,
        latency_us_p99=2000,
        labels={"3": 50, "8": 9},
        value_mean=None if seq % 2 else 1.5,
        shadow=None if seq % 2 else digest("new"),
        shadow_frames=seq,
    )


def loss(box: str, seq: int) -> LossRow:
    return LossRow(**key(box, seq), stream="results", count=4, bytes=400, first_ms=1, last_ms=5, reason="limit.age")


@pytest.mark.parametrize(
    ("stream", "make", "read"),
    [
        ("audits", audit, spool.page_audits),
        ("shadows", shadow, spool.page_shadows),
        ("rollups", rollup, spool.page_rollups),
        ("losses", loss, spool.page_losses),
    ],
)
def test_every_stream_comes_back_newest_first_and_once(
    db: Database, enrolled: Box, stream: Stream, make: Callable[[str, int], Row], read: Callable[..., Page[Row]]
) -> None:
    rows = [make(enrolled.box, seq) for seq in range(5)]
    assert spool.collect(db, stream, rows, 5, enrolled.box) == 5
    assert spool.collect(db, stream, rows, 5, enrolled.box) == 0
    assert read(db) == read(db, box=enrolled.box) == Page(rows=tuple(rows[::-1]))
    assert read(db, box=digest("other")).rows == ()
    for box in (None, enrolled.box):
        first = read(db, box, limit=3)
        assert first.rows + read(db, box, first.cursor, limit=3).rows == tuple(rows[::-1])
    with pytest.raises(InputInvalid, match="position"):
        read(db, cursor="1:2")


def test_one_boxes_page_needs_no_look_at_the_others_rows(db: Database) -> None:
    plan = db.read(
        "EXPLAIN QUERY PLAN SELECT * FROM rollups WHERE box = ? AND (at_ms, box, boot, seq) < (?, ?, ?, ?)"
        " ORDER BY at_ms DESC, box DESC, boot DESC, seq DESC LIMIT ?",
        (digest("box"), 2**62, "", "", 0, 100),
    )
    assert ["rollups_by_box" in row["detail"] and "box=?" in row["detail"] for row in plan] == [True]


def test_a_result_keeps_what_its_task_found(db: Database, enrolled: Box) -> None:
    found = FoundObject(label="screw", score=0.5, x=0.25, y=0.0, width=0.5, height=1.0)
    plain = result(enrolled.box, 1)
    full = dataclasses.replace(plain, seq=2, value=2.0, objects=(found, found), areas={"rust": 0.125})
    spool.collect(db, "results", [plain, full], 2, enrolled.box)
    assert spool.page_results(db, enrolled.box).rows == (full, plain)


def test_a_desktop_of_the_first_version_keeps_its_results(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    migrations.bring_up_to_date(path, schema.STEPS[:1])
    old = result(digest("box"), 1)
    columns = {
        name: value for name, value in dataclasses.asdict(old).items() if name not in ("value", "objects", "areas")
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            f"INSERT INTO results ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", [*columns.values()]
        )
    assert migrations.bring_up_to_date(path) == tmp_path / "old.db.before-0002_more_streams"
    with closing(Database.open(path, replica=digest("desk"))) as db:
        assert spool.page_results(db, old.box).rows == (old,)


def test_audits_travel_to_other_desktops_as_they_are(db: Database, enrolled: Box) -> None:
    spool.collect(db, "audits", [audit(enrolled.box, 1)], 1, enrolled.box)
    (change,) = db.read("SELECT body FROM changes WHERE table_name = 'audits'")
    assert json.loads(change["body"])["who"] == digest("desk")
