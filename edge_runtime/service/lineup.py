"""All lines of the box, as the configuration in force says; another configuration restarts them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge_runtime.config import Drift, EdgeConfig, PipelineConfig
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.pipeline import Models, Pipeline, Sink
from edge_runtime.inference.shadow import Shadow
from edge_runtime.service.lines import Line
from edge_runtime.sources import open_source, options_of
from edge_runtime.sources.base import Source
from edge_runtime.sources.push import PushBoard

STOP_TIMEOUT_S = 5.0


class LineUp:
    """Starts and stops lines.

    :param memory: folder in which the sources keep their positions.
    :param seed: of the random share; another one at every start of the daemon.
    :param failed: told (pipeline, why) once whenever a line's budget of restarts is spent.
    :param changed: called when a line has something to tell at once.
    :param board: where pushed frames arrive.
    :param workers: how many a line has whose configuration does not say.
    :param shadow: a second model that sees all lines, where there is one.
    """

    def __init__(
        self,
        *,
        memory: Path,
        models: Models,
        sink: Sink,
        seed: int,
        failed: Callable[[str, str], None],
        changed: Callable[[], None],
        board: PushBoard | None = None,
        workers: Callable[[], int] = lambda: 1,
        shadow: Shadow | None = None,
    ) -> None:
        self._board, self._workers, self._shadow = board, workers, shadow
        self._memory, self._models, self._sink, self._seed = memory, models, sink, seed
        self._failed, self._changed = failed, changed
        self._lock = threading.Lock()
        self._lines: tuple[Line, ...] = ()
        self._counters: dict[str, PipelineCounters] = {}

    def apply(self, config: EdgeConfig) -> None:
        """Stop the lines that run and start those of ``config``; their counters go on by name."""
        with self._lock:
            self._stop(STOP_TIMEOUT_S)
            self._lines = tuple(self._start(pipeline, config.drift) for pipeline in config.pipeline)

    def stop(self, timeout_s: float) -> None:
        """Stop all lines; each finishes the frame it has in hand."""
        with self._lock:
            self._stop(timeout_s)

    def status(self) -> tuple[PipelineStatus, ...]:
        has_model = self._models.current() is not None
        return tuple(line.status(has_model=has_model) for line in self._lines)

    def stalled(self, after_s: float) -> tuple[str, ...]:
        """Names of the lines of which a worker has shown no sign of life for so many seconds."""
        now = time.monotonic()
        return tuple(line.config.name for line in self._lines if now - line.last_beat > after_s)

    def changes(self) -> int:
        """Goes up when :meth:`status` shows other figures."""
        return sum(line.counters.changes for line in self._lines)

    def _stop(self, timeout_s: float) -> None:
        for line in self._lines:
            line.ask_to_stop()
        for line in self._lines:
            line.join(timeout_s)
        self._lines = ()

    def _start(self, config: PipelineConfig, drift: Drift) -> Line:
        counters = self._counters.setdefault(config.name, PipelineCounters())
        # The position belongs to the source: another folder under the same name begins anew.
        place = hashlib.sha256(config.source.encode()).hexdigest()[:12]
        memory = self._memory / f"{config.name}-{place}.db"

        def workers() -> int:
            return self._workers() if config.workers is None else config.workers

        def build(source: Source) -> Pipeline:
            return Pipeline(
                name=config.name,
                source=source,
                models=self._models,
                sink=self._sink,
                chooser=SampleChooser(KeepRules(config.keep_margin, config.keep_random), seed=self._seed),
                drift=DriftMonitor(reference=drift.reference, window=drift.window, thin=drift.thin),
                counters=counters,
                changed=self._changed,
                workers=workers,
                shadow=self._shadow,
            )

        return Line(
            config,
            open_source=lambda: open_source(config.source, memory, options_of(config, board=self._board)),
            build=build,
            failed=lambda why: self._failed(config.name, why),
            counters=counters,
        )
