"""The box's listeners for programs: where they are, and how the model on the line is run for them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from edge_runtime.config import Inference, split_address
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.session import Tuning
from edge_runtime.service import inference
from edge_runtime.service.inference import InferenceListeners
from edge_runtime.serving import shelf
from edge_runtime.sources.push import PushBoard
from tests.fakes import models
from tests.unit.serving.raw_client import RawClient, request
from tests.waiting import wait_until


class Told:
    """Listeners, and what they complained about."""

    def __init__(self, http: str, grpc: str, max_run_s: float = 30.0) -> None:
        self.problems: list[tuple[str, str]] = []
        self.barred: set[str] = set()
        self.listeners = InferenceListeners(
            Inference(http=http, grpc=grpc, max_run_s=max_run_s),
            door=PushBoard(),
            collectors=list,
            barred=self.barred.__contains__,
            alert=lambda kind, why: self.problems.append((kind, why)),
        )


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told(http="[::1]:0", grpc="[::1]:0")
    told.listeners.tick()
    yield told
    told.listeners.ask_to_stop()
    told.listeners.close(10)


def loaded(workers: int, version: str = "1", model: bytes | None = None) -> LoadedModel:
    engine = Engine(model or models.brightness_model(), models.INPUT, models.OUTPUT, tuning=Tuning(workers=workers))
    return LoadedModel("bundle", engine, "bright", version)


def ask(client: Any, kind: Any) -> None:
    given = kind.InferInput("frame", [1, 1, models.SIDE, models.SIDE], "UINT8")
    given.set_data_from_numpy(np.zeros((1, 1, models.SIDE, models.SIDE), np.uint8))
    assert client.infer("bright", [given]).as_numpy("logits").argmax() == 0


def test_addresses_can_be_used_as_they_are_shown(told: Told) -> None:
    told.listeners.show(loaded(2))
    for kind, library in (("http", triton), ("grpc", tritonclient.grpc)):
        address = told.listeners.addresses[kind]
        assert re.fullmatch(r"\[::1\]:[0-9]+", address)
        with library.InferenceServerClient(address) as client:
            ask(client, library)


def test_as_many_requests_at_a_time_as_the_model_was_tuned_for(told: Told) -> None:
    pool = told.listeners._shelf.pool
    for workers in (3, 1, 2):
        told.listeners.show(loaded(workers))
        assert pool.workers == workers
        assert pool.run(lambda: 7) == 7


def test_a_model_that_a_request_crashed_answers_no_program_until_it_may_again(told: Told) -> None:
    told.barred.add("bundle")
    told.listeners.show(loaded(1))
    said = "bright' is failed: what a program asked of it crashed the box"
    for kind, library, status in (("http", triton, "503"), ("grpc", tritonclient.grpc, "StatusCode.UNAVAILABLE")):
        with library.InferenceServerClient(told.listeners.addresses[kind]) as client:
            with pytest.raises(InferenceServerException, match=said) as refused:
                ask(client, library)
            assert refused.value.status() == status
            assert not client.is_server_ready()
    told.barred.clear()
    told.listeners.tick()
    for kind, library in (("http", triton), ("grpc", tritonclient.grpc)):
        with library.InferenceServerClient(told.listeners.addresses[kind]) as client:
            ask(client, library)


def test_an_update_loses_no_figures(told: Told) -> None:
    def totals(client: RawClient) -> dict[str, int]:
        text = client.send(request("/metrics")).answer().body.decode()
        found = re.findall(r'^nv_inference_request_success\{model="bright",version="(.*)"\} (.*)$', text, re.MULTILINE)
        return {version: int(float(count)) for version, count in found}

    address = told.listeners.addresses["http"]
    with RawClient(split_address(address)) as raw, triton.InferenceServerClient(address) as client:
        told.listeners.show(loaded(1))
        for _ in range(3):
            ask(client, triton)
        assert totals(raw) == {"1": 3}
        told.listeners.show(replace(loaded(1), version="2"))
        ask(client, triton)
        assert totals(raw) == {"1": 3, "2": 1}


def glare() -> bytes:
    """A white frame, over HTTP."""
    shape = [1, 1, models.SIDE, models.SIDE]
    given = {"name": "frame", "datatype": "UINT8", "shape": shape, "data": [255] * models.SIDE**2}
    return request("/v2/models/bright/infer", json.dumps({"inputs": [given]}).encode())


def test_a_model_that_hangs_in_a_programs_request_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "HANGS_S", 0.1)
    monkeypatch.setattr(shelf, "STUCK_S", 0.1)
    told = Told(http="[::1]:0", grpc="", max_run_s=0.1)
    listeners = told.listeners
    listeners.tick()
    listeners.show(loaded(1, model=models.stubborn_model()))
    listeners._shelf.model("bright").run_s = math.inf
    address = split_address(listeners.addresses["http"])
    with RawClient(address) as program, RawClient(address) as other:
        assert other.send(request("/v2/health/ready")).answer().status == 200
        program.send(glare())

        def hangs() -> bool:
            listeners.tick()
            return bool(told.problems)

        wait_until(hangs, 30, "the run to be told of")
        assert other.send(request("/v2/health/ready")).answer().status == 503
        listeners.tick()
        wait_until(lambda: listeners._shelf.pool.idle, 120, "the run to be over")
        assert program.answer().status == 504
    ((kind, why),) = told.problems
    assert (kind, why.partition(" does not")[0]) == ("inference.hangs", "bright 1")
    listeners.ask_to_stop()
    listeners.close(10)


def test_an_address_that_is_not_ours_is_told_once() -> None:
    told = Told(http="192.0.2.1:0", grpc="192.0.2.1:0")
    told.listeners.tick()
    assert [(kind, why.partition(":")[0]) for kind, why in told.problems] == [
        ("inference.not-listening", "The box cannot listen on 192.0.2.1 port 0"),
    ] * 2
    assert all("an address of this machine" in why for _, why in told.problems)
    told.listeners.close(10)
