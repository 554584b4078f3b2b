"""Lines of text: whole ones, each once, over rotation, truncation and restarts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources import lines, open_source, tail, watch
from edge_runtime.sources.base import Source, SourceOptions
from edge_runtime.sources.tail import LineCutter, LogTail
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "ROTATION_GRACE_S", 0.1)
    monkeypatch.setattr(watch, "PATIENCE_S", 0.2)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "machine.log"


def opened(path: Path, *, once: bool = False) -> Source:
    return open_source(f"lines:{path}", path.parent / "memory.db", SourceOptions(once=once))


@pytest.fixture
def source(log: Path) -> Iterator[Source]:
    log.touch()
    following = opened(log)
    yield following
    following.close()


def write(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def take(source: Source, count: int) -> list[str]:
    frames = [wait_until(lambda: source.read(0.05), 10, f"line {i}; {source.problem}") for i in range(count)]
    return [frame.data.decode() for frame in frames]


def rest(source: Source) -> list[str]:
    """What comes until the source is finished."""
    found = []
    while not source.finished:
        if (frame := source.read(0.1)) is not None:
            found.append(frame.data.decode())
    source.commit()
    source.close()
    return found


def test_lines_come_when_they_are_whole(source: Source, log: Path) -> None:
    write(log, "one\r\n\ntwo\nthr")
    assert take(source, 2) == ["one", "two"]
    assert source.read(0.1) is None
    write(log, "ee\n")
    frame = wait_until(lambda: source.read(0.05), 10, "the third line")
    assert (frame.name, frame.data) == ("machine.log@10", b"three")
    assert (source.problem, source.finished) == (None, False)


def test_bytes_are_handed_on_as_they_are(source: Source, log: Path) -> None:
    write(log, b"\xff\xfe \x00 b\xc3\xa4\n")
    assert wait_until(lambda: source.read(0.05), 10, "the line").data == b"\xff\xfe \x00 b\xc3\xa4"


def test_a_file_that_is_not_there_yet(log: Path) -> None:
    following = opened(log)
    assert following.read(0.1) is None
    assert "machine.log cannot be read" in str(following.problem)
    write(log, "first\n")
    assert take(following, 1) == ["first"]
    assert following.problem is None
    following.close()


def test_rotation_loses_nothing_not_even_what_the_writer_still_had_in_hand(source: Source, log: Path) -> None:
    write(log, "a\nb\n")
    writer = log.open("ab", buffering=0)
    assert take(source, 1) == ["a"]
    log.rename(log.with_name("machine.log.1"))
    assert take(source, 1) == ["b"]
    write(log, "new\n")
    writer.write(b"late\nwithout an end")
    writer.close()
    assert take(source, 3) == ["late", "without an end", "new"]


def test_a_file_that_is_emptied_begins_anew(source: Source, log: Path) -> None:
    write(log, "old line\nhalf")
    assert take(source, 1) == ["old line"]
    os.truncate(log, 0)
    assert take(source, 1) == ["half"]
    write(log, "x\n")
    assert take(source, 1) == ["x"]


def test_a_file_that_is_emptied_and_soon_longer_than_before_begins_anew(source: Source, log: Path) -> None:
    write(log, "old line\n")
    assert take(source, 1) == ["old line"]
    log.write_text("another line, and a longer one\nand more\n")
    assert take(source, 2) == ["another line, and a longer one", "and more"]


def test_after_a_restart_it_goes_on_where_it_was_committed(log: Path) -> None:
    write(log, "a\nb\nc\n")
    first = opened(log)
    assert take(first, 2) == ["a", "b"]
    first.commit()
    assert take(first, 1) == ["c"]
    first.close()
    write(log, "d\n")
    second = opened(log)
    assert take(second, 2) == ["c", "d"]
    second.commit()
    second.close()
    log.write_text("a new file\n")
    third = opened(log)
    assert take(third, 1) == ["a new file"]
    third.close()


def test_a_rotation_while_the_box_was_off_loses_nothing(log: Path) -> None:
    write(log, "a\nb\n")
    first = opened(log)
    assert take(first, 1) == ["a"]
    first.commit()
    first.close()
    log.rename(log.with_name("machine.log.1"))
    write(log, "c\n")
    second = opened(log)
    assert take(second, 2) == ["b", "c"]
    second.close()


def test_a_damaged_memory_means_that_lines_come_a_second_time(log: Path) -> None:
    write(log, "a\n")
    (log.parent / "memory.db").write_bytes(b"no database" * 1000)
    assert rest(opened(log, once=True)) == ["a"]


def test_once_reads_what_is_there_with_the_last_line_and_is_finished(log: Path) -> None:
    write(log, "a\nb")
    assert rest(opened(log, once=True)) == ["a", "b"]
    assert rest(opened(log, once=True)) == []
    write(log, "c\nd\n")
    assert rest(opened(log, once=True)) == ["c", "d"]


def test_a_line_that_is_too_long_is_cut_and_told_of(source: Source, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "NOTE_S", 0.3)
    long = lines.MAX_LINE_BYTES * 9 + 5
    write(log, "a" * lines.MAX_LINE_BYTES + "\n" + "x" * long + "\nshort\n")
    assert [len(line) for line in take(source, 1)] == [lines.MAX_LINE_BYTES]
    assert source.problem is None
    assert take(source, 2) == ["x" * lines.MAX_LINE_BYTES, "short"]
    assert "cut" in str(source.problem)
    wait_until(lambda: source.problem is None, 10, "the end of the note")


def test_what_is_no_file_is_named(log: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    following = opened(tmp_path / "pipe")
    assert following.read(0.1) is None
    assert "not a file" in str(following.problem)
    following.close()
    with pytest.raises(InputInvalid, match="no file"):
        opened(log, once=True)
    with pytest.raises(InputInvalid, match="absolute"):
        opened(Path("machine.log"))


def test_of_a_folder_the_finished_text_files_are_read_line_by_line(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "b.txt").write_bytes(b"one\r\n\n two\nlast without an end")
    (folder / "empty.txt").touch()
    (folder / "c.log").write_text("not looked at\n")
    source = opened(folder, once=True)
    first = wait_until(lambda: source.read(0.05), 10, "a line")
    assert (first.name, first.data) == ("b.txt:1", b"one")
    source.commit()
    source.close()
    again = opened(folder, once=True)
    assert rest(again) == ["one", " two", "last without an end"]
    assert rest(opened(folder, once=True)) == []


def test_a_folder_that_comes_after_the_start_is_read_and_so_is_a_file_in_its_place(tmp_path: Path) -> None:
    place = tmp_path / "notes"
    source = opened(place)
    assert source.read(0.1) is None
    assert "cannot be read" in str(source.problem)
    place.mkdir()
    (place / "a.txt").write_text("one\ntwo\n")
    assert take(source, 2) == ["one", "two"]
    assert source.problem is None
    source.commit()
    (place / "a.txt").unlink()
    place.rmdir()
    write(place, "three\n")
    assert take(source, 1) == ["three"]
    source.commit()
    source.close()
    again = opened(place)
    assert again.read(0.3) is None, "both kinds of place are remembered"
    again.close()


def in_hand(source: Source) -> bool:
    """A file is being read, and not only waited for."""
    assert isinstance(source, lines.LinesSource)
    assert isinstance(source._reader, lines._Files)
    return source._reader._pieces._file is not None


def test_very_many_empty_lines_are_passed_over_in_short_steps(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    body = b"\n" * 300_000
    (folder / "a.txt").write_bytes(body + b"line\n" + body)
    os.utime(folder / "a.txt", (1000, 1000))
    source = opened(folder, once=True)
    waits = 0
    while (frame := source.read(0.0)) is None:
        waits += in_hand(source)
        assert not source.finished
    assert (frame.name, frame.data) == ("a.txt:300001", b"line")
    while not source.finished:
        waits += 1
        assert source.read(0.0) is None
    assert waits >= 50
    source.close()


@pytest.mark.parametrize("body", [b"\n" * 2**19, b"x" * 2**19], ids=["empty lines", "no end"])
def test_a_log_without_lines_is_looked_through_in_short_steps(source: Source, log: Path, body: bytes) -> None:
    write(log, body)
    waits = 0
    write(log, b"\nline\n")
    while (frame := source.read(60.0)) is None or frame.data[:1] == b"x":
        waits += 1
    assert frame.data == b"line"
    assert waits >= 4, "60 s were not waited for: it came back now and then"


@given(st.binary(max_size=200), st.lists(st.integers(1, 30), max_size=20), st.integers(1, 20))
def test_however_it_arrives_the_lines_are_the_same(data: bytes, sizes: list[int], longest: int) -> None:
    cutter = LineCutter(longest)
    got, begin = [], 0
    for size in [*sizes, len(data)]:
        got += cutter.feed(data[begin : begin + size])
        begin += size
    got += cutter.flush()
    wanted = data.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    assert [line.data for line in got] == [line[: longest + 1] for line in wanted]
    assert cutter.position == len(data)
    assert [line.begin for line in got] == [0, *(line.end for line in got)][: len(got)]
    assert all(data[line.begin : line.end].startswith(line.data) for line in got)


class ALogAndItsReader(RuleBasedStateMachine):
    """A writer that appends, rotates and empties, and a reader that stops and starts at any moment.

    It rotates once between two commits: where it does so twice, nothing tells which file was the one between.
    """

    def __init__(self) -> None:
        super().__init__()
        self.home = TemporaryDirectory()
        self.folder = Path(self.home.name)
        self.log = self.folder / "log"
        self.log.touch()
        self.written: list[str] = []
        self.got: list[str] = []
        self.sure = 0
        self.rotations = 0
        self.unread_rotation = False
        self.reader = self._open()
        assert self.reader.next(0.0) is None
        self.reader.commit()

    def _open(self) -> LogTail:
        return LogTail(self.log, self.folder / "memory.db", longest=100)

    def _read_all(self) -> None:
        while (found := self.reader.next(0.0)) is not None:
            self.got.append(found[1].decode())

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        new = [f"line {len(self.written) + number}" for number in range(count)]
        write(self.log, "".join(f"{line}\n" for line in new))
        self.written += new

    @rule()
    def read_some(self) -> None:
        if (found := self.reader.next(0.0)) is not None:
            self.got.append(found[1].decode())

    @rule()
    def commit(self) -> None:
        self.reader.commit()
        self.sure = len(self.got)

    @rule()
    def restart(self) -> None:
        self.reader.close()
        self.reader = self._open()
        # What was not committed comes again.
        del self.got[self.sure :]

    @precondition(lambda self: not self.unread_rotation)
    @rule()
    def rotate(self) -> None:
        self.rotations += 1
        self.log.rename(self.folder / f"log.{self.rotations}")
        self.log.touch()
        self.unread_rotation = True

    @rule()
    def read_everything_and_empty_the_file(self) -> None:
        self.read_everything()
        os.truncate(self.log, 0)

    @rule()
    def read_everything(self) -> None:
        self._read_all()
        assert self.got == self.written
        self.commit()
        self.unread_rotation = False

    @invariant()
    def nothing_is_lost_doubled_or_out_of_order(self) -> None:
        assert self.got == self.written[: len(self.got)]

    def teardown(self) -> None:
        self._read_all()
        self.reader.close()
        self.home.cleanup()
        assert self.got == self.written


def test_nothing_is_lost_or_doubled_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "ROTATION_GRACE_S", 0.0)
    run_state_machine_as_test(
        ALogAndItsReader, settings=settings(max_examples=25, stateful_step_count=20, database=None)
    )
