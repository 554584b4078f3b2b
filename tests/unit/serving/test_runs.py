"""Runs that take too long, or that nobody waits for any more, are ended, wherever they run."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from edge_runtime.awake import AwakeClock
from edge_runtime.config import Inference
from edge_runtime.serving import runs
from edge_runtime.serving.grpc import GrpcServer
from edge_runtime.serving.listener import InferenceServer
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.model import STRIKES, ServedModel, load_model
from edge_runtime.serving.pool import WorkerPool
from edge_runtime.serving.runs import RunEnded, Runs
from edge_runtime.serving.shelf import ModelShelf, answer
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, echo_body, request
from tests.waiting import wait_until

COUNT = "/v2/models/count/infer"
FOR_EVER = 2e9
"""Minutes, for those who have to count so far."""


@pytest.fixture
def watched() -> Iterator[Runs]:
    watched = Runs(30)
    yield watched
    watched.close()


def counting() -> ServedModel:
    return load_model("count", "1", models.counting())


def question(number: float) -> InferRequest:
    return InferRequest({"x": np.array([number], np.float32)})


def test_a_request_that_nobody_waits_for_is_not_even_decoded(watched: Runs) -> None:
    model, run = counting(), watched.new()
    run.leave()
    with pytest.raises(RunEnded, match=r"^count was stopped: nobody waits for its answer any more\.$"):
        answer(model, lambda: pytest.fail("it was decoded"), lambda answered: answered, arrived_ns=0, run=run)
    assert model.statistics.read()[0].failed == 1


def test_a_run_is_ended_at_its_limit_and_the_next_is_not(watched: Runs) -> None:
    model = counting()
    for _ in range(2):
        begin = time.monotonic()
        with pytest.raises(RunEnded, match=r"^count was stopped: it has not answered within 0.05 s\.$"):
            model.infer(question(FOR_EVER), watched.new(0.05))
        assert 0.05 <= time.monotonic() - begin < 60
        assert model.infer(question(7), watched.new(10)).outputs[0][1] == 7


class Monotonic:
    """A clock that goes on by so much at every reading, and by as much as one likes."""

    def __init__(self) -> None:
        self.now_s, self.step_s, self.readings = 1000.0, 0.0, 0

    def __call__(self) -> float:
        self.readings += 1
        self.now_s += self.step_s
        return self.now_s


def test_time_in_which_the_box_stood_still_is_held_against_no_run() -> None:
    now = Monotonic()
    pool, model = WorkerPool(1, 0, clock=AwakeClock(now, most_s=runs.UNSEEN_S)), counting()
    run, said = pool.runs.new(2.0), list[str]()

    def count() -> None:
        with pytest.raises(RunEnded) as ended:
            model.infer(question(FOR_EVER), run)
        said.append(str(ended.value))

    pool.submit(count)
    wait_until(lambda: bool(run.model), 10, "the run to begin")
    now.now_s += 3600
    looked = now.readings
    wait_until(lambda: now.readings > looked + 5, 10, "the watch to look a few times")
    assert (run.why, pool.runs.overdue(0.0)) == ("", frozenset())
    assert pool.stuck_for() < 1, "nor does the pool count as stuck"
    now.step_s = runs.LOOK_EVERY_S
    wait_until(lambda: said, 30, "the run to be ended for its own time")
    assert said == ["count was stopped: it has not answered within 2 s."]
    assert pool.close(10)


def test_the_watch_wakes_up_again(watched: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LINGER_S", 0.0)
    model = counting()
    for _ in range(5):
        wait_until(lambda: watched._is_asleep, 10, "the watch to fall asleep")
        with pytest.raises(RunEnded):
            model.infer(question(FOR_EVER), watched.new(0.01))


def test_who_left_before_his_turn_is_not_asked_for(watched: Runs) -> None:
    run = watched.new()
    run.leave()
    with pytest.raises(RunEnded, match="nobody waits for its answer"):
        counting().infer(question(FOR_EVER), run)


def test_what_may_be_steered_by_few_values_is_not_quick() -> None:
    assert counting().run_s < math.inf
    assert load_model("count", "1", models.counting(TensorProto.INT64, [])).run_s == math.inf
    assert load_model("texts", "1", models.echo("BYTES")).run_s == math.inf


@contextmanager
def serving(
    monkeypatch: pytest.MonkeyPatch, limit_s: float
) -> Iterator[tuple[ModelShelf, InferenceServer, GrpcServer]]:
    """One worker, both listeners, and models that count and that echo, both as quick as can be."""
    shelf = ModelShelf(workers=1)
    new = shelf.pool.runs.new
    monkeypatch.setattr(shelf.pool.runs, "new", lambda limit=limit_s, quick=False: new(limit, quick=quick))
    for model in (counting(), load_model("echo", "1", models.echo("FP32", ["n"]))):
        model.run_s = 1e-6
        shelf.put(model)
    http = InferenceServer(shelf, Inference(http="127.0.0.1:0"))
    grpc = GrpcServer(shelf, Inference(grpc="127.0.0.1:0"))
    for listener in (http, grpc):
        listener.start()
    try:
        yield shelf, http, grpc
    finally:
        for listener in (http, grpc):
            listener.ask_to_stop()
            listener.close(10)
        assert shelf.pool.close(10)


def test_a_value_that_takes_for_ever_holds_up_nobody_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, 1.0) as (shelf, http, _), RawClient(http.address) as slow:
        model = shelf.model("count")
        slow_runs = 0
        # On a busy machine a run may be ended before it has had much of the processor: that says nothing.
        while model.run_s < 1:
            slow.send(request(COUNT, echo_body(FOR_EVER)))
            assert slow.answer().status == 504
            slow_runs += 1
        assert slow_runs >= STRIKES, "one slow run is a busy box"
        slow.send(request(COUNT, echo_body(FOR_EVER)))
        wait_until(lambda: not shelf.pool.idle, 10, "a worker to take the run up")
        with RawClient(http.address) as other:
            assert other.send(request("/v2/health/live")).answer().status == 200
            assert other.send(request("/v2/models/echo/infer", echo_body(3))).answer().json["outputs"][0]["data"] == [3]
        answer = slow.answer()
        assert (answer.status, answer.json) == (504, {"error": "count was stopped: it has not answered within 1 s."})
        assert model.statistics.read()[0].failed == slow_runs + 1, "once each, although some were begun twice"
        assert slow.send(request(COUNT, echo_body(5))).answer().json["outputs"][0]["data"] == [5]


def test_a_value_that_takes_for_ever_is_told_so_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, 0.2) as (shelf, _, grpc), triton.InferenceServerClient(url(grpc)) as client:
        with pytest.raises(InferenceServerException, match=r"not answered within 0\.2 s") as refused:
            client.infer("count", [asked(FOR_EVER)])
        assert refused.value.status() == "StatusCode.DEADLINE_EXCEEDED"
        model = shelf.model("count")
        assert model.statistics.read()[0].failed == 1, "once, although it was begun twice"
        assert client.infer("count", [asked(5)]).as_numpy("y") == 5


def url(server: GrpcServer) -> str:
    return "{}:{}".format(*server.address)


def asked(number: float) -> triton.InferInput:
    given = triton.InferInput("x", [1], "FP32")
    given.set_data_from_numpy(np.array([number], np.float32))
    return given


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_worker_is_free_again_when_its_clients_have_gone(monkeypatch: pytest.MonkeyPatch, reset: bool) -> None:
    with serving(monkeypatch, 600.0) as (shelf, http, grpc):
        shelf.model("count").run_s = math.inf
        clients = [RawClient(http.address) for _ in range(3)]
        for client in clients:
            client.send(request(COUNT, echo_body(FOR_EVER)))
        wait_until(lambda: shelf.pool.waiting == 2, 10, "a run to begin and two to wait")
        for client in clients:
            if reset:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        wait_until(lambda: shelf.pool.idle and not http._connections, 10, "the runs to be given up")
        with triton.InferenceServerClient(url(grpc)) as caller:
            with pytest.raises(InferenceServerException):
                caller.infer("count", [asked(FOR_EVER)], client_timeout=0.3)
            wait_until(lambda: shelf.pool.idle, 10, "the call to be given up")


def test_who_says_no_more_and_waits_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, 600.0) as (shelf, http, _), RawClient(http.address) as client:
        shelf.model("count").run_s = math.inf
        client.send(request(COUNT, echo_body(FOR_EVER)))
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.answer()
        assert answer.status == 504
        assert answer.json == {"error": "count was stopped: its client has ended the connection."}
        assert client.ended()


def test_a_stuck_quick_run_shows() -> None:
    shelf, model = ModelShelf(workers=1), counting()
    run = shelf.pool.runs.new(600.0, quick=True)

    def count() -> None:
        with pytest.raises(RunEnded):
            model.infer(question(FOR_EVER), run)

    thread = threading.Thread(target=count)
    assert shelf.pool.stuck_for() == 0.0
    thread.start()
    wait_until(lambda: shelf.pool.stuck_for() > 0.01, 10, "the run to show")
    run.leave()
    thread.join(60)
    assert shelf.pool.stuck_for() == 0.0
    assert shelf.pool.close(10)
