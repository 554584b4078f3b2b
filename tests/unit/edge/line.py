"""A line whose frames are put in by hand, with a real model and a real spool."""

from __future__ import annotations

import threading

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import ROW_TYPES, Row, Stream
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.engine import Engine
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.shadow import Shadow
from edge_runtime.service.spool import Spool
from edge_runtime.sources.base import Frame
from tests.fakes import models
from tests.unit.edge.rows import MODEL, ListSource
from tests.waiting import wait_until

HARD_ONLY = KeepRules(margin=0.5, random_share=0.0)


class Answering:
    """What stands for the installer's choice: one model, or none, and perhaps one to fall back to."""

    def __init__(self, model: LoadedModel | None = None, fallback: LoadedModel | None = None) -> None:
        self.model, self.fallback = model, fallback
        self.observed: list[bool] = []
        self.switch_after: tuple[int, LoadedModel] | None = None
        """After so many more answers this model is the current one."""

    def current(self) -> LoadedModel | None:
        return self.model

    def instead_of(self, model: LoadedModel) -> LoadedModel | None:
        return self.fallback if model is not self.fallback else None

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        self.observed.append(ok)
        if self.switch_after is not None:
            left, successor = self.switch_after
            if left > 1:
                self.switch_after = left - 1, successor
            else:
                self.switch_after, self.model = None, successor


def loaded(model: bytes, bundle: str = MODEL) -> LoadedModel:
    return LoadedModel(bundle, Engine(model, models.INPUT, models.OUTPUT))


class Bench:
    """A pipeline that is run until its frames are used up."""

    def __init__(
        self,
        spool: Spool,
        answering: Answering,
        rules: KeepRules = HARD_ONLY,
        *,
        workers: int = 1,
        shadow: Shadow | None = None,
    ) -> None:
        self.spool, self.source, self.counters = spool, ListSource(), PipelineCounters()
        self.pipeline = Pipeline(
            name="camera",
            source=self.source,
            models=answering,
            sink=spool,
            chooser=SampleChooser(rules, seed=1),
            drift=DriftMonitor(reference=150, window=60),
            counters=self.counters,
            changed=lambda: None,
            workers=lambda: workers,
            shadow=shadow,
        )

    def run(self, *bodies: bytes) -> None:
        stop = threading.Event()
        self.source.frames.extend(Frame(f"frame-{i}", body) for i, body in enumerate(bodies))
        thread = threading.Thread(target=self.pipeline.run, args=(stop,))
        thread.start()
        commits = self.source.commits
        wait_until(lambda: not self.source.frames and self.source.commits > commits, 30, "the frames to be used up")
        stop.set()
        thread.join()

    def rows(self, stream: Stream) -> list[Row]:
        assert self.spool.flush()
        return [wire.decode(bytes(raw), ROW_TYPES[stream]) for raw in self.spool.page(stream, 0, 5000).rows]
