"""Several workers over one source: it is never committed past a frame that is not dealt with."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference import crew as crew_module
from edge_runtime.inference.crew import Crew
from edge_runtime.sources import open_source
from edge_runtime.sources.base import Frame, Source, SourceOptions
from edge_runtime.sources.signals import SignalsSource
from tests.waiting import wait_until


class Numbers:
    """A finite source that checks how it is used."""

    address = "numbers:"
    problem: str | None = None
    dropped = 0

    def __init__(self, total: int, *, ends: bool = True) -> None:
        self.total, self.ends = total, ends
        self.read_so_far = self.committed = 0
        self.readers = self.most_readers = 0
        self.finished = False

    def read(self, timeout_s: float) -> Frame | None:
        self.readers += 1
        self.most_readers = max(self.most_readers, self.readers)
        try:
            if self.read_so_far == self.total:
                self.finished = self.ends
                time.sleep(0 if self.ends else timeout_s)
                return None
            self.read_so_far += 1
            return Frame(str(self.read_so_far - 1), b"")
        finally:
            self.readers -= 1

    def commit(self) -> None:
        self.committed = self.read_so_far

    def close(self) -> None:
        """Nothing is open."""


class Ledger:
    """Who was dealt with, and what of that was settled."""

    def __init__(self, source: Numbers, *, fails_at: int | None = None, disk: list[bool] | None = None) -> None:
        self.source, self.fails_at, self.disk = source, fails_at, disk or []
        self.lock = threading.Lock()
        self.handled: list[int] = []
        self.settled: set[int] = set()
        self.in_hand = self.most_in_hand = 0

    def handle(self, frame: Frame, _read_ns: int) -> None:
        with self.lock:
            self.in_hand += 1
            self.most_in_hand = max(self.most_in_hand, self.in_hand)
        number = int(frame.name)
        time.sleep(0.0005 * (number % 3))
        with self.lock:
            self.in_hand -= 1
        if number == self.fails_at:
            raise OSError(f"frame {number}")
        with self.lock:
            self.handled.append(number)

    def settle(self) -> bool:
        with self.lock:
            if self.disk and not self.disk.pop():
                return False
            self.settled = set(self.handled)
            return True


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "COMMIT_EVERY_S", 0.002)
    monkeypatch.setattr(crew_module, "READ_TIMEOUT_S", 0.02)


class Watched(Numbers):
    """Complains at a commit that is too early."""

    ledger: Ledger

    def commit(self) -> None:
        super().commit()
        assert self.ledger.settled >= set(range(self.committed))


@settings(max_examples=40)
@given(
    total=st.integers(0, 60),
    workers=st.integers(1, 5),
    fails_at=st.none() | st.integers(0, 59),
    disk=st.lists(st.booleans(), max_size=6),
)
def test_nothing_is_committed_before_it_is_dealt_with(
    total: int, workers: int, fails_at: int | None, disk: list[bool]
) -> None:
    source, takes_all = Watched(total), all(disk)
    source.ledger = ledger = Ledger(source, fails_at=fails_at, disk=disk)
    crew = Crew("crew", source, workers=lambda: workers, handle=ledger.handle, settle=ledger.settle)
    if fails_at is not None and fails_at < total:
        with pytest.raises(OSError, match=f"frame {fails_at}"):
            crew.run(threading.Event())
        assert source.committed <= fails_at
        assert ledger.in_hand == 0, "the others finish what they have"
    else:
        crew.run(threading.Event())
        assert sorted(ledger.handled) == list(range(total))
        assert source.committed == total or not takes_all, (
            "with a disk that takes everything, all is committed at the end"
        )
    assert source.most_readers <= 1
    assert len(set(ledger.handled)) == len(ledger.handled)


def test_a_stop_finishes_what_is_in_hand_and_commits_it() -> None:
    source = Numbers(10**9)
    ledger = Ledger(source)
    crew = Crew("crew", source, workers=lambda: 3, handle=ledger.handle, settle=ledger.settle)
    stop = threading.Event()
    thread = threading.Thread(target=crew.run, args=(stop,))
    thread.start()
    wait_until(lambda: len(ledger.handled) > 50, 10, "work")
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert sorted(ledger.handled) == list(range(source.read_so_far))
    assert source.committed == source.read_so_far
    assert ledger.most_in_hand == 3


def test_their_number_follows_what_is_wanted() -> None:
    source = Numbers(10**9)
    ledger = Ledger(source)
    wanted = [1]
    crew = Crew("changing", source, workers=lambda: wanted[0], handle=ledger.handle, settle=ledger.settle)
    stop = threading.Event()
    thread = threading.Thread(target=crew.run, args=(stop,))
    thread.start()

    def others() -> int:
        return sum(thread.name.startswith("changing-") for thread in threading.enumerate())

    def are_others(number: int) -> bool:
        return others() == number

    for number in (3, 1, 4, 2):
        wanted[0] = number
        wait_until(partial(are_others, number - 1), 10, f"{number} workers")
    stop.set()
    thread.join(60)
    assert source.committed == source.read_so_far == len(ledger.handled)
    assert others() == 0


def test_who_does_not_come_back_is_seen_and_who_waits_is_not() -> None:
    source = Numbers(1, ends=False)
    gate = threading.Event()

    def handle(_frame: Frame, _ns: int) -> None:
        gate.wait(60)

    crew = Crew("stuck", source, workers=lambda: 2, handle=handle, settle=lambda: True)
    stop = threading.Event()
    thread = threading.Thread(target=crew.run, args=(stop,))
    begun = time.monotonic()
    thread.start()
    wait_until(lambda: time.monotonic() - crew.last_beat > 0.3, 10, "the silence of the stuck one")
    gate.set()
    wait_until(lambda: crew.last_beat > begun + 0.3, 10, "both to be back")
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_slack_falls_when_frames_wait() -> None:
    source = Numbers(10**9)
    crew = Crew("busy", source, workers=lambda: 1, handle=lambda _frame, _ns: time.sleep(0.002), settle=lambda: True)
    assert crew.slack == 1.0
    stop = threading.Event()
    thread = threading.Thread(target=crew.run, args=(stop,))
    thread.start()
    wait_until(lambda: crew.slack < 0.3, 10, "the line to lag")
    stop.set()
    thread.join(60)


def test_a_large_file_is_no_silence_and_a_source_that_hangs_is_told_from_a_frame_that_does(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / "large.csv"
    path.write_bytes(b"1\nx\n" * 500_000)
    os.utime(path, (1000, 1000))
    options = SourceOptions(window=8, once=True)
    reading = Followed(open_source(f"signals:{tmp_path / 'runs'}", tmp_path / "memory.db", options))
    crew = Crew("test", reading, workers=lambda: 1, handle=lambda *_: None, settle=lambda: True)
    reading.crew = crew
    crew.run(threading.Event())
    reading.close()
    assert len(set(reading.beats)) > 1, "it went round while the file was read"

    held = Held()
    crew, stop = Crew("test", held, workers=lambda: 1, handle=lambda *_: None, settle=lambda: True), threading.Event()
    thread = threading.Thread(target=crew.run, args=(stop,))
    thread.start()
    assert held.entered.wait(60)
    asked_at = crew.source_since
    assert asked_at is not None
    assert not held.release.wait(0.5)
    assert crew.source_since == asked_at, "nothing but its answer is a sign of life from a source"
    assert crew.last_beat > asked_at + 0.5, "it is not the worker that hangs"
    stop.set()
    held.release.set()
    thread.join(60)
    assert not thread.is_alive()
    assert crew.source_since is None


class Followed:
    """A real source, and the crew's sign of life at each read that goes on with a file."""

    crew: Crew

    def __init__(self, source: Source) -> None:
        assert isinstance(source, SignalsSource)
        self._source = source
        self.beats: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self, timeout_s: float) -> Frame | None:
        if self._source._pieces._file is not None:
            self.beats.append(self.crew.last_beat)
        return self._source.read(timeout_s)


class Held(Numbers):
    """A source whose read does not come back."""

    def __init__(self) -> None:
        super().__init__(0)
        self.entered, self.release = threading.Event(), threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        self.entered.set()
        self.release.wait()
        return None
