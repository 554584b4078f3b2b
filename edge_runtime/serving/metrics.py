"""``/metrics``: the models' counters in Prometheus' base units, and once more under the names that Triton uses.

Imported by the first scrape, not by start-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from edge_runtime.serving.http import HttpResponse
from edge_runtime.serving.shelf import ModelShelf
from edge_runtime.serving.statistics import BUCKETS_S, Totals

LABELS = ("model", "version")
_UNTYPED = re.compile(rb"^(# TYPE nv_inference_\w+) untyped$", re.MULTILINE)
_TRITON: tuple[tuple[str, str, Callable[[Totals], float]], ...] = (
    ("nv_inference_request_success", "Answered requests", lambda t: t.succeeded),
    ("nv_inference_request_failure", "Requests that could not be answered", lambda t: t.failed),
    ("nv_inference_count", "Answered rows: a batch of eight counts eight", lambda t: t.inferences),
    ("nv_inference_exec_count", "Runs of the model", lambda t: t.executions),
    ("nv_inference_request_duration_us", "Microseconds of answered requests", lambda t: t.success_ns / 1000),
    ("nv_inference_queue_duration_us", "Microseconds of waiting for a worker", lambda t: t.queue_ns / 1000),
    ("nv_inference_compute_input_duration_us", "Microseconds of decoding", lambda t: t.decode_ns / 1000),
    ("nv_inference_compute_infer_duration_us", "Microseconds in the model", lambda t: t.infer_ns / 1000),
    ("nv_inference_compute_output_duration_us", "Microseconds of encoding", lambda t: t.encode_ns / 1000),
)


class ModelCollector(Collector):
    """Reads the counters of every model on the shelf, and of those that were there lately."""

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def collect(self) -> Iterator[Metric]:
        entries = self._shelf.index()
        ready = GaugeMetricFamily("lineside_model_ready", "1 while the model answers", labels=LABELS)
        for entry in entries:
            ready.add_metric((entry.name, entry.version), float(entry.state == "ready"))
        yield ready
        waiting = GaugeMetricFamily("lineside_inference_waiting", "Requests that no worker has taken up yet")
        waiting.add_metric((), self._shelf.pool.waiting)
        yield waiting
        read = [(labels, *statistics.read()) for labels, statistics in self._shelf.counted()]
        yield from _own(read)
        # Triton counts without the suffix that OpenMetrics demands of a counter, hence no type there.
        for name, meaning, value in _TRITON:
            metric = Metric(name, meaning, "unknown")
            for labels, totals, _ in read:
                metric.add_sample(name, dict(zip(LABELS, labels, strict=True)), value(totals))
            yield metric


class Exposition:
    """Writes everything that is to be scraped.

    :param collectors: of other parts of the box.
    """

    def __init__(self, shelf: ModelShelf, collectors: Sequence[Collector]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in (ModelCollector(shelf), ProcessCollector(registry=None), *collectors):
            self._registry.register(collector)

    def __call__(self, accept: str) -> HttpResponse:
        encode, media = choose_encoder(accept)
        text = encode(self._registry)
        if media.startswith("text/plain"):
            # The older format demands no suffix, and dashboards choose what to draw by the type. The library has no
            # word for a counter without one.
            text = _UNTYPED.sub(rb"\1 counter", text)
        return HttpResponse(200, text, media=media.encode())


def _own(read: Iterable[tuple[tuple[str, str], Totals, tuple[int, ...]]]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "lineside_inference_requests", "Requests by how they ended", labels=(*LABELS, "outcome")
    )
    rows = CounterMetricFamily("lineside_inference_rows", "Answered rows: a batch of eight counts eight", labels=LABELS)
    stages = CounterMetricFamily(
        "lineside_inference_stage_seconds", "Where the time of answered requests went", labels=(*LABELS, "stage")
    )
    durations = HistogramMetricFamily(
        "lineside_inference_duration_seconds",
        "From the request's last byte to the answer's first, of answered requests",
        labels=LABELS,
    )
    for labels, totals, histogram in read:
        requests.add_metric((*labels, "success"), totals.succeeded)
        requests.add_metric((*labels, "failure"), totals.failed)
        rows.add_metric(labels, totals.inferences)
        for stage, ns in (
            ("queue", totals.queue_ns),
            ("decode", totals.decode_ns),
            ("infer", totals.infer_ns),
            ("encode", totals.encode_ns),
        ):
            stages.add_metric((*labels, stage), ns / 1e9)
        buckets, so_far = [], 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), histogram, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        durations.add_metric(labels, buckets, totals.success_ns / 1e9)
    yield from (requests, rows, stages, durations)
