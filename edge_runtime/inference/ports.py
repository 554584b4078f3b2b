"""What a line needs of whoever runs it: which model answers, and where rows go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypedDict

from edge_runtime.contracts.rows import AlertRow, LossRow, ResultRow, RollupRow, SampleRow, ShadowRow, Stream
from edge_runtime.inference.engine import Engine


class Stamp(TypedDict):
    """What every row begins with: its key and the box's time."""

    box: str
    boot: str
    seq: int
    at_ms: int


class Sink(Protocol):
    """Where rows go; safe to call from several threads."""

    def stamp(self, stream: Stream) -> Stamp: ...
    def put_result(self, row: ResultRow) -> None: ...
    def put_sample(self, row: SampleRow, data: bytes) -> bool: ...
    def put_alert(self, row: AlertRow) -> None: ...
    def put_loss(self, row: LossRow) -> None: ...
    def put_rollup(self, row: RollupRow) -> None: ...
    def put_shadow(self, row: ShadowRow) -> None: ...
    def flush(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to answer."""

    bundle: str
    """Bundle id."""
    engine: Engine
    name: str = "model"
    version: str = "1"


class Models(Protocol):
    """Which model answers now; asked anew for every frame, so that a swap loses none. Used by several threads."""

    def current(self) -> LoadedModel | None: ...
    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None: ...
    def instead_of(self, model: LoadedModel) -> LoadedModel | None: ...
