"""Desktops that share a store: whatever is cut, late, early or repeated, in the end they all have the same."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloud_sync.journal.changes import Change, encode_segment
from cloud_sync.journal.clock import MAX_AHEAD_MS
from cloud_sync.journal.replicate import SEGMENT_CHANGES, PullReport, pull, push, seal, segment_key
from cloud_sync.objects.folder import FolderStore
from edge_runtime.contracts.errors import ReplicaCopied, StoreUnreachable
from tests.unit.sync.faulty_store import Cut, FaultyStore
from tests.unit.sync.last_writer import fold
from tests.unit.sync.sqlite_journal import FACTS, SqliteJournal

PREFIX = "sites/plant"
NOW_MS = 1_800_000_000_000
REPLICAS = ("a", "b", "c")


def pull_now(store: FolderStore, journal: SqliteJournal) -> PullReport:
    return pull(store, journal, PREFIX, now_ms=lambda: NOW_MS)


class Desktops(RuleBasedStateMachine):
    """Three desktops, each with its own wrong clock, on one store behind a poor connection."""

    @initialize()
    def start(self) -> None:
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.store = FaultyStore(self.folder / "store")
        self.stick = FolderStore(self.folder / "stick")
        self.journals = {name: self.open(name) for name in REPLICAS}
        self.clocks = dict.fromkeys(REPLICAS, NOW_MS)
        self.written: list[Change] = []
        self.hidden: dict[Path, bytes] = {}
        self.values = 0

    def open(self, name: str) -> SqliteJournal:
        return SqliteJournal(self.folder / f"{name}.db", name)

    @rule(
        name=st.sampled_from(REPLICAS),
        table=st.sampled_from(["rows", "facts"]),
        key=st.sampled_from("xyz"),
        deleted=st.booleans(),
    )
    def write(self, name: str, table: str, key: str, deleted: bool) -> None:
        self.values += 1
        body = None if deleted and table not in FACTS else {"value": self.values, "by": name}
        seen = [standing.clock for standing in self.journals[name].rows().values()]
        change = self.journals[name].write(table, key, body, self.clocks[name])
        if change is not None:
            assert all(change.clock > clock for clock in seen), "what a person saw would win over what they did then"
            self.written.append(change)

    @rule(name=st.sampled_from(REPLICAS), ahead_ms=st.integers(-MAX_AHEAD_MS * 1000, MAX_AHEAD_MS // 2))
    def set_clock(self, name: str, ahead_ms: int) -> None:
        self.clocks[name] = NOW_MS + ahead_ms

    @rule(name=st.sampled_from(REPLICAS))
    def push(self, name: str) -> None:
        push(self.store, self.journals[name], PREFIX)
        assert self.journals[name].unsealed(1) == []

    @rule(name=st.sampled_from(REPLICAS), cut=st.sampled_from(["before-put", "after-put", "late-put"]))
    def push_is_cut(self, name: str, cut: Cut) -> None:
        self.store.cut = cut
        with suppress(StoreUnreachable):
            push(self.store, self.journals[name], PREFIX)
        self.store.cut = None

    @rule()
    def late_put_lands(self) -> None:
        self.store.land()

    @rule(name=st.sampled_from(REPLICAS))
    def restart(self, name: str) -> None:
        self.journals[name].close()
        self.journals[name] = self.open(name)

    @rule(name=st.sampled_from(REPLICAS))
    def pull(self, name: str) -> None:
        assert pull_now(self.store, self.journals[name]).problems == ()

    @rule(writer=st.sampled_from(REPLICAS), reader=st.sampled_from(REPLICAS))
    def meet_by_stick(self, writer: str, reader: str) -> None:
        """Without the store: what the one has sealed, the other takes over."""
        journal = self.journals[writer]
        seal(journal)
        for seq in range(1, journal.sealed_through()[0] + 1):
            body = encode_segment(writer, seq, journal.sealed(seq))
            standing = self.stick.head(segment_key(PREFIX, writer, seq))
            assert standing is None or self.stick.get(standing.key) == body, "a segment has two contents"
            self.stick.put(segment_key(PREFIX, writer, seq), body)
        assert pull_now(self.stick, self.journals[reader]).problems == ()

    @rule(name=st.sampled_from(REPLICAS))
    def take_over_everything_again(self, name: str) -> None:
        self.journals[name].forget_positions()
        pull_now(self.store, self.journals[name])

    @rule(data=st.data())
    def a_segment_is_missing_for_a_while(self, data: st.DataObject) -> None:
        # Only what others may still have to read: its writer does not look back.
        found = sorted((self.folder / "store").rglob("*.zst"))
        if found:
            path = data.draw(st.sampled_from(found))
            self.hidden[path] = path.read_bytes()
            path.unlink()

    @rule(name=st.sampled_from(REPLICAS))
    def the_store_loses_ends(self, name: str) -> None:
        for path in (self.folder / "store").rglob(f"journal/{name}.*"):
            path.unlink()

    @rule(late=st.booleans())
    def lists_come_late(self, late: bool) -> None:
        self.store.listed = None
        if late:
            self.store.listed = self.store.children(f"{PREFIX}/journal")

    @rule()
    def missing_segments_are_back(self) -> None:
        for path, body in self.hidden.items():
            path.write_bytes(body)
        self.hidden.clear()

    @invariant()
    def nothing_stands_that_nobody_wrote(self) -> None:
        for journal in self.journals.values():
            assert all(change in self.written for change in journal.rows().values())

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.missing_segments_are_back()
            self.store.land()
            self.store.listed = None
            for journal in self.journals.values():
                push(self.store, journal, PREFIX)
                pull_now(self.store, journal)  # whose end was lost tells it again
            expected = fold(self.written, FACTS)
            for journal in self.journals.values():
                assert pull_now(self.store, journal).problems == ()
                assert journal.rows() == expected
                assert pull_now(self.store, journal).segments == 0
            newcomer = self.open("newcomer")
            pull_now(self.store, newcomer)
            assert newcomer.rows() == expected
            for journal in (*self.journals.values(), newcomer):
                journal.close()


TestDesktops = Desktops.TestCase
TestDesktops.settings = settings(max_examples=60, stateful_step_count=30)


# --- single stories


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(tmp_path / "store")


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[dict[str, SqliteJournal]]:
    opened = {name: SqliteJournal(tmp_path / f"{name}.db", name) for name in REPLICAS}
    yield opened
    for journal in opened.values():
        journal.close()


def write(journal: SqliteJournal, key: str, value: Any = 1) -> None:
    journal.write("rows", key, {"value": value}, NOW_MS)


def test_nothing_to_push_asks_nothing_of_the_store(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    report = push(store, journals["a"], PREFIX)
    assert (report.segments, report.changes, report.bytes) == (0, 0, 0)
    assert list(store.list("")) == []


def test_many_changes_travel_in_several_segments(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    for number in range(SEGMENT_CHANGES + 1):
        write(journals["a"], f"k{number}")
    report = push(store, journals["a"], PREFIX)
    assert (report.segments, report.changes) == (2, SEGMENT_CHANGES + 1)
    assert report.bytes == sum(info.size for info in store.list(f"{PREFIX}/journal/a"))
    taken = pull_now(store, journals["b"])
    assert (taken.segments, taken.changes, taken.bytes) == (2, SEGMENT_CHANGES + 1, report.bytes)
    assert journals["b"].rows() == journals["a"].rows()
    assert {info.key for info in store.list(f"{PREFIX}/journal/a")} == {
        segment_key(PREFIX, "a", 1),
        segment_key(PREFIX, "a", 2),
    }


def test_large_changes_end_a_segment_early(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    for number in range(3):
        write(journals["a"], f"k{number}", "x" * 3_000_000)
    write(journals["a"], "huge", "x" * 6_000_000)
    assert push(store, journals["a"], PREFIX).segments == 4
    pull_now(store, journals["b"])
    assert journals["b"].rows() == journals["a"].rows()


@pytest.mark.parametrize("cut", ["before-put", "after-put", "late-put"])
def test_a_cut_segment_is_sent_again_as_it_was(
    store: FaultyStore, journals: dict[str, SqliteJournal], cut: Cut
) -> None:
    write(journals["a"], "first")
    store.cut = cut
    with pytest.raises(StoreUnreachable):
        push(store, journals["a"], PREFIX)
    sent = {info.key: store.get(info.key) for info in store.list(f"{PREFIX}/journal/a")}
    assert bool(sent) == (cut == "after-put")
    write(journals["a"], "second")
    push(store, journals["a"], PREFIX)
    pull_now(store, journals["b"])
    before = {info.key: store.get(info.key) for info in store.list(f"{PREFIX}/journal/a")}
    assert set(before) == {segment_key(PREFIX, "a", 1), segment_key(PREFIX, "a", 2)}
    assert sent.items() <= before.items()
    store.land()
    assert {info.key: store.get(info.key) for info in store.list(f"{PREFIX}/journal/a")} == before
    assert journals["b"].rows() == journals["a"].rows()


def test_the_numbers_of_changes_may_have_holes(
    store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path
) -> None:
    for number in range(4):
        write(journals["a"], f"k{number}")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("DELETE FROM outbox WHERE id = 2")
    connection.close()
    assert journals["a"].plan_segment(1, 3) == 3
    report = push(store, journals["a"], PREFIX)
    assert (report.segments, report.changes) == (2, 3)
    assert journals["a"].sealed_through() == (2, 4)


def test_two_processes_of_one_desktop_push_at_once(store: FaultyStore, tmp_path: Path) -> None:
    processes = [SqliteJournal(tmp_path / "a.db", "a") for _ in range(3)]
    other = SqliteJournal(tmp_path / "b.db", "b")
    problems: list[Exception] = []

    def work(journal: SqliteJournal, name: int) -> None:
        try:
            for number in range(20):
                write(journal, f"{name}-{number}")
                push(store, journal, PREFIX)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            problems.append(error)

    threads = [threading.Thread(target=work, args=(journal, name)) for name, journal in enumerate(processes)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert pull_now(store, other).problems == ()
    for thread in threads:
        thread.join()
    pull_now(store, other)
    assert problems == []
    assert other.rows() == processes[0].rows()
    assert len(other.rows()) == 60
    for journal in (*processes, other):
        journal.close()


def test_a_desktop_comes_back_to_a_store_it_used_before(
    store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path
) -> None:
    for number in range(3):
        write(journals["a"], f"k{number}")
        push(store, journals["a"], PREFIX)
    other = FolderStore(tmp_path / "other")
    journals["a"].forget_store()
    assert push(other, journals["a"], PREFIX).segments == 1
    write(journals["a"], "later")
    journals["a"].forget_store()
    assert push(store, journals["a"], PREFIX).changes == 4
    pull_now(store, journals["b"])
    pull_now(other, journals["c"])
    assert journals["b"].rows() == journals["a"].rows()
    assert len(journals["c"].rows()) == 3


def test_a_copied_desktop_overwrites_nothing(
    store: FaultyStore, journals: dict[str, SqliteJournal], tmp_path: Path
) -> None:
    write(journals["a"], "common")
    push(store, journals["a"], PREFIX)
    journals["a"].close()
    (tmp_path / "copy.db").write_bytes((tmp_path / "a.db").read_bytes())
    journals["a"] = SqliteJournal(tmp_path / "a.db", "a")
    copy = SqliteJournal(tmp_path / "copy.db", "a")
    write(journals["a"], "mine")
    write(copy, "theirs")
    push(store, journals["a"], PREFIX)
    before = {info.key: store.get(info.key) for info in store.list("")}
    with pytest.raises(ReplicaCopied):
        push(store, copy, PREFIX)
    assert {info.key: store.get(info.key) for info in store.list("")} == before
    assert len(copy.unsealed(10)) == 1
    copy.close()


def test_a_bad_segment_holds_up_its_own_desktop_only(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    for name in ("a", "b"):
        write(journals[name], name)
        push(store, journals[name], PREFIX)
        write(journals[name], name, 2)
        push(store, journals[name], PREFIX)
    bad = segment_key(PREFIX, "a", 2)
    good = store.get(bad)
    hostile = {
        "another's": store.get(segment_key(PREFIX, "b", 2)),
        "an older": store.get(segment_key(PREFIX, "a", 1)),
        "cut short": good[: len(good) // 2],
        "too large": b"\0" * (17 * 2**20),
        "nothing": b"",
    }
    for body in hostile.values():
        store.put(bad, body)
        report = pull_now(store, journals["c"])
        (problem,) = report.problems
        assert (problem.replica, problem.seq, problem.error.code) == ("a", 2, "sync.segment-refused")
        assert journals["c"].positions() == {"a": 1, "b": 2}
        assert {change.body["value"] for change in journals["c"].rows().values() if change.body} == {1, 2}
    store.put(bad, good)
    assert pull_now(store, journals["c"]).problems == ()
    assert journals["c"].positions() == {"a": 2, "b": 2}


def test_a_desktop_years_ahead_is_refused_until_its_time_has_come(
    store: FaultyStore, journals: dict[str, SqliteJournal]
) -> None:
    years = 5 * 365 * 86_400_000
    journals["a"].write("rows", "k", {"value": "future"}, NOW_MS + years)
    write(journals["b"], "k", "now")
    for name in ("a", "b"):
        push(store, journals[name], PREFIX)
    (problem,) = pull_now(store, journals["c"]).problems
    assert "5 years ahead" in problem.error.message
    assert "clocks" in problem.error.hint
    assert journals["c"].rows()[("rows", "k")].body == {"value": "now"}
    assert pull(store, journals["c"], PREFIX, now_ms=lambda: NOW_MS + years).problems == ()
    assert journals["c"].rows()[("rows", "k")].body == {"value": "future"}


def test_own_unreadable_segment_that_was_never_sealed_is_written_again(
    store: FaultyStore, journals: dict[str, SqliteJournal]
) -> None:
    write(journals["a"], "k")
    store.put(segment_key(PREFIX, "a", 1), b"torn")
    push(store, journals["a"], PREFIX)
    assert pull_now(store, journals["b"]).problems == ()
    assert journals["b"].rows() == journals["a"].rows()


def test_folders_that_no_desktop_made_are_passed_by(store: FaultyStore, journals: dict[str, SqliteJournal]) -> None:
    store.put(f"{PREFIX}/journal/x.y/0000000001.jsonl.zst", b"junk")
    store.put(f"{PREFIX}/journal/readme", b"junk")
    store.put("sites/other/journal/a/0000000001.jsonl.zst", b"junk")
    report = pull_now(store, journals["b"])
    assert (report.segments, report.problems) == (0, ())
