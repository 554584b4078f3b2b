"""What keeps a line running: its budget of restarts, and who notices that it is stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config import Drift, EdgeConfig, PipelineConfig
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import LinesideError
from edge_runtime.contracts.rows import AlertRow, ResultRow
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.hard import SampleChooser
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.service import lines as lines_module
from edge_runtime.service import lineup as lineup_module
from edge_runtime.service.lines import BUDGET, BUDGET_S, LONG_PAUSE_S, SOUND_AFTER_S, Line, RestartBudget
from edge_runtime.service.lineup import LineUp
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame, Source
from edge_runtime.sources.push import PushBoard
from tests.fakes import models
from tests.unit.edge.line import HARD_ONLY, Answering, loaded
from tests.unit.edge.rows import ListSource, open_spool
from tests.waiting import wait_until


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "sources"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "FIRST_PAUSE_S", 0.01)


def start_line(
    spool: Spool,
    open_source: Callable[[], Source],
    failed: Callable[[str], None],
    model: bytes | None = None,
) -> Line:
    counters = PipelineCounters()

    def build(source: Source) -> Pipeline:
        return Pipeline(
            name="camera",
            source=source,
            models=Answering(loaded(model or models.brightness_model())),
            sink=spool,
            chooser=SampleChooser(HARD_ONLY, seed=1),
            drift=DriftMonitor(),
            counters=counters,
            changed=lambda: None,
        )

    config = PipelineConfig(name="camera", source="list:test")
    return Line(config, open_source=open_source, build=build, failed=failed, counters=counters)


def test_a_line_that_fails_is_started_again_and_keeps_its_figures(spool: Spool) -> None:
    attempts: list[ListSource] = []
    failures: list[str] = []

    def open_one() -> Source:
        attempts.append(ListSource())
        if len(attempts) < BUDGET:
            raise OSError("the camera is away")
        attempts[-1].frames.append(Frame("frame", models.frame(1)))
        return attempts[-1]

    line = start_line(spool, open_one, failures.append)
    # The very first look may fall between the last failure and the pipeline that has got over it.
    status = wait_until(lambda: s if (s := line.status(has_model=True)).state == "running" else None, 20, "the frame")
    assert status.frames == 1
    assert "the camera is away" in (status.last_error or "")
    assert failures == [], "this many are not worth a person's time"
    line.ask_to_stop()
    assert line.join(60)
    assert attempts[-1].closed


def test_a_line_whose_budget_is_spent_says_so_once_and_goes_on_trying(
    spool: Spool, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "LONG_PAUSE_S", 0.01)
    attempts: list[None] = []
    failures: list[str] = []

    def refuse() -> Source:
        attempts.append(None)
        raise LinesideError("no such camera")

    line = start_line(spool, refuse, failures.append)
    wait_until(lambda: len(attempts) > BUDGET + 3, 10, "further attempts")
    status = line.status(has_model=True)
    assert status.state == "failing"
    assert "no such camera" in (status.last_error or "")
    (told,) = failures
    assert f"{BUDGET} times" in told
    line.ask_to_stop()
    assert line.join(60)


def test_a_source_at_its_end_ends_the_line_in_peace(spool: Spool) -> None:
    source = ListSource()
    source.frames.append(Frame("last", models.frame(1)))
    source.finished = True
    failures: list[str] = []
    line = start_line(spool, lambda: source, failures.append)
    assert line.join(60)
    status = line.status(has_model=True)
    assert (status.frames, status.state, status.last_error) == (1, "no-input", "Its source is at its end.")
    assert (failures, source.closed) == ([], True)


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), max_size=40))
def test_the_budget(attempts: list[tuple[float, float]]) -> None:
    budget, now = RestartBudget(), 0.0
    failures: list[float] = []
    for ran_s, waited_s in attempts:
        now += waited_s + ran_s
        if ran_s > SOUND_AFTER_S:
            failures.clear()
        failures.append(now)
        before = budget.spent
        pause = budget.failed(now, ran_s=ran_s)
        recent = sum(now - failure < BUDGET_S for failure in failures)
        if recent >= BUDGET:
            assert budget.spent
        elif not before or ran_s > SOUND_AFTER_S:
            assert not budget.spent
        assert pause == LONG_PAUSE_S if budget.spent else 0 < pause < LONG_PAUSE_S


class Stuck(ListSource):
    """A camera whose driver never comes back, until somebody opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        self.entered.set()
        self.gate.wait(60)
        return None


@pytest.mark.parametrize("where", ["read", "open"])
def test_a_source_that_hangs_is_told_of_once_and_is_no_stall(
    spool: Spool, memory: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    stuck = Stuck()

    def open_one(address: str, *_: object) -> Source:
        if address == "list:well":
            return ListSource()
        if where == "open":
            stuck.gate.wait(60)
            return ListSource()
        return stuck

    monkeypatch.setattr(lineup_module, "open_source", open_one)
    lines = line_up(spool, memory, workers=2)
    pipelines = tuple(PipelineConfig(name=name, source=f"list:{name}") for name in ("stuck", "well"))
    lines.apply(EdgeConfig(name="box", pipeline=pipelines))

    def told() -> list[tuple[str, str | None]]:
        lines.tick()
        assert spool.flush()
        rows = [wire.decode(bytes(row), AlertRow) for row in spool.page("alerts", 0, 10).rows]
        return [(row.kind, row.pipeline) for row in rows]

    try:
        assert told() == []
        monkeypatch.setattr(lines_module, "SOURCE_HANGS_S", 2.0)
        wait_until(lambda: lines.status()[0].last_error == lines_module.SOURCE_HANGS, 20, "the status")
        assert lines.status()[0].state == "no-input"
        assert lines.status()[1].last_error is None
        assert told() == told() == [("source.hangs", "stuck")]
        # It would be for as long as the source hangs; the other line is back at once, however busy the machine is.
        wait_until(lambda: not lines.stalled(0.5), 20, "no stall: the watchdog is for what a restart can mend")
        stuck.gate.set()
        wait_until(lambda: lines.status()[0].last_error is None, 20, "its recovery")
    finally:
        stuck.gate.set()
        lines.stop(5)


def test_a_line_that_is_stuck_in_a_frame_is_named_and_the_others_are_not(
    spool: Spool, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, put_result = threading.Event(), spool.put_result

    def put_late(row: ResultRow) -> None:
        gate.wait(60)
        put_result(row)

    monkeypatch.setattr(spool, "put_result", put_late)
    sources = {"list:stuck": ListSource(), "list:well": ListSource()}
    monkeypatch.setattr(lineup_module, "open_source", lambda address, *_: sources[address])
    lines = line_up(spool, memory, workers=2)
    pipelines = tuple(PipelineConfig(name=address.partition(":")[2], source=address) for address in sources)
    lines.apply(EdgeConfig(name="box", pipeline=pipelines))
    try:
        assert lines.stalled(20) == ()
        sources["list:stuck"].frames.append(Frame("one", models.frame(1)))
        wait_until(lambda: lines.stalled(0.6) == ("stuck",), 20, "the stuck one to be noticed")
        gate.set()
        wait_until(lambda: lines.stalled(0.6) == (), 20, "its recovery")
    finally:
        gate.set()
        lines.stop(5)


def line_up(spool: Spool, memory: Path, board: PushBoard | None = None, workers: int = 1) -> LineUp:
    return LineUp(
        memory=memory,
        models=Answering(loaded(models.brightness_model())),
        sink=spool,
        seed=1,
        failed=lambda *_: None,
        changed=lambda: None,
        board=board,
        workers=lambda: workers,
    )


def test_another_configuration_restarts_only_the_lines_that_it_changes(
    spool: Spool, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_one(address: str, *_: object) -> Source:
        opened.append(address)
        return ListSource()

    monkeypatch.setattr(lineup_module, "open_source", open_one)
    lines = line_up(spool, memory)
    one, two = PipelineConfig(name="one", source="list:1"), PipelineConfig(name="two", source="list:2")
    other = PipelineConfig(name="two", source="list:2", keep_random=0.5)
    try:
        for pipelines, drift, expected in (
            ((one, two), Drift(), ["list:1", "list:2"]),
            ((two, one), Drift(), ["list:1", "list:2"]),
            ((one, other), Drift(), ["list:1", "list:2", "list:2"]),
            ((one, other), Drift(window=30), ["list:1", "list:1", "list:2", "list:2", "list:2"]),
        ):
            lines.apply(EdgeConfig(name="box", pipeline=pipelines, drift=drift))
            wait_until(lambda: len(opened) >= len(expected), 10, "the sources")  # noqa: B023 - called within the loop
            assert sorted(opened) == expected
            assert [line.name for line in lines.status()] == [pipeline.name for pipeline in pipelines]
    finally:
        lines.stop(5)
    assert sorted(opened) == ["list:1", "list:1", "list:2", "list:2", "list:2"]


def test_pushed_frames_are_taken_and_answered_across_a_restart_of_their_line(spool: Spool, memory: Path) -> None:
    board = PushBoard()
    lines = line_up(spool, memory, board)
    taken, stop = [0], threading.Event()

    def push() -> None:
        while not stop.is_set():
            answer = board.offer("door", models.frame(taken[0] % 256))
            assert answer != "unknown"
            taken[0] += answer == "taken"

    line = PipelineConfig(name="door", source="push:door")
    lines.apply(EdgeConfig(name="box", pipeline=(line,)))
    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        for window in (30, 40, 50):
            before = taken[0]
            wait_until(lambda: taken[0] > before + 20, 10, "some frames")  # noqa: B023 - called within the loop
            lines.apply(EdgeConfig(name="box", pipeline=(line,), drift=Drift(window=window)))
            assert pusher.is_alive(), "an offer was refused"
        stop.set()
        pusher.join()
        wait_until(lambda: lines.status()[0].frames == taken[0], 20, "every frame that was taken")
        lines.apply(EdgeConfig(name="box"))
        assert board.offer("door", b"x") == "unknown"
    finally:
        stop.set()
        lines.stop(5)


def test_a_line_that_does_not_end_stays_known_and_keeps_its_source_to_itself(
    spool: Spool, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineup_module, "STOP_TIMEOUT_S", 0.05)
    stuck = Stuck()
    sources: list[Source] = [stuck, ListSource()]
    monkeypatch.setattr(lineup_module, "open_source", lambda *_: sources.pop(0))
    lines = line_up(spool, memory)
    line = PipelineConfig(name="camera", source="list:camera")
    try:
        lines.apply(EdgeConfig(name="box", pipeline=(line,)))
        wait_until(lambda: len(sources) == 1, 10, "the first one to be opened")
        assert stuck.entered.wait(60)
        lines.apply(EdgeConfig(name="box"))
        lines.apply(EdgeConfig(name="box", pipeline=(line,)))
        assert "still held" in (lines.status()[0].last_error or "")
        assert len(sources) == 1
        stuck.gate.set()
        wait_until(lambda: not sources, 10, "the second one to begin")
        assert stuck.closed
    finally:
        stuck.gate.set()
        lines.stop(5)
