"""What ``/metrics`` shows of the box besides its models. Imported by the first scrape, not by start-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge_runtime.contracts.rows import STREAMS
from edge_runtime.contracts.status import BoxStatus, PipelineStatus

LINE = ("pipeline",)


class BoxCollector(Collector):
    """Lines, spool and disk, as the box's status has them."""

    def __init__(self, status: Callable[[], BoxStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        yield GaugeMetricFamily("lineside_uptime_seconds", "Since the daemon's start", value=status.uptime_s)
        yield from _lines(status.pipelines)
        waiting = GaugeMetricFamily("lineside_spool_rows", "Rows that wait for a desktop", labels=("stream",))
        for stream in STREAMS:
            waiting.add_metric((stream,), getattr(status.spool, stream))
        yield waiting
        yield GaugeMetricFamily(
            "lineside_spool_sample_bytes", "Bytes of samples that wait for a desktop", value=status.spool.sample_bytes
        )
        yield GaugeMetricFamily(
            "lineside_disk_free_bytes", "Free space where the spool lies", value=status.spool.disk_free_bytes
        )


def _lines(pipelines: tuple[PipelineStatus, ...]) -> Iterator[Metric]:
    frames = CounterMetricFamily("lineside_pipeline_frames", "Frames that were dealt with", labels=LINE)
    errors = CounterMetricFamily("lineside_pipeline_errors", "Frames that could not be dealt with", labels=LINE)
    kept = CounterMetricFamily("lineside_pipeline_samples", "Frames that were kept as samples", labels=LINE)
    running = GaugeMetricFamily("lineside_pipeline_running", "1 while frames come and are answered", labels=LINE)
    drift = GaugeMetricFamily("lineside_pipeline_drift", "1 while a drift alert stands", labels=LINE)
    stages = GaugeMetricFamily(
        "lineside_pipeline_stage_seconds", "Mean time of a frame in a stage", labels=("pipeline", "stage")
    )
    for line in pipelines:
        frames.add_metric((line.name,), line.frames)
        errors.add_metric((line.name,), line.errors)
        kept.add_metric((line.name,), line.kept)
        running.add_metric((line.name,), float(line.state == "running"))
        drift.add_metric((line.name,), float(line.drift))
        for stage, mean_ms in line.stages_ms.items():
            stages.add_metric((line.name, stage), mean_ms / 1000)
    yield from (frames, errors, kept, running, drift, stages)
