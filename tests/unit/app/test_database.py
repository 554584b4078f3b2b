"""One writer, many readers, and a file that is never harmed."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import sqlite_utils

from app.store import migrations
from app.store.database import Database
from app.store.schema import STEPS, Step
from app.store.writer import Writer
from edge_runtime.contracts.errors import DatabaseDamaged, DatabaseTooNew
from tests.unit.app.rows import OpenDatabase, digest


def _later(database: sqlite_utils.Database) -> None:
    database.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)")


LATER = Step("9999_later", _later)


def burst_log(db: Database) -> list[str]:
    return [row["text"] for row in db.read("SELECT text FROM burst_log ORDER BY line")]


def add_line(writer: Writer, line: int, text: str) -> None:
    writer.upsert("burst_log", {"burst": "b", "line": line, "text": text})


def test_a_write_returns_its_result_and_is_read_at_once(db: Database) -> None:
    def work(writer: Writer) -> str:
        add_line(writer, 1, "one")
        return "done"

    assert db.write(work) == "done"
    assert burst_log(db) == ["one"]


def test_an_exception_undoes_everything_and_reaches_the_caller(db: Database) -> None:
    told: list[str] = []
    db.subscribe(lambda table, _keys: told.append(table))

    def work(writer: Writer) -> None:
        add_line(writer, 1, "one")
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        db.write(work)
    assert burst_log(db) == []
    assert told == []
    db.write(lambda writer: add_line(writer, 1, "after"))
    assert burst_log(db) == ["after"]


def test_readers_see_the_last_commit_while_a_write_is_under_way(db: Database) -> None:
    db.write(lambda writer: add_line(writer, 1, "committed"))
    written, go_on = threading.Event(), threading.Event()

    def slow(writer: Writer) -> None:
        add_line(writer, 2, "not yet")
        written.set()
        assert go_on.wait(60)

    thread = threading.Thread(target=db.write, args=(slow,))
    thread.start()
    try:
        assert written.wait(60)
        assert burst_log(db) == ["committed"]
    finally:
        go_on.set()
        thread.join()
    assert burst_log(db) == ["committed", "not yet"]


def test_many_threads_read_and_write(db: Database) -> None:
    def count_up(number: int) -> None:
        for line in range(number * 100, number * 100 + 20):
            db.write(partial(add_line, line=line, text="x"))
            assert db.read("SELECT COUNT(*) FROM burst_log")[0][0] >= 1

    threads = [threading.Thread(target=count_up, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(burst_log(db)) == 120


def test_listeners_hear_of_committed_rows_until_they_leave(db: Database) -> None:
    told: list[tuple[str, frozenset[str]]] = []
    leave = db.subscribe(lambda table, keys: told.append((table, keys)))

    def add_two(writer: Writer) -> None:
        add_line(writer, 1, "one")
        add_line(writer, 2, "two")

    db.write(add_two)
    assert told == [("burst_log", frozenset({"b/1", "b/2"}))]
    leave()
    leave()
    db.write(lambda writer: add_line(writer, 3, "three"))
    assert len(told) == 1


def test_a_failing_listener_harms_nobody(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def fail(_table: str, _keys: frozenset[str]) -> None:
        raise ValueError("listener")

    db.subscribe(fail)
    db.subscribe(lambda table, _keys: told.append(table))
    db.write(lambda writer: add_line(writer, 1, "one"))
    assert told == ["burst_log"]
    assert "a listener failed" in caplog.text


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_ever(db: Database) -> None:
    with pytest.raises(RuntimeError, match="wait for itself"):
        db.write(lambda _writer: db.write(lambda writer: None))


def test_readers_cannot_write(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.read("DELETE FROM burst_log")


def test_a_closed_database_says_so(open_database: OpenDatabase) -> None:
    database = open_database("desk")
    database.close()
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        database.read("SELECT 1")
    with pytest.raises(RuntimeError, match="closed"):
        database.write(lambda writer: None)


def test_an_old_database_is_copied_before_it_is_migrated(open_database: OpenDatabase, tmp_path: Path) -> None:
    database = open_database("desk")
    database.write(lambda writer: add_line(writer, 1, "old"))
    database.close()
    copy = migrations.bring_up_to_date(tmp_path / "desk.db", (*STEPS, LATER))
    assert copy == tmp_path / "desk.db.before-9999_later"
    with closing(sqlite3.connect(copy)) as old, closing(sqlite3.connect(tmp_path / "desk.db")) as new:
        assert old.execute("SELECT text FROM burst_log").fetchall() == [("old",)]
        assert not old.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall()
        assert new.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall()
        assert new.execute("SELECT text FROM burst_log").fetchall() == [("old",)]
    assert migrations.bring_up_to_date(tmp_path / "desk.db", (*STEPS, LATER)) is None


def test_a_failed_migration_leaves_the_database_as_it_was(open_database: OpenDatabase, tmp_path: Path) -> None:
    open_database("desk").close()

    def broken(database: sqlite_utils.Database) -> None:
        LATER.apply(database)
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        migrations.bring_up_to_date(tmp_path / "desk.db", (*STEPS, Step("9999_later", broken)))
    assert open_database("desk").read("SELECT name FROM sqlite_master WHERE name = 'later'") == []


def test_a_database_of_a_newer_version_is_refused_untouched(open_database: OpenDatabase, tmp_path: Path) -> None:
    open_database("desk").close()
    path = tmp_path / "desk.db"
    migrations.bring_up_to_date(path, (*STEPS, LATER))
    before = path.read_bytes()
    with pytest.raises(DatabaseTooNew, match="9999_later"):
        Database.open(path, replica=digest("desk"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is not a database, but long enough to look like a file" * 40, b"short"])
def test_what_is_not_a_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desk.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        Database.open(path, replica=digest("desk"))
    assert path.read_bytes() == content


def test_a_damaged_page_is_named(open_database: OpenDatabase, tmp_path: Path) -> None:
    database = open_database("desk")

    def fill(writer: Writer) -> None:
        for line in range(200):
            add_line(writer, line, "x" * 500)

    database.write(fill)
    database.close()
    path = tmp_path / "desk.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        Database.open(path, replica=digest("desk")).read("SELECT * FROM burst_log")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    with pytest.raises(DatabaseDamaged, match="another program"):
        Database.open(path, replica=digest("desk"))


def test_two_programs_share_one_database(open_database: OpenDatabase) -> None:
    window, command = open_database("desk"), open_database("desk")
    window.write(lambda writer: add_line(writer, 1, "window"))
    command.write(lambda writer: add_line(writer, 2, "command"))
    assert burst_log(window) == burst_log(command) == ["window", "command"]


def test_programs_that_start_together_create_one_database(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def create() -> Path | None:
        start.wait()
        return migrations.bring_up_to_date(tmp_path / "desk.db")

    with ThreadPoolExecutor(4) as pool:
        assert [future.result() for future in [pool.submit(create) for _ in range(4)]] == [None] * 4
    Database.open(tmp_path / "desk.db", replica=digest("desk")).close()
