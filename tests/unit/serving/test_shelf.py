"""The workers' queue and its end, states of models, swaps, and what is counted."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_runtime.contracts.errors import BoxRefused, InputInvalid, ModelUnusable, NotFound
from edge_runtime.serving import shelf as shelf_module
from edge_runtime.serving.messages import InferAnswer, InferRequest
from edge_runtime.serving.model import ServedModel, load_model
from edge_runtime.serving.pool import WorkerPool
from edge_runtime.serving.shelf import ModelShelf, answer
from tests.unit.serving import onnx_models as models
from tests.waiting import wait_until


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2, max_waiting=3)
    yield pool
    assert pool.close(10)


def asked() -> InferRequest:
    return InferRequest({"asked": np.zeros(1, np.float32)})


def said(model: ServedModel) -> float:
    return float(model.infer(asked()).outputs[0][1][0])


def test_a_full_queue_says_so_at_once_and_recovers(pool: WorkerPool) -> None:
    gate = threading.Event()
    done: list[int] = []

    def finish(number: int) -> None:
        gate.wait(60)
        done.append(number)

    for number in range(5):
        pool.submit(partial(finish, number))
    assert pool.waiting == 3
    with pytest.raises(BoxRefused, match="Too many requests"):
        pool.submit(lambda: None)
    gate.set()
    wait_until(lambda: pool.idle, 10, "the queue to empty")
    assert sorted(done) == list(range(5))
    assert pool.run(lambda: 7) == 7


def test_work_that_fails_costs_no_worker(pool: WorkerPool, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        with pytest.raises(ZeroDivisionError):
            pool.run(lambda: 1 // 0)

    def broken() -> None:
        raise ValueError("promised not to")

    pool.submit(broken)
    wait_until(lambda: pool.idle, 10, "the broken work to end")
    assert "without telling anybody" in caplog.text
    assert [pool.run(lambda: 1) for _ in range(4)] == [1] * 4


def test_work_that_fails_leaves_nothing_to_the_collector(pool: WorkerPool) -> None:
    """A request that was refused may be large."""

    class Request:
        pass

    held: list[weakref.ref[Request]] = []

    def work() -> None:
        request = Request()
        held.append(weakref.ref(request))
        raise ValueError("refused")

    gc.collect()
    gc.disable()
    try:
        with suppress(ValueError):
            pool.run(work)
        wait_until(lambda: held[0]() is None, 10, "the request to be forgotten")
    finally:
        gc.enable()


def test_stuck_is_when_all_workers_are(pool: WorkerPool) -> None:
    gate = threading.Event()
    assert pool.stuck_for() == 0.0
    pool.submit(lambda: gate.wait(60))
    wait_until(lambda: not pool.idle, 10, "one worker to be busy")
    assert pool.stuck_for() == 0.0
    pool.submit(lambda: gate.wait(60))
    wait_until(lambda: pool.stuck_for() > 0.01, 10, "both workers to be stuck")
    gate.set()
    wait_until(lambda: pool.idle and pool.stuck_for() == 0.0, 10, "both to be free again")


def test_closing_finishes_what_was_submitted_and_waits_no_longer_than_asked() -> None:
    pool, gate, done = WorkerPool(1, max_waiting=3), threading.Event(), threading.Event()
    pool.submit(lambda: gate.wait(60))
    pool.submit(done.set)
    assert not pool.close(0.01)
    gate.set()
    assert pool.close(10)
    assert done.is_set()
    for ask in (pool.submit, pool.run):
        with pytest.raises(BoxRefused, match="stopping"):
            ask(lambda: None)


def at_a_time(pool: WorkerPool) -> int:
    """How many pieces of work run beside each other."""
    gate, inside, lock = threading.Event(), [0], threading.Lock()

    def work() -> None:
        with lock:
            inside[0] += 1
        gate.wait(60)

    for _ in range(pool.workers + 3):
        pool.submit(work)
    wait_until(lambda: inside[0] >= pool.workers, 10, "all workers to be busy")
    assert pool.stuck_for() > 0
    running = inside[0]
    gate.set()
    wait_until(lambda: pool.idle, 10, "the work to end")
    return running


def test_the_number_of_workers_can_change(pool: WorkerPool) -> None:

    def are_alive(workers: int) -> bool:
        return alive(pool) == workers

    for workers in (4, 1, 3, 2):
        pool.resize(workers)
        wait_until(partial(are_alive, workers), 10, "those that are too many to end")
        assert (at_a_time(pool), pool.workers, pool.waiting) == (workers, workers, 0)
    gate = threading.Event()
    for workers in (2, 1, 2, 3):
        pool.submit(lambda: gate.wait(60))
        pool.resize(workers)
    gate.set()
    wait_until(lambda: pool.idle, 10, "what was submitted before and after the change")


def alive(pool: WorkerPool) -> int:
    return sum(thread.is_alive() for thread in pool._threads)


def test_states_of_a_model() -> None:
    shelf = ModelShelf(workers=1)
    assert not shelf.ready(), "nothing is there"
    shelf.loading("m")
    assert not shelf.ready()
    with pytest.raises(ModelUnusable, match="'m' is loading"):
        shelf.model("m")
    shelf.fail("m", "it is broken.")
    assert not shelf.ready()
    with pytest.raises(ModelUnusable, match="'m' is failed: it is broken"):
        shelf.model("m")
    first = load_model("m", "1.0.0", models.always(1))
    shelf.put(first)
    assert shelf.ready()
    assert shelf.model("m") is shelf.model("m", "1.0.0") is first
    with pytest.raises(NotFound, match=r"version '1\.0\.0' here, not '2'"):
        shelf.model("m", "2")
    with pytest.raises(NotFound, match="no model 'n'"):
        shelf.model("n")
    shelf.loading("m")
    assert shelf.ready(), "the first one answers meanwhile"
    shelf.fail("m", "the second is broken")
    assert (shelf.entry("m").state, shelf.entry("m").reason, shelf.model("m")) == (
        "ready",
        "the second is broken",
        first,
    )
    shelf.loading("other")
    assert not shelf.ready()
    assert [entry.name for entry in shelf.index()] == ["m", "other"]
    shelf.remove("other")
    assert shelf.ready()
    assert shelf.pool.close(10)


def test_not_ready_while_no_worker_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "STUCK_S", 0.01)
    shelf, gate = ModelShelf(workers=1, max_run_s=0.02), threading.Event()
    shelf.put(load_model("m", "1", models.always(1)))
    assert shelf.ready()
    shelf.pool.submit(lambda: gate.wait(60))
    wait_until(lambda: not shelf.ready(), 10, "the shelf to notice")
    gate.set()
    wait_until(shelf.ready, 10, "the shelf to recover")
    assert shelf.pool.close(10)


def ask(model: ServedModel, request: InferRequest | None = None) -> InferAnswer:
    request = request or asked()
    return answer(model, lambda: request, lambda each: each, arrived_ns=0)


def test_what_is_counted() -> None:
    shelf = ModelShelf(workers=1)
    model = load_model("pair", "1", models.parsed(models.PAIR))
    shelf.put(model)
    ask(model, InferRequest({side: np.zeros((4, 3), np.int32) for side in ("left", "right")}))
    with pytest.raises(InputInvalid):
        ask(model, InferRequest({}))

    def fail() -> InferRequest:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(model, fail, lambda each: each, arrived_ns=0)
    totals, histogram = model.statistics.read()
    assert (totals.succeeded, totals.failed, totals.inferences, totals.executions) == (1, 2, 4, 1)
    assert totals.infer_ns > 0
    assert sum(histogram) == 1
    again = load_model("pair", "1", models.parsed(models.PAIR))
    shelf.put(again)
    assert again.statistics is model.statistics, "what is counted under this name and version goes on"
    other = load_model("pair", "2", models.parsed(models.PAIR))
    shelf.put(other)
    assert other.statistics.read()[0].succeeded == 0
    assert shelf.pool.close(10)


def test_what_was_counted_outlives_the_last_few_versions() -> None:
    shelf = ModelShelf(workers=1)

    def counted() -> dict[tuple[str, str], int]:
        return {labels: statistics.read()[0].succeeded for labels, statistics in shelf.counted()}

    def put(version: str) -> None:
        model = load_model("m", version, models.always(1))
        shelf.put(model)
        ask(model)

    for version in "12":
        put(version)
    assert counted() == {("m", "1"): 1, ("m", "2"): 1}
    put("1")
    assert counted() == {("m", "1"): 2, ("m", "2"): 1}, "a version that comes back is counted on"
    shelf.remove("m")
    assert counted() == {("m", "1"): 2, ("m", "2"): 1}
    for version in "34567":
        put(version)
    assert counted() == {("m", version): 1 for version in "34567"}, "four versions besides the one that answers"
    put("7")
    assert counted() == {("m", version): 1 + (version == "7") for version in "34567"}
    assert shelf.pool.close(10)


def test_a_swap_loses_nothing_and_is_final() -> None:
    """Every answer is one of the two models'; whoever asks after the swap hears only the new one."""
    shelf = ModelShelf(workers=2)
    generations = [load_model("m", str(number), models.always(number)) for number in range(8)]
    shelf.put(generations[0])
    stop, current, asked = threading.Event(), [0], [0] * 4

    def client(place: int) -> None:
        while not stop.is_set():
            before = current[0]
            word = shelf.pool.run(lambda: said(shelf.model("m")))
            assert before <= word <= current[0] + 1
            asked[place] += 1

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(client, place) for place in range(4)]

        def is_asked(enough: int) -> bool:
            return sum(asked) > enough or any(each.done() for each in running)

        for number, model in enumerate(generations[1:], 1):
            enough = sum(asked) + 100
            wait_until(partial(is_asked, enough), 30, "requests")
            shelf.put(model)
            current[0] = number
            assert shelf.pool.run(lambda: said(shelf.model("m"))) == number
        stop.set()
        for each in running:
            each.result()
    assert shelf.pool.close(10)


class ShelfMachine(RuleBasedStateMachine):
    """Any order of loading, failing, putting and removing keeps the promises."""

    loaded = [load_model(name, version, models.always(0)) for name in "ab" for version in "12"]  # noqa: RUF012 - read only
    names = st.sampled_from("ab")

    def __init__(self) -> None:
        super().__init__()
        self.shelf = ModelShelf(workers=1)
        self.answering: dict[str, ServedModel] = {}
        self.others: dict[str, str] = {}

    @rule(name=names)
    def load(self, name: str) -> None:
        self.shelf.loading(name)
        if name not in self.answering:
            self.others[name] = "loading"

    @rule(name=names)
    def fail(self, name: str) -> None:
        self.shelf.fail(name, "why")
        if name not in self.answering:
            self.others[name] = "failed"

    @rule(model=st.sampled_from(loaded))
    def put(self, model: ServedModel) -> None:
        self.shelf.put(model)
        self.answering[model.name] = model
        self.others.pop(model.name, None)

    @rule(name=names)
    def remove(self, name: str) -> None:
        self.shelf.remove(name)
        self.answering.pop(name, None)
        self.others.pop(name, None)

    @invariant()
    def who_answers_answers(self) -> None:
        for name, model in self.answering.items():
            assert self.shelf.model(name) is model
        for name, state in self.others.items():
            with pytest.raises(ModelUnusable, match=state):
                self.shelf.model(name)
        assert {entry.name for entry in self.shelf.index()} == self.answering.keys() | self.others.keys()
        assert self.shelf.ready() == (bool(self.answering) and not self.others)

    def teardown(self) -> None:
        assert self.shelf.pool.close(10)


TestShelfMachine: Any = ShelfMachine.TestCase
TestShelfMachine.settings = settings(max_examples=25, stateful_step_count=12)
