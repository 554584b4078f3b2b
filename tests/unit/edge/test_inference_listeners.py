"""The box's listeners for programs: where they are, and how the model on the line is run for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http as triton

from edge_runtime.config import Inference, split_address
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.session import Tuning
from edge_runtime.service.inference import InferenceListeners
from edge_runtime.sources.push import PushBoard
from tests.fakes import models
from tests.unit.serving.raw_client import RawClient, request


class Told:
    """Listeners, and what they complained about."""

    def __init__(self, http: str, grpc: str) -> None:
        self.problems: list[str] = []
        self.listeners = InferenceListeners(
            Inference(http=http, grpc=grpc),
            door=PushBoard(),
            collectors=list,
            problem=self.problems.append,
        )


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told(http="[::1]:0", grpc="[::1]:0")
    told.listeners.tick()
    yield told
    told.listeners.ask_to_stop()
    told.listeners.close(10)


def loaded(workers: int, version: str = "1") -> LoadedModel:
    engine = Engine(models.brightness_model(), models.INPUT, models.OUTPUT, tuning=Tuning(workers=workers))
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


def test_an_address_that_is_not_ours_is_told_once() -> None:
    told = Told(http="192.0.2.1:0", grpc="192.0.2.1:0")
    told.listeners.tick()
    assert [problem.partition(":")[0] for problem in told.problems] == [
        "The box cannot listen on 192.0.2.1 port 0",
    ] * 2
    assert all("an address of this machine" in problem for problem in told.problems)
    told.listeners.close(10)
