"""Lines of a configuration on trial run beside those of before, as far as the two do not read the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.config import Drift, EdgeConfig, PipelineConfig
from edge_runtime.contracts.rows import ResultRow
from edge_runtime.service import lineup as lineup_module
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame, Source
from edge_runtime.sources.places import place_of
from edge_runtime.sources.push import PushBoard
from tests.fakes import models
from tests.unit.edge.line import Answering, loaded
from tests.unit.edge.rows import ListSource, open_spool
from tests.waiting import wait_until

BEFORE = PipelineConfig(name="camera", source="list:before")
AFTER = PipelineConfig(name="camera", source="list:after")


class Bench:
    """Lines whose sources are lists."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spool: Spool = open_spool(folder)
        self.opened: list[tuple[str, ListSource]] = []
        self.board = PushBoard()
        monkeypatch.setattr(lineup_module, "open_source", self._open)
        self.lines = LineUp(
            memory=folder / "sources",
            models=Answering(loaded(models.brightness_model())),
            sink=self.spool,
            seed=1,
            failed=lambda *_: None,
            changed=lambda: None,
            board=self.board,
        )

    def _open(self, address: str, *_: object) -> Source:
        source = ListSource()
        self.opened.append((address, source))
        return source

    def source(self, address: str) -> ListSource:
        """The one that was opened last there."""
        return wait_until(
            lambda: next((source for at, source in reversed(self.opened) if at == address), None), 20, address
        )

    def answer(self, address: str, count: int, *, shown: int) -> None:
        """Frames come there, until the line of that name shows so many."""
        self.source(address).frames += [Frame(f"{address}-{number}", models.frame(number)) for number in range(count)]
        wait_until(lambda: self.lines.status()[0].frames == shown, 20, "the answers")

    def begin(self, *pipelines: PipelineConfig, beside: bool = False, drift: Drift | None = None) -> None:
        self.lines.apply(EdgeConfig(name="box", pipeline=pipelines, drift=drift or Drift()), beside=beside)

    def handed_over(self) -> None:
        def over() -> bool:
            self.lines.hand_over()
            return not self.lines._older

        wait_until(over, 20, "the line of before to end")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.lines.stop(5)
        made.spool.close()


def test_a_line_goes_on_while_what_is_to_take_its_place_brings_nothing(bench: Bench) -> None:
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    before = bench.source("list:before")
    bench.begin(AFTER, beside=True)
    bench.source("list:after")
    bench.lines.hand_over()
    bench.answer("list:before", 2, shown=5)
    assert (bench.lines.now()["camera"].fresh, bench.lines.status()[0].frames) == (0, 5)
    bench.begin(BEFORE)
    bench.answer("list:before", 1, shown=6)
    assert [at for at, _ in bench.opened] == ["list:before", "list:after"]
    assert (before.closed, bench.source("list:after").closed) == (False, True)


def test_the_first_frame_of_its_successor_ends_a_line(bench: Bench) -> None:
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    bench.begin(AFTER, beside=True)
    bench.source("list:after").frames.append(Frame("first", models.frame(1)))
    wait_until(lambda: bench.lines.now()["camera"].frames == 1, 20, "its answer")
    bench.handed_over()
    assert bench.source("list:before").closed
    bench.answer("list:after", 2, shown=6)
    bench.lines.finish()
    # The way back is a start like any other, and no figure is lost.
    bench.begin(BEFORE)
    assert bench.lines.status()[0].frames == 6
    wait_until(lambda: len(bench.opened) == 3, 20, "the line of before")
    assert bench.source("list:after").closed


def test_a_frame_that_cannot_be_read_ends_no_line_and_is_counted(bench: Bench) -> None:
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    bench.begin(AFTER, beside=True)
    bench.source("list:after").frames.append(Frame("broken", b"no picture"))
    wait_until(lambda: bench.lines.now()["camera"].errors == 1, 20, "the error")
    bench.lines.hand_over()
    assert not bench.source("list:before").closed
    bench.begin(BEFORE)
    status = bench.lines.status()[0]
    assert (status.frames, status.errors) == (3, 1)


@pytest.mark.parametrize(
    "after",
    [
        PipelineConfig(name="camera", source="list:before", keep_random=0.5),
        PipelineConfig(name="renamed", source="list:before"),
    ],
)
def test_what_is_read_by_one_line_is_not_read_by_another_meanwhile(bench: Bench, after: PipelineConfig) -> None:
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    before = bench.source("list:before")
    bench.begin(after, beside=True)
    assert before.closed
    wait_until(lambda: len(bench.opened) == 2, 20, "the line on trial")


def test_frames_of_before_say_nothing_of_the_line_on_trial(bench: Bench) -> None:
    """Neither those of the line before, which its successor's figures go on from, nor any that waited."""
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    bench.begin(PipelineConfig(name="camera", source="list:before", keep_random=0.5), beside=True)
    wait_until(lambda: len(bench.opened) == 2, 20, "the line on trial")
    assert (bench.lines.now()["camera"].frames, bench.lines.now()["camera"].fresh) == (3, 0)
    bench.source("list:before").frames.append(Frame("queued", models.frame(9), waited=True))
    wait_until(lambda: bench.lines.now()["camera"].frames == 4, 20, "its answer")
    assert bench.lines.now()["camera"].fresh == 0
    bench.answer("list:before", 1, shown=5)
    wait_until(lambda: bench.lines.now()["camera"].fresh == 1, 20, "a frame of its own")


def test_what_a_line_that_runs_on_had_in_hand_says_nothing_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go_on = threading.Event(), threading.Event()
    put_result = bench.spool.put_result

    def hold(row: ResultRow) -> None:
        held.set()
        assert go_on.wait(60)
        put_result(row)

    bench.begin(BEFORE)
    bench.answer("list:before", 1, shown=1)
    monkeypatch.setattr(bench.spool, "put_result", hold)
    bench.source("list:before").frames.append(Frame("in hand", models.frame(9)))
    assert held.wait(60)
    bench.begin(BEFORE, beside=True)
    go_on.set()
    bench.answer("list:before", 1, shown=3)
    wait_until(lambda: bench.lines.now()["camera"].fresh == 2, 20, "the first and the last")


def test_two_lines_that_change_places_do_not_read_the_same(bench: Bench) -> None:
    one, two = PipelineConfig(name="one", source="list:1"), PipelineConfig(name="two", source="list:2")
    bench.begin(one, two)
    first = [bench.source("list:1"), bench.source("list:2")]
    bench.begin(PipelineConfig(name="one", source="list:2"), PipelineConfig(name="two", source="list:1"), beside=True)
    assert [source.closed for source in first] == [True, True]
    wait_until(lambda: len(bench.opened) == 4, 20, "both on trial")


def test_what_goes_for_all_lines_begins_them_anew(bench: Bench) -> None:
    bench.begin(BEFORE)
    before = bench.source("list:before")
    bench.begin(BEFORE, beside=True, drift=Drift(window=30))
    assert before.closed
    wait_until(lambda: len(bench.opened) == 2, 20, "the line on trial")


def test_a_line_that_is_to_go_runs_until_the_trial_is_over(bench: Bench) -> None:
    other = PipelineConfig(name="other", source="push:other")
    bench.begin(BEFORE, other)
    source = bench.source("push:other")
    bench.begin(BEFORE, beside=True)
    bench.lines.hand_over()
    assert not source.closed
    assert {line.name for line in bench.lines.status()} == {"camera", "other"}
    assert bench.board.offer("other", b"x") == "taken"
    bench.lines.finish()
    assert source.closed
    assert [line.name for line in bench.lines.status()] == ["camera"]
    assert bench.board.offer("other", b"x") == "unknown"


def test_where_there_is_no_room_for_all_lines_none_is_left_running(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin(BEFORE)
    bench.answer("list:before", 3, shown=3)
    start = LineUp._start

    def no_more(self: LineUp, config: PipelineConfig, *, replaces: bool) -> object:
        if config.name == "last":
            raise RuntimeError("can't start new thread")
        return start(self, config, replaces=replaces)

    monkeypatch.setattr(LineUp, "_start", no_more)
    with pytest.raises(RuntimeError):
        bench.begin(AFTER, PipelineConfig(name="last", source="list:last"), beside=True)
    assert all(source.closed for at, source in bench.opened if at == "list:after")
    bench.begin(BEFORE)
    bench.answer("list:before", 1, shown=4)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("folder:/data/frames", "folder:/data/frames/", True),
        ("folder:/data/frames", "signals:/data/old/../frames", True),
        ("folder:/data/frames", "folder:/data/frames-2", False),
        ("camera:0", "camera:/dev/video0", True),
        ("camera:0", "camera:/dev/video1", False),
        ("push:door", "push:door", True),
        ("push:door", "push:gate", False),
        ("stream:rtsp://camera/one", "stream:rtsp://camera/two", False),
    ],
)
def test_places(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


def test_a_device_has_several_names(tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to("/dev/video7")
    assert place_of(f"camera:{link}") == place_of("camera:7")
