"""What Prometheus reads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from edge_runtime.config import Inference
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.listener import InferenceServer
from edge_runtime.serving.messages import InferRequest
from edge_runtime.serving.metrics import Exposition
from edge_runtime.serving.model import load_model
from edge_runtime.serving.shelf import ModelShelf, answer
from edge_runtime.serving.statistics import BUCKETS_S, ModelStatistics
from tests.unit.serving import onnx_models as models
from tests.unit.serving.raw_client import RawClient, request


class Disk(Collector):
    """Another part of the box."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("lineside_spool_bytes", "What waits for a desktop", value=7)


class Broken(Collector):
    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("no figures today")


@pytest.fixture
def shelf() -> Iterator[ModelShelf]:
    shelf = ModelShelf(workers=1)
    shelf.put(load_model('a "quoted"\nname', "1.0", models.parsed(models.PAIR)))
    shelf.loading("later", "2")
    yield shelf
    assert shelf.pool.close(10)


def ask(shelf: ModelShelf, rows: int) -> None:
    model = shelf.index()[0].model
    assert model is not None
    asked = InferRequest({side: np.zeros((rows, 3), np.int32) for side in ("left", "right")} if rows else {})
    answer(model, lambda: asked, lambda each: each, arrived_ns=0)


def test_everything_is_counted_under_both_names(shelf: ModelShelf) -> None:
    exposition = Exposition(shelf, [Disk()])
    for rows in (1, 5):
        ask(shelf, rows)
    with pytest.raises(InputInvalid):
        ask(shelf, 0)
    text = exposition("").body.decode()
    values = {
        (sample.name, sample.labels.get("outcome"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("model", 'a "quoted"\nname') == 'a "quoted"\nname'
    }
    model = shelf.index()[0].model
    assert model is not None
    totals, _ = model.statistics.read()
    for name, outcome, value in (
        ("lineside_inference_requests_total", "success", 2),
        ("lineside_inference_requests_total", "failure", 1),
        ("lineside_inference_rows_total", None, 6),
        ("lineside_inference_duration_seconds_count", None, 2),
        ("lineside_inference_duration_seconds_sum", None, totals.success_ns / 1e9),
        ("lineside_model_ready", None, 1),
        ("lineside_spool_bytes", None, 7),
        # This parser, other than Prometheus itself, gives every counter the suffix that these do without.
        ("nv_inference_request_success_total", None, 2),
        ("nv_inference_request_failure_total", None, 1),
        ("nv_inference_count_total", None, 6),
        ("nv_inference_exec_count_total", None, 2),
        ("nv_inference_compute_infer_duration_us_total", None, totals.infer_ns / 1000),
    ):
        assert values[(name, outcome, None)] == value, name
    assert values[("lineside_inference_duration_seconds_bucket", None, "+Inf")] == 2
    assert "process_resident_memory_bytes" in text
    triton = [line for line in text.splitlines() if " nv_inference_" in line and line.startswith("# TYPE")]
    assert triton
    assert all(line.endswith(" counter") for line in triton)
    assert not any(line.endswith("_total counter") for line in triton)
    assert "\nnv_inference_count{" in text
    ready = {sample.labels["model"]: sample.value for family in text_string_to_metric_families(text)
             for sample in family.samples if sample.name == "lineside_model_ready"}  # fmt: skip
    assert ready["later"] == 0


def test_openmetrics_for_who_prefers_it(shelf: ModelShelf) -> None:
    ask(shelf, 1)
    response = Exposition(shelf, [])("application/openmetrics-text; version=1.0.0")
    assert response.media.startswith(b"application/openmetrics-text")
    parse: Callable[[str], Iterator[Metric]] = parse_openmetrics
    names = {family.name for family in parse(response.body.decode())}
    assert {"lineside_inference_duration_seconds", "nv_inference_count"} <= names


def test_the_histogram_puts_each_duration_where_it_belongs() -> None:
    statistics = ModelStatistics()
    seconds = (0.0, BUCKETS_S[0], BUCKETS_S[0] * 1.01, BUCKETS_S[-1], BUCKETS_S[-1] * 2)
    for each in seconds:
        statistics.succeeded(1, total_ns=round(each * 1e9), queue_ns=0, decode_ns=0, infer_ns=0, encode_ns=0)
    _, histogram = statistics.read()
    assert histogram[:2] == (2, 1)
    assert histogram[-2:] == (1, 1)
    assert sum(histogram) == len(seconds)


@contextmanager
def scraped(shelf: ModelShelf, *collectors: Collector) -> Iterator[RawClient]:
    server = InferenceServer(shelf, Inference(http="127.0.0.1:0"), collectors=lambda: collectors)
    server.start()
    try:
        with RawClient(server.address) as client:
            yield client
    finally:
        server.ask_to_stop()
        server.close(10)


def test_a_scrape(shelf: ModelShelf) -> None:
    with scraped(shelf, Disk()) as client:
        for _ in range(2):
            answered = client.send(request("/metrics")).answer()
            assert (answered.status, answered.headers["content-type"].partition(";")[0]) == (200, "text/plain")
            assert b"lineside_spool_bytes 7.0" in answered.body


def test_a_part_that_cannot_tell_its_figures_takes_nothing_else_down(
    shelf: ModelShelf, caplog: pytest.LogCaptureFixture
) -> None:
    with scraped(shelf, Broken()) as client:
        assert client.send(request("/metrics")).answer().status == 500
        assert client.send(request("/v2/health/live")).answer().status == 200
    assert "no figures today" in caplog.text


def test_start_up_loads_neither_the_runtime_nor_what_few_ask_for() -> None:
    """A listener is up before the runtime is loaded; figures and gRPC cost nothing while nobody wants them."""
    script = "import sys, edge_runtime.commands.serve, edge_runtime.serving.listener; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"onnxruntime", "prometheus_client", "grpc", "google.protobuf", "cv2", "uvicorn", "cryptography", "sqlite3"}
    assert heavy & set(loaded) == set()
