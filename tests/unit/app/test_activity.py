"""The chain shows any change."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import pytest

from app.store import activity
from app.store.activity import OwnChain
from app.store.database import Database
from app.store.writer import Writer

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
    ],
)
def test_every_change_is_found(chained: Database, sql: str, entry: int) -> None:
    tamper(chained, sql)
    assert activity.read_chain(chained).broken == entry


def test_the_chain_goes_on_after_its_end_was_cut_off_and_still_shows_it(chained: Database) -> None:
    tamper(chained, "DELETE FROM activity WHERE seq = 5")
    chained.write(lambda writer: writer.activity("box.enrolled", "box-5", "Enrolled 5."))
    assert activity.read_chain(chained).broken == 5
