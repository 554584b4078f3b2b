"""All lines of the box, as the configuration in force says; another one restarts those that it changes."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.config import Drift, EdgeConfig, PipelineConfig
from edge_runtime.configuring.trial import LineNow
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.drift_memory import DriftFile
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.in_hand import InHand
from edge_runtime.inference.pipeline import Models, Pipeline, Sink
from edge_runtime.inference.shadow import Shadow
from edge_runtime.service.lines import Line
from edge_runtime.sources import open_source, options_of
from edge_runtime.sources.base import Source
from edge_runtime.sources.push import ADDRESS as PUSH
from edge_runtime.sources.push import PushBoard

STOP_TIMEOUT_S = 5.0
_log = logging.getLogger(__name__)


class LineUp:
    """Starts and stops lines.

    :param memory: folder in which the sources keep their positions.
    :param seed: of the random share; another one at every start of the daemon.
    :param failed: told (pipeline, why) once whenever a line's budget of restarts is spent.
    :param changed: called when a line has something to tell at once.
    :param board: where pushed frames arrive.
    :param workers: how many a line has whose configuration does not say.
    :param shadow: a second model that sees all lines, where there is one.
    :param blame: false where the frames that were in hand at the last end did not bring it about.
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
        blame: bool = True,
    ) -> None:
        self._blame = blame
        self._board, self._workers, self._shadow = board, workers, shadow
        self._memory, self._models, self._sink, self._seed = memory, models, sink, seed
        self._failed, self._changed = failed, changed
        self._lock = threading.Lock()
        self._lines: tuple[Line, ...] = ()
        self._drift = Drift()
        """What the lines were started with."""
        self._leaving: tuple[Line, ...] = ()
        """Lines that were told to stop and have not ended."""
        self._counters: dict[str, PipelineCounters] = {}

    def apply(self, config: EdgeConfig) -> None:
        """Stop the lines that ``config`` has no more or in other words, and start what it has; the rest runs on.

        Counters go on by name. A line that does not end in time keeps its source: what needs it waits for it.
        """
        with self._lock:
            same = {line.config for line in self._lines} if config.drift == self._drift else set()
            staying = {line.config: line for line in self._lines if line.config in same.intersection(config.pipeline)}
            self._stop([line for line in self._lines if line.config not in staying], STOP_TIMEOUT_S)
            if self._board is not None:
                # After the stop: until then the old lines answer what waits for them.
                sources = (pipeline.source for pipeline in config.pipeline)
                self._board.keep({source.removeprefix(PUSH) for source in sources if source.startswith(PUSH)})
            self._drift = config.drift
            self._lines = tuple(staying.get(pipeline) or self._start(pipeline) for pipeline in config.pipeline)

    def stop(self, timeout_s: float) -> None:
        """Stop all lines for good; each finishes the frame it has in hand, if it does so in time."""
        with self._lock:
            self._stop(self._lines, timeout_s)
            for line in self._leaving:
                line.let_go()
            self._lines = ()

    def status(self) -> tuple[PipelineStatus, ...]:
        has_model = self._models.current() is not None
        return tuple(line.status(has_model=has_model) for line in self._lines)

    def stalled(self, after_s: float) -> tuple[str, ...]:
        """Names of the lines of which a worker has shown no sign of life for so many seconds; also of those that were
        told to stop and do not."""
        now = time.monotonic()
        lines = (*self._lines, *(line for line in self._leaving if line.alive))
        return tuple(dict.fromkeys(line.config.name for line in lines if now - line.last_beat > after_s))

    def counters(self) -> dict[str, PipelineCounters]:
        """Those of each line, by its name."""
        return {line.config.name: line.counters for line in self._lines}

    def now(self) -> dict[str, LineNow]:
        """What a trial of a configuration goes by."""
        found: dict[str, LineNow] = {}
        for line in self.status():
            seen = self._counters[line.name].seen()
            found[line.name] = LineNow(frames=line.frames, errors=line.errors, first_s=seen.first_s, last_s=seen.last_s)
        return found

    def changes(self) -> int:
        """Goes up when :meth:`status` shows other figures."""
        return sum(line.counters.changes for line in self._lines)

    def _stop(self, lines: Sequence[Line], timeout_s: float) -> None:
        for line in lines:
            line.ask_to_stop()
        until = time.monotonic() + timeout_s
        # Noted before they leave `_lines`: the watchdog must not lose sight of one that hangs.
        self._leaving = tuple(line for line in (*self._leaving, *lines) if line.alive)
        for line in lines:
            if not line.join(max(0.0, until - time.monotonic())):
                _log.warning("pipeline %s does not end", line.config.name)
        self._leaving = tuple(line for line in self._leaving if line.alive)

    def _start(self, config: PipelineConfig) -> Line:
        drift = self._drift
        same = ((line.config.name, line.config.source) for line in self._leaving)
        holder = dict(zip(same, self._leaving, strict=True)).get((config.name, config.source))
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
                drift_file=DriftFile(memory.with_suffix(".drift")),
                in_hand=InHand(memory.with_suffix(".hand"), blame=self._blame),
            )

        return Line(
            config,
            open_source=lambda: open_source(config.source, memory, options_of(config, board=self._board)),
            build=build,
            failed=lambda why: self._failed(config.name, why),
            counters=counters,
            after=holder,
        )
