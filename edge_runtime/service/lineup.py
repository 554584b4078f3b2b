"""All lines of the box, as the configuration in force says; another one restarts those that it changes.

One that is only being tried runs beside the one before: a line goes on until what takes its place has answered a frame,
or until the trial is over, as far as the two do not read the same.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.awake import AwakeClock
from edge_runtime.config import Drift, EdgeConfig, PipelineConfig
from edge_runtime.configuring.trial import LineNow
from edge_runtime.contracts.rows import AlertRow
from edge_runtime.contracts.status import PipelineStatus
from edge_runtime.inference.counters import PipelineCounters
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.drift_memory import DriftFile
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.in_hand import HANGS_AFTER_S, InHand
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.inference.ports import Models, Sink
from edge_runtime.inference.shadow import Shadow
from edge_runtime.service.lines import FRAME_HANGS, FRAMES_HANG, SOURCE_HANGS, Line
from edge_runtime.sources import open_source, options_of
from edge_runtime.sources.base import Source
from edge_runtime.sources.places import place_of
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
    :param clock: by which signs of life are given; the lines read it all the time.
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
        clock: AwakeClock | None = None,
    ) -> None:
        self._blame, self._clock = blame, clock or AwakeClock()
        self._board, self._workers, self._shadow = board, workers, shadow
        self._memory, self._models, self._sink, self._seed = memory, models, sink, seed
        self._failed, self._changed = failed, changed
        self._lock = threading.Lock()
        self._lines: tuple[Line, ...] = ()
        self._drift = Drift()
        """What the lines were started with."""
        self._older: tuple[Line, ...] = ()
        """Lines of the configuration before that run beside those of one on trial."""
        self._leaving: tuple[Line, ...] = ()
        """Lines that were told to stop and have not ended."""
        self._counters: dict[str, PipelineCounters] = {}
        self._hanging: frozenset[str] = frozenset()
        """Names of the lines of which it was told that their source hangs."""

    def apply(self, config: EdgeConfig, *, beside: bool = False) -> None:
        """Stop the lines that ``config`` has no more or in other words, and start what it has; the rest runs on.

        Counters go on by name. A line that does not end in time keeps its source: what needs it waits for it.

        :param beside: ``config`` is on trial: lines that it changes or has no more run on, where it does not need what
            they read. :meth:`hand_over` and :meth:`finish` end them, and going back to the configuration before takes
            them up again as if nothing had been.
        """
        with self._lock:
            known = [line for line in (*self._lines, *self._older) if not line.stopping]
            same = set(config.pipeline) if config.drift == self._drift else set()
            staying = {line.config: line for line in known if line.config in same}
            begun = [pipeline for pipeline in config.pipeline if pipeline not in staying]
            needed = {place_of(pipeline.source) for pipeline in begun}
            older = [
                line
                for line in self._lines
                if beside and line.config not in staying and place_of(line.config.source) not in needed
            ]
            kept = {*staying.values(), *older}
            if beside:
                self._mark(kept)
            self._stop([line for line in (*self._lines, *self._older) if line not in kept], STOP_TIMEOUT_S)
            self._merge_given_up(kept)
            self._keep_pushed([*config.pipeline, *(line.config for line in older)])
            self._drift = config.drift
            replaced = {line.config.name for line in older}
            # In this order: whoever asks meanwhile is shown the one or the other, and no line twice.
            self._older = (*self._older, *older)
            lines: list[Line] = []
            try:
                for pipeline in config.pipeline:
                    line = staying.get(pipeline) or self._start(pipeline, replaces=pipeline.name in replaced)
                    lines.append(line)
            except BaseException:
                # There may be no room for so many threads: none may go on that nobody knows of.
                self._stop([line for line in lines if line not in staying.values()], STOP_TIMEOUT_S)
                raise
            self._lines, self._older = tuple(lines), tuple(older)

    def hand_over(self) -> None:
        """End those lines of before whose successor has answered a frame. Call a few times a second during a trial."""
        with self._lock:
            for line in self._older:
                successor = self._successor(line)
                if successor is None:
                    continue
                if successor.fresh:
                    line.ask_to_stop()
                if line.stopping and not line.alive:
                    self._succeed(line, successor)

    def finish(self) -> None:
        """The trial is over, and what was on trial counts: end what ran beside it."""
        with self._lock:
            self._stop(self._older, STOP_TIMEOUT_S)
            for line in self._older:
                self._succeed(line, self._successor(line))
            self._keep_pushed([line.config for line in self._lines])

    def stop(self, timeout_s: float, hangs_after_s: float = HANGS_AFTER_S) -> None:
        """Stop all lines for good; each finishes the frame it has in hand, if it does so in time.

        :param hangs_after_s: one that has been in hand for longer by then is to blame for an unclean end.
        """
        with self._lock:
            self._stop((*self._lines, *self._older), timeout_s)
            for line in self._leaving:
                line.let_go(hangs_after_s)
            self._lines = self._older = ()

    def status(self) -> tuple[PipelineStatus, ...]:
        """Of each line by name: during a trial the one that answers for it still."""
        has_model = self._models.current() is not None
        return tuple(line.status(has_model=has_model) for line in self._shown())

    def tick(self) -> None:
        """Call now and then: that a source hangs is told once, and again if it does so another time."""
        hanging = frozenset(line.config.name for line in (*self._lines, *self._older) if line.source_hangs)
        for name in sorted(hanging - self._hanging):
            self._tell_hang(name, SOURCE_HANGS)
        self._hanging = hanging

    def stalled(self, after_s: float) -> tuple[str, ...]:
        """Names of the lines of which a worker has shown no sign of life for so many seconds; also of those that were
        told to stop and do not. Whose source hangs is not among them, nor who was left standing."""
        now = self._clock()
        silent = (line for line in self._alive() if now - line.last_beat > after_s and not line.left_standing)
        return tuple(dict.fromkeys(line.config.name for line in silent))

    def undecoded(self, after_s: float) -> bool:
        """Whether a frame has been decoded for longer than this, on a line that was not left standing."""
        return bool(self._undecoded(after_s))

    def tell_undecoded(self, after_s: float, *, leave: bool) -> None:
        """Tell of the lines of which a frame has been decoded for longer than this.

        :param leave: leave them standing from now on. Otherwise this process ends.
        """
        for line in self._undecoded(after_s):
            if leave:
                line.leave_standing()
            self._tell_hang(line.config.name, FRAMES_HANG if leave else FRAME_HANGS)

    def hanging(self, after_s: float) -> str | None:
        """The bundle whose model has been at one frame for longer than this; None where none has."""
        return next((bundle for line in self._alive() if (bundle := line.hanging(after_s))), None)

    def counters(self) -> dict[str, PipelineCounters]:
        """Those of each line, by its name."""
        return {line.config.name: line.counters for line in self._shown()}

    def now(self) -> dict[str, LineNow]:
        """What a trial of a configuration goes by: the lines that it began, and not those that run beside them."""
        found: dict[str, LineNow] = {}
        for line in self._lines:
            seen, answered = line.counters.seen(), line.counters.answered
            found[line.config.name] = LineNow(
                frames=answered,
                errors=max(seen.frames - answered, 0),
                fresh=line.fresh,
                per_s=line.status(has_model=True).frames_per_s,
                first_s=seen.first_s,
                last_s=seen.last_s,
            )
        return found

    def changes(self) -> int:
        """Another number when :meth:`status` shows other figures."""
        return sum(line.counters.changes for line in self._shown())

    def _undecoded(self, after_s: float) -> list[Line]:
        return [line for line in self._alive() if line.undecoded(after_s) and not line.left_standing]

    def _tell_hang(self, name: str, words: str) -> None:
        _log.error("%s: %s", name, words)
        stamp = self._sink.stamp("alerts")
        self._sink.put_alert(AlertRow(**stamp, kind="source.hangs", message=words, pipeline=name))
        self._changed()

    def _alive(self) -> tuple[Line, ...]:
        """Those that were told to stop and have not ended among them."""
        return (*self._lines, *self._older, *(line for line in self._leaving if line.alive))

    def _shown(self) -> list[Line]:
        older = {line.config.name: line for line in self._older}
        lines = [older.pop(line.config.name, line) for line in self._lines]
        return [*lines, *older.values()]

    def _successor(self, line: Line) -> Line | None:
        return next((one for one in self._lines if one.config.name == line.config.name), None)

    def _succeed(self, line: Line, successor: Line | None) -> None:
        if successor is not None:
            successor.counters.absorb(line.counters)
            self._counters[line.config.name] = successor.counters
        self._older = tuple(one for one in self._older if one is not line)

    def _merge_given_up(self, kept: set[Line]) -> None:
        """Counters go on by name also where a line ends that had some of its own."""
        for line in self._lines:
            counters = self._counters[line.config.name]
            if line not in kept and line.counters is not counters:
                counters.absorb(line.counters)

    def _mark(self, running: set[Line]) -> None:
        if self._board is not None:
            self._board.mark()
        for line in running:
            line.mark()

    def _keep_pushed(self, pipelines: Sequence[PipelineConfig]) -> None:
        """To be called after lines were stopped: until then they answer what waits for them."""
        if self._board is not None:
            sources = (pipeline.source for pipeline in pipelines)
            self._board.keep({source.removeprefix(PUSH) for source in sources if source.startswith(PUSH)})

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

    def _start(self, config: PipelineConfig, *, replaces: bool) -> Line:
        drift = self._drift
        same = ((line.config.name, line.config.source) for line in self._leaving)
        holder = dict(zip(same, self._leaving, strict=True)).get((config.name, config.source))
        # Beside another line of its name it is judged by figures of its own.
        counters = PipelineCounters() if replaces else self._counters.setdefault(config.name, PipelineCounters())
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
                in_hand=InHand(memory.with_suffix(".hand"), blame=self._blame, clock=self._clock),
                clock=self._clock,
            )

        return Line(
            config,
            open_source=lambda: open_source(config.source, memory, options_of(config, board=self._board)),
            build=build,
            failed=lambda why: self._failed(config.name, why),
            counters=counters,
            clock=self._clock,
            after=holder,
        )
