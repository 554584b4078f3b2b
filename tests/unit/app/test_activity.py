"""The chain shows any change."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import pytest

from app.store import activity
from app.store.activity import OwnChain
from app.store.database import Database
from app.store.migrations import bring_up_to_date
from app.store.writer import Writer
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DatabaseDamaged

COPIED = "at_ms, who, what, subject, message, digest, facts"


@pytest.fixture
def chained(db: Database) -> Database:
    def enrol(number: int, writer: Writer) -> None:
        writer.activity("box.enrolled", f"box-{number}", f"Enrolled {number}.")

    for number in range(5):
        db.write(partial(enrol, number))
    return db


def tamper(db: Database, sql: str) -> None:
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute(sql)
        connection.commit()


def test_entries_are_paged_newest_first_and_verify(chained: Database) -> None:
    page = activity.page_activity(chained, limit=3)
    assert [entry.seq for entry in page.rows] == [5, 4, 3]
    rest = activity.page_activity(chained, cursor=page.cursor, limit=3)
    assert [entry.seq for entry in rest.rows] == [2, 1]
    assert rest.cursor is None
    assert rest.rows[-1].subject == "box-0"
    own = activity.read_chain(chained)
    assert (own.entries, own.broken, own.enrolled) == (5, None, frozenset(f"box-{number}" for number in range(5)))


def test_an_empty_chain_is_intact(db: Database) -> None:
    assert activity.read_chain(db) == OwnChain(entries=0)


@pytest.mark.parametrize(
    ("sql", "entry"),
    [
        ("UPDATE activity SET message = 'Nothing.' WHERE seq = 2", 2),
        ("UPDATE activity SET who = 'somebody' WHERE seq = 5", 5),
        ("UPDATE activity SET at_ms = at_ms + 1 WHERE seq = 1", 1),
        ("UPDATE activity SET digest = (SELECT digest FROM activity WHERE seq = 4) WHERE seq = 3", 3),
        ("DELETE FROM activity WHERE seq = 1", 1),
        ("DELETE FROM activity WHERE seq = 3", 3),
        ("DELETE FROM activity WHERE seq = 5", 5),
        ("DELETE FROM activity", 1),
        ("UPDATE activity SET seq = 9 WHERE seq = 5", 5),
        (f"INSERT INTO activity SELECT 6, {COPIED} FROM activity WHERE seq = 5", 6),
        (f"INSERT INTO activity SELECT -1, {COPIED} FROM activity WHERE seq = 5", 1),
        ("UPDATE activity SET facts = '{}' WHERE seq = 4", 4),
        *(
            (f"UPDATE activity SET {column} = CAST(X'ED' AS TEXT) WHERE seq = 2", 2)
            for column in ("who", "what", "subject", "message", "facts", "digest")
        ),
    ],
)
def test_every_change_is_found(chained: Database, sql: str, entry: int) -> None:
    tamper(chained, sql)
    own = activity.read_chain(chained)
    assert own.broken == entry
    assert not any("\udced" in subject for subject in own.enrolled), "it can be printed"
    for shown in activity.page_activity(chained).rows:
        wire.encode(shown)


def test_bytes_do_not_pass_for_the_text_that_is_shown_for_them(chained: Database) -> None:
    chained.write(lambda writer: writer.activity("box.enrolled", "box-5", "said \\xed"))
    assert activity.read_chain(chained).broken is None
    tamper(chained, "UPDATE activity SET message = CAST(X'7361696420ED' AS TEXT) WHERE seq = 6")
    assert activity.page_activity(chained).rows[0].message == "said \\xed"
    assert activity.read_chain(chained).broken == 6


def test_damage_that_is_no_chains_is_told_plainly(chained: Database) -> None:
    tamper(chained, "UPDATE activity SET message = CAST(X'ED' AS TEXT) WHERE seq = 2")
    with pytest.raises(DatabaseDamaged, match="Could not decode"):
        chained.read("SELECT message FROM activity")
    tamper(chained, "ALTER TABLE activity RENAME TO elsewhere")
    with pytest.raises(DatabaseDamaged, match="no such table"):
        activity.read_chain(chained)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("ALTER TABLE activity RENAME COLUMN who TO whom", "no such column"),
        ("DELETE FROM _sqlite_migrations", "already exists"),
    ],
)
def test_a_schema_that_somebody_changed_is_damage(chained: Database, sql: str, why: str) -> None:
    tamper(chained, sql)
    with pytest.raises(DatabaseDamaged, match=why):
        bring_up_to_date(chained.path)
        activity.read_chain(chained)


def test_a_moment_that_is_none_hides_no_entry(chained: Database) -> None:
    tamper(chained, "ALTER TABLE activity RENAME TO sound")
    tamper(chained, "CREATE TABLE activity AS SELECT * FROM sound")
    tamper(chained, "UPDATE activity SET at_ms = 'noon' WHERE seq = 2")
    shown = activity.page_activity(chained).rows
    assert [(one.seq, one.at_ms == 0) for one in shown] == [(5, False), (4, False), (3, False), (2, True), (1, False)]


def test_the_chain_goes_on_after_its_end_was_cut_off_and_still_shows_it(chained: Database) -> None:
    tamper(chained, "DELETE FROM activity WHERE seq = 5")
    chained.write(lambda writer: writer.activity("box.enrolled", "box-5", "Enrolled 5."))
    assert activity.read_chain(chained).broken == 5
