"""How far journals go is told by names alone: cheap when nothing is new, and never in the way when it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from app.store.database import Database
from app.store.samples import put_import
from app.usecases.exchange import ASK_EVERYONE_EVERY_MS, exchange
from cloud_sync.journal.replicate import PullReport, pull, push
from cloud_sync.objects.folder import FolderStore
from tests.unit.sync.faulty_store import FaultyStore
from tests.unit.sync.sqlite_journal import SqliteJournal

PREFIX = "sites/plant"
NOW_MS = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(tmp_path / "store")


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[dict[str, SqliteJournal]]:
    opened = {name: SqliteJournal(tmp_path / f"{name}.db", name) for name in "abc"}
    yield opened
    for journal in opened.values():
        journal.close()


def pull_now(store: FolderStore, journal: SqliteJournal) -> PullReport:
    return pull(store, journal, PREFIX, now_ms=lambda: NOW_MS)


def write(journal: SqliteJournal, key: str, value: int = 1) -> None:
    journal.write("rows", key, {"value": value}, NOW_MS)


def test_nothing_new_costs_one_list_however_many_desktops_there_are(
    store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path
) -> None:
    for number in range(30):
        other = SqliteJournal(tmp_path / f"{number}.db", f"other-{number}")
        write(other, f"k{number}")
        push(store, other, PREFIX)
        other.close()
    write(journals["b"], "one")
    push(store, journals["b"], PREFIX)
    assert pull_now(store, journals["a"]).segments == 31
    store.calls = 0
    assert pull_now(store, journals["a"]).segments == 0
    assert store.calls == 1
    for value in range(3):
        write(journals["b"], "two", value)
        push(store, journals["b"], PREFIX)
    store.calls = 0
    assert pull_now(store, journals["a"]).segments == 3
    assert store.calls == 4


def test_a_bucket_of_before_ends_were_told_is_read_and_tells_them_from_then_on(
    store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path
) -> None:
    for value in range(2):
        write(journals["a"], "k", value)
        push(store, journals["a"], PREFIX)
    for path in (tmp_path / "store").rglob("journal/a.*"):
        path.unlink()
    assert pull_now(store, journals["b"]).segments == 2
    write(journals["a"], "k", 2)
    push(store, journals["a"], PREFIX)
    for path in (tmp_path / "store").rglob("journal/a.*"):
        path.unlink()
    assert pull_now(store, journals["b"]).segments == 1
    pull_now(store, journals["a"])
    store.calls = 0
    assert pull_now(store, journals["b"]).segments == 0
    assert store.calls == 1


def test_a_lost_end_only_delays(store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path) -> None:
    for value in range(2):
        write(journals["a"], "k", value)
        push(store, journals["a"], PREFIX)
    ends = sorted((tmp_path / "store").rglob("journal/a.*"))
    assert len(ends) == 2, "an older end is not cleared away before the newer one is seen to stand"
    ends[-1].unlink()
    assert pull_now(store, journals["b"]).segments == 1
    assert pull_now(store, journals["b"]).segments == 0
    everyone = pull(store, journals["c"], PREFIX, everyone=True, now_ms=lambda: NOW_MS)
    assert everyone.segments == 2, "its writer may never come back"
    pull_now(store, journals["a"])
    assert pull_now(store, journals["b"]).segments == 1
    pull_now(store, journals["a"])
    assert [path.name for path in (tmp_path / "store").rglob("journal/a.*")] == [ends[-1].name]


def test_an_end_that_says_too_much_costs_a_question(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    write(journals["a"], "k")
    push(store, journals["a"], PREFIX)
    for name in ("a.9999999999", "a.0", "x.y.0000000001", "nobody.0000000001"):
        store.put(f"{PREFIX}/journal/{name}", b"")
    assert pull_now(store, journals["b"]).segments == 1
    store.calls = 0
    assert pull_now(store, journals["b"]).problems == ()
    assert store.calls == 3
    pull_now(store, journals["a"])
    write(journals["a"], "k", 2)
    push(store, journals["a"], PREFIX)
    assert pull_now(store, journals["b"]).segments == 1


def test_a_desktop_asks_everybody_once_a_day(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    now = [NOW_MS]
    with (
        closing(Database.open(tmp_path / "a.db", replica="a" * 64, now_ms=lambda: now[0])) as writer,
        closing(Database.open(tmp_path / "b.db", replica="b" * 64, now_ms=lambda: now[0])) as reader,
    ):
        for number in range(2):
            sample = f"{number:064x}"
            writer.write(partial(put_import, sample=sample, frame="1", at_ms=5, media="image/png", size=9))
            exchange(writer, store, PREFIX)
            if number == 0:
                exchange(reader, store, PREFIX)
        (end,) = (tmp_path / "store").rglob(f"journal/{'a' * 64}.*")
        end.rename(end.with_suffix(".0000000001"))  # the newer one was acknowledged, and is not there
        assert exchange(reader, store, PREFIX).pulled.segments == 0
        now[0] += ASK_EVERYONE_EVERY_MS
        assert exchange(reader, store, PREFIX).pulled.segments == 1
        store.calls = 0
        exchange(reader, store, PREFIX)
        assert store.calls == 1
