"""``lineside-edge pipeline``: one pipeline over what a source has, and where the time goes."""

from __future__ import annotations

import argparse
import json
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

import msgspec

from edge_runtime.commands.option_words import checked_options
from edge_runtime.commands.pipeline_model import PipelineModel
from edge_runtime.commands.pipeline_results import check_kept, open_spool, results_folder, rows, write_lines
from edge_runtime.commands.trial_loads import TrialLoads
from edge_runtime.config import PipelineConfig
from edge_runtime.contracts.errors import (
    Cancelled,
    FrameUnreadable,
    InputInvalid,
    LinesideError,
    NotFound,
)
from edge_runtime.contracts.text import one_line
from edge_runtime.inference.counters import PipelineCounters, Stage
from edge_runtime.inference.drift import DriftMonitor
from edge_runtime.inference.hard import KeepRules, SampleChooser
from edge_runtime.inference.pipeline import Pipeline
from edge_runtime.inference.ports import LoadedModel
from edge_runtime.inference.session import cores
from edge_runtime.service.spool import Spool
from edge_runtime.sources import KEYS, open_source, options_of
from edge_runtime.sources.base import Order, Source

if TYPE_CHECKING:
    from edge_runtime.commands import Parsers

LOAD_S = 60.0
"""What a model may take to be loaded and to answer once; after that it hangs."""
NAMED = 20
"""Unreadable frames that are named one by one; further ones are only counted."""
PROGRESS_EVERY_S = 0.5
_PLACES = ("folder", "lines", "replay", "signals", "video")
"""Kinds of source whose location is a path."""


def add_parser(commands: Parsers) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "pipeline",
        description="Run one pipeline: take frames from a source, answer them with a model, keep the results. "
        "A bare ONNX file gets RGB images, resized to its input, times 1/255; a bundle says for itself what it takes.",
    )
    parser.add_argument("--source", required=True, help="where frames come from: folder:DIR, or what else a box takes")
    parser.add_argument("--model", type=Path, required=True, help="an ONNX file or a bundle")
    parser.add_argument("--once", action="store_true", help="stop after what is there now; otherwise until Ctrl+C")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, help="frames in hand at a time (default: one for each core)")
    parser.add_argument("--mean", help="bare model: subtracted after the 1/255, as one number or R,G,B")
    parser.add_argument("--std", help="bare model: divided by after that, as one number or R,G,B")
    parser.add_argument("--size", help="bare model that leaves it open: to which WIDTHxHEIGHT images are resized")
    parser.add_argument("--labels", type=Path, help="bare classifier: a file with one label a line")
    parser.add_argument("--out", type=Path, help="new folder for spool.db and results.jsonl (default: one named by the "
                        "time, where you are)")  # fmt: skip
    parser.add_argument("--fps", type=float, help="most frames a second to take")
    parser.add_argument("--window", type=int, help="points in one window of a signal")
    parser.add_argument("--hop", type=int, help="points from one window's begin to the next one's")
    parser.add_argument("--order", choices=get_args(Order), help="in which order files are taken")


def run(options: argparse.Namespace) -> int:
    """Run it and print what came of it; the exit status."""
    config = _config(options)
    workers = config.workers or cores()
    what = PipelineModel(
        path=str(options.model),
        mean=options.mean,
        std=options.std,
        size=options.size,
        labels=str(options.labels) if options.labels else None,
        workers=workers,
    )
    with _ended_at_once(), TrialLoads() as trials:
        model = trials.load(what, timeout_s=LOAD_S)
    counters = _Naming()
    with results_folder(options.out, lambda: counters.answered) as folder, _told_here(), TemporaryDirectory() as memory:
        source = open_source(config.source, Path(memory, "position.db"), options_of(config, once=options.once))
        with closing(source), closing(open_spool(folder)) as spool:
            pipeline = Pipeline(
                name=config.name,
                source=source,
                models=_OneModel(model),
                sink=spool,
                chooser=SampleChooser(KeepRules(margin=0.0, random_share=0.0), seed=0),
                drift=DriftMonitor(),
                counters=counters,
                changed=lambda: None,
                workers=lambda: workers,
            )
            elapsed_s, given_up = _run_until_done(pipeline, source)
            check_kept(spool, folder / "spool.db")
            write_lines(spool, folder / "results.jsonl")
            alerts = [msgspec.json.decode(row)["message"] for row in rows(spool, "alerts")]
        status = pipeline.status()
        if given_up and not status.frames:
            raise Cancelled(f"The first frames in {options.source} were given up; none was answered.")
        if not status.frames and (status.errors or options.once):
            raise _nothing(options.source, status.errors, counters.first, source.problem)
    report = Report(
        frames=status.frames,
        errors=status.errors,
        elapsed_s=elapsed_s,
        workers=workers,
        stages=counters.stages(),
        alerts=tuple(alerts),
        results=folder / "spool.db",
    )
    sys.stdout.write(report.as_json() if options.json else report.as_text())
    return 1 if given_up else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run."""

    frames: int
    """Answered ones."""
    errors: int
    elapsed_s: float
    """From the first look at the source until everything was on disk."""
    workers: int
    stages: tuple[Stage, ...]
    alerts: tuple[str, ...]
    results: Path

    @property
    def frames_per_s(self) -> float:
        return self.frames / self.elapsed_s if self.elapsed_s else 0.0

    def as_json(self) -> str:
        body = {
            "frames": self.frames,
            "errors": self.errors,
            "frames_per_s": round(self.frames_per_s, 2),
            "stages_ms": {stage.name: round(stage.mean_ms, 4) for stage in self.stages},
            "results": str(self.results),
        }
        return f"{json.dumps(body)}\n"

    def as_text(self) -> str:
        with_workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        lines = [
            f"{self.frames:,} frames in {self.elapsed_s:.2f} s: {self.frames_per_s:,.1f} a second with {with_workers}.",
            *([f"{self.errors:,} could not be answered."] if self.errors else []),
            "",
            f"{'stage':<12}{'mean ms':>10}{'longest':>10}{'share':>8}",
        ]
        total = math.fsum(stage.mean_ms for stage in self.stages) or 1.0
        for stage in self.stages:
            share = stage.mean_ms / total
            lines.append(f"{stage.name:<12}{stage.mean_ms:>10.3f}{stage.longest_ms:>10.1f}{share:>8.1%}")
        lines += ["", *(f"! {one_line(alert)}" for alert in self.alerts), f"Results: {self.results}"]
        return "\n".join(lines) + "\n"


class _Naming(PipelineCounters):
    """Names the first frames that could not be answered as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.first: str | None = None
        self._named = 0

    @property
    def answered(self) -> bool:
        """Whether any frame was."""
        return bool(self.stages())

    def error(self, message: str) -> None:
        super().error(message)
        self.first = self.first or message
        self._named += 1
        if self._named <= NAMED:
            sys.stderr.write(f"{one_line(message)}\n")
        elif self._named == NAMED + 1:
            sys.stderr.write("Further ones are only counted.\n")


class _OneModel:
    """The same model for every frame."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def current(self) -> LoadedModel:
        return self._model

    def observe(self, model: LoadedModel, *, latency_ms: float, ok: bool) -> None:
        """Nobody is on trial here."""

    def instead_of(self, model: LoadedModel) -> LoadedModel | None:
        return None


def _config(options: argparse.Namespace) -> PipelineConfig:
    """What was typed, checked as if it stood in ``edge.toml``."""
    given = {key: getattr(options, key) for key in ("workers", *KEYS)}
    return checked_options(
        {
            "name": "pipeline",
            "source": _absolute(options.source),
            **{key: value for key, value in given.items() if value is not None},
        },
        PipelineConfig,
    )


def _absolute(address: str) -> str:
    """``folder:frames`` means the folder beside which the command was typed."""
    kind, colon, location = address.partition(":")
    if not colon:
        raise InputInvalid(f"A source is written as kind:location, for instance folder:{address}.")
    return f"{kind}:{Path(location).absolute()}" if kind in _PLACES and location else address


@contextmanager
def _told_here() -> Iterator[None]:
    """What the pipeline and the spool log is told by this command; without this, Python writes it out besides."""
    logs, told = [logging.getLogger(each.__module__) for each in (Pipeline, Spool)], logging.NullHandler()
    for log in logs:
        log.addHandler(told)
    try:
        yield
    finally:
        for log in logs:
            log.removeHandler(told)


def _run_until_done(pipeline: Pipeline, source: Source) -> tuple[float, bool]:
    """Seconds until the source has finished or somebody pressed Ctrl+C; what a worker raised is raised here.

    Pressed once, it waits for the frames in hand; pressed again, it gives them up, and the second value is True.
    """
    stop, over, given_up = threading.Event(), threading.Event(), threading.Event()
    failure: list[Exception] = []

    def work() -> None:
        try:
            pipeline.run(stop)
        except Exception as error:  # noqa: BLE001 - raised below, where somebody sees it
            failure.append(error)
        finally:
            over.set()

    def interrupt(*_: object) -> None:
        if stop.is_set():
            given_up.set()
            over.set()
        stop.set()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    started = time.perf_counter()
    thread = threading.Thread(target=work, name="pipeline", daemon=True)
    thread.start()
    try:
        show, asked = sys.stderr.isatty(), False
        while not over.wait(PROGRESS_EVERY_S):
            if stop.is_set() and not asked:
                asked = True
                sys.stderr.write("Waiting for the frames in hand; a second Ctrl+C gives them up.\n")
                sys.stderr.flush()
            if show:
                status = pipeline.status()
                sys.stderr.write(f"\r\033[K{status.frames:,} frames, {status.frames_per_s:,.1f} a second")
                if source.problem:
                    sys.stderr.write(f"; {one_line(source.problem)}")
                sys.stderr.flush()
        if show:
            sys.stderr.write("\r\033[K")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failure:
        raise failure[0]
    if given_up.is_set():
        sys.stderr.write("The frames in hand were given up.\n")
    return time.perf_counter() - started, given_up.is_set()


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Ctrl+C ends the process by itself: Python's own handler has to wait for what a native library is at."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _nothing(source: str, errors: int, first: str | None, problem: str | None) -> LinesideError:
    if first is None and problem is not None:
        return InputInvalid(f"Nothing could be read in {source}: {problem}")
    if first is None:
        return NotFound(f"There was nothing to read in {source}.", hint="Check the location and what lies there.")
    return FrameUnreadable(f"None of the {errors} frames in {source} could be answered; the first: {first}")
