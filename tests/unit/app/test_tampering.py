"""Whatever is changed in the database by hand, verifying with a witness finds it, or says what nobody has witnessed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.context import Context, open_context
from app.store import activity as activity_store
from app.store import boxes, spool
from app.store.records import Box
from app.store.writer import FIRST_DIGEST, chain_digest
from app.usecases import activity
from app.usecases.activity import Verdict
from app.usecases.witnesses import Heard
from edge_runtime.contracts.audit_chain import LOST, ChainHead, seal
from edge_runtime.contracts.rows import AuditRow
from edge_runtime.contracts.witness import ActivityHead, Witnessed
from edge_runtime.identity import create_identity
from tests.unit.app.rows import digest
from tests.unit.app.test_audit_chain import BEGINNING, chain_of, loss_of, of

TABLES = ("audits", "losses", "audit_chains", "activity")
WATCHED = ("audits", "audit_chains", "activity")
VALUES: Sequence[Any] = (0, 1, 4, 7, 9, 99, -1, "", "x", "boot", "old", digest("x"), None)
ONE_MORE_LOSS = "box, boot, 99, at_ms, stream, 9, bytes, first_ms, last_ms, reason"

Row = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A context, what stood in its tables when the box was told, and what the box says."""

    ctx: Context
    box: Box
    before: dict[str, list[Row]]
    heard: Heard

    def judge(self) -> Verdict:
        return activity.judge(self.ctx, [self.heard])

    def edit(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with closing(sqlite3.connect(self.ctx.database.path)) as connection, connection:
            connection.row_factory = sqlite3.Row
            work(connection)

    def restore(self) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for table, rows in self.before.items():
                connection.execute(f"DELETE FROM {table}")
                for row in rows:
                    insert(connection, table, row)
            connection.execute(
                "UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM activity) WHERE name = 'activity'"
            )

        self.edit(work)


def insert(connection: sqlite3.Connection, table: str, row: Row) -> None:
    names = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})", row)


def read(connection: sqlite3.Connection, table: str) -> list[Row]:
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]


def audits() -> list[AuditRow]:
    """Eight entries after which the box says that 2 and 3 were lost, and two rows from before it had a chain."""
    rows = chain_of(8)
    told = replace(rows[-1], seq=9, kind=LOST, message="limit.bytes: entries 2-3")
    rows.append(seal(told, entry=9, previous=rows[-1].chain))
    old = [replace(row, boot="old", entry=0, previous="", chain="") for row in rows[:2]]
    return [*old, *(row for row in rows if row.entry not in (2, 3))]


@pytest.fixture(scope="module")
def site(site_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tampering")
    home = Path(shutil.copytree(site_template, folder / "home"))
    identity = create_identity(folder / "box", "line-2")
    box = Box(
        box=identity.fingerprint,
        name="line-2",
        address="127.0.0.1:1",
        certificate=identity.certificate_pem,
        enrolled_ms=1,
    )
    with open_context(home) as ctx:
        boxes.put_box(ctx.database, box)
        rows = of(box, audits())
        spool.collect(ctx.database, "losses", [loss_of(box, 3)], 1, box.box)
        spool.collect(ctx.database, "audits", rows[:5], 5, box.box)
        told = ChainHead(beginning=BEGINNING, entry=9, digest=rows[-1].chain)
        spool.collect(ctx.database, "audits", rows[5:], 9, box.box, chain=told)
        ctx.database.write(lambda writer: writer.activity("box.enrolled", box.box, "Enrolled line-2."))
        here = activity_store.newest(ctx.database)
        assert here is not None
        head = ActivityHead(entry=here[0], digest=here[1], signature="0" * 128)
        with closing(sqlite3.connect(ctx.database.path)) as connection:
            connection.row_factory = sqlite3.Row
            before = {table: read(connection, table) for table in TABLES}
        heard = Heard(box, Witnessed(head=head, at_ms=1), signed=True)
        yield Site(ctx, box, before, heard)


def seal_anew(connection: sqlite3.Connection) -> None:
    """Compute the digests of the desktop's own chain as whoever changed it would."""
    previous, number = FIRST_DIGEST, 0
    rows = read(connection, "activity")
    connection.execute("DELETE FROM activity")
    for number, row in enumerate(sorted(rows, key=lambda row: row["seq"]), 1):
        entry = {**{name: row[name] for name in row if name != "digest"}, "seq": number}
        previous = chain_digest(previous, entry)
        insert(connection, "activity", {**entry, "digest": previous})
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'activity'", (number,))


def change(connection: sqlite3.Connection, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(TABLES))
    rows = read(connection, table)
    if not rows:
        return
    row = data.draw(st.sampled_from(rows))
    column = data.draw(st.sampled_from(sorted(row)))
    other = {**row, column: data.draw(st.sampled_from([*VALUES, *(one[column] for one in rows)]))}
    what = data.draw(st.sampled_from(["update", "delete", "insert", "delete more"]))
    where = " AND ".join(f"{name} IS :{name}" for name in row)
    try:
        if what == "delete more":
            connection.execute(f"DELETE FROM {table} WHERE {column} IS :{column}", row)
            return
        if what != "insert":
            connection.execute(f"DELETE FROM {table} WHERE {where}", row)
        if what != "delete":
            insert(connection, table, other)
    except sqlite3.IntegrityError:
        # The database itself does not take that: as if nothing had been tried, or the row is gone.
        return


def test_what_nobody_touched_is_intact_as_far_as_it_was_witnessed(site: Site) -> None:
    site.restore()
    verdict = site.judge()
    assert (verdict.standing, verdict.witnessed) == ("witnessed", verdict.entries)
    (one,) = verdict.boxes
    assert [(gap.first, gap.last, gap.kind) for gap in one.report.gaps] == [(2, 3, "lost")]
    assert (one.report.entries, one.report.unsealed) == (7, 2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_changed_is_found(site: Site, data: st.DataObject) -> None:
    site.restore()

    def work(connection: sqlite3.Connection) -> None:
        for _ in range(data.draw(st.integers(1, 3))):
            change(connection, data)
        if data.draw(st.booleans()):
            seal_anew(connection)

    site.edit(work)
    with closing(sqlite3.connect(site.ctx.database.path)) as connection:
        connection.row_factory = sqlite3.Row
        after = {table: read(connection, table) for table in WATCHED}
    verdict = site.judge()
    if after == {table: site.before[table] for table in WATCHED}:
        assert verdict.standing == "witnessed"
    elif verdict.intact:
        # Only what was added behind the end that was witnessed, in a chain that fits: and that is told.
        assert verdict.witnessed < verdict.entries
        assert after["activity"][: verdict.witnessed] == site.before["activity"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audits SET message = 'nothing', who = 'me', entry = 0, previous = '', chain = '' WHERE entry = 7",
        "INSERT INTO audits SELECT box, 'new', 99, at_ms, kind, who, 'forged', 0, '', '' FROM audits WHERE entry = 7",
        f"INSERT INTO losses SELECT {ONE_MORE_LOSS} FROM losses; DELETE FROM audits WHERE entry BETWEEN 5 AND 7",
        "DELETE FROM audits WHERE entry BETWEEN 1 AND 7; UPDATE audit_chains SET anchor = 7",
        "DELETE FROM audits; DELETE FROM audit_chains",
        "DELETE FROM audits WHERE entry = 0",
        "UPDATE audits SET box = (SELECT max(box) || 'x' FROM audits)",
        "UPDATE activity SET message = 'nothing' WHERE seq = 2; SEAL",
        "DELETE FROM activity WHERE seq = (SELECT max(seq) FROM activity); SEAL",
        "DELETE FROM activity; DELETE FROM sqlite_sequence WHERE name = 'activity'",
        "DELETE FROM activity WHERE what = 'audits.collected'; DELETE FROM audits; DELETE FROM audit_chains; SEAL",
    ],
)
def test_what_one_statement_could_hide(site: Site, sql: str) -> None:
    site.restore()

    def work(connection: sqlite3.Connection) -> None:
        for statement in sql.split(";"):
            if statement.strip() == "SEAL":
                seal_anew(connection)
            else:
                connection.execute(statement)

    site.edit(work)
    assert site.judge().standing == "broken"
    # The next contact with the box changes nothing about that.
    told = ChainHead(beginning=BEGINNING, entry=9, digest=site.before["audit_chains"][0]["digest"], anchor=9)
    spool.collect(site.ctx.database, "audits", [], 9, site.box.box, chain=told)
    assert site.judge().standing == "broken"


def test_a_desktop_without_a_witness_says_so(site: Site) -> None:
    site.restore()
    for heard in ([], [replace(site.heard, witnessed=None)], [replace(site.heard, witnessed=Witnessed())]):
        verdict = activity.judge(site.ctx, heard)
        assert (verdict.standing, verdict.intact, verdict.witnessed) == ("unwitnessed", True, 0)


def strike(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM boxes")


def test_a_witness_that_was_struck_from_the_list_is_named(site: Site) -> None:
    site.restore()
    site.edit(strike)
    try:
        (one,) = activity.judge(site.ctx, []).witnesses
    finally:
        boxes.put_box(site.ctx.database, site.box)
    assert (one.box, one.says) == (site.box.box, "silent")
    assert "not on the list" in (one.problem or "")
    site.ctx.database.write(lambda writer: writer.activity("box.forgotten", site.box.box, "Forgot line-2."))
    site.edit(strike)
    try:
        assert activity.judge(site.ctx, []).witnesses == ()
    finally:
        boxes.put_box(site.ctx.database, site.box)


def test_a_head_that_this_desktop_did_not_sign_says_nothing_of_its_chain(site: Site) -> None:
    site.restore()
    head = ActivityHead(entry=999, digest=digest("x"), signature="0" * 128)
    evil = Heard(replace(site.box, name="evil"), Witnessed(head=head), signed=False)
    verdict = activity.judge(site.ctx, [evil, site.heard])
    assert verdict.standing == "witnessed"
    assert [(one.name, one.says) for one in verdict.witnesses] == [("evil", "forged"), ("line-2", "confirms")]
